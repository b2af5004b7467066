use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use acs_types::EventRecord;
use async_trait::async_trait;

use crate::{Kept, Outbox, Result, outbox_shard};

/// An outbox in memory, for tests: nothing in it is durable.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    rows: Mutex<BTreeMap<(u16, i64), EventRecord>>,
}

impl MemoryOutbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<(u16, i64), EventRecord>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn put_outbox(&self, records: Vec<EventRecord>) -> Result<()> {
        let mut rows = self.rows();
        let mut next = rows.keys().map(|(_, number)| *number).max().unwrap_or(0);
        for record in records {
            next += 1;
            rows.insert((outbox_shard(&record), next), record);
        }
        Ok(())
    }

    async fn outbox_shards(&self) -> Result<Vec<u16>> {
        let mut shards: Vec<u16> = self.rows().keys().map(|(shard, _)| *shard).collect();
        shards.dedup();
        Ok(shards)
    }

    async fn outbox(&self, shard: u16, limit: usize) -> Result<Vec<Kept>> {
        let rows = self.rows();
        let of_shard = rows.range((shard, i64::MIN)..=(shard, i64::MAX)).take(limit);
        let kept =
            |(key, record): (&(u16, i64), &EventRecord)| Kept { shard, place: (0, key.1), record: record.clone() };
        Ok(of_shard.map(kept).collect())
    }

    async fn forget_outbox(&self, kept: &[Kept]) -> Result<()> {
        let mut rows = self.rows();
        for Kept { shard, place, .. } in kept {
            rows.remove(&(*shard, place.1));
        }
        Ok(())
    }
}
