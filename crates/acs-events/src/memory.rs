//! An event log in memory, for tests.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use acs_types::EventRecord;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::{AppendError, EventLog, LogPosition, LoggedEvent, ReadError};

/// An event log in memory. Records appended unawaited show at once. Beyond its limit the oldest records go.
#[derive(Debug)]
pub struct MemoryEventLog {
    state: Mutex<State>,
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
        Self { state: Mutex::default(), end: watch::Sender::new(0), limit }
    }

    /// From now on every append fails so and appends nothing; `None`: works again.
    pub fn fail_with(&self, failure: Option<AppendError>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failure = failure;
    }

    /// All records kept, oldest first.
    pub fn records(&self) -> Vec<EventRecord> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).records.iter().cloned().collect()
    }

    fn add(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
impl EventLog for MemoryEventLog {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.add(records)
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.add(records)
    }

    async fn read(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if after < state.start {
            return Err(ReadError::Gone { start: state.start });
        }
        let skip = usize::try_from(after - state.start).unwrap_or(usize::MAX);
        let records = state.records.iter().skip(skip).take(limit);
        let logged =
            |(i, record): (usize, &EventRecord)| LoggedEvent { position: after + 1 + i as u64, record: record.clone() };
        Ok(records.enumerate().map(logged).collect())
    }

    async fn end(&self) -> Result<LogPosition, ReadError> {
        Ok(*self.end.borrow())
    }

    async fn start(&self) -> Result<LogPosition, ReadError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).start)
    }

    async fn changed(&self, after: LogPosition) {
        let mut end = self.end.subscribe();
        // The sender lives as long as this log, so waiting cannot fail.
        let _ = end.wait_for(|end| *end > after).await;
    }
}
