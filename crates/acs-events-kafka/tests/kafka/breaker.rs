//! The breaker: Kafka stopped, deaf and cut. Nothing acknowledged is lost, nothing is reordered within a device (P7, P8, P9, P11).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::contract::record;
use acs_events::{AppendError, EventSink, MemoryEventLog};
use acs_events_kafka::{KafkaConfig, KafkaLog, KafkaSink, Metrics};
use acs_types::EventRecord;

use crate::proxy::{Proxy, Way};
use crate::service::{fresh, read_all};

const DEADLINE: Duration = Duration::from_millis(700);
/// How soon it has to work again once Kafka does.
const BACK: Duration = Duration::from_secs(20);

struct Bench {
    proxy: Arc<Proxy>,
    /// Through the proxy.
    config: KafkaConfig,
    /// Beside it.
    log: KafkaLog,
}

async fn bench() -> Option<Bench> {
    let direct = fresh(3).await?;
    let first = direct.bootstrap_servers.split(',').next().unwrap().to_owned();
    let proxy = Proxy::to(&first).await;
    let through = proxy.address.to_string();
    let config = KafkaConfig { bootstrap_servers: through, delivery_deadline: DEADLINE, ..direct.clone() };
    Some(Bench { proxy, config, log: KafkaLog::new(direct).unwrap() })
}

impl Bench {
    fn sink(&self) -> KafkaSink {
        KafkaSink::new(self.config.clone(), Metrics::default()).unwrap()
    }
}

fn of_device(device: u64, seq: u64) -> EventRecord {
    EventRecord {
        device: Some(format!("00AABB-IGD-{device}").parse().unwrap()),
        position: acs_types::Position { seq: seq as u32, ..acs_types::Position::default() },
        ..record(device as u32, seq)
    }
}

