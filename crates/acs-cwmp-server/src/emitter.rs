//! Event records on their way out: numbered, made durable, and never given up while a place may be found.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_events::{AppendError, EventSink};
use acs_proto::Provisioning;
use acs_types::{EmitterId, EventBody, EventId, EventRecord, InformEvent, Position, Tenant};
use cwmp_model::{ParameterValue, Timestamp};
use fail::fail_point;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::numbers::Numbers;

/// How long records may take (`design.md` §3.5).
#[derive(Debug, Clone)]
pub struct ReceiptLimits {
    /// The event log; then the outbox is tried.
    pub log: Duration,
    /// The outbox; then the CPE gets no receipt.
    pub outbox: Duration,
    /// Records that nobody awaits and that found no place are kept in memory to be tried again; the oldest over this
    /// number is dropped and counted.
    pub kept: usize,
    /// And over this many bytes of them, roughly counted: Informs may be large (P19).
    pub kept_bytes: usize,
    /// How often control totals are emitted (P10). Ingest knows a dead front-end by four that did not come (P9).
    pub totals: Duration,
}

impl Default for ReceiptLimits {
    fn default() -> Self {
        Self {
            log: Duration::from_secs(2),
            outbox: Duration::from_secs(3),
            kept: 10_000,
            kept_bytes: 64 << 20,
            totals: Duration::from_secs(20),
        }
    }
}

/// No durable place is left (P11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither the event log nor the outbox took the record")]
pub(crate) struct NotDurable;

/// Gives the records of this front-end their numbers and takes them to the event log.
///
/// Numbers are dense (P10): a number whose record is certainly nowhere is given to the next one; a record of which that is
/// not known is appended again until it is (it has the same `event_id` in every copy, P8), although its CPE got no answer.
pub(crate) struct Emitter {
    id: EmitterId,
    log: Arc<dyn EventSink>,
    outbox: Arc<dyn Provisioning>,
    limits: ReceiptLimits,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Held while control totals are made.
    totalling: tokio::sync::Mutex<()>,
}

/// The numbers, and the records that found no place yet.
#[derive(Debug, Default)]
struct State {
    numbers: Numbers,
    again: VecDeque<EventRecord>,
    /// What `again` takes, by [`weight`].
    again_bytes: usize,
}

impl State {
    fn keep(&mut self, record: EventRecord) {
        self.again_bytes += weight(&record);
        self.again.push_back(record);
    }

    fn pop_kept(&mut self) -> Option<EventRecord> {
        let record = self.again.pop_front()?;
        self.again_bytes = self.again_bytes.saturating_sub(weight(&record));
        Some(record)
    }
}

impl Emitter {
    pub(crate) fn new(
        id: EmitterId,
        log: Arc<dyn EventSink>,
        outbox: Arc<dyn Provisioning>,
        limits: ReceiptLimits,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (state, totalling) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { id, log, outbox, limits, metrics, state, totalling }
    }

    pub(crate) fn id(&self) -> &EmitterId {
        &self.id
    }

    /// Makes a record durable: event log, else outbox. `Ok` is what a receipt stands on (P7).
    pub(crate) async fn receipt(&self, mut record: EventRecord) -> Result<(), NotDurable> {
        record.emitter_seq = self.state().numbers.take();
        let began = Instant::now();
        fail_point!("front_end::before_append");
        let mut in_log = self.append(record.clone()).await;
        if in_log == Append::TooLarge && shorten(&mut record) {
            in_log = self.append(record.clone()).await;
        }
        if in_log == Append::Durable {
            self.state().numbers.settle(record.emitter_seq);
            fail_point!("front_end::after_append");
            self.metrics.receipt("log", began.elapsed());
            return Ok(());
        }
        if self.append_to_outbox(record.clone()).await {
            self.state().numbers.settle(record.emitter_seq);
            self.metrics.receipt("outbox", began.elapsed());
            return Ok(());
        }
        self.metrics.receipt("none", began.elapsed());
        self.keep(record);
        Err(NotDurable)
    }

    /// Appends a record that no answer depends on.
    pub(crate) async fn unawaited(&self, mut record: EventRecord) {
        record.emitter_seq = self.state().numbers.take();
        let copy = record.clone();
        let append = self.log.append_unawaited(vec![record]);
        match tokio::time::timeout(self.limits.log, append).await {
            // Control totals are made only of what is flushed.
            Ok(Ok(())) => self.state().numbers.settle(copy.emitter_seq),
            Ok(Err(_)) | Err(_) => self.keep(copy),
        }
    }

