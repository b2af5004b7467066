//! The projection of the log: the same state whatever is repeated and wherever it is split or killed (P7, P8, P9).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use acs_events::SequenceLog;
use acs_ingest::project;
use acs_store::{Devices, History, Objects, ObjectsPatch, UpsertObject};
use acs_types::{
    EventBody, EventRecord, ObjectRecord, PageRequest, ParameterRecord, Position, SessionOutcome, SessionStamp,
};
use cwmp_model::Value;
use proptest::prelude::*;
use support::*;
use tokio_util::sync::CancellationToken;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn an_inform_is_presence_and_values_cwmp_138() {
    let world = World::new();
    world.append(&[inform(1, 1, &["1 BOOT", "4 VALUE CHANGE"], "1.0", "up"), ended(1, 1)]).await;
    assert_eq!(world.run().await, 4, "with the two changes it tells itself");
    let summary = world.store.summary(&id(1)).await.unwrap().unwrap();
    assert_eq!((&*summary.software_version, summary.root.as_str()), ("1.0", "Device."));
    assert_eq!((summary.first_seen, summary.last_inform, summary.last_boot), (at(1), at(1), Some(at(1))));
    assert_eq!(summary.last_events, ["1 BOOT", "4 VALUE CHANGE"]);
    let object = world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().unwrap();
    assert_eq!(object.parameters[0].value, Some(Value::string("up")));
    let sessions = world.store.sessions(&id(1), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].outcome), (1, SessionOutcome::Completed));
}

#[tokio::test]
async fn changes_of_devices_are_told_once() {
    let world = World::new();
    let mut moved = inform(1, 3, &["2 PERIODIC"], "2.0", "up");
    if let EventBody::Inform(inform) = &mut moved.body {
        inform.remote = Some("192.0.2.2".parse().unwrap());
    }
    world
        .append(&[
            inform(1, 1, &["0 BOOTSTRAP", "1 BOOT"], "1.0", "up"),
            inform(1, 2, &["2 PERIODIC"], "1.0", "up"),
            moved,
        ])
        .await;
    world.run().await;
    let expected = ["first_seen", "bootstrapped", "booted", "firmware_changed", "address_changed"];
    assert_eq!(world.changes(), expected);
    // An Inform that is read late is no change back.
    let mut late = inform(1, 2, &["2 PERIODIC"], "1.0", "up");
    late.event_id = acs_types::EventId::from_bytes([9; 16]);
    world.append(&[late]).await;
    world.run().await;
    assert_eq!(world.changes(), expected);
    assert_eq!(world.store.summary(&id(1)).await.unwrap().unwrap().software_version, "2.0");
}

#[tokio::test]
async fn provisioning_sees_what_obliges_p7() {
    let world = World::new();
    let first = inform(1, 1, &["2 PERIODIC"], "1.0", "up");
    let idle = inform(1, 2, &["2 PERIODIC"], "1.0", "up");
    let boot = inform(1, 3, &["1 BOOT"], "1.0", "up");
    let done = transfer(1, 3, 0);
    world.append(&[first.clone(), idle, boot.clone(), done.clone()]).await;
    *world.listener.away.lock().unwrap() = true;
    assert!(world.ingest().run_once().await.is_err(), "the cursor waits");
    *world.listener.away.lock().unwrap() = false;
    world.run().await;
    let observed = world.listener.observed.lock().unwrap().clone();
    assert_eq!(observed, [first.event_id, boot.event_id, done.event_id]);
}