/// Until it is acknowledged, as one does that has no other place.
async fn append_until(sink: &KafkaSink, record: &EventRecord) {
    let began = Instant::now();
    while sink.append(vec![record.clone()]).await.is_err() {
        assert!(began.elapsed() < BACK, "it never works again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_opens_the_breaker_and_appends_fail_at_once_p11() {
    let Some(bench) = bench().await else { return };
    let sink = bench.sink();
    sink.append(vec![record(1, 1)]).await.unwrap();
    bench.proxy.set(Way::Stopped);
    let began = Instant::now();
    let refused = sink.append(vec![record(1, 2)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "never a receipt that is not durable");
    let after = began.elapsed();
    assert!(after >= DEADLINE * 9 / 10 && after < DEADLINE + Duration::from_millis(500), "{after:?}");
    assert!(sink.is_open());
    for seq in 3..100 {
        let began = Instant::now();
        assert!(sink.append(vec![record(1, seq)]).await.is_err());
        assert!(began.elapsed() < Duration::from_millis(50), "at once");
    }
    bench.proxy.set(Way::Open);
    append_until(&sink, &record(1, 100)).await;
    assert!(!sink.is_open(), "the acknowledged one closed it");
    let events = read_all(&bench.log).await;
    assert_eq!(events.first().unwrap().record, record(1, 1));
    assert_eq!(events.last().unwrap().record, record(1, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_with_the_one_that_failed_is_given_up_with_it() {
    let Some(bench) = bench().await else { return };
    let sink = bench.sink();
    sink.append(vec![record(1, 1)]).await.unwrap();
    bench.proxy.set(Way::Stopped);
    let first = tokio::spawn({
        let sink = sink.clone();
        async move { sink.append(vec![record(1, 2)]).await }
    });
    tokio::time::sleep(DEADLINE / 2).await;
    let began = Instant::now();
    let later = sink.append(vec![record(1, 3)]).await;
    assert!(first.await.unwrap().is_err() && later.is_err());
    assert!(began.elapsed() < DEADLINE * 9 / 10, "its caller may look elsewhere soon: {:?}", began.elapsed());
}

/// Writers that append their records one after another, each until it is acknowledged, while Kafka fails. How many copies
/// there are.
async fn survives(ways: &[(Way, Duration)]) -> Option<usize> {
    let bench = bench().await?;
    let sink = bench.sink();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers: Vec<_> = (0..4)
        .map(|device| {
            let (sink, stopped) = (sink.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut seq = 0;
                while !*stopped.borrow() {
                    seq += 1;
                    append_until(&sink, &of_device(device, seq)).await;
                }
                seq
            })
        })
        .collect();
    for (way, time) in ways {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bench.proxy.set(*way);
        tokio::time::sleep(*time).await;
        bench.proxy.set(Way::Open);
        append_until(&sink, &of_device(99, 1)).await;
    }
    stop.send_replace(true);
    let mut counts = Vec::new();
    for writer in writers {
        counts.push(writer.await.unwrap());
    }
    let events = read_all(&bench.log).await;
    for (device, count) in counts.into_iter().enumerate() {
        let id: acs_types::DeviceId = format!("00AABB-IGD-{device}").parse().unwrap();
        let (mut ids, mut seqs) = (HashSet::new(), Vec::new());
        for event in events.iter().filter(|event| event.record.device.as_ref() == Some(&id)) {
            assert_eq!(event.record, of_device(device as u64, event.record.emitter_seq), "a copy is the same record");
            // The first of each id counts, as consumers do it.
            if ids.insert(event.record.event_id) {
                seqs.push(event.record.emitter_seq);
            }
        }
        assert!(count > 5, "device {device} came to {count}");
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "device {device}: none lost, none overtaken");
    }
    let ids: HashSet<_> = events.iter().map(|event| event.record.event_id).collect();
    Some(events.len() - ids.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_loses_and_reorders_nothing_p7_p9() {
    survives(&[(Way::Stopped, DEADLINE * 3), (Way::Stopped, DEADLINE / 3), (Way::Stopped, DEADLINE * 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_acknowledgements_give_copies_with_the_same_id_p8() {
    let Some(copies) = survives(&[(Way::Deaf, DEADLINE * 3), (Way::Deaf, DEADLINE * 2)]).await else { return };
    assert!(copies > 0, "the test made none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_and_reorders_nothing_p7_p9() {
    survives(&[(Way::Cut, DEADLINE * 3), (Way::Cut, DEADLINE / 3), (Way::Cut, DEADLINE * 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unawaited_records_wait_for_kafka_in_their_order() {
    let Some(bench) = bench().await else { return };
    let sink = bench.sink();
    sink.append(vec![record(1, 1)]).await.unwrap();
    bench.proxy.set(Way::Cut);
    for seq in 2..=50 {
        sink.append_unawaited(vec![record(1, seq)]).await.unwrap();
        if seq == 25 {
            tokio::time::sleep(DEADLINE * 2).await;
            assert!(sink.is_open());
        }
    }
    let early = tokio::time::timeout(Duration::from_millis(300), sink.flush()).await;
    assert!(early.is_err(), "they are not durable yet");
    bench.proxy.set(Way::Open);
    tokio::time::timeout(BACK, sink.flush()).await.expect("they go by themselves").unwrap();
    let mut ids = HashSet::new();
    let events = read_all(&bench.log).await.into_iter().filter(|event| ids.insert(event.record.event_id));
    let seqs: Vec<_> = events.map(|event| event.record.emitter_seq).collect();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unawaited_records_find_the_fallback_while_kafka_is_away() {
    let Some(bench) = bench().await else { return };
    let outbox = Arc::new(MemoryEventLog::new());
    let sink = KafkaSink::with_fallback(bench.config.clone(), Metrics::default(), outbox.clone()).unwrap();
    sink.append(vec![record(1, 1)]).await.unwrap();
    bench.proxy.set(Way::Stopped);
    sink.append_unawaited((2..=5).map(|seq| record(1, seq)).collect()).await.unwrap();
    tokio::time::timeout(BACK, sink.flush()).await.expect("the fallback is durable").unwrap();
    assert_eq!(outbox.records(), (2..=5).map(|seq| record(1, seq)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_what_waits_is_bounded() {
    let Some(bench) = bench().await else { return };
    let sink = bench.sink();
    bench.proxy.set(Way::Stopped);
    let records = |count: u64| (0..count).map(|seq| record(1, seq)).collect::<Vec<_>>();
    sink.append_unawaited(records(9_999)).await.unwrap();
    let over = sink.append_unawaited(records(2)).await;
    assert!(matches!(over, Err(AppendError::Unavailable(_))), "all or none");
    sink.append_unawaited(records(1)).await.unwrap();
    assert!(sink.append_unawaited(records(1)).await.is_err());
}
