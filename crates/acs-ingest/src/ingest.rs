use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acs_events::{AppendError, EventLog, LoggedEvent, ReadError};
use acs_proto::{ErrorClass, Provisioning, ServiceError};
use acs_store::Store;
use acs_types::{DeviceId, EmitterId, EventBody, EventRecord};
use fail::fail_point;
use tokio_util::sync::CancellationToken;

use crate::changes::{Devices, Seen, change_record, changes, hash_of};
use crate::metrics::Metrics;
use crate::open_sessions::OpenSessions;
use crate::project::{Patch, project_news};

/// Records in one batch.
const BATCH: usize = 500;
/// How long records are gathered before a batch of them is projected: what one batch costs (a read, and a sync for each kind
/// of row) is then shared by many sessions when there are many, and nobody notices it when there are few.
const GATHER: Duration = Duration::from_millis(25);
/// The shortest and the longest wait after an error.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The names of its cursors: up to where all is projected, and before the first record of an open session.
const CURSOR: &str = "ingest";
const OPEN_CURSOR: &str = "ingest-open-sessions";

/// How ingest works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Under which name the records it makes are emitted: host and boot.
    pub emitter: EmitterId,
    /// The front-ends that live, where all of them are in this process: a session of any other one is lost. `None`: not
    /// known, only age tells.
    pub alive: Option<Vec<EmitterId>>,
    /// How long after its last record a session without an end is lost: longer than a session may last.
    pub lost_after: Duration,
}

impl Config {
    /// The defaults.
    pub fn new(emitter: EmitterId) -> Self {
        Self { emitter, alive: None, lost_after: Duration::from_secs(40 * 60) }
    }
}

/// Why a batch could not be done. It is done again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The event log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was found could not be told.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] acs_store::Error),
    /// Provisioning did not take it.
    #[error("provisioning: {0}")]
    Provisioning(#[from] ServiceError),
}

impl IngestError {
    /// Whether trying again cannot help: the record itself is the trouble.
    fn is_permanent(&self) -> bool {
        match self {
            Self::Read(_) => false,
            Self::Append(error) => matches!(error, AppendError::TooLarge { .. }),
            Self::Store(error) => !matches!(error, acs_store::Error::Unavailable(_) | acs_store::Error::NoSpace(_)),
            Self::Provisioning(error) => {
                !matches!(error.class, ErrorClass::Unavailable | ErrorClass::Exhausted | ErrorClass::Superseded)
            }
        }
    }
}

/// The projection of the event log.
pub struct Ingest {
    log: Arc<dyn EventLog>,
    store: Arc<dyn Store>,
    provisioning: Arc<dyn Provisioning>,
    config: Config,
    metrics: Metrics,
    emitted: AtomicU64,
}

/// What a run keeps in memory; all of it can be made again.
struct Run {
    cursor: u64,
    open_cursor: u64,
    devices: Devices,
    open: OpenSessions,
}

impl Ingest {
    /// Reads `log`, writes `store`, tells `provisioning`.
    pub fn new(
        log: Arc<dyn EventLog>,
        store: Arc<dyn Store>,
        provisioning: Arc<dyn Provisioning>,
        config: Config,
        metrics: Metrics,
    ) -> Self {
        Self { log, store, provisioning, config, metrics, emitted: AtomicU64::new(0) }
    }

    /// The cursors it keeps in the store: the event log must not be trimmed beyond any of them.
    pub fn consumers() -> Vec<String> {
        vec![CURSOR.to_owned(), OPEN_CURSOR.to_owned()]
    }

