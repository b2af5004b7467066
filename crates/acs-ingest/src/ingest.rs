use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acs_events::{
    AppendError, CommitError, Cursor, Delivery, EventConsumer, EventGroup, EventSink, LoggedEvent, Partition,
    Positions, ReadError,
};
use acs_proto::{EndRequest, ErrorClass, Provisioning, ServiceError};
use acs_store::{END_TOLD_WITHIN, SessionCache, Store};
use acs_types::{DeviceId, EmitterId, EventBody, EventRecord, SessionId};
use fail::fail_point;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::changes::{Devices, Seen, change_record, changes, hash_of};
use crate::front_ends::{FrontEnds, cursor_name, sign};
use crate::metrics::Metrics;
use crate::open_sessions::{OpenSessions, Quiet};
use crate::project::project_news;
use crate::writes::Writes;

/// Records in one batch.
const BATCH: usize = 500;
/// The pause after a batch that was not full: what one batch costs (a read, and a sync for each kind of row) is then shared
/// by many sessions when there are many, and nobody notices it when there are few.
const GATHER: Duration = Duration::from_millis(25);
/// Devices that provisioning is told of at once.
const OBSERVE_AT_ONCE: usize = 16;
/// Quiet sessions that the session cache is asked about in one look.
const QUIET_MAX: usize = 500;
/// Lost sessions that the session cache is asked about, or told of, at once.
const ASKED_AT_ONCE: usize = 16;
/// The shortest and the longest wait after an error.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long one look at the log waits for records.
const WAIT: Duration = Duration::from_secs(5);

/// How ingest works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Under which name the records it makes are emitted: host and boot.
    pub emitter: EmitterId,
    /// The front-ends that live, where all of them are in this process: a session of any other one is lost. `None`: not
    /// known, only age tells.
    pub alive: Option<Vec<EmitterId>>,
    /// A front-end with open sessions says something every 20 s (control totals). One of which the log has had nothing for so long
    /// is dead; see [`Ingest::with_group`].
    pub silent_after: Duration,
    /// For so long, where the session cache does not tell whether another one goes on with a session.
    pub silent_after_unsure: Duration,
    /// For how long the end of a session may still come after its device has begun a newer one, where the session cache knows nothing
    /// of it: longer than its connection lives. No front-end tells by itself then that it fell silent.
    pub superseded_after: Duration,
    /// How long after its last record a session without an end is lost: longer than a session may last.
    pub lost_after: Duration,
}

