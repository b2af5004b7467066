//! Records that wait for Kafka.
//!
//! A window is noted before each of its records, and forgotten only when it is long past and was empty twice. A writer that
//! stood still between the two notes it again before it says that the record is kept.

use acs_store::{Error, Kept, Outbox, Result, outbox_shard};
use acs_types::EventRecord;
use async_trait::async_trait;
use fail::fail_point;

use crate::cql;
use crate::store::{ScyllaStore, Shared};

const SECOND: i64 = 1_000_000;
/// The length of a window. In keys, for ever.
const WINDOW: i64 = 600 * SECOND;
/// Who took longer to write a record notes its window again.
const STOOD_STILL: i64 = 60 * SECOND;
/// An empty window is forgotten when it is past for so long: 15 minutes, and two clocks that are five minutes off.
const FORGET_AFTER: i64 = 25 * 60 * SECOND;

#[async_trait]
impl Outbox for ScyllaStore {
    async fn put_outbox(&self, records: Vec<EventRecord>) -> Result<()> {
        let at = self.shared.now_micros();
        // Those of one call keep their order: the microseconds after each other.
        let put = (at..).zip(&records).map(|(at, record)| self.shared.put_in_outbox(at, record));
        cql::all(put.collect()).await.map(|_| ())
    }

    async fn outbox_shards(&self) -> Result<Vec<u16>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let rows: Vec<(i16, i64)> = cql.rows(&s.outbox_windows, (tenant,)).await?;
        let mut found = Vec::new();
        for (shard, window) in rows {
            let is_known = found.last() == Some(&shard);
            if !is_known && !self.shared.window_of_outbox(shard, window, 1).await?.is_empty() {
                found.push(shard);
            }
        }
        found.into_iter().map(|shard| u16::try_from(shard).map_err(|_| wrong_shard(shard))).collect()
    }

    async fn outbox(&self, shard: u16, limit: usize) -> Result<Vec<Kept>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let number = i16::try_from(shard).map_err(|_| Error::Invalid(format!("there is no shard {shard}")))?;
        let windows: Vec<(i64,)> = cql.rows(&s.outbox_windows_of, (tenant, number)).await?;
        let mut kept = Vec::new();
        for (window,) in windows {
            let rows = self.shared.window_of_outbox(number, window, limit - kept.len()).await?;
            if rows.is_empty() {
                self.shared.forget_outbox_window(number, window).await?;
            }
            for (at, nonce, record) in rows {
                kept.push(Kept { shard, place: (at, nonce), record: self.shared.decode(&record)? });
            }
            if kept.len() >= limit {
                break;
            }
        }
        Ok(kept)
    }

    async fn forget_outbox(&self, kept: &[Kept]) -> Result<()> {
        cql::all(kept.iter().map(|kept| self.shared.delete_from_outbox(kept)).collect()).await.map(|_| ())
    }
}

impl Shared {
    async fn put_in_outbox(&self, at: i64, record: &EventRecord) -> Result<()> {
        let shard = i16::try_from(outbox_shard(record)).unwrap_or(0);
        let window = at.div_euclid(WINDOW);
        self.cql.write(&self.s.outbox_window_write, (&self.tenant, shard, window)).await?;
        fail_point!("scylla::between_window_and_record", crate::failed_here);
        let values = (&self.tenant, shard, window, at, rand::random::<i64>(), self.encode(record));
        self.cql.write(&self.s.outbox_write, values).await?;
        // Whoever stood still meanwhile may have written into a window that is forgotten by now.
        if self.now_micros().saturating_sub(at) > STOOD_STILL {
            self.cql.write(&self.s.outbox_window_write, (&self.tenant, shard, window)).await?;
        }
        Ok(())
    }

    async fn window_of_outbox(&self, shard: i16, window: i64, limit: usize) -> Result<Vec<(i64, i64, Vec<u8>)>> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        self.cql.rows(&self.s.outbox, (&self.tenant, shard, window, limit)).await
    }

    async fn forget_outbox_window(&self, shard: i16, window: i64) -> Result<()> {
        let end = (window + 1).saturating_mul(WINDOW);
        if end >= self.now_micros().saturating_sub(FORGET_AFTER) {
            return Ok(());
        }
        // Looked at once more: a record may have come since.
        if self.window_of_outbox(shard, window, 1).await?.is_empty() {
            self.cql.write(&self.s.outbox_window_delete, (&self.tenant, shard, window)).await?;
        }
        Ok(())
    }

    async fn delete_from_outbox(&self, kept: &Kept) -> Result<()> {
        let (at, nonce) = kept.place;
        let shard = i16::try_from(kept.shard).unwrap_or(0);
        self.cql.write(&self.s.outbox_delete, (&self.tenant, shard, at.div_euclid(WINDOW), at, nonce)).await
    }
}

fn wrong_shard(shard: i16) -> Error {
    Error::Corrupt(format!("the outbox has a shard {shard}"))
}
