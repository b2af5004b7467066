use acs_types::EventRecord;
use async_trait::async_trait;

use crate::{Result, timer_shard};

/// Shards of the outbox, so that processes can share its relaying.
pub const OUTBOX_SHARDS: u16 = crate::TIMER_SHARDS;

/// The shard of a record, below [`OUTBOX_SHARDS`]: that of its device, so that the records of one device stay in order; 0 for
/// records of no device. In keys, for ever.
pub fn outbox_shard(record: &EventRecord) -> u16 {
    record.device.as_ref().map_or(0, timer_shard)
}

/// Event records that found no place in the event log, kept until they are relayed to it (`design.md` §3.5, §6).
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Keeps records; durable when it returns. The same record again may be kept twice: copies carry one `event_id` (P8).
    async fn put_outbox(&self, records: Vec<EventRecord>) -> Result<()>;

    /// The shards in which records may lie. One that is not named has none; most of the time there are none at all, and this
    /// costs one read.
    async fn outbox_shards(&self) -> Result<Vec<u16>>;

    /// Up to `limit` records of a shard, those kept first in front.
    async fn outbox(&self, shard: u16, limit: usize) -> Result<Vec<Kept>>;

    /// Forgets records that are in the event log now; unknown ones are no error.
    async fn forget_outbox(&self, kept: &[Kept]) -> Result<()>;
}

/// A record of the outbox, and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its shard.
    pub shard: u16,
    /// Its place in the shard; of the backend.
    pub place: (i64, i64),
    /// The record.
    pub record: EventRecord,
}
