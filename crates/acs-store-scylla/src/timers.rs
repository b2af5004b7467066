use acs_store::{Error, Result, TIMER_SHARDS, Timers, timer_shard};
use acs_types::{DeviceId, Timer, TimerKind};
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::cql;
use crate::place;
use crate::store::{ScyllaStore, Shared};

type TimerRow = (i64, String, String, String, i64);

#[async_trait]
impl Timers for ScyllaStore {
    async fn put_timers(&self, timers: Vec<Timer>) -> Result<()> {
        cql::all(timers.iter().map(|timer| self.shared.put_timer(timer)).collect()).await.map(|_| ())
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let all: Vec<u16> = (0..TIMER_SHARDS).collect();
        self.due_timers_in(&all, now, limit).await
    }

    async fn due_timers_in(&self, shards: &[u16], now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let due = cql::all(shards.iter().map(|shard| self.shared.due_in(*shard, now, limit)).collect()).await?;
        let mut due: Vec<Timer> = due.into_iter().flatten().collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due)
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let first = |shard| cql.row::<(i64,)>(&s.timer_first, (tenant, shard_key(shard)));
        let first = cql::all((0..TIMER_SHARDS).map(first).collect()).await?;
        Ok(first.into_iter().flatten().map(|(due,)| Timestamp::from_micros(due)).min())
    }

    async fn delete_timers(&self, timers: &[Timer]) -> Result<()> {
        cql::all(timers.iter().map(|timer| self.shared.delete_timer(timer)).collect()).await.map(|_| ())
    }
}

impl Shared {
    async fn put_timer(&self, timer: &Timer) -> Result<()> {
        let (shard, due, device, kind, reference) = key(timer);
        let values = (&self.tenant, shard, due, device, kind, reference, rand::random::<i64>());
        self.cql.write(&self.s.timer_write, values).await
    }

    /// The timers of a shard that are due, each once, the soonest first.
    async fn due_in(&self, shard: u16, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let mut ask = limit;
        loop {
            let rows = i32::try_from(ask).unwrap_or(i32::MAX);
            let values = (&self.tenant, shard_key(shard), now.as_micros(), rows);
            let rows: Vec<TimerRow> = self.cql.rows(&self.s.timers_due, values).await?;
            let is_all = rows.len() < ask;
            let mut due = rows.into_iter().map(timer).collect::<Result<Vec<Timer>>>()?;
            // Rows of the same timer stand next to each other.
            due.dedup();
            if is_all || due.len() >= limit {
                return Ok(due);
            }
            ask = ask.saturating_mul(2);
        }
    }

    /// Every row of the timer that is there now. One that is put meanwhile has another nonce and stays.
    async fn delete_timer(&self, timer: &Timer) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let (shard, due, device, kind, reference) = key(timer);
        let rows: Vec<(i64,)> = cql.rows(&s.timers_like, (tenant, shard, due, device, kind, reference)).await?;
        for (nonce,) in rows {
            cql.write(&s.timer_delete, (tenant, shard, due, device, kind, reference, nonce)).await?;
        }
        Ok(())
    }

    /// Looks at all timers of a shard: a deletion of a device is rare.
    pub(crate) async fn delete_timers_of(&self, device: &DeviceId) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let shard = shard_key(timer_shard(device));
        let rows: Vec<TimerRow> = cql.rows(&s.timers_all, (tenant, shard)).await?;
        for (due, of, kind, reference, nonce) in rows {
            if of == device.as_str() {
                cql.write(&s.timer_delete, (tenant, shard, due, of, kind, reference, nonce)).await?;
            }
        }
        Ok(())
    }
}

fn key(timer: &Timer) -> (i16, i64, &str, &'static str, &str) {
    let shard = shard_key(timer_shard(&timer.device));
    (shard, timer.due.as_micros(), timer.device.as_str(), timer.kind.as_str(), timer.reference.as_str())
}

fn shard_key(shard: u16) -> i16 {
    i16::try_from(shard).unwrap_or(i16::MAX)
}

fn timer((due, device, kind, reference, _): TimerRow) -> Result<Timer> {
    let kind = TimerKind::parse(&kind).ok_or_else(|| Error::Corrupt(format!("a timer has the kind `{kind}`")))?;
    Ok(Timer { due: Timestamp::from_micros(due), device: place::stored(&device)?, kind, reference })
}
