use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_store::Result;
use acs_types::EventRecord;

use crate::engine::Engine;
use crate::keys::{self, Space};
use crate::queue::Queue;
use crate::shared::{EventsState, Shared};
use crate::transaction::Trim;
use crate::{decode, engine_error, rows};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);
/// How soon it goes on while there is more to trim.
const NEXT: Duration = Duration::from_millis(10);
/// Events trimmed in one step.
const STEP: usize = 2000;

/// The thread that lets old events go. It moves the start of the log, a row of 24 bytes, and drops tables that lie wholly
/// before it: nothing is deleted one by one, so old events leave no marks for later reads to step over.
pub(crate) struct Retention {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Arc<Queue>,
}

impl Retention {
    pub(crate) fn work(self) {
        let mut wait = TICK;
        while !self.queue.closed_within(wait) {
            wait = match self.step() {
                Ok(true) => NEXT,
                Ok(false) => TICK,
                Err(error) => {
                    tracing::warn!(%error, "old events could not be dropped; it is tried again");
                    TICK
                }
            };
        }
    }

    /// Trims the oldest events that may go; whether there may be more.
    fn step(&self) -> Result<bool> {
        let Ok(engine) = self.shared.slot.get() else { return Ok(false) };
        let (trim, count) = self.next_trim(&engine)?;
        if count == 0 {
            return Ok(false);
        }
        self.queue.run_blocking(true, move |transaction| {
            transaction.trim_events(trim);
            Ok(())
        })?;
        if count < STEP {
            engine.drop_events(trim.start).map_err(engine_error)?;
        }
        Ok(count == STEP)
    }

    /// What may go now, and how many events that are.
    fn next_trim(&self, engine: &Engine) -> Result<(Trim, usize)> {
        let events = self.shared.events();
        let allowed = self.read_by_all(engine, events)?;
        let limits = &self.shared.options.event_retention;
        let keep_from = oldest_kept(limits.age);
        let (mut trim, mut count) = (Trim { start: events.start, bytes: 0 }, 0);
        for row in engine.scan_from(Space::Events, &[], keys::event(events.start + 1).to_vec()).take(STEP) {
            let (key, value) = row.map_err(engine_error)?;
            let Some(position) = keys::event_position(&key).filter(|p| *p <= allowed) else { break };
            let too_many = events.bytes.saturating_sub(trim.bytes) > limits.bytes;
            // The age is looked at only where it decides.
            if !too_many
                && decode::<EventRecord>(&value, &*self.shared.options.seal)?.occurred_at.as_micros() >= keep_from
            {
                break;
            }
            trim = Trim { start: position, bytes: trim.bytes + value.len() as u64 };
            count += 1;
        }
        Ok((trim, count))
    }

    /// Up to where every consumer has read.
    fn read_by_all(&self, engine: &Engine, events: EventsState) -> Result<u64> {
        let mut allowed = events.end;
        for consumer in &self.shared.options.event_retention.consumers {
            let cursor = engine.get(Space::Rows, &keys::cursor(consumer)).map_err(engine_error)?;
            allowed = allowed.min(cursor.map_or(Ok(0), |bytes| rows::number(&bytes))?);
        }
        Ok(allowed)
    }
}

fn oldest_kept(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}
