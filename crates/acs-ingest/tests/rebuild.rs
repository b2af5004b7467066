//! What ingest wrote is made anew from the log: the same state, wherever it is stopped and whatever runs beside it (P7–P9).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use acs_events::{EventLog, EventTail, LogPosition, LoggedEvent, MemoryEventLog, Partition, Positions, ReadError};
use acs_ingest::{Progress, Rebuild, Rebuilt};
use acs_store::{Devices, History, Objects, ObjectsPatch, UpsertObject};
use acs_types::{
    DeviceChange, EventBody, EventId, EventRecord, ObjectRecord, PageRequest, ParameterRecord, SessionOutcome,
    SessionStamp,
};
use async_trait::async_trait;
use cwmp_model::Value;
use proptest::prelude::*;
use support::*;
use tokio::time::timeout;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn deleted(device: u8, n: u32) -> EventRecord {
    let mut record = record(device, n, 0, EventBody::Device(DeviceChange::Deleted));
    (record.event_id, record.session) = (EventId::from_bytes([device; 16]), None);
    record
}

#[tokio::test]
async fn what_was_wiped_is_there_again_and_nothing_is_told_or_obliged() {
    let world = World::new();
    world.append(&[inform(1, 1, &["0 BOOTSTRAP"], "1.0", "up"), transfer(1, 1, 9010), ended(1, 1), refused(2)]).await;
    world
        .append(&[inform(1, 2, &["2 PERIODIC"], "1.1", "up"), ended(1, 2), inform(2, 3, &["1 BOOT"], "1", "up")])
        .await;
    world.run().await;
    let (before, records) = (world.state().await, world.log.records().len());
    let world = wiped(world);
    world.listener.observed.lock().unwrap().clear();
    let (rebuilt, told) = rebuild(&world, world.log.ends().await.unwrap()).await;
    assert_eq!(world.state().await, before);
    assert_eq!((rebuilt, world.log.records().len()), (Rebuilt { records: records as u64, skipped: 0 }, records));
    assert!(world.listener.observed.lock().unwrap().is_empty(), "no second provisioning after an old BOOTSTRAP");
    let read = records as u64;
    assert_eq!(told, [1, 2].map(|pass| Progress { pass, read, of: read }));
}

#[tokio::test]
async fn it_goes_no_further_than_ingest_so_that_changes_are_told() {
    let world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    let done = world.log.ends().await.unwrap();
    world.append(&[inform(1, 2, &["2 PERIODIC"], "2.0", "up")]).await;
    rebuild(&world, done).await;
    assert_eq!(world.store.summary(&id(1)).await.unwrap().unwrap().software_version, "1.0");
    world.run().await;
    assert_eq!(world.changes(), ["first_seen", "firmware_changed"]);
    assert_eq!(rebuild(&world, Positions::zero([Partition::WHOLE])).await.0, Rebuilt::default(), "nothing is done yet");
}

#[tokio::test]
async fn a_deleted_device_stays_deleted_until_it_comes_again() {
    let world = World::new();
    world.append(&[inform(1, 1, &["1 BOOT"], "1.0", "up"), ended(1, 1), inform(2, 1, &["1 BOOT"], "1.0", "up")]).await;
    world.append(&[deleted(1, 2), deleted(2, 2), inform(2, 3, &["1 BOOT"], "1.0", "up")]).await;
    rebuild(&world, world.log.ends().await.unwrap()).await;
    assert!(world.store.summary(&id(1)).await.unwrap().is_none());
    assert!(world.store.session(&session(1, 1)).await.unwrap().is_none());
    assert_eq!(world.store.summary(&id(2)).await.unwrap().unwrap().first_seen, at(3));
}

