use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acs_types::{DeviceId, SessionId, SessionStamp};
use cwmp_model::Timestamp;
use quick_cache::sync::Cache;

use crate::session::Session;

/// Sessions remembered as over, so that their cookies are good for nothing any more (CWMP-061).
pub const ENDED_MAX: usize = 100_000;

/// The live sessions of this front-end. Each belongs to the exchange that holds its lock; nobody else touches it.
pub(crate) struct Sessions {
    live: Mutex<Live>,
    ended: Cache<SessionId, ()>,
}

#[derive(Default)]
struct Live {
    by_id: HashMap<SessionId, Arc<Slot>>,
    by_device: HashMap<DeviceId, Arc<Slot>>,
}

impl Live {
    /// In place of the other one of its device, which it gives back.
    fn add(&mut self, slot: &Arc<Slot>) -> Option<Arc<Slot>> {
        self.by_id.insert(slot.id, Arc::clone(slot));
        let other = self.by_device.insert(slot.device.clone(), Arc::clone(slot))?;
        self.by_id.remove(&other.id);
        Some(other)
    }
}

/// A place in the table.
pub(crate) struct Slot {
    pub(crate) id: SessionId,
    pub(crate) device: DeviceId,
    pub(crate) stamp: SessionStamp,
    /// When the session must be looked at if nothing comes: microseconds since 1970.
    due: AtomicI64,
    pub(crate) session: Arc<tokio::sync::Mutex<Session>>,
}

impl Slot {
    pub(crate) fn new(id: SessionId, device: DeviceId, stamp: SessionStamp, session: Session) -> Arc<Self> {
        let session = Arc::new(tokio::sync::Mutex::new(session));
        Arc::new(Self { id, device, stamp, due: AtomicI64::new(i64::MAX), session })
    }

    pub(crate) fn set_due(&self, at: Timestamp) {
        self.due.store(at.as_micros(), Ordering::Relaxed);
    }

    pub(crate) fn due(&self) -> Timestamp {
        Timestamp::from_micros(self.due.load(Ordering::Relaxed))
    }
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { live: Mutex::default(), ended: Cache::new(ENDED_MAX) }
    }

    /// Adds a session and gives back the older one of its device (CWMP-129), which is not found any more.
    pub(crate) fn begin(&self, slot: &Arc<Slot>) -> Option<Arc<Slot>> {
        let older = self.live().add(slot)?;
        self.ended.insert(older.id, ());
        Some(older)
    }

    /// Adds a session that goes on here, unless a newer one of its device is live or it is here already; gives the one
    /// that is in the table now, and the older one of its device, which is not found any more.
    pub(crate) fn resume(&self, slot: &Arc<Slot>) -> Option<(Arc<Slot>, Option<Arc<Slot>>)> {
        let mut live = self.live();
        if let Some(here) = live.by_id.get(&slot.id) {
            return Some((Arc::clone(here), None));
        }
        if live.by_device.get(&slot.device).is_some_and(|other| other.stamp > slot.stamp) {
            return None;
        }
        let older = live.add(slot);
        drop(live);
        if let Some(older) = &older {
            self.ended.insert(older.id, ());
        }
        Some((Arc::clone(slot), older))
    }

    /// The stamp of the live session of a device; the least one if there is none.
    pub(crate) fn stamp_of(&self, device: &DeviceId) -> SessionStamp {
        self.live().by_device.get(device).map(|slot| slot.stamp).unwrap_or_default()
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<Arc<Slot>> {
        self.live().by_id.get(id).cloned()
    }

    pub(crate) fn is_live(&self, id: &SessionId) -> bool {
        self.live().by_id.contains_key(id)
    }

    /// The session is over; whether it still stood here.
    pub(crate) fn end(&self, slot: &Slot) -> bool {
        let stood = self.leave(slot);
        self.ended.insert(slot.id, ());
        stood
    }

    /// Another front-end serves it: it is not here any more, and not over. Whether it still stood here.
    pub(crate) fn leave(&self, slot: &Slot) -> bool {
        let mut live = self.live();
        let stood = live.by_id.remove(&slot.id).is_some();
        if live.by_device.get(&slot.device).is_some_and(|s| s.id == slot.id) {
            live.by_device.remove(&slot.device);
        }
        stood
    }

    /// Whether a session of this id was here and is over.
    pub(crate) fn has_ended(&self, id: &SessionId) -> bool {
        self.ended.get(id).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.live().by_id.len()
    }

    /// Those that are due.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Arc<Slot>> {
        self.live().by_id.values().filter(|slot| slot.due() <= now).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.live().by_id.values().cloned().collect()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
