use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_store::Result;
use acs_types::EventRecord;

use crate::keys::{self, Space};
use crate::shared::{EventsState, Shared};
use crate::transaction::Batch;
use crate::{decode, engine_error, rows, slot};

/// Events trimmed in one step; a step comes every second, so trimming never holds up writers for long.
const STEP: usize = 2000;

/// Drops the oldest events that retention allows, at most [`STEP`]. Called by the commit thread between two batches.
pub(crate) fn trim_events(shared: &Shared) {
    if let Err(error) = try_trim(shared) {
        tracing::warn!(%error, "old events could not be dropped; it is tried again");
    }
}

fn try_trim(shared: &Shared) -> Result<()> {
    let Ok(engine) = shared.slot.get() else { return Ok(()) };
    let mut events = shared.events();
    let allowed = read_by_all(shared, &engine, events)?;
    let keep_from = oldest_kept(shared.options.event_retention.age);
    let mut batch = Batch::default();
    for row in engine.scan_from(Space::Events, &[], keys::event(events.start + 1).to_vec()).take(STEP) {
        let (key, value) = row.map_err(engine_error)?;
        let Some(position) = keys::event_position(&key).filter(|p| *p <= allowed) else { break };
        let too_many = events.bytes > shared.options.event_retention.bytes;
        // The age is looked at only where it decides.
        if !too_many && decode::<EventRecord>(&value, &*shared.options.seal)?.occurred_at.as_micros() >= keep_from {
            break;
        }
        batch.put(Space::Events, key.to_vec(), None);
        events.start = position;
        events.bytes = events.bytes.saturating_sub(value.len() as u64);
    }
    if batch.is_empty() {
        return Ok(());
    }
    batch.put(Space::Rows, keys::EVENTS_STATE.to_vec(), Some(events.to_bytes().into()));
    if let Err(error) = slot::write(&engine, batch) {
        shared.slot.fail();
        return Err(engine_error(error));
    }
    shared.committed(0, 0, Some(events));
    Ok(())
}

/// Up to where every consumer has read.
fn read_by_all(shared: &Shared, engine: &crate::engine::Engine, events: EventsState) -> Result<u64> {
    let mut allowed = events.end;
    for consumer in &shared.options.event_retention.consumers {
        let cursor = engine.get(Space::Rows, &keys::cursor(consumer)).map_err(engine_error)?;
        allowed = allowed.min(cursor.map_or(Ok(0), |bytes| rows::number(&bytes))?);
    }
    Ok(allowed)
}

fn oldest_kept(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}
