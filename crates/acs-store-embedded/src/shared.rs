use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use acs_store::{Error, Result};
use tokio::sync::watch;

use crate::engine::Engine;
use crate::keys::{self, Space};
use crate::slot::Slot;
use crate::timers::TimerFloor;
use crate::{OpenError, Options, engine_error, rows};

/// What the commit thread and the callers share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    pub(crate) slot: Slot,
    /// The last durable position.
    pub(crate) end: watch::Sender<u64>,
    pub(crate) timers: TimerFloor,
    events: Mutex<EventsState>,
    devices: AtomicI64,
    refused: AtomicI64,
}

/// What is known of the event log without reading it: stored with each batch of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EventsState {
    /// The oldest position kept is this + 1.
    pub(crate) start: u64,
    /// The last position.
    pub(crate) end: u64,
    /// Bytes of all records kept.
    pub(crate) bytes: u64,
}

impl EventsState {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [self.start, self.end, self.bytes].iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(8).filter_map(|b| Some(u64::from_be_bytes(b.try_into().ok()?)));
        Some(Self { start: numbers.next()?, end: numbers.next()?, bytes: numbers.next()? })
    }
}

impl Shared {
    pub(crate) fn new(folder: PathBuf, options: Options, engine: Engine) -> Result<Arc<Self>> {
        let shared = Self {
            folder,
            options,
            slot: Slot::new(engine),
            end: watch::Sender::new(0),
            timers: TimerFloor::new(),
            events: Mutex::default(),
            devices: AtomicI64::new(0),
            refused: AtomicI64::new(0),
        };
        let engine = shared.slot.get()?;
        shared.load(&engine)?;
        drop(engine);
        Ok(Arc::new(shared))
    }

    /// Reads what is kept in memory from an engine just opened.
    pub(crate) fn load(&self, engine: &Engine) -> Result<()> {
        let events = match engine.get(Space::Rows, keys::EVENTS_STATE).map_err(engine_error)? {
            Some(bytes) => EventsState::from_bytes(&bytes)
                .ok_or_else(|| Error::Corrupt("the state of the event log has a wrong length".into()))?,
            None => EventsState::default(),
        };
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = events;
        self.end.send_replace(events.end);
        let mut devices = 0;
        for row in engine.scan(Space::Rows, keys::SUMMARIES, None) {
            devices += i64::from(rows::is_known(&row.map_err(engine_error)?.1));
        }
        self.devices.store(devices, Ordering::Relaxed);
        let refused = engine.scan(Space::History, keys::REFUSED, None).count();
        self.refused.store(refused as i64, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn events(&self) -> EventsState {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn devices(&self) -> u64 {
        u64::try_from(self.devices.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Refused Informs in the durable state.
    pub(crate) fn refused(&self) -> i64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A batch is durable.
    pub(crate) fn committed(&self, devices: i64, refused: i64, events: Option<EventsState>) {
        self.devices.fetch_add(devices, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
        if let Some(events) = events {
            *self.events.lock().unwrap_or_else(PoisonError::into_inner) = events;
            if *self.end.borrow() != events.end {
                self.end.send_replace(events.end);
            }
        }
    }

    pub(crate) fn damaged(&self, error: &Error) -> OpenError {
        OpenError::Damaged { folder: self.folder.clone(), reason: error.to_string() }
    }
}
