//! Two processes of ingest over Kafka find out that a front-end is dead, although most of what it said was read by the other one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::EventSink;
use acs_events_kafka::KafkaGroup;
use acs_ingest::Config;
use acs_store::memory::MemorySessionCache;
use acs_store::{CachedSession, SessionCache};
use acs_types::{ControlTotals, EmitterId, EventBody, EventId, EventRecord, SessionOutcome, SessionStamp};
use fail::FailScenario;
use tokio_util::sync::CancellationToken;

use crate::records::{at, emitter, id, inform, record, session};
use crate::service::{fresh, read_all};
use crate::world::{GROUP, PATIENCE, World};

/// In place of 80 s and 20 s.
const SILENT_AFTER: Duration = Duration::from_secs(8);
const TOTALS: Duration = Duration::from_secs(2);
const DEVICES: u8 = 12;

/// Device 1–6 are served by `front-1`, the others by `front-2`.
fn front_end(device: u8) -> EmitterId {
    emitter(if device <= DEVICES / 2 { "front-1" } else { "front-2" })
}

fn totals(front_end: &str, number: u64) -> EventRecord {
    let body = EventBody::ControlTotals(ControlTotals { first: number, last: number, count: 1 });
    let mut record = record(99, 1, 0, body);
    (record.device, record.session, record.emitter, record.emitter_seq) = (None, None, emitter(front_end), number);
    record.event_id = EventId::of_totals(&record.emitter, number);
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_front_end_is_known_to_every_process_and_a_living_one_is_not_taken_for_it_p9() {
    let Some(kafka) = fresh(6).await else { return };
    // Failpoints are of the whole process: no other test may set one meanwhile.
    let _no_failpoints = FailScenario::setup();
    let (world, cache, stop) = (World::new(kafka), Arc::new(MemorySessionCache::default()), CancellationToken::new());
    let run = |name: &str| {
        let config = Config { silent_after: SILENT_AFTER, ..Config::new(emitter(name)) };
        let group = KafkaGroup::new(world.kafka.clone(), GROUP).unwrap();
        let ingest = world.configured(config).with_sessions(cache.clone());
        let (ingest, stop) = (ingest.with_group(Arc::new(group)), stop.clone());
        tokio::spawn(async move { ingest.run(stop).await })
    };
    let processes = [run("ingest-1"), run("ingest-2")];
    for device in 1..=DEVICES {
        let stamp = SessionStamp::from_micros(at(1).as_micros());
        let (session, of, front_end) = (session(device, 1), id(device), front_end(device));
        let open = EventRecord { emitter: front_end.clone(), ..inform(device, 1, &["2 PERIODIC"], "1.0", "up") };
        world.both.append(vec![open]).await.unwrap();
        let cached = CachedSession { session, device: of, stamp, front_end, snapshot: Vec::new() };
        cache.begin(&cached).await.unwrap();
    }
    let (began, mut number, mut lost) = (Instant::now(), 0, Vec::new());
    // Both live for a time in which a silent one would be lost; then one is killed.
    while lost.len() < usize::from(DEVICES / 2) {
        assert!(began.elapsed() < PATIENCE, "lost: {lost:?}");
        number += 1;
        let lives = began.elapsed() < 2 * SILENT_AFTER;
        world.both.append(vec![totals("front-2", number)]).await.unwrap();
        if lives {
            world.both.append(vec![totals("front-1", number)]).await.unwrap();
        }
        tokio::time::sleep(TOTALS).await;
        let ends = read_all(&world.both.log).await.into_iter().filter_map(|event| match event.record.body {
            EventBody::SessionEnded(end) if end.outcome == SessionOutcome::Lost => Some(end.at.device),
            _ => None,
        });
        lost = ends.collect();
        assert!(!lives || lost.is_empty(), "{lost:?} after {:?}", began.elapsed());
    }
    lost.sort();
    let mut expected: Vec<_> = (1..=DEVICES / 2).map(id).collect();
    expected.sort();
    assert_eq!(lost, expected, "each once, and only those of the dead one");
    assert_eq!(cache.live_sessions().await.unwrap(), u64::from(DEVICES / 2), "the cache offers them to nobody");
    stop.cancel();
    for process in processes {
        process.await.unwrap();
    }
}
