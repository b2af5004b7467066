//! Deadlines in windows of time, and the one rule that makes it safe to forget a window: no timer comes into one that has been
//! past for a while. A timer that is overdue when it is put stands beside the windows instead, where every look goes.

use acs_store::{Error, Result, TIMER_SHARDS, Timers, timer_shard};
use acs_types::{DeviceId, Timer, TimerKind};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use fail::fail_point;

use crate::cql;
use crate::place;
use crate::store::{ScyllaStore, Shared};

const SECOND: i64 = 1_000_000;
/// The length of a window. In keys, for ever.
const WINDOW: i64 = 600 * SECOND;
/// The window of the timers put late.
const LATE: i64 = i64::MIN;
/// A timer overdue by more is put late.
const LATE_AFTER: i64 = 60 * SECOND;
/// An empty window is forgotten when it is past for so long: more than [`LATE_AFTER`] and two clocks that are five minutes off,
/// one this way and one that (`promises.md`, failure model).
const FORGET_AFTER: i64 = 12 * 60 * SECOND;
/// Windows asked for at once where there may be very many.
const WINDOWS: i32 = 500;

/// Due, device, kind, reference, nonce.
type TimerRow = (i64, String, String, String, i64);
/// The same after the window; a window itself has no device.
type WindowRow = (i64, i64, String, String, String, i64);

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
        let due =
            cql::all(shards.iter().map(|shard| self.shared.due_in(shard_key(*shard), now, limit)).collect()).await?;
        let mut due: Vec<Timer> = due.into_iter().flatten().collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due)
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        let first = cql::all((0..TIMER_SHARDS).map(|shard| self.shared.first_in(shard_key(shard))).collect()).await?;
        Ok(first.into_iter().flatten().min())
    }

    async fn delete_timers(&self, timers: &[Timer]) -> Result<()> {
        cql::all(timers.iter().map(|timer| self.shared.delete_timer(timer)).collect()).await.map(|_| ())
    }
}

impl Shared {
    async fn put_timer(&self, timer: &Timer) -> Result<()> {
        let shard = shard_key(timer_shard(&timer.device));
        let due = timer.due.as_micros();
        if is_late(due, self.now_micros()) {
            return self.put_late(shard, timer).await;
        }
        let window = due.div_euclid(WINDOW);
        self.note_timer_window(shard, window).await?;
        fail_point!("scylla::between_window_and_timer", crate::failed_here);
        let (device, kind, reference) = (timer.device.as_str(), timer.kind.as_str(), timer.reference.as_str());
        let values = (&self.tenant, shard, window, due, device, kind, reference, rand::random::<i64>());
        self.cql.write(&self.s.timer_write, values).await?;
        // Whoever stood still meanwhile may have written into a window that is forgotten by now.
        if is_late(due, self.now_micros()) { self.put_late(shard, timer).await } else { Ok(()) }
    }

    async fn put_late(&self, shard: i16, timer: &Timer) -> Result<()> {
        let (device, kind, reference) = (timer.device.as_str(), timer.kind.as_str(), timer.reference.as_str());
        let due = timer.due.as_micros();
        let values = (&self.tenant, shard, LATE, due, device, kind, reference, rand::random::<i64>());
        self.cql.write(&self.s.timer_window_write, values).await
    }

    /// A window is noted before its first timer: noted too often it costs a read, noted too late it would hide the timer.
    async fn note_timer_window(&self, shard: i16, window: i64) -> Result<()> {
        if self.timer_windows.get(&(shard, window)).is_some() {
            return Ok(());
        }
        let values = (&self.tenant, shard, window, 0_i64, "", "", "", 0_i64);
        self.cql.write(&self.s.timer_window_write, values).await?;
        self.timer_windows.insert((shard, window), ());
        Ok(())
    }

    /// The timers of a shard that are due, each once, the soonest first.
    async fn due_in(&self, shard: i16, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let looked_at = self.now_micros();
        let newest = now.as_micros().div_euclid(WINDOW);
        let rows = self.timer_windows_of(shard, LATE, newest, i32::MAX).await?;
        let mut due = Vec::new();
        let mut in_windows = 0;
        for (window, at, device, kind, reference, nonce) in rows {
            if !device.is_empty() {
                due.extend((at <= now.as_micros()).then(|| timer((at, device, kind, reference, nonce))).transpose()?);
            } else if in_windows < limit {
                let found = self.due_in_window(shard, window, now, limit - in_windows).await?;
                let end = (window + 1).saturating_mul(WINDOW);
                if found.is_empty() && end <= now.as_micros() && end < looked_at.saturating_sub(FORGET_AFTER) {
                    self.forget_timer_window(shard, window).await?;
                }
                in_windows += found.len();
                due.extend(found);
            }
        }
        due.sort_unstable();
        due.dedup();
        due.truncate(limit);
        Ok(due)
    }