#[tokio::test]
async fn what_is_newer_or_not_in_the_log_stays() {
    let world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1", "old"), inform(1, 2, &["0 BOOTSTRAP"], "1", "up")]).await;
    world.run().await;
    let parameter = ParameterRecord {
        name: "Read".into(),
        writable: None,
        value: Some(Value::string("by a task")),
        value_at: at(3),
        secret: false,
    };
    let object =
        ObjectRecord { path: path("Device.X_Acme."), writable: None, named_at: None, parameters: vec![parameter] };
    let stamp = SessionStamp::from_micros(at(2).as_micros());
    let patch = ObjectsPatch { stamp, upsert: vec![UpsertObject { object, complete: false }], ..Default::default() };
    world.store.patch_objects(&id(1), patch).await.unwrap();
    // An end that came after all, told beyond where ingest had come.
    world.store.put_sessions(vec![end_of(&ended(1, 1))]).await.unwrap();
    let mut lost = ended(1, 1);
    if let EventBody::SessionEnded(session) = &mut lost.body {
        session.outcome = SessionOutcome::Lost;
    }
    world.append(&[lost]).await;
    rebuild(&world, world.log.ends().await.unwrap()).await;
    let object = world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().unwrap();
    let values: Vec<_> = object.parameters.iter().map(|p| p.value.clone().unwrap().text).collect();
    assert_eq!(values, ["by a task", "up"], "the BOOTSTRAP forgets nothing for a second time");
    let sessions = world.store.sessions(&id(1), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].outcome), (1, SessionOutcome::Completed));
}

/// A log in which one place is no record and another one is of a type that is newer than this version.
struct WithHoles {
    log: Arc<MemoryEventLog>,
    unreadable: LogPosition,
    newer: LogPosition,
}

#[async_trait]
impl EventLog for WithHoles {
    async fn ends(&self) -> Result<Positions, ReadError> {
        self.log.ends().await
    }

    async fn starts(&self) -> Result<Positions, ReadError> {
        self.log.starts().await
    }

    async fn tail(&self, after: &Positions) -> Result<Box<dyn EventTail>, ReadError> {
        let (tail, unreadable, newer) = (self.log.tail(after).await?, self.unreadable, self.newer);
        Ok(Box::new(TailWithHoles { tail, unreadable, newer }))
    }
}

struct TailWithHoles {
    tail: Box<dyn EventTail>,
    unreadable: LogPosition,
    newer: LogPosition,
}

#[async_trait]
impl EventTail for TailWithHoles {
    async fn next(&mut self, _limit: usize, wait: Duration) -> Result<Vec<LoggedEvent>, ReadError> {
        let mut events = self.tail.next(1, wait).await?;
        if events.iter().any(|event| event.position == self.unreadable) {
            return Err(ReadError::Corrupt("it is no event".into()));
        }
        events.retain(|event| event.position != self.newer);
        Ok(events)
    }

    fn at(&self) -> &Positions {
        self.tail.at()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_is_passed_over_also_at_the_end_p20() {
    let world = World::new();
    world.append(&[inform(1, 1, &["1 BOOT"], "1.0", "up"), ended(1, 1), inform(2, 1, &["1 BOOT"], "1.0", "up")]).await;
    world.append(&[inform(1, 2, &["2 PERIODIC"], "1.1", "up")]).await;
    let log = WithHoles { log: world.log.clone(), unreadable: 2, newer: 4 };
    let (done, mut told) = (world.log.ends().await.unwrap(), Vec::new());
    let rebuild = Rebuild::new(Arc::new(log), world.store.clone(), done);
    let rebuilt = timeout(Duration::from_secs(3600), rebuild.run(|progress| told.push(progress))).await;
    assert_eq!(rebuilt.expect("it ends").unwrap(), Rebuilt { records: 2, skipped: 0 });
    assert_eq!(world.store.summary(&id(1)).await.unwrap().unwrap().software_version, "1.0");
    assert!(world.store.summary(&id(2)).await.unwrap().is_some());
    assert!(told.iter().all(|progress| progress.read <= progress.of), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_log_gives_the_state_that_ingest_made_of_it(records in records(), wipe in any::<bool>()) {
        block_on(async {
            let world = World::new();
            world.append(&records).await;
            world.run().await;
            let before = world.state().await;
            let world = if wipe { wiped(world) } else { world };
            let done = world.log.ends().await.unwrap();
            rebuild(&world, done.clone()).await;
            assert_eq!(world.state().await, before);
            rebuild(&world, done).await;
            assert_eq!(world.state().await, before, "twice is as once");
        });
    }
}