    /// Tries what found no place again, oldest first, until one finds neither log nor outbox. Called from time to time.
    pub(crate) async fn retry_kept(&self) {
        loop {
            let Some(record) = self.state().again.front().cloned() else { return };
            let (id, number) = (record.event_id, record.emitter_seq);
            let mut appended = self.append(record.clone()).await;
            if appended == Append::Failed && self.append_to_outbox(record).await {
                appended = Append::Durable;
            }
            if appended == Append::Failed {
                return;
            }
            let mut state = self.state();
            // Another one may have been dropped for want of room, and counted as lost, meanwhile.
            if state.again.front().is_none_or(|first| first.event_id != id) {
                continue;
            }
            state.pop_kept();
            match appended {
                Append::TooLarge => {
                    state.numbers.give_back(number);
                    self.metrics.record_lost();
                }
                _ => state.numbers.settle(number),
            }
        }
    }

    /// Accounts for the numbers up to the first one of which it is not known whether its record is durable, if there are any
    /// new ones (P10); with `alive` also of the last totals alone: ingest takes a front-end with open sessions that says nothing
    /// for dead (P9). Called from time to time, and last of all.
    pub(crate) async fn emit_totals(&self, at: Timestamp, tenant: &Tenant, alive: bool) {
        let _one = self.totalling.lock().await;
        let Some((number, totals)) = self.state().numbers.begin_totals(alive) else { return };
        let flushed = tokio::time::timeout(self.limits.log, self.log.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            self.state().numbers.give_back(number);
            return;
        }
        self.state().numbers.end_totals(number, &totals);
        let record = EventRecord {
            event_id: EventId::of_totals(&self.id, totals.first),
            device: None,
            tenant: tenant.clone(),
            subscriber_id: String::new(),
            session: None,
            position: Position::default(),
            occurred_at: at,
            emitter: self.id.clone(),
            emitter_seq: number,
            late: false,
            body: EventBody::ControlTotals(totals),
        };
        if self.append(record.clone()).await == Append::Durable || self.append_to_outbox(record.clone()).await {
            self.state().numbers.settle(number);
        } else {
            self.keep(record);
        }
    }

    /// How many records wait for a place.
    pub(crate) fn kept(&self) -> usize {
        self.state().again.len()
    }

    async fn append_to_outbox(&self, record: EventRecord) -> bool {
        let outbox = self.outbox.append(vec![record]);
        matches!(tokio::time::timeout(self.limits.outbox, outbox).await, Ok(Ok(())))
    }

    async fn append(&self, record: EventRecord) -> Append {
        match tokio::time::timeout(self.limits.log, self.log.append(vec![record])).await {
            Ok(Ok(())) => Append::Durable,
            Ok(Err(AppendError::TooLarge { bytes, limit })) => {
                tracing::error!(bytes, limit, "the event log does not take a record of this size");
                Append::TooLarge
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the event log did not take a record");
                Append::Failed
            }
            Err(_) => {
                tracing::warn!(after = ?self.limits.log, "the event log did not answer in time");
                Append::Failed
            }
        }
    }

    fn keep(&self, record: EventRecord) {
        let mut state = self.state();
        state.keep(record);
        while (state.again.len() > self.limits.kept || state.again_bytes > self.limits.kept_bytes)
            && let Some(dropped) = state.pop_kept()
        {
            state.numbers.lose(dropped.emitter_seq);
            tracing::error!(emitter_seq = dropped.emitter_seq, "an event record found no place and is dropped");
            self.metrics.record_lost();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Append {
    Durable,
    /// It will never fit.
    TooLarge,
    /// Whether it is in the log is not known.
    Failed,
}

/// Leaves out what an Inform only repeats: its parameters go to provisioning with `Begin` anyway.
fn shorten(record: &mut EventRecord) -> bool {
    match &mut record.body {
        EventBody::Inform(inform) if !inform.parameters.is_empty() => {
            inform.parameters.clear();
            true
        }
        _ => false,
    }
}

/// About how many bytes of memory a record takes.
fn weight(record: &EventRecord) -> usize {
    /// Of the record itself, and of each entry of its lists.
    const BASE: usize = 512;
    const ENTRY: usize = 128;
    BASE + match &record.body {
        EventBody::Inform(inform) => {
            let parameter = |p: &ParameterValue| ENTRY + p.name.as_str().len() + p.value.text.len();
            let event = |e: &InformEvent| ENTRY + e.code.len() + e.command_key.len() + e.dedup_key.len();
            inform.parameters.iter().map(parameter).sum::<usize>() + inform.events.iter().map(event).sum::<usize>()
        }
        EventBody::Transfer(transfer) => {
            let parameters = transfer.fault.parameters.iter();
            let faults: usize = parameters.map(|p| ENTRY + p.name.as_str().len() + p.text.len()).sum();
            faults + transfer.fault.text.len() + transfer.dedup_key.len()
        }
        EventBody::SessionEnded(session) => {
            session.exchanges.iter().map(|exchange| ENTRY + exchange.message.len()).sum()
        }
        _ => 0,
    }
}