    async fn due_in_window(&self, shard: i16, window: i64, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let mut ask = limit;
        loop {
            let rows = i32::try_from(ask).unwrap_or(i32::MAX);
            let values = (&self.tenant, shard, window, now.as_micros(), rows);
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

    async fn first_in(&self, shard: i16) -> Result<Option<Timestamp>> {
        let mut first: Option<i64> = None;
        let mut from = LATE;
        loop {
            let rows = self.timer_windows_of(shard, from, i64::MAX, WINDOWS).await?;
            for (window, due, device, ..) in &rows {
                if !device.is_empty() {
                    first = Some(first.map_or(*due, |first| first.min(*due)));
                } else if let Some(timer) =
                    self.due_in_window(shard, *window, Timestamp::from_micros(i64::MAX), 1).await?.first()
                {
                    let due = timer.due.as_micros();
                    return Ok(Some(Timestamp::from_micros(first.map_or(due, |first| first.min(due)))));
                }
            }
            match rows.last() {
                // Those put late are in order, so the first of them is seen by now.
                Some((window, ..)) if rows.len() == WINDOWS.unsigned_abs() as usize => from = window + 1,
                _ => return Ok(first.map(Timestamp::from_micros)),
            }
        }
    }

    /// Every row of the timer that is there now. One that is put meanwhile has another nonce and stays.
    async fn delete_timer(&self, timer: &Timer) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let shard = shard_key(timer_shard(&timer.device));
        let (due, device) = (timer.due.as_micros(), timer.device.as_str());
        let (kind, reference) = (timer.kind.as_str(), timer.reference.as_str());
        let window = due.div_euclid(WINDOW);
        let (rows, late): (Vec<(i64,)>, Vec<(i64,)>) = futures::try_join!(
            cql.rows(&s.timer_nonces, (tenant, shard, window, due, device, kind, reference)),
            cql.rows(&s.timer_window_nonces, (tenant, shard, LATE, due, device, kind, reference)),
        )?;
        for (nonce,) in late {
            cql.write(&s.timer_window_delete, (tenant, shard, LATE, due, device, kind, reference, nonce)).await?;
        }
        for (nonce,) in rows {
            cql.write(&s.timer_delete, (tenant, shard, window, due, device, kind, reference, nonce)).await?;
        }
        Ok(())
    }

    async fn forget_timer_window(&self, shard: i16, window: i64) -> Result<()> {
        self.timer_windows.remove(&(shard, window));
        let values = (&self.tenant, shard, window, 0_i64, "", "", "", 0_i64);
        self.cql.write(&self.s.timer_window_delete, values).await
    }

    /// Looks at all timers of the device's shard: a deletion of a device is rare.
    pub(crate) async fn delete_timers_of(&self, device: &DeviceId) -> Result<()> {
        let shard = shard_key(timer_shard(device));
        let mut of_device = Vec::new();
        let mut windows = Vec::new();
        for (window, due, of, kind, reference, nonce) in self.timer_windows_of(shard, LATE, i64::MAX, i32::MAX).await? {
            match of.is_empty() {
                true => windows.push(window),
                false if of == device.as_str() => of_device.push(timer((due, of, kind, reference, nonce))?),
                false => {}
            }
        }
        let end = Timestamp::from_micros(i64::MAX);
        let all = |window| self.due_in_window(shard, window, end, i32::MAX as usize);
        let found = cql::all(windows.into_iter().map(all).collect()).await?;
        of_device.extend(found.into_iter().flatten().filter(|timer| timer.device == *device));
        cql::all(of_device.iter().map(|timer| self.delete_timer(timer)).collect()).await.map(|_| ())
    }

    async fn timer_windows_of(&self, shard: i16, from: i64, to: i64, limit: i32) -> Result<Vec<WindowRow>> {
        self.cql.rows(&self.s.timer_windows, (&self.tenant, shard, from, to, limit)).await
    }
}

fn is_late(due: i64, now: i64) -> bool {
    due < now.saturating_sub(LATE_AFTER)
}

fn shard_key(shard: u16) -> i16 {
    i16::try_from(shard).unwrap_or(i16::MAX)
}

fn timer((due, device, kind, reference, _): TimerRow) -> Result<Timer> {
    let kind = TimerKind::parse(&kind).ok_or_else(|| Error::Corrupt(format!("a timer has the kind `{kind}`")))?;
    Ok(Timer { due: Timestamp::from_micros(due), device: place::stored(&device)?, kind, reference })
}
