//! An event log in memory, for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acs_types::EventRecord;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::{AppendError, EventSink, LogPosition, LoggedEvent, Partition, ReadError, SequenceLog};

/// An event log in memory. Records appended unawaited show at once. Beyond its limit the oldest records go. A clone is the
/// same log.
#[derive(Debug, Clone)]
pub struct MemoryEventLog {
    state: Arc<Mutex<State>>,
    end: watch::Sender<LogPosition>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    start: LogPosition,
    records: VecDeque<EventRecord>,
    failure: Option<AppendError>,
}

impl MemoryEventLog {
    /// Records kept by [`MemoryEventLog::new`].
    pub const LIMIT: usize = 1_000_000;

    /// An empty log that keeps [`MemoryEventLog::LIMIT`] records.
    pub fn new() -> Self {
        Self::with_limit(Self::LIMIT)
    }

    /// An empty log that keeps `limit` records.
    pub fn with_limit(limit: usize) -> Self {
        Self { state: Arc::default(), end: watch::Sender::new(0), limit }
    }

    /// From now on every append fails so and appends nothing; `None`: works again.
    pub fn fail_with(&self, failure: Option<AppendError>) {
        self.state().failure = failure;
    }

    /// All records kept, oldest first.
    pub fn records(&self) -> Vec<EventRecord> {
        self.state().records.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let mut state = self.state();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.records.extend(records);
        while state.records.len() > self.limit {
            state.records.pop_front();
            state.start += 1;
        }
        self.end.send_replace(state.start + state.records.len() as u64);
        Ok(())
    }
}

impl Default for MemoryEventLog {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventSink for MemoryEventLog {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.add(records)
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.add(records)
    }

    async fn flush(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

#[async_trait]
impl SequenceLog for MemoryEventLog {
    async fn read(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        let state = self.state();
        if after < state.start {
            return Err(ReadError::Gone { partition: Partition::WHOLE, start: state.start });
        }
        let skip = usize::try_from(after - state.start).unwrap_or(usize::MAX);
        let records = state.records.iter().skip(skip).take(limit);
        let logged = |(i, record): (usize, &EventRecord)| LoggedEvent {
            partition: Partition::WHOLE,
            position: after + 1 + i as u64,
            record: record.clone(),
        };
        Ok(records.enumerate().map(logged).collect())
    }

    async fn end(&self) -> Result<LogPosition, ReadError> {
        Ok(*self.end.borrow())
    }

    async fn start(&self) -> Result<LogPosition, ReadError> {
        Ok(self.state().start)
    }

    async fn changed(&self, after: LogPosition) {
        let mut end = self.end.subscribe();
        // The sender lives as long as this log, so waiting cannot fail.
        let _ = end.wait_for(|end| *end > after).await;
    }
}
