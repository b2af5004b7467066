//! `events verify`: a third judge beside the consumers in Python and Java.

use std::time::Duration;

use acs_events::Topic;
use acs_events_kafka::rdkafka::admin::{AdminClient, AdminOptions};
use acs_events_kafka::rdkafka::client::DefaultClientContext;
use acs_events_kafka::rdkafka::message::{Header, OwnedHeaders};
use acs_events_kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use acs_events_kafka::rdkafka::{ClientConfig, Offset, TopicPartitionList};
use acs_events_kafka::{Format, KafkaConfig};
use acs_types::{EventRecord, SessionStamp};
use cwmp_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::history::{BEGIN, FRONT_END, THIRD, eventful, find, id, whole};
use crate::{programs, run, send, service, stderr, stdout};

/// What all judges say of a log, under the same names.
const SHARED: [&str; 16] = [
    "complete",
    "messages",
    "skipped",
    "unreadable",
    "duplicates",
    "conflicting_copies",
    "records",
    "late",
    "devices",
    "occurrences",
    "repetitions",
    "chain_unknown",
    "sessions",
    "incomplete_sessions",
    "emitters",
    "mismatches",
];

async fn verify(config: &KafkaConfig, options: &[&str]) -> (i32, Value) {
    let output = run("verify", config, &[&["--output", "json"], options].concat()).await;
    let said = serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    (output.status.code().unwrap(), said)
}

/// What is compared; the consumers name each message that cannot be read, `verify` counts them.
fn shared(said: &Value) -> Map<String, Value> {
    let of = |key: &str| match (&said[key], key) {
        (Value::Array(places), "unreadable") => json!(places.len()),
        (value, _) => value.clone(),
    };
    SHARED.iter().chain(&["broken_totals"]).map(|key| ((*key).to_owned(), of(key))).collect()
}

/// P8, P9, P10: every fault of the history is found, and no other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_p9_p10_verify_finds_every_fault_as_the_consumers_do() {
    let Some(config) = service::fresh(3).await else { return };
    let history = eventful();
    send(&config, Format::Protobuf, history.clone()).await;
    let copies = ["a1.inform", "f1.totals1"].map(|label| find(&history, label).clone());
    send(&config, Format::Json, copies.to_vec()).await;
    let mut other = find(&history, "c3.inform").clone();
    other.subscriber_id = "another".into();
    // Ingest made it from the same Inform again: the same in all but who says it.
    let again = EventRecord { emitter_seq: 4, ..find(&history, "a1.seen").clone() };
    send(&config, Format::Protobuf, vec![find(&history, "b3.transfer").clone(), other, again]).await;
    send_foreign(&config).await;
    let (status, said) = verify(&config, &[]).await;
    assert_eq!(status, 1, "{said:#}");
    assert_eq!(said["sessions"], json!({"complete": 4, "unproven": 1, "incomplete": 3, "lost": 1, "open": 2}));
    let mismatch = json!([{"emitter": FRONT_END, "first": 8, "last": 12, "count": 5, "held": 4}]);
    assert_eq!(said["mismatches"], mismatch);
    assert_eq!(said["broken_totals"], json!([{"emitter": THIRD, "expected": 2, "first": 3}]));
    assert_eq!(said["conflicting_copies"], json!([id("c3.inform").to_string()]));
    let counts = ["messages", "skipped", "unreadable", "duplicates", "late"].map(|key| said[key].as_u64().unwrap());
    assert_eq!(counts, [43, 1, 1, 5, 5]);
    let counts = ["occurrences", "repetitions", "chain_unknown"].map(|key| said[key].as_u64().unwrap());
    assert_eq!(counts, [14, 1, 1]);
    for program in programs::find().into_iter().flatten() {
        let (status, told) = program.read(&config, &[]);
        assert_eq!((status, shared(&told)), (1, shared(&said)), "{program:?}");
    }
}

