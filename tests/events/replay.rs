//! `events replay`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acs_events::{LoggedEvent, Partition};
use acs_events_kafka::{Format, KafkaConfig, KafkaLog, create_topics};
use acs_types::{EventId, EventRecord};

use crate::history::{A, eventful, whole};
use crate::service::{fresh, read_all, weak};
use crate::{run, send, stderr, stdout};

/// Ids and places of the copies.
async fn log_of(config: &KafkaConfig) -> Vec<LoggedEvent> {
    read_all(&KafkaLog::new(config.clone()).unwrap()).await
}

fn by_partition(events: &[LoggedEvent]) -> BTreeMap<Partition, Vec<EventRecord>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    events.iter().for_each(|event| partitions.entry(event.partition).or_default().push(event.record.clone()));
    partitions
}

fn target_of(config: &KafkaConfig) -> KafkaConfig {
    KafkaConfig { topic_prefix: format!("{}again.", config.topic_prefix), ..config.clone() }
}

/// P8: ids, keys and order stay, and a second run brings only copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_replay_keeps_ids_order_and_partitions_and_may_be_repeated() {
    let Some(config) = fresh(3).await else { return };
    send(&config, Format::Protobuf, eventful()).await;
    let target = target_of(&config);
    let options = ["--to-prefix", &target.topic_prefix, "--create-topics", "--rate", "500"];
    let output = run("replay", &config, &options).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let count = eventful().len();
    assert!(stdout(&output).ends_with(&format!("{count} events were sent\n")), "{}", stdout(&output));
    let source = log_of(&config).await;
    let once = log_of(&target).await;
    assert_eq!(by_partition(&once), by_partition(&source), "a partition is that of the key");
    assert_eq!(run("replay", &config, &options).await.status.code(), Some(0));
    let twice = log_of(&target).await;
    let ids = |events: &[LoggedEvent]| {
        events.iter().map(|event| event.record.event_id).collect::<std::collections::BTreeSet<EventId>>()
    };
    assert_eq!((twice.len(), ids(&twice)), (2 * count, ids(&source)));
    assert_eq!(log_of(&config).await.len(), count, "the source is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_sends_nothing_and_a_filter_less() {
    let Some(config) = fresh(3).await else { return };
    send(&config, Format::Protobuf, whole()).await;
    let target = target_of(&config);
    create_topics(&target, &weak()).await.unwrap();
    let options = ["--to-prefix", &target.topic_prefix, "--device", A];
    let dry = run("replay", &config, &[&options[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    assert!(stdout(&dry).ends_with("3 events would be sent\n"), "{}", stdout(&dry));
    assert!(log_of(&target).await.is_empty());
    let real = run("replay", &config, &options).await;
    assert_eq!(real.status.code(), Some(0), "{}", stderr(&real));
    let sent = log_of(&target).await;
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|event| event.record.device.as_ref().unwrap().to_string() == A));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_not_faster_than_told_and_only_of_the_time_that_was_named() {
    let Some(config) = fresh(1).await else { return };
    send(&config, Format::Protobuf, eventful()).await;
    let source = log_of(&config).await;
    let moments: Vec<_> = source.iter().map(|event| event.record.occurred_at).collect();
    let (first, last) = (*moments.iter().min().unwrap(), *moments.iter().max().unwrap());
    let within = moments.iter().filter(|moment| **moment < last).count();
    assert!(0 < within && within < moments.len(), "a history with more than one moment");
    let target = target_of(&config);
    let (from, to) = (first.to_string(), last.minus(Duration::from_micros(1)).to_string());
    let options =
        ["--to-prefix", &target.topic_prefix, "--create-topics", "--rate", "10", "--from", &from, "--to", &to];
    let began = Instant::now();
    let output = run("replay", &config, &options).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let least = Duration::from_millis(100) * u32::try_from(within - 1).unwrap();
    assert!(began.elapsed() >= least, "{within} events at 10 a second in {:?}", began.elapsed());
    assert_eq!(log_of(&target).await.len(), within);

    let options = ["--to-prefix", &target.topic_prefix, "--from", &last.to_string(), "--to", &from];
    let output = run("replay", &config, &options).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("is after --to"), "{}", stderr(&output));
}

/// Everyone would get the events again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_into_its_source_is_refused() {
    let Some(config) = fresh(1).await else { return };
    send(&config, Format::Protobuf, whole()).await;
    // The same cluster by another name.
    let port = config.bootstrap_servers.rsplit_once(':').unwrap().1;
    let again = format!("localhost:{port}");
    let same: [&[&str]; 4] = [
        &[],
        &["--to-prefix", &config.topic_prefix],
        &["--to-brokers", &config.bootstrap_servers],
        &["--to-brokers", &again],
    ];
    for options in same {
        let output = run("replay", &config, options).await;
        assert_eq!(output.status.code(), Some(64), "{options:?}");
        assert!(stderr(&output).contains("the target is the source"), "{}", stderr(&output));
    }
    assert_eq!(log_of(&config).await.len(), whole().len());
}
