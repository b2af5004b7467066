//! The consumers in Python and Java, as a billing team writes them, read what the product writes.
//!
//! `history` is sent by the product's own sink to a real Kafka; each consumer runs as a process, and what it says is compared with
//! what is true of the history, exactly. `cargo xtask consumers` prepares them, `cargo xtask services up` starts Kafka.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod history;
mod programs;
#[allow(dead_code, reason = "shared with the other tests against Kafka, which read the log, too")]
#[path = "../../crates/acs-events-kafka/tests/kafka/service.rs"]
mod service;

use std::time::Duration;

use acs_events::{EventSink, Topic};
use acs_events_kafka::{Format, KafkaConfig, KafkaSink, Metrics};
use acs_types::EventRecord;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use history::{API, FRONT_END, INGEST, PROVISIONING, SECOND, THIRD, eventful, find, id, whole};

/// P8, P9, P10 as billing checks them: both consumers find each fault of the history, and no other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_p9_p10_both_consumers_say_what_is_missing_and_why() {
    let (Some(programs), Some(config)) = (programs::find(), service::fresh(3).await) else { return };
    let history = eventful();
    send(&config, Format::Protobuf, history.clone()).await;
    // Copies of three records, two of them in the other form; and one that is not the same although its id is.
    let copies = ["a1.inform", "f1.totals1"].map(|label| find(&history, label).clone());
    send(&config, Format::Json, copies.to_vec()).await;
    send(&config, Format::Protobuf, vec![find(&history, "b3.transfer").clone()]).await;
    let mut other = find(&history, "c3.inform").clone();
    other.subscriber_id = "another".into();
    // Ingest made it from the same Inform again: the same in all but who says it.
    let again = EventRecord { emitter_seq: 4, ..find(&history, "a1.seen").clone() };
    send(&config, Format::Protobuf, vec![other, again]).await;
    let place = send_foreign(&config).await;
    let expected = expected_of_eventful(&place);
    for program in programs {
        let (status, said) = program.read(&config, &["--timelines"]);
        assert_eq!(said, expected, "{program:?}");
        assert_eq!(status, 1, "{program:?}: something is missing");
    }
}

/// P10: nothing is missing, and both say so, of either form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_both_consumers_say_that_nothing_is_missing() {
    for format in [Format::Protobuf, Format::Json] {
        let (Some(programs), Some(config)) = (programs::find(), service::fresh(3).await) else { return };
        send(&config, format, whole()).await;
        for program in programs {
            let (status, said) = program.read(&config, &[]);
            assert_eq!(said, expected_of_whole(), "{program:?}, {format:?}");
            assert_eq!(status, 0, "{program:?}, {format:?}");
        }
    }
}

/// What cannot be read is not taken for complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_consumers_refuse_topics_that_are_not_there() {
    let (Some(programs), Some(brokers)) = (programs::find(), service::brokers()) else { return };
    let config = KafkaConfig { topic_prefix: "never-made.".into(), ..KafkaConfig::new(brokers) };
    for program in programs {
        let output = program.run(&config, &[]);
        assert_eq!(output.status.code(), Some(2), "{program:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("there is no topic never-made.acs.session.v1"), "{program:?}: {told}");
    }
}

async fn send(config: &KafkaConfig, format: Format, records: Vec<EventRecord>) {
    let config = KafkaConfig { format, ..config.clone() };
    let sink = KafkaSink::new(config, Metrics::default()).unwrap();
    sink.append(records).await.unwrap();
}

/// What other versions and other programs may have put there: a type and a field of tomorrow, and no event at all. Gives the
/// place of the last one.
async fn send_foreign(config: &KafkaConfig) -> String {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &config.bootstrap_servers).create().unwrap();
    let topic = config.topic(Topic::Device);
    let send = async |headers: &[(&str, &str)], payload: &[u8]| {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        });
        let message = FutureRecord::to(&topic).key("x").headers(headers).payload(payload);
        producer.send(message, Duration::from_secs(10)).await.unwrap()
    };
    send(&[("ce_type", "acs.tomorrow.v1"), ("content-type", "application/tomorrow")], b"?").await;
    let booted = id("d1.boot");
    let text = json!({
        "eventId": data_encoding::BASE64.encode(booted.as_bytes()),
        "deviceId": history::D,
        "tenant": "default",
        "emitter": INGEST,
        "emitterSeq": "5",
        "fieldOfTomorrow": [1],
        "device": {"name": "DEVICE_CHANGE_NAME_BOOTED", "another": true},
    });
    let headers =
        [("ce_type", "acs.device_change.v1"), ("ce_id", &*booted.to_string()), ("content-type", "application/json")];
    send(&headers, text.to_string().as_bytes()).await;
    let garbage = send(&[], &[0xff; 40]).await;
    format!("{topic}[{}]@{}", garbage.partition, garbage.offset)
}