/// P10: nothing is missing, of either form, and it says so to people, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_verify_says_that_nothing_is_missing() {
    for format in [Format::Protobuf, Format::Json] {
        let Some(config) = service::fresh(3).await else { return };
        send(&config, format, whole()).await;
        let (status, said) = verify(&config, &[]).await;
        assert_eq!(status, 0, "{format:?}: {said:#}");
        for program in programs::find().into_iter().flatten() {
            assert_eq!(shared(&program.read(&config, &[]).1), shared(&said), "{program:?}, {format:?}");
        }
        let text = stdout(&run("verify", &config, &[]).await);
        assert!(text.ends_with("nothing is missing\n"), "{text}");
    }
}

/// What retention took is neither missing nor proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_what_retention_took_is_not_taken_for_missing() {
    let Some(config) = service::fresh(1).await else { return };
    let mut history = whole();
    for (n, record) in (0..).zip(&mut history) {
        let moment = BEGIN + n * 1000;
        record.occurred_at = Timestamp::from_micros(moment);
        let begun = if n < 4 { BEGIN } else { BEGIN + 4000 };
        record.position.stamp = SessionStamp::from_micros(begun);
    }
    send(&config, Format::Protobuf, history).await;
    // The Inform and the transfer of the first session, and no more.
    take_beginning(&config, Topic::Inform, 2).await;
    let (status, said) = verify(&config, &[]).await;
    assert_eq!(status, 0, "{said:#}");
    assert_eq!(said["messages"], 5);
    // The range of the second one begins with the record of the first one, which is older than what is whole.
    assert_eq!(said["unjudged_totals"], 2, "{said:#}");
    assert_eq!((&said["mismatches"], &said["incomplete_sessions"]), (&json!([]), &json!([])));
    assert_eq!((&said["sessions"]["complete"], &said["sessions"]["unproven"]), (&json!(1), &json!(1)));
}

/// A window leaves out what is not asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_judges_only_the_time_it_is_asked_for() {
    let Some(config) = service::fresh(3).await else { return };
    send(&config, Format::Protobuf, eventful()).await;
    let (status, said) = verify(&config, &["--from", "1h"]).await;
    assert_eq!((status, &said["messages"]), (0, &json!(0)), "{said:#}");
    let (status, _) = verify(&config, &["--to", "1h"]).await;
    assert_eq!(status, 1, "all of it is older");
    let turned = run("verify", &config, &["--from", "1h", "--to", "2h"]).await;
    assert_eq!(turned.status.code(), Some(64), "{}", stderr(&turned));
}

/// What cannot be read is not taken for complete; topics that may lose records are a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_verify_refuses_missing_topics_and_tells_weak_ones() {
    let Some(config) = service::fresh(3).await else { return };
    let none = KafkaConfig { topic_prefix: "never-made.".into(), ..config.clone() };
    let output = run("verify", &none, &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("never-made.acs.session.v1 does not exist"), "{}", stderr(&output));
    let strict = KafkaConfig { allow_weak_topics: false, ..config };
    let (status, said) = verify(&strict, &[]).await;
    assert_eq!(status, 1, "{said:#}");
    assert!(said["topics"].to_string().contains("copies of each record instead of 3"), "{said:#}");
}

/// A type of tomorrow, and what is no event.
async fn send_foreign(config: &KafkaConfig) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &config.bootstrap_servers).create().unwrap();
    let topic = config.topic(Topic::Device);
    let tomorrow = OwnedHeaders::new().insert(Header { key: "ce_type", value: Some("acs.tomorrow.v1") });
    for (headers, payload) in [(tomorrow, &b"?"[..]), (OwnedHeaders::new(), &[0xff; 40])] {
        let message = FutureRecord::to(&topic).key("x").headers(headers).payload(payload);
        producer.send(message, Duration::from_secs(10)).await.unwrap();
    }
}

/// Does what retention does.
async fn take_beginning(config: &KafkaConfig, topic: Topic, before: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.bootstrap_servers).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&config.topic(topic), 0, Offset::Offset(before)).unwrap();
    admin.delete_records(&offsets, &AdminOptions::new()).await.unwrap();
}