impl Config {
    /// The defaults.
    pub fn new(emitter: EmitterId) -> Self {
        Self {
            emitter,
            alive: None,
            silent_after: Duration::from_secs(80),
            silent_after_unsure: Duration::from_secs(5 * 60),
            superseded_after: Duration::from_secs(15 * 60),
            lost_after: Duration::from_secs(40 * 60),
        }
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
    /// How far it came could not be kept. The work is done; another one may do it again.
    #[error(transparent)]
    Commit(#[from] CommitError),
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
            Self::Read(_) | Self::Commit(_) => false,
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
    work: Mutex<Work>,
    sink: Arc<dyn EventSink>,
    store: Arc<dyn Store>,
    provisioning: Arc<dyn Provisioning>,
    config: Config,
    metrics: Metrics,
    emitted: AtomicU64,
    sessions: Option<Arc<dyn SessionCache>>,
    group: Option<Arc<dyn EventGroup>>,
}

/// Where records come from, and what is kept in memory of them; all of it can be made again.
struct Work {
    consumer: Box<dyn EventConsumer>,
    run: Run,
}

struct Run {
    /// Its share of the log, with how far all is projected.
    done: Positions,
    share: BTreeSet<Partition>,
    /// Delivered and not projected yet.
    pending: Vec<LoggedEvent>,
    /// Numbers of partitions whose cursors are to be kept.
    to_commit: BTreeSet<u32>,
    /// Whether it once reached the end of its share.
    caught_up: bool,
    devices: Devices,
    open: OpenSessions,
    front_ends: FrontEnds,
}

/// What the session cache says of a session.
enum Cached {
    /// This front-end serves it.
    Served(EmitterId),
    /// Its end was told there.
    Ended,
    /// Nothing.
    Unknown,
    /// It is away.
    NotTold,
}

/// What a step did.
enum Step {
    Projected(u64),
    ShareChanged,
    NothingThere,
}

impl Ingest {
    /// Projects what `consumer` brings, writes `store`, tells `provisioning`; `sink` takes the records it makes itself.
    pub fn new(
        consumer: Box<dyn EventConsumer>,
        sink: Arc<dyn EventSink>,
        store: Arc<dyn Store>,
        provisioning: Arc<dyn Provisioning>,
        config: Config,
        metrics: Metrics,
    ) -> Self {
        let work = Mutex::new(Work { consumer, run: Run::new(config.silent_after) });
        let emitted = AtomicU64::new(0);
        Self { work, sink, store, provisioning, config, metrics, emitted, sessions: None, group: None }
    }

    /// The session cache: it tells who goes on with the sessions of a front-end that died, and is told of lost ones, so that it
    /// offers them to nobody and does not keep their devices from being woken.
    #[must_use]
    pub fn with_sessions(self, sessions: Arc<dyn SessionCache>) -> Self {
        Self { sessions: Some(sessions), ..self }
    }

    /// The log beyond its own share: with it, front-ends whose records stop are known to be dead, and their sessions are closed
    /// within about two minutes.
    #[must_use]
    pub fn with_group(self, group: Arc<dyn EventGroup>) -> Self {
        Self { group: Some(group), ..self }
    }

    /// Follows the log until `shutdown`. Errors are logged and waited out.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut work = self.work.lock().await;
        let mut wait = RETRY_WAITS.0;
        loop {
            let error = match self.go_on(&mut work, &shutdown, &mut wait).await {
                Ok(()) => return,
                Err(error) => error,
            };
            self.metrics.retries.inc();
            tracing::warn!(%error, wait_ms = wait.as_millis(), "events are projected late, trying again");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(RETRY_WAITS.1);
        }
    }

    /// Projects what is in the log now and returns; says how many records that were.
    pub async fn run_once(&self) -> Result<u64, IngestError> {
        let mut work = self.work.lock().await;
        let mut count = 0;
        loop {
            let was_caught_up = work.run.caught_up;
            match self.step(&mut work, Duration::ZERO).await? {
                Step::Projected(records) => count += records,
                Step::ShareChanged => {}
                // Reaching the end may have brought ends of lost sessions.
                Step::NothingThere if was_caught_up => return Ok(count),
                Step::NothingThere => {}
            }
        }
    }

    async fn go_on(&self, work: &mut Work, stop: &CancellationToken, wait: &mut Duration) -> Result<(), IngestError> {
        while !stop.is_cancelled() {
            // A batch that was begun is done: only waiting for records is given up.
            if work.run.pending.is_empty() {
                let looked = tokio::select! {
                    // Until the end of the log was reached once, nothing is waited for: sessions may be lost.
                    looked = self.look(work, if work.run.caught_up { WAIT } else { Duration::ZERO }) => looked?,
                    () = stop.cancelled() => return Ok(()),
                };
                if !looked {
                    continue;
                }
            }
            let full = work.run.pending.len() >= BATCH;
            self.project_pending(work).await?;
            *wait = RETRY_WAITS.0;
            if !full {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(GATHER) => {}
                }
            }
        }
        Ok(())
    }

    async fn step(&self, work: &mut Work, wait: Duration) -> Result<Step, IngestError> {
        let had_share = work.run.share.clone();
        if work.run.pending.is_empty() && !self.look(work, wait).await? {
            let changed = had_share != work.run.share;
            return Ok(if changed { Step::ShareChanged } else { Step::NothingThere });
        }
        self.project_pending(work).await.map(Step::Projected)
    }

    /// Takes what comes next; whether records are pending now.
    async fn look(&self, work: &mut Work, wait: Duration) -> Result<bool, IngestError> {
        let Work { consumer, run } = work;
        match consumer.next(BATCH, wait).await? {
            Delivery::Assigned(share) => run.assigned(&share),
            Delivery::Revoked(partitions) => run.revoked(&partitions),
            Delivery::Events(events) if events.is_empty() => {
                self.metrics.lag.set(0);
                self.caught_up(run).await?;
            }
            Delivery::Events(events) => run.pending = events,
        }
        Ok(!run.pending.is_empty())
    }

    /// The sessions of front-ends that are not alive are lost. What is not projected yet may hold their ends, so this waits for
    /// the end of the log.
    async fn caught_up(&self, run: &mut Run) -> Result<(), IngestError> {
        if !run.caught_up
            && let Some(alive) = &self.config.alive
        {
            let lost = run.open.lost(|emitter| !alive.contains(emitter), self.config.lost_after);
            self.close(run, lost).await?;
        }
        run.caught_up = true;
        self.look_at_front_ends(run).await
    }

