use std::time::Duration;

use acs_types::EventRecord;
use async_trait::async_trait;

use crate::{Partition, Positions};

/// A place in a partition of the log: dense, from 1. 0 is before the first record.
pub type LogPosition = u64;

/// A record with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// In which part of the log.
    pub partition: Partition,
    /// Where it stands in that part.
    pub position: LogPosition,
    /// The record.
    pub record: EventRecord,
}

/// Where event records are made durable.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Appends records; those of one device in this order. `Ok` means durable: they survive kill -9 and power loss.
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError>;

    /// Appends without waiting for durability: for records that no answer depends on (`session ended`, transitions that
    /// the store proves anyway). `Ok` means that they become durable unless this process ends before; of one device, no
    /// record overtakes another.
    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError>;

    /// Waits until everything that `append_unawaited` took before this call is durable. As long as that takes: give it a
    /// deadline.
    async fn flush(&self) -> Result<(), AppendError>;
}

/// The log as readers see it: partitions, each a dense sequence. All records of one device and topic are in one partition.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The last durable place of every partition; 0: empty. Its partitions are those of the log, for ever.
    async fn ends(&self) -> Result<Positions, ReadError>;

    /// The oldest record kept in a partition is at this + 1.
    async fn starts(&self) -> Result<Positions, ReadError>;

    /// Opens a reader of everything after `after`, where a partition that is not named stands at 0. [`ReadError::Gone`] if
    /// that is not kept any more.
    async fn tail(&self, after: &Positions) -> Result<Box<dyn EventTail>, ReadError>;
}

/// One reader, which follows all partitions.
#[async_trait]
pub trait EventTail: Send {
    /// Up to `limit` records, in order within each partition. If there are none yet, waits for some, at most `wait`: empty
    /// then. Only durable records show. Dropping the future loses none.
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<LoggedEvent>, ReadError>;

    /// How far it came: behind what it gave, and behind what it passed over because it is no record that this version
    /// knows.
    fn at(&self) -> &Positions;
}

/// One of those that share the work on the log: each partition number is read by one of them at a time, with all topics.
#[async_trait]
pub trait EventConsumer: Send {
    /// What comes next: records (at most `limit`; none if none came within `wait`), or another share of the work. The
    /// first delivery of a partition is its [`Delivery::Assigned`]. Dropping the future loses nothing.
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Delivery, ReadError>;

    /// Keeps how far the work came, for whoever goes on. What is not named stays as it was. It may be refused because
    /// another one works on the partition now: that one does the work again.
    async fn commit(&mut self, cursors: &[(Partition, Cursor)]) -> Result<(), CommitError>;

    /// How many records of its share it has not delivered yet, as far as it knows.
    fn lag(&self) -> u64;
}

/// The whole log as those see it who share the work on it, asked from outside.
#[async_trait]
pub trait EventGroup: Send + Sync {
    /// The ends of the partitions that are worked on.
    async fn ends(&self) -> Result<Positions, ReadError>;

    /// Up to where the work on them is done, whoever does it; what retention took is done.
    async fn done(&self) -> Result<Positions, ReadError>;
}

/// What a consumer is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// Records, in order within each partition. Those up to the partition's `done` were delivered to someone before.
    Events(Vec<LoggedEvent>),
    /// It works on these partitions from now on: their records come, from after `mark`.
    Assigned(Vec<(Partition, Cursor)>),
    /// It does not work on these any more.
    Revoked(Vec<Partition>),
}

/// How far the work on a partition came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// All work is done up to here.
    pub done: LogPosition,
    /// From after here the next one has to read again to know what is unfinished; never beyond `done`.
    pub mark: LogPosition,
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
    #[error("events of {partition} up to position {start} are gone; read on from there")]
    Gone {
        /// Of this partition.
        partition: Partition,
        /// It begins after this.
        start: LogPosition,
    },
    /// The log does not answer.
    #[error("the event log is not available: {0}")]
    Unavailable(String),
    /// A stored record cannot be read.
    #[error("a stored event cannot be read: {0}")]
    Corrupt(String),
}

/// A cursor was not kept; the work since the last one is done again by whoever goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("how far the events are projected could not be kept: {0}")]
pub struct CommitError(pub String);
