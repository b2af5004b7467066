use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acs_store::{Result, Timers};
use acs_types::{Timer, TimerKind};
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::keys::{self, Space};
use crate::transaction::Transaction;
use crate::{Embedded, engine_error, rows};

/// Below which time no timer is due: deleted timers leave marks in the engine until it tidies up, and scans begin behind them.
pub(crate) struct TimerFloor(Arc<Mutex<Floor>>);

struct Floor {
    /// No timer stands before this.
    at: i64,
    /// Writes of timers under way, and finished: a scan beside one proves nothing.
    writing: u32,
    written: u64,
}

/// A write of timers under way; ends with it.
pub(crate) struct TimerWrite(Arc<Mutex<Floor>>);

impl TimerFloor {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Floor { at: i64::MIN, writing: 0, written: 0 })))
    }

    fn begin_write(&self, earliest: i64) -> TimerWrite {
        let mut floor = lock(&self.0);
        floor.at = floor.at.min(earliest);
        floor.writing += 1;
        TimerWrite(Arc::clone(&self.0))
    }

    /// Where a scan begins, and what proves later that nothing was written beside it.
    fn begin_scan(&self) -> (i64, Option<u64>) {
        let floor = lock(&self.0);
        (floor.at, (floor.writing == 0).then_some(floor.written))
    }

    /// A scan that began so saw no timer before `at`.
    fn end_scan(&self, began: Option<u64>, at: i64) {
        let mut floor = lock(&self.0);
        if floor.writing == 0 && began == Some(floor.written) {
            floor.at = floor.at.max(at);
        }
    }
}

impl Drop for TimerWrite {
    fn drop(&mut self) {
        let mut floor = lock(&self.0);
        floor.writing -= 1;
        floor.written += 1;
    }
}

fn lock(floor: &Mutex<Floor>) -> MutexGuard<'_, Floor> {
    floor.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Embedded {
    /// To be held until these timers are durable, or given up; `None`: there are none.
    pub(crate) fn begin_timers(&self, timers: &[Timer]) -> Option<TimerWrite> {
        let earliest = timers.iter().map(|t| t.due.as_micros()).min()?;
        Some(self.shared.timers.begin_write(earliest))
    }

    /// The timers due at or before `now`, at most `limit`.
    fn scan_timers(&self, now: i64, limit: usize) -> Result<Vec<Timer>> {
        let engine = self.engine()?;
        let (from, began) = self.shared.timers.begin_scan();
        let mut due = Vec::new();
        let mut seen = None;
        for row in engine.scan_from(Space::Rows, keys::TIMERS, keys::timers_from(from)) {
            let (key, _) = row.map_err(engine_error)?;
            let timer = timer_from(&key).ok_or_else(|| acs_store::Error::Corrupt("a timer cannot be read".into()))?;
            seen.get_or_insert(timer.due.as_micros());
            if timer.due.as_micros() > now || due.len() == limit {
                break;
            }
            due.push(timer);
        }
        if let Some(first) = seen {
            self.shared.timers.end_scan(began, first);
        }
        Ok(due)
    }
}

fn timer_from(key: &[u8]) -> Option<Timer> {
    let due = Timestamp::from_micros(keys::from_oldest(key.get(1..)?)?);
    let rest = key.get(9..)?;
    let mut parts = rest.splitn(3, |b| *b == 0);
    let device = rows::device_id(parts.next()?)?;
    let kind = TimerKind::parse(std::str::from_utf8(parts.next()?).ok()?)?;
    let reference = String::from_utf8(parts.next()?.to_vec()).ok()?;
    Some(Timer { due, device, kind, reference })
}

/// Keeps timers, seen from the commit thread.
pub(crate) fn write(transaction: &mut Transaction<'_>, timers: &[Timer]) {
    for timer in timers {
        transaction.put(Space::Rows, keys::timer(timer), []);
    }
}

/// Whether a timer's key is of this device.
pub(crate) fn is_of_device(key: &[u8], device: &acs_types::DeviceId) -> bool {
    key.get(9..)
        .and_then(|rest| rest.strip_prefix(device.as_str().as_bytes()))
        .is_some_and(|rest| rest.first() == Some(&0))
}

#[async_trait]
impl Timers for Embedded {
    async fn put_timers(&self, timers: Vec<Timer>) -> Result<()> {
        let Some(writing) = self.begin_timers(&timers) else { return Ok(()) };
        let written = self
            .write(move |transaction| {
                write(transaction, &timers);
                Ok(writing)
            })
            .await;
        written.map(drop)
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        self.scan_timers(now.as_micros(), limit)
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        Ok(self.scan_timers(i64::MAX, 1)?.first().map(|t| t.due))
    }

    async fn delete_timers(&self, timers: &[Timer]) -> Result<()> {
        if timers.is_empty() {
            return Ok(());
        }
        let gone: Vec<_> = timers.iter().map(keys::timer).collect();
        self.write_making_room(move |transaction| {
            gone.into_iter().for_each(|key| transaction.remove(Space::Rows, key));
            Ok(())
        })
        .await
    }
}