fn expected_of_eventful(unreadable: &str) -> Value {
    json!({
        "complete": false,
        "messages": 44,
        "skipped": 1,
        "unreadable": [unreadable],
        "duplicates": 5,
        "conflicting_copies": [id("c3.inform").to_string()],
        "records": {
            "acs.inform.v1": 9,
            "acs.transfer_complete.v1": 5,
            "acs.session_ended.v1": 10,
            "acs.control_totals.v1": 5,
            "acs.inform_refused.v1": 2,
            "acs.device_change.v1": 3,
            "acs.task_transition.v1": 2,
            "acs.audit.v1": 1,
        },
        "late": 5,
        "devices": 4,
        "occurrences": 14,
        "repetitions": 1,
        "chain_unknown": 1,
        "sessions": {"complete": 4, "unproven": 1, "incomplete": 3, "lost": 1, "open": 2},
        "incomplete_sessions": [
            {"session": "05".repeat(16), "device": history::A, "missing": [[1, 1]]},
            {"session": "0a".repeat(16), "device": history::A, "missing": []},
            {"session": "0b".repeat(16), "device": history::D, "missing": []},
        ],
        "emitters": {
            FRONT_END: emitter(12, 14, 12, json!([[10, 10]]), json!([[5, 5]]), json!([])),
            SECOND: emitter(12, 13, 9, json!([]), json!([]), json!([[11, 11]])),
            THIRD: emitter(5, 6, 3, json!([]), json!([[3, 3]]), json!([])),
            INGEST: emitter(5, 5, 0, json!([]), json!([]), json!([])),
            PROVISIONING: emitter(2, 3, 0, json!([]), json!([]), json!([[2, 2]])),
            API: emitter(1, 1, 0, json!([]), json!([]), json!([])),
        },
        "mismatches": [{"emitter": FRONT_END, "first": 8, "last": 12, "count": 5, "held": 4}],
        "broken_totals": [{"emitter": THIRD, "expected": 2, "first": 3}],
        "timelines": {
            history::A: ids(&[
                "a1.inform", "a1.seen", "a1.transfer", "a1.end", "a.task1", "a.task3", "a2.booted", "a2.transfer", "a2.end", "a3.end",
            ]),
            history::B: ids(&[
                "b1.inform", "b1.lost", "b2.inform", "b2.end", "b3.inform", "b3.transfer", "b3.end", "b4.inform",
            ]),
            history::C: ids(&["c1.inform", "c0.transfer", "c1.transfer", "c1.end", "c2.inform", "c2.end", "c2.lost", "c3.inform"]),
            history::D: ids(&["d1.boot", "d1.inform", "d1.end"]),
        },
    })
}

fn expected_of_whole() -> Value {
    json!({
        "complete": true,
        "messages": 7,
        "skipped": 0,
        "unreadable": [],
        "duplicates": 0,
        "conflicting_copies": [],
        "records": {
            "acs.inform.v1": 2,
            "acs.transfer_complete.v1": 1,
            "acs.session_ended.v1": 2,
            "acs.control_totals.v1": 2,
        },
        "late": 0,
        "devices": 2,
        "occurrences": 4,
        "repetitions": 0,
        "chain_unknown": 0,
        "sessions": {"complete": 2, "unproven": 0, "incomplete": 0, "lost": 0, "open": 0},
        "incomplete_sessions": [],
        "emitters": {FRONT_END: emitter(7, 7, 6, json!([]), json!([]), json!([]))},
        "mismatches": [],
        "broken_totals": [],
    })
}

fn emitter(held: u64, highest: u64, accounted_to: u64, missing: Value, given_up: Value, unaccounted: Value) -> Value {
    json!({
        "held": held,
        "highest": highest,
        "accounted_to": accounted_to,
        "missing": missing,
        "given_up": given_up,
        "unaccounted": unaccounted,
    })
}

fn ids(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| id(label).to_string()).collect()
}