    /// Follows the log until `shutdown`. Errors are logged and waited out.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut wait = RETRY_WAITS.0;
        let mut run = None;
        loop {
            let result = self.go_on(&mut run, &shutdown).await;
            let Err(error) = result else { return };
            self.metrics.retries.inc();
            tracing::warn!(%error, wait_ms = wait.as_millis(), "events are projected late, trying again");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(RETRY_WAITS.1);
            if run.is_some() {
                wait = wait.min(Duration::from_secs(1));
            }
        }
    }

    /// Projects what is in the log now and returns; says how many records that were.
    pub async fn run_once(&self) -> Result<u64, IngestError> {
        let (mut run, mut count) = self.recover().await?;
        loop {
            match self.step(&mut run).await? {
                0 => return Ok(count),
                done => count += done,
            }
        }
    }

    async fn go_on(&self, kept: &mut Option<Run>, shutdown: &CancellationToken) -> Result<(), IngestError> {
        let run = match kept {
            Some(run) => run,
            None => kept.insert(self.recover().await?.0),
        };
        loop {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            if self.step(run).await? >= BATCH as u64 {
                continue;
            }
            let more = async {
                self.log.changed(run.cursor).await;
                tokio::time::sleep(GATHER).await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = more => {}
            }
        }
    }

    /// Where it stood, which sessions are open, and the end of those that nobody can end any more. Says how many records it
    /// projected meanwhile.
    async fn recover(&self) -> Result<(Run, u64), IngestError> {
        let cursor = self.store.cursor(CURSOR).await?;
        let start = self.log.start().await?;
        let open_cursor = self.store.cursor(OPEN_CURSOR).await?.min(cursor).max(start.min(cursor));
        let mut run = Run { cursor, open_cursor, devices: Devices::new(), open: OpenSessions::default() };
        let mut at = open_cursor;
        while at < cursor {
            let events = self.log.read(at, BATCH).await?;
            let Some(last) = events.last() else { break };
            at = last.position;
            for event in events.iter().filter(|event| event.position <= cursor) {
                run.open.follow(event);
            }
        }
        // What is not projected yet may hold ends of sessions, so that comes first.
        let mut count = 0;
        loop {
            match self.step(&mut run).await? {
                0 => break,
                done => count += done,
            }
        }
        if let Some(alive) = &self.config.alive {
            let lost = run.open.lost(|emitter| !alive.contains(emitter), self.config.lost_after);
            self.close(&mut run, lost).await?;
        }
        Ok((run, count))
    }

    /// One batch; how many records it had.
    async fn step(&self, run: &mut Run) -> Result<u64, IngestError> {
        let events = match self.log.read(run.cursor, BATCH).await {
            Err(ReadError::Gone { start }) => {
                tracing::error!(from = run.cursor, to = start, "events are gone before they were projected");
                run.cursor = start;
                self.log.read(start, BATCH).await?
            }
            events => events?,
        };
        let Some(last) = events.last().map(|event| event.position) else {
            self.metrics.lag.set(0);
            return Ok(0);
        };
        self.apply_or_skip(run, &events).await?;
        for event in &events {
            run.open.follow(event);
        }
        let lost = run.open.lost(|_| false, self.config.lost_after);
        self.close(run, lost).await?;
        self.move_cursor(run, last).await?;
        let count = events.len() as u64;
        self.metrics.records.inc_by(count);
        self.metrics.position.set(i64::try_from(last).unwrap_or(i64::MAX));
        let behind = self.log.end().await?.saturating_sub(last);
        self.metrics.lag.set(i64::try_from(behind).unwrap_or(i64::MAX));
        Ok(count)
    }

    async fn move_cursor(&self, run: &mut Run, position: u64) -> Result<(), IngestError> {
        fail_point!("ingest::before_cursor");
        let low_mark = run.open.low_mark(position);
        // With nothing open it follows now and then only: reading a little more again is cheap.
        if low_mark != run.open_cursor && (low_mark < position || position - run.open_cursor > BATCH as u64) {
            self.store.put_cursor(OPEN_CURSOR, low_mark).await?;
            run.open_cursor = low_mark;
        }
        self.store.put_cursor(CURSOR, position).await?;
        run.cursor = position;
        fail_point!("ingest::after_cursor");
        Ok(())
    }

    /// A record that can never be projected must not stop the others (P20).
    async fn apply_or_skip(&self, run: &mut Run, events: &[LoggedEvent]) -> Result<(), IngestError> {
        let error = match self.apply(run, events).await {
            Err(error) if error.is_permanent() => error,
            result => return result,
        };
        // What is remembered may be ahead of what was written.
        run.devices.clear();
        if let [event] = events {
            tracing::error!(position = event.position, %error, "a record cannot be projected and is left out");
            self.metrics.skipped.inc();
            return Ok(());
        }
        for event in events {
            Box::pin(self.apply_or_skip(run, std::slice::from_ref(event))).await?;
        }
        Ok(())
    }

    async fn apply(&self, run: &mut Run, events: &[LoggedEvent]) -> Result<(), IngestError> {
        let result = self.write(run, events).await;
        if result.is_err() {
            run.devices.clear();
        }
        result
    }

    /// Changes of devices are told before the summary is written that they are told from.
    async fn write(&self, run: &mut Run, events: &[LoggedEvent]) -> Result<(), IngestError> {
        let mut told = Vec::new();
        let (mut summaries, mut sessions, mut faults, mut obliging) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut objects, mut refused) = (Vec::new(), Vec::new());
        for event in events {
            let record = &event.record;
            let before = match (&record.body, &record.device) {
                (EventBody::Inform(inform), Some(device)) => Some((self.seen(run, device).await?, hash_of(inform))),
                _ => None,
            };
            let values_are_new = before.as_ref().is_some_and(|(before, hash)| before.parameters != Some(*hash));
            let Patch { summary, objects: values, session, fault, refused: refusal, obliges } =
                project_news(record, values_are_new);
            let mut obliges = obliges;
            match (&record.body, &record.device, before) {
                (EventBody::Inform(inform), Some(device), Some((before, hash))) => {
                    let software = summary.as_ref().and_then(|(_, patch)| patch.software_version.as_deref());
                    for change in changes(record, inform, &before, software) {
                        told.push(self.tell(record, change));
                    }
                    obliges |= before.is_first(record);
                    // What a later session told or read is not replaced or forgotten for an Inform before it.
                    objects.extend(values.filter(|_| !before.is_late(record)));
                    run.devices.put(device.clone(), before.after(record, inform, software, hash));
                }
                (EventBody::SessionEnded(_), ..) => {}
                (_, Some(device), _) => run.devices.touched(device),
                _ => {}
            }
            summaries.extend(summary);
            sessions.extend(session);
            faults.extend(fault);
            refused.extend(refusal);
            if obliges {
                obliging.push(record.clone());
            }
        }
        if !told.is_empty() {
            self.log.append(told).await?;
        }
        fail_point!("ingest::before_writes");
        for (device, patch) in objects {
            self.store.patch_objects(&device, patch).await?;
        }
        // After the values: a record that is done again is late then, and its values are there. Side by side, so that one sync
        // serves all; a store does nothing for an empty list.
        tokio::try_join!(
            self.store.patch_summaries(summaries),
            self.store.put_sessions(sessions),
            self.store.put_faults(faults),
        )?;
        for (id, refusal) in refused {
            self.store.put_refused(id, refusal).await?;
        }
        fail_point!("ingest::before_observe");
        if !obliging.is_empty() {
            self.provisioning.observe(obliging).await?;
        }
        Ok(())
    }

    async fn seen(&self, run: &mut Run, device: &DeviceId) -> Result<Seen, IngestError> {
        match run.devices.get(device) {
            Some(seen) => Ok(seen),
            None => Ok(Seen::of_summary(self.store.summary(device).await?.as_ref())),
        }
    }

    /// Tells the ends that nobody saw; they come back by the log like any other end.
    async fn close(&self, run: &mut Run, mut lost: Vec<EventRecord>) -> Result<(), IngestError> {
        if lost.is_empty() {
            return Ok(());
        }
        for record in &mut lost {
            record.emitter = self.config.emitter.clone();
            record.emitter_seq = self.emitted.fetch_add(1, Ordering::Relaxed) + 1;
        }
        self.metrics.lost_sessions.inc_by(lost.len() as u64);
        let sessions: Vec<_> = lost.iter().filter_map(|record| record.session).collect();
        self.log.append(lost).await?;
        run.open.forget(&sessions);
        Ok(())
    }

    fn tell(&self, cause: &EventRecord, change: acs_types::DeviceChange) -> EventRecord {
        let seq = self.emitted.fetch_add(1, Ordering::Relaxed) + 1;
        change_record(cause, change, &self.config.emitter, seq)
    }
}
