//! The event log: what billing, ingest and the API read. The traits, a log in memory for tests, and the contract suite.
//!
//! Others write records (`acs-types`), turn them into bytes (`acs-proto`) and keep them (`acs-store-embedded`,
//! `acs-events-kafka`).
//!
//! Writing and reading are apart: who emits has an [`EventSink`], who reads follows an [`EventLog`] by an [`EventTail`],
//! who works on every record once is an [`EventConsumer`] with a cursor. A log has partitions: the embedded one is one
//! sequence ([`SequenceLog`]), Kafka has some partitions for each [`Topic`].
//!
//! Invariants:
//! - [`EventSink::append`] returns only when the records are durable: it is what the receipt rule stands on (P7, P11).
//! - A position is given once and read again with the same record; positions are dense within a partition.
//! - Records of one device and topic are in one partition, in the order of appending.
//!
//! Where to start: [`EventSink`] and [`EventLog`]; `contract` (a feature) says each rule as a test.

#[cfg(feature = "contract")]
pub mod contract;
mod log;
mod memory;
mod newest;
mod positions;
mod range;
mod sequence;
mod topic;

pub use log::{
    AppendError, CommitError, Cursor, Delivery, EventConsumer, EventGroup, EventLog, EventSink, EventTail, LogPosition,
    LoggedEvent, ReadError,
};
pub use memory::MemoryEventLog;
pub use newest::{Newest, newest};
pub use positions::{Partition, Positions};
pub use range::LogRange;
pub use sequence::SequenceLog;
pub use topic::Topic;

#[cfg(test)]
mod tests {
    use super::*;

    event_log_contract!(memory_log, async { (MemoryEventLog::new(), ()) });

    #[tokio::test]
    async fn p19_the_memory_log_is_bounded() {
        let log = MemoryEventLog::with_limit(2);
        log.append((1..=5).map(|seq| contract::record(1, seq)).collect()).await.unwrap();
        assert_eq!((log.start().await.unwrap(), log.end().await.unwrap()), (3, 5));
        assert!(matches!(log.read(2, 9).await, Err(ReadError::Gone { start: 3, .. })));
        assert_eq!(log.read(3, 9).await.unwrap().len(), 2);
        assert!(log.tail(&Positions::default()).await.is_err(), "what is gone is told, not passed over");
    }

    #[tokio::test]
    async fn p11_a_full_log_takes_nothing_and_works_again() {
        let log = MemoryEventLog::new();
        log.fail_with(Some(AppendError::NoSpace("test".into())));
        assert!(matches!(log.append(vec![contract::record(1, 1)]).await, Err(AppendError::NoSpace(_))));
        assert_eq!(log.end().await.unwrap(), 0);
        log.fail_with(None);
        log.append(vec![contract::record(1, 1)]).await.unwrap();
        assert_eq!(log.records(), [contract::record(1, 1)]);
    }
}