#[tokio::test]
async fn provisioning_sees_that_a_session_was_lost_and_no_other_end_p7() {
    let mut world = World::new();
    // Told by the front-ends, or by another ingest that closed it.
    let ends = (1..).zip(SessionOutcome::ALL).map(|(n, outcome)| {
        let mut record = ended(1, n);
        if let EventBody::SessionEnded(session) = &mut record.body {
            session.outcome = outcome;
        }
        (outcome, record)
    });
    let ends: Vec<_> = ends.collect();
    world.append(&ends.iter().map(|(_, record)| record.clone()).collect::<Vec<_>>()).await;
    world.run().await;
    let lost = ends.iter().filter(|(outcome, _)| *outcome == SessionOutcome::Lost).map(|(_, record)| record.event_id);
    assert_eq!(*world.listener.observed.lock().unwrap(), lost.collect::<Vec<_>>());

    // One that it closes itself comes back by the log. It is told again until provisioning takes it.
    world.append(&[inform(2, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    world.listener.observed.lock().unwrap().clear();
    world.config.alive = Some(vec![emitter("front-2")]);
    *world.listener.away.lock().unwrap() = true;
    assert!(world.ingest().run_once().await.is_err(), "the cursor waits");
    *world.listener.away.lock().unwrap() = false;
    world.run().await;
    let closed = world.log.records().into_iter().find(|record| {
        matches!(&record.body, EventBody::SessionEnded(session) if session.at.session == support::session(2, 1))
    });
    assert_eq!(*world.listener.observed.lock().unwrap(), [closed.unwrap().event_id]);
}

#[tokio::test]
async fn a_record_that_can_never_be_taken_stops_nothing_p20() {
    let world = World::new();
    let records: Vec<_> = (1..=9).map(|n| inform(n, 1, &["1 BOOT"], "1.0", "up")).collect();
    *world.listener.poison.lock().unwrap() = Some(records[4].event_id);
    world.append(&records).await;
    world.run().await;
    let observed = world.listener.observed.lock().unwrap().clone();
    assert!(records.iter().all(|r| observed.contains(&r.event_id) == (r.event_id != records[4].event_id)));
    assert_eq!(world.store.count_devices().await.unwrap(), 9, "what could be written of it is");
}

#[tokio::test]
async fn a_session_without_end_is_lost_when_its_front_end_is_gone_p9() {
    let mut world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up"), inform(2, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.append(&[transfer(1, 1, 0), ended(2, 1)]).await;
    world.run().await;
    assert_eq!(world.sessions_ended().len(), 1);
    // Another boot: the front-end of before is not alive.
    world.config.alive = Some(vec![emitter("front-2")]);
    world.run().await;
    let ended = world.sessions_ended();
    assert_eq!(ended.len(), 2);
    let lost = &ended[1];
    assert_eq!((lost.at.session, lost.outcome, lost.complete), (session(1, 1), SessionOutcome::Lost, false));
    assert_eq!(lost.record_count, 2);
    let records = world.log.records();
    let mut places: Vec<_> = records.iter().filter(|r| r.session == Some(session(1, 1))).map(|r| r.position).collect();
    assert!(places.is_sorted(), "the end comes last: {places:?}");
    places.dedup();
    assert_eq!(places.len(), 3, "each record has a place of its own: {places:?}");
    assert_eq!(world.store.session(&session(1, 1)).await.unwrap().unwrap().outcome, SessionOutcome::Lost);
    world.run().await;
    assert_eq!(world.sessions_ended().len(), 2, "closed once");
}

#[tokio::test(start_paused = true)]
async fn lost_sessions_are_closed_while_records_come_all_the_time_p9() {
    let mut world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    world.config.alive = Some(vec![emitter("front-2")]);
    let (ingest, stop) = (world.ingest(), CancellationToken::new());
    let records = async {
        for minute in 2..30 {
            let record = EventRecord { emitter: emitter("front-2"), ..inform(2, minute, &["2 PERIODIC"], "1.0", "up") };
            world.append(&[record]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let closed: Vec<_> = world.sessions_ended().iter().map(|ended| ended.at.session).collect();
        stop.cancel();
        closed
    };
    let ((), closed) = tokio::join!(ingest.run(stop.clone()), records);
    assert_eq!(closed, [session(1, 1)], "nobody has to wait for a moment without records");
}

#[tokio::test]
async fn a_session_of_a_living_front_end_is_lost_only_by_age_p9() {
    let mut world = World::new();
    world.config.alive = Some(vec![emitter("front-1")]);
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up"), inform(2, 41, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    assert!(world.sessions_ended().is_empty(), "40 minutes after its last record");
    world.append(&[inform(3, 42, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    let lost: Vec<_> = world.sessions_ended().iter().map(|ended| ended.at.session).collect();
    assert_eq!(lost, [session(1, 1)]);
}

#[tokio::test]
async fn an_end_that_comes_after_all_replaces_lost() {
    let mut world = World::new();
    world.config.alive = Some(Vec::new());
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    world.append(&[ended(1, 1)]).await;
    world.run().await;
    assert_eq!(world.store.session(&session(1, 1)).await.unwrap().unwrap().outcome, SessionOutcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn first_contacts_of_many_devices_at_once_are_observed_p7() {
    let world = World::new();
    // Ten seconds for a call, as between processes.
    *world.listener.slow.lock().unwrap() = Some((Duration::from_millis(200), Duration::from_secs(10)));
    let informs: Vec<_> = (1..=200).map(|device| inform(device, 1, &["0 BOOTSTRAP"], "1.0", "up")).collect();
    world.append(&informs).await;
    assert_eq!(world.run().await, 200 + 2 * 200, "with what is told of them: first seen, bootstrapped");
    assert_eq!(world.listener.observed.lock().unwrap().len(), 200);
}

#[tokio::test]
async fn values_read_after_the_inform_stay() {
    let world = World::new();
    let parameter = ParameterRecord {
        name: "State".into(),
        writable: None,
        value: Some(Value::string("set in the session")),
        value_at: at(1).plus(Duration::from_secs(1)),
        secret: false,
    };
    let object =
        ObjectRecord { path: path("Device.X_Acme."), writable: None, named_at: None, parameters: vec![parameter] };
    let stamp = SessionStamp::from_micros(at(1).as_micros());
    let patch = ObjectsPatch { stamp, upsert: vec![UpsertObject { object, complete: false }], ..Default::default() };
    world.store.patch_objects(&id(1), patch).await.unwrap();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "older")]).await;
    world.run().await;
    let known = world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().unwrap();
    assert_eq!(known.parameters[0].value, Some(Value::string("set in the session")));
}

#[tokio::test]
async fn an_idle_inform_writes_its_presence_only() {
    let world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up"), inform(1, 2, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    let at_of = async || {
        let object = world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().unwrap();
        object.parameters[0].value_at
    };
    assert_eq!(at_of().await, at(1), "the same values are not written again");
    assert_eq!(world.store.summary(&id(1)).await.unwrap().unwrap().last_inform, at(2));
    world.append(&[inform(1, 3, &["4 VALUE CHANGE"], "1.0", "down")]).await;
    world.run().await;
    assert_eq!(at_of().await, at(3));
}

#[tokio::test]
async fn a_bootstrap_forgets_and_keeps_its_own_values_cwmp_185() {
    let world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    world.run().await;
    let mut bootstrap = inform(1, 2, &["0 BOOTSTRAP"], "1.0", "up");
    if let EventBody::Inform(inform) = &mut bootstrap.body {
        inform.parameters.truncate(1);
    }
    world.append(&[bootstrap]).await;
    world.run().await;
    assert!(world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().is_none());
    assert!(world.store.object(&id(1), &path("Device.DeviceInfo.")).await.unwrap().is_some());
}

#[tokio::test]
async fn refused_informs_are_listed_p24() {
    let world = World::new();
    world.append(&[refused(1), refused(2), refused(2)]).await;
    world.run().await;
    assert_eq!(world.store.refused(&PageRequest::first(9)).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn it_follows_the_log_and_waits_errors_out() {
    let world = World::new();
    let ingest = Arc::new(world.ingest());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (ingest, shutdown) = (ingest.clone(), shutdown.clone());
        async move { ingest.run(shutdown).await }
    });
    world.store.fail_with(Some(acs_store::Error::Unavailable("test".into())));
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.store.fail_with(None);
    let known = async {
        while world.store.summary(&id(1)).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), known).await.expect("it goes on");
    shutdown.cancel();
    running.await.unwrap();
    assert!(world.store.cursor("ingest").await.unwrap() <= world.log.end().await.unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_log_in_any_split_gives_the_same_state_p9(records in records(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        block_on(async {
            let whole = World::new();
            whole.append(&records).await;
            whole.run().await;

            let split = World::new();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(records.len())).collect();
            ends.sort_unstable();
            let mut from = 0;
            for to in ends.into_iter().chain([records.len()]) {
                split.append(&records[from..to]).await;
                split.run().await;
                from = to;
            }
            assert_eq!(split.state().await, whole.state().await);
            assert_eq!(split.changes(), whole.changes());
        });
    }

    #[test]
    fn any_log_twice_gives_the_same_state_p8(records in records()) {
        block_on(async {
            let world = World::new();
            world.append(&records).await;
            world.run().await;
            let (once, changes) = (world.state().await, world.changes());
            // The cursor is lost: all is projected again.
            world.store.put_cursor("ingest", 0).await.unwrap();
            world.run().await;
            assert_eq!(world.state().await, once);
            assert_eq!(world.changes(), changes);
            let obliging = records.iter().filter(|record| project(record).obliges).count();
            assert!(world.listener.observed.lock().unwrap().len() >= 2 * obliging);
        });
    }
}

#[test]
fn order_is_by_position_not_by_arrival_p9() {
    let newer = inform(1, 5, &["2 PERIODIC"], "2.0", "up");
    let older = inform(1, 4, &["2 PERIODIC"], "1.0", "down");
    assert!(newer.position > older.position && older.position > Position::default());
    block_on(async {
        let world = World::new();
        world.append(&[newer, older]).await;
        world.run().await;
        let summary = world.store.summary(&id(1)).await.unwrap().unwrap();
        assert_eq!((&*summary.software_version, summary.last_inform, summary.first_seen), ("2.0", at(5), at(4)));
        let object = world.store.object(&id(1), &path("Device.X_Acme.")).await.unwrap().unwrap();
        assert_eq!(object.parameters[0].value, Some(Value::string("up")), "a late value is an older one");
    });
}