    /// The sessions of front-ends of which the log has had nothing for a time are lost, unless another one goes on with them; and
    /// those that nobody goes on with although all live. Done at the end of the log, like the above.
    async fn look_at_front_ends(&self, run: &mut Run) -> Result<(), IngestError> {
        let (Some(group), now) = (&self.group, Instant::now()) else { return Ok(()) };
        if !run.front_ends.is_due(now) {
            return Ok(());
        }
        run.front_ends.watch(&run.open.front_ends());
        let watched = run.front_ends.watched();
        if watched.is_empty() {
            run.front_ends.looked_away(now);
            return Ok(());
        }
        let (done, ends) = match tokio::try_join!(group.done(), group.ends()) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "which front-ends live is not known now");
                run.front_ends.looked_away(now);
                return Ok(());
            }
        };
        let mut said = Vec::new();
        for front_end in watched {
            let cursor = self.store.cursor(&cursor_name(&front_end)).await?;
            said.push((front_end, cursor));
        }
        run.front_ends.look(now, &done, ends, said);
        run.open.watched(run.front_ends.counted());
        let silent = run.front_ends.silent(self.config.silent_after);
        let lost = run.open.lost(|front_end| silent.contains(front_end), Duration::MAX);
        let surely = run.front_ends.silent(self.config.silent_after_unsure);
        let mut lost = self.left_by_all(run, lost, &surely).await;
        lost.extend(self.left_untold(run, &silent).await?);
        self.close(run, lost).await
    }

    /// Without the sessions that another front-end took over, or may have. `surely`: whose sessions are lost where nothing else
    /// is known.
    async fn left_by_all(
        &self,
        run: &mut Run,
        lost: Vec<EventRecord>,
        surely: &BTreeSet<EmitterId>,
    ) -> Vec<EventRecord> {
        let whereabouts = async |record: EventRecord| match record.session {
            Some(session) => (self.cached(&session).await, record),
            None => (Cached::Unknown, record),
        };
        let asked: Vec<_> = stream::iter(lost).map(whereabouts).buffered(ASKED_AT_ONCE).collect().await;
        let mut left = Vec::new();
        for (cached, record) in asked {
            let EventBody::SessionEnded(ended) = &record.body else { continue };
            match cached {
                Cached::Served(front_end) if front_end != ended.front_end => {
                    run.open.moved(&ended.at.session, front_end);
                }
                Cached::Served(_) => left.push(record),
                Cached::Ended => left.extend(run.open.left(&ended.at.session, END_TOLD_WITHIN)),
                Cached::Unknown | Cached::NotTold if !surely.contains(&ended.front_end) => {}
                Cached::Unknown | Cached::NotTold => left.push(record),
            }
        }
        left
    }

    /// The ends of sessions whose last record is from a front-end that lives, but that went elsewhere and were left there. Whoever
    /// serves a session now is followed, so that its silence is seen in its turn. Of the rest only two things are sure: the end of
    /// one that ended in the session cache comes within [`END_TOLD_WITHIN`] or not at all; and one whose device has begun a newer
    /// session is over (CWMP-129), so that of one that the cache does not know, too, nobody tells an end after a time: a front-end
    /// tells an end by itself only of a session that the cache says it serves. All else is left to age.
    async fn left_untold(&self, run: &mut Run, silent: &BTreeSet<EmitterId>) -> Result<Vec<EventRecord>, IngestError> {
        let quiet = run.open.quiet(self.config.silent_after, QUIET_MAX, |front_end| silent.contains(front_end));
        let whereabouts = async |quiet: Quiet| (self.cached(&quiet.session).await, quiet);
        let asked: Vec<_> = stream::iter(quiet).map(whereabouts).buffered(ASKED_AT_ONCE).collect().await;
        let mut left = Vec::new();
        for (cached, quiet) in asked {
            match cached {
                Cached::Served(front_end) => run.open.moved(&quiet.session, front_end),
                Cached::Ended => left.extend(run.open.left(&quiet.session, END_TOLD_WITHIN)),
                Cached::Unknown if quiet.is_left || self.seen(run, &quiet.device).await?.stamp > quiet.stamp => {
                    left.extend(run.open.left(&quiet.session, self.config.superseded_after));
                }
                Cached::Unknown | Cached::NotTold => {}
            }
        }
        Ok(left)
    }

    async fn cached(&self, session: &SessionId) -> Cached {
        let Some(cache) = &self.sessions else { return Cached::Unknown };
        let has_ended = match cache.session(session).await {
            Ok(Some(cached)) => return Cached::Served(cached.front_end),
            Ok(None) => cache.has_ended(session).await,
            Err(error) => Err(error),
        };
        has_ended.map_or(Cached::NotTold, |ended| if ended { Cached::Ended } else { Cached::Unknown })
    }

    /// One batch; how many records it had.
    async fn project_pending(&self, work: &mut Work) -> Result<u64, IngestError> {
        let Work { consumer, run } = work;
        let events = std::mem::take(&mut run.pending);
        // Those that were projected before are only followed: their sessions may be open.
        let (known, new): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.position <= run.done.get(event.partition));
        known.iter().for_each(|event| run.open.follow(event));
        if let Err(error) = self.project_new(run, &new).await {
            run.pending = new;
            return Err(error);
        }
        for event in &new {
            run.done.advance(event);
            run.to_commit.insert(event.partition.number);
        }
        let count = new.len() as u64;
        self.metrics.records.inc_by(count);
        self.commit(consumer, run).await?;
        self.metrics.position.set(i64::try_from(run.done.total()).unwrap_or(i64::MAX));
        let lag = consumer.lag();
        self.metrics.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        if lag == 0 {
            // Where records come all the time nothing else tells that the end was reached.
            self.caught_up(run).await?;
        }
        Ok(count)
    }

    async fn project_new(&self, run: &mut Run, events: &[LoggedEvent]) -> Result<(), IngestError> {
        if events.is_empty() {
            return Ok(());
        }
        self.apply_or_skip(run, events).await?;
        for event in events {
            run.open.follow(event);
            run.front_ends.hear(&event.record.emitter);
        }
        let lost = run.open.lost(|_| false, self.config.lost_after);
        self.close(run, lost).await
    }

    async fn commit(&self, consumer: &mut Box<dyn EventConsumer>, run: &mut Run) -> Result<(), IngestError> {
        if run.to_commit.is_empty() {
            return Ok(());
        }
        fail_point!("ingest::before_cursor");
        consumer.commit(&run.cursors()).await?;
        run.to_commit.clear();
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
        let (mut told, mut writes, mut obliging) = (Vec::new(), Writes::default(), Vec::new());
        for event in events {
            let record = &event.record;
            let before = match (&record.body, &record.device) {
                (EventBody::Inform(inform), Some(device)) => Some((self.seen(run, device).await?, hash_of(inform))),
                _ => None,
            };
            let values_are_new = before.as_ref().is_some_and(|(before, hash)| before.parameters != Some(*hash));
            let mut patch = project_news(record, values_are_new);
            match (&record.body, &record.device, before) {
                (EventBody::Inform(inform), Some(device), Some((before, hash))) => {
                    let software = patch.summary.as_ref().and_then(|(_, patch)| patch.software_version.as_deref());
                    for change in changes(record, inform, &before, software) {
                        told.push(self.tell(record, change));
                    }
                    patch.obliges |= before.is_first(record);
                    run.devices.put(device.clone(), before.after(record, inform, software, hash));
                    // What a later session told or read is not replaced or forgotten for an Inform before it.
                    patch.objects.take_if(|_| before.is_late(record));
                }
                (EventBody::SessionEnded(_), ..) => {}
                (_, Some(device), _) => run.devices.touched(device),
                _ => {}
            }
            if patch.obliges {
                obliging.push(record.clone());
            }
            writes.add(patch);
        }
        for (name, number) in events.iter().filter_map(|event| sign(&event.record)) {
            self.store.put_cursor(&name, number).await?;
        }
        if !told.is_empty() {
            self.sink.append(told).await?;
        }
        fail_point!("ingest::before_writes");
        writes.apply(&*self.store).await?;
        fail_point!("ingest::before_observe");
        self.observe(obliging).await
    }

    /// Each device by itself, several at a time: however many devices a batch has, no call takes longer than its deadline.
    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), IngestError> {
        let mut by_device: BTreeMap<Option<DeviceId>, Vec<EventRecord>> = BTreeMap::new();
        for record in records {
            by_device.entry(record.device.clone()).or_default().push(record);
        }
        let calls = stream::iter(by_device.into_values()).map(|records| self.provisioning.observe(records));
        let observed: Result<(), ServiceError> = calls.buffer_unordered(OBSERVE_AT_ONCE).try_collect().await;
        Ok(observed?)
    }

    async fn seen(&self, run: &mut Run, device: &DeviceId) -> Result<Seen, IngestError> {
        match run.devices.get(device) {
            Some(seen) => Ok(seen),
            None => Ok(Seen::of_summary(self.store.summary(device).await?.as_ref())),
        }
    }

    /// Tells the ends that nobody saw; they come back by the log like any other end.
    async fn close(&self, run: &mut Run, mut lost: Vec<EventRecord>) -> Result<(), IngestError> {
        // The end of some may be known after all: its record came before the Inform's, or that came once more.
        let mut ended = Vec::new();
        for session in lost.iter().filter_map(|record| record.session) {
            if self.store.session(&session).await?.is_some() {
                ended.push(session);
            }
        }
        run.open.forget(&ended);
        lost.retain(|record| record.session.is_some_and(|session| !ended.contains(&session)));
        if lost.is_empty() {
            return Ok(());
        }
        for record in &mut lost {
            record.emitter = self.config.emitter.clone();
            record.emitter_seq = self.emitted.fetch_add(1, Ordering::Relaxed) + 1;
        }
        self.metrics.lost_sessions.inc_by(lost.len() as u64);
        let closed: Vec<_> = lost.iter().filter_map(ended_of).collect();
        self.sink.append(lost).await?;
        run.open.forget(&closed.iter().map(|closed| closed.session.session).collect::<Vec<_>>());
        stream::iter(closed).for_each_concurrent(ASKED_AT_ONCE, |closed| self.end_in_cache(closed)).await;
        Ok(())
    }

    /// The session cache forgets a lost session, and remembers that it is over: no front-end goes on with it any more, so that none
    /// tells a second end of it (P9). If work waits for its device, provisioning sees to it, as at every end. What
    /// fails is left to the cache, which forgets by itself, and to timers.
    async fn end_in_cache(&self, closed: EndRequest) {
        let Some(cache) = &self.sessions else { return };
        let (device, session) = (&closed.session.device, &closed.session.session);
        let failed = match cache.end(device, session).await {
            Ok(true) => self.provisioning.end(closed.clone()).await.err().map(|error| error.to_string()),
            Ok(false) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failed {
            tracing::debug!(error, %device, "the end of a lost session was not told to all");
        }
    }

    fn tell(&self, cause: &EventRecord, change: acs_types::DeviceChange) -> EventRecord {
        let seq = self.emitted.fetch_add(1, Ordering::Relaxed) + 1;
        change_record(cause, change, &self.config.emitter, seq)
    }
}

