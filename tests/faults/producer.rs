//! The product's Kafka producer alone, while its only broker is killed again and again: what it called acknowledged is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acs_events::{EventLog as _, EventSink as _, LogRange};
use acs_events_kafka::{KafkaConfig, KafkaLog, KafkaSink, Metrics, NewTopics, create_topics};
use acs_types::{DeviceChange, EmitterId, EventBody, EventId, EventRecord, Position, SessionStamp, Tenant};
use cwmp_model::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::tell_figures;
use crate::number;
use crate::servers::{ONE, Set};

/// So many devices write at the same time, each one record after the other.
const DEVICES: u64 = 40;
const PARTITIONS: u32 = 6;
/// How long a device waits between two records.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the last unawaited records may take when the broker is back.
const DRAINED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn what_a_producer_called_acknowledged_is_in_kafka_though_its_broker_is_killed_p7_p10() {
    let kills = number("LASTMILE_TEST_PRODUCER_KILLS", 6, 100);
    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let set = Set::find(ONE);
    let mut broker = set.broker(1);
    broker.serves().await;
    let config = KafkaConfig {
        topic_prefix: format!("producer-{seed:016x}."),
        partitions: PARTITIONS,
        allow_weak_topics: true,
        ..KafkaConfig::new(set.kafka())
    };
    create_topics(&config, &NewTopics { replication: 1, ..NewTopics::default() }).await.unwrap();
    let sink = KafkaSink::new(config.clone(), Metrics::default()).unwrap();
    let writers = Writers::start(&sink);
    let began = Instant::now();
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..=2500))).await;
        broker.kill();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..=1500))).await;
        broker.start();
        broker.serves().await;
    }
    let took = began.elapsed();
    let written = writers.stop().await;
    tokio::time::timeout(DRAINED, flushed(&sink)).await.expect("the broker is back: all is acknowledged in time");
    let there = there(&KafkaLog::new(config).unwrap()).await;
    let lost = |ids: &BTreeSet<EventId>| ids.difference(&there).count();
    let (awaited, unawaited) = (lost(&written.acknowledged), lost(&written.unawaited));
    tell_figures(&format!(
        "{kills} kills in {took:.0?}: {} awaited and {} unawaited records, of which {awaited} and {unawaited} are missing",
        written.acknowledged.len(),
        written.unawaited.len(),
    ));
    assert!(written.acknowledged.len() > 100 && written.unawaited.len() > 100, "something was written");
    assert_eq!((awaited, unawaited), (0, 0), "P7, P10: acknowledged and not in Kafka (seed {seed})");
}

/// What was written.
#[derive(Default)]
struct Written {
    /// What `append` returned `Ok` for.
    acknowledged: BTreeSet<EventId>,
    /// What `append_unawaited` took: kept until it is acknowledged.
    unawaited: BTreeSet<EventId>,
}

/// Devices that write records, awaited and unawaited in turn.
struct Writers {
    ends: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Written>>,
}

impl Writers {
    fn start(sink: &KafkaSink) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let numbers = Arc::new(AtomicU64::new(0));
        let writer = |device| tokio::spawn(write(sink.clone(), device, Arc::clone(&numbers), Arc::clone(&ends)));
        Self { tasks: (0..DEVICES).map(writer).collect(), ends }
    }

    async fn stop(self) -> Written {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for task in self.tasks {
            let mut written = task.await.unwrap();
            all.acknowledged.append(&mut written.acknowledged);
            all.unawaited.append(&mut written.unawaited);
        }
        all
    }
}

async fn write(sink: KafkaSink, device: u64, numbers: Arc<AtomicU64>, ends: Arc<AtomicBool>) -> Written {
    let mut written = Written::default();
    while !ends.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let record = record(device, number);
        let id = record.event_id;
        if number.is_multiple_of(2) {
            if sink.append(vec![record]).await.is_ok() {
                written.acknowledged.insert(id);
            }
        } else if sink.append_unawaited(vec![record]).await.is_ok() {
            written.unawaited.insert(id);
        }
        tokio::time::sleep(PAUSE).await;
    }
    written
}

fn record(device: u64, number: u64) -> EventRecord {
    let at = Timestamp::from_seconds(i64::try_from(number).unwrap());
    EventRecord {
        event_id: EventId::derived(&EventId::from_bytes([7; 16]), &number.to_string()),
        device: Some(format!("00AABB-{device}").parse().unwrap()),
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: None,
        position: Position { stamp: SessionStamp::from_micros(at.as_micros()), resume: 0, seq: 0 },
        occurred_at: at,
        emitter: "producer".parse::<EmitterId>().unwrap(),
        emitter_seq: number,
        late: false,
        body: EventBody::Device(DeviceChange::Booted),
    }
}

/// A flush that fails only says that the broker is not quite there yet.
async fn flushed(sink: &KafkaSink) {
    while sink.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Every record of the log.
async fn there(log: &KafkaLog) -> BTreeSet<EventId> {
    let (starts, ends) = (log.starts().await.unwrap(), log.ends().await.unwrap());
    let mut range = LogRange::open(log, &starts, ends).await.unwrap();
    let mut there = BTreeSet::new();
    while let Some(events) = range.next(1000, Duration::from_secs(1)).await.unwrap() {
        there.extend(events.into_iter().map(|event| event.record.event_id));
    }
    there
}
