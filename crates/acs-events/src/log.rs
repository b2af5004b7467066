use acs_types::EventRecord;
use async_trait::async_trait;

/// A place in the log: dense, from 1 in the embedded log. 0 is before the first record.
pub type LogPosition = u64;

/// A record with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Where it stands.
    pub position: LogPosition,
    /// The record.
    pub record: EventRecord,
}

/// The durable log of event records.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends records in this order. `Ok` means durable: they survive kill -9 and power loss.
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError>;

    /// Appends without waiting for durability: for records that no answer depends on (`session ended`, transitions that
    /// the store proves anyway). They are durable no later than the next `append` that returns.
    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError>;

    /// Up to `limit` records after `after`, in order. Waits for nothing; empty at the end. Only durable records show.
    async fn read(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError>;

    /// The last durable position; 0: empty.
    async fn end(&self) -> Result<LogPosition, ReadError>;

    /// The oldest position kept is this + 1.
    async fn start(&self) -> Result<LogPosition, ReadError>;

    /// Returns as soon as the log reaches beyond `after` (at once if it does already).
    async fn changed(&self, after: LogPosition);
}

/// Why records could not be appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// No durable place is left; it works again as soon as there is room. Answer 503 or Fault 8005 (P11).
    #[error("the event log has no room left: {0}")]
    NoSpace(String),
    /// The log does not answer; whether the records are in it is not known. The same records may be appended again.
    #[error("the event log is not available: {0}")]
    Unavailable(String),
    /// A record is larger than the log takes.
    #[error("an event record of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why the log could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The position asked for is older than what is kept.
    #[error("events up to position {start} are gone; read on from there")]
    Gone {
        /// The log begins after this.
        start: LogPosition,
    },
    /// The log does not answer.
    #[error("the event log is not available: {0}")]
    Unavailable(String),
    /// A stored record cannot be read.
    #[error("a stored event cannot be read: {0}")]
    Corrupt(String),
}