/// The end that a record of a lost session tells.
fn ended_of(record: &EventRecord) -> Option<EndRequest> {
    let EventBody::SessionEnded(ended) = &record.body else { return None };
    let (session, at, outcome) = (ended.at.clone(), ended.ended_at, ended.outcome);
    Some(EndRequest { session, at, outcome, answers: Vec::new() })
}

impl Run {
    fn new(silent_after: Duration) -> Self {
        Self {
            done: Positions::default(),
            share: BTreeSet::new(),
            pending: Vec::new(),
            to_commit: BTreeSet::new(),
            caught_up: false,
            devices: Devices::new(),
            open: OpenSessions::new(),
            front_ends: FrontEnds::new(silent_after),
        }
    }

    fn assigned(&mut self, share: &[(Partition, Cursor)]) {
        for (partition, cursor) in share {
            self.share.insert(*partition);
            self.done.set(*partition, cursor.done);
            self.open.begin(*partition, cursor.mark);
        }
        // Others may have written of the devices in it.
        self.devices.clear();
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.share.remove(partition);
            self.to_commit.remove(&partition.number);
            self.open.leave(partition.number);
        }
        self.pending.retain(|event| self.share.contains(&event.partition));
        self.devices.clear();
    }

    fn cursors(&self) -> Vec<(Partition, Cursor)> {
        let of = |partition: &Partition| (*partition, self.open.cursor(*partition, self.done.get(*partition)));
        self.share.iter().filter(|partition| self.to_commit.contains(&partition.number)).map(of).collect()
    }
}
