//! A world of a log, a store and a provisioning that only listens.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part of it")]

mod listener;
mod records;

use std::collections::BTreeSet;
use std::sync::Arc;

use acs_events::{EventSink, MemoryEventLog, Positions};
use acs_ingest::{Config, Ingest, LogConsumer, Metrics, Progress, Rebuild, Rebuilt};
use acs_store::memory::MemoryStore;
use acs_types::{EventBody, EventRecord, SessionRecord};
use proptest::prelude::*;

pub use listener::Listener;
pub use records::*;

pub struct World {
    pub log: Arc<MemoryEventLog>,
    pub store: Arc<MemoryStore>,
    pub listener: Arc<Listener>,
    pub config: Config,
}

impl World {
    pub fn new() -> Self {
        Self {
            log: Arc::new(MemoryEventLog::new()),
            store: Arc::new(MemoryStore::new()),
            listener: Arc::default(),
            config: Config::new(emitter("ingest-1")),
        }
    }

    /// Another process over the same log and store.
    pub fn ingest(&self) -> Ingest {
        let (log, store, listener) = (self.log.clone(), self.store.clone(), self.listener.clone());
        let consumer = Box::new(LogConsumer::new(log.clone(), store.clone()));
        Ingest::new(consumer, log, store, listener, self.config.clone(), Metrics::default())
    }

    pub async fn append(&self, records: &[EventRecord]) {
        self.log.append(records.to_vec()).await.unwrap();
    }

    pub async fn run(&self) -> u64 {
        self.ingest().run_once().await.unwrap()
    }

    /// Everything that ingest writes, but for its cursors and the times of values.
    pub async fn state(&self) -> String {
        state_of(&*self.store).await
    }

    /// The device changes in the log, each id once.
    pub fn changes(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let records = self.log.records();
        let change = |record: &EventRecord| match &record.body {
            EventBody::Device(change) => Some((record.event_id, change.as_str().to_owned())),
            _ => None,
        };
        records.iter().filter_map(change).filter(|(id, _)| seen.insert(*id)).map(|(_, name)| name).collect()
    }

    pub fn sessions_ended(&self) -> Vec<SessionRecord> {
        let ended = |record: EventRecord| match record.body {
            EventBody::SessionEnded(session) => Some(*session),
            _ => None,
        };
        self.log.records().into_iter().filter_map(ended).collect()
    }
}

/// Rebuilds up to `done`, and says what was told of it.
pub async fn rebuild(world: &World, done: Positions) -> (Rebuilt, Vec<Progress>) {
    let mut told = Vec::new();
    let rebuild = Rebuild::new(world.log.clone(), world.store.clone(), done);
    (rebuild.run(|progress| told.push(progress)).await.unwrap(), told)
}

/// The log is the same, everything that was written is gone.
pub fn wiped(world: World) -> World {
    World { store: Arc::new(MemoryStore::new()), ..world }
}

/// Sessions of three devices, each id once.
pub fn records() -> impl Strategy<Value = Vec<EventRecord>> {
    let event = prop_oneof![
        4 => Just(vec!["2 PERIODIC"]),
        1 => Just(vec!["0 BOOTSTRAP", "1 BOOT"]),
        1 => Just(vec!["1 BOOT"]),
        1 => Just(vec!["4 VALUE CHANGE"]),
    ];
    let session = (1..4u8, 1..40u32, event, 0..3u8, 0..3u8, 0..4u8);
    prop::collection::vec(session, 1..40).prop_map(|sessions| {
        let mut records = Vec::new();
        let mut used = BTreeSet::new();
        for (device, n, events, version, vendor, more) in sessions {
            if !used.insert((device, n)) {
                continue;
            }
            records.push(inform(device, n, &events, &format!("{version}"), &format!("{vendor}")));
            if more == 1 {
                records.push(transfer(device, n, 9010));
            }
            if more == 2 {
                records.push(refused(n));
            }
            if more > 0 {
                records.push(ended(device, n));
            }
        }
        records
    })
}
