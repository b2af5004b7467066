//! `lastmile events tail|verify|replay` over real Kafka: `cargo xtask services up` starts it. The history is the one that the
//! consumers in Python and Java are judged by (`tests/consumers`).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

#[allow(dead_code, reason = "shared with the tests of the consumers")]
#[path = "../consumers/history.rs"]
mod history;
#[allow(dead_code, reason = "shared with the tests of the consumers")]
#[path = "../consumers/programs.rs"]
mod programs;
mod replay;
#[allow(dead_code, reason = "shared with the tests of acs-events-kafka")]
#[path = "../../crates/acs-events-kafka/tests/kafka/service.rs"]
mod service;
mod tail;
mod verify;

use std::process::{Command, Output};

use acs_events::EventSink;
use acs_events_kafka::{Format, KafkaConfig, KafkaSink, Metrics};
use acs_types::EventRecord;

/// `lastmile events` with what it needs to find the topics of `config`.
fn events(command: &str, config: &KafkaConfig, options: &[&str]) -> Command {
    let set = [
        format!("kafka.brokers={}", config.bootstrap_servers),
        format!("kafka.topic_prefix={}", config.topic_prefix),
        format!("kafka.partitions={}", config.partitions),
        format!("kafka.allow_weak_topics={}", config.allow_weak_topics),
        "kafka.replication=1".to_owned(),
    ];
    let mut process = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    // What tells the tests where the servers are is no configuration of the product.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        process.env_remove(name);
    }
    process.args(["events", command]).args(set.iter().flat_map(|set| ["--set", set])).args(options);
    process
}

async fn run(command: &str, config: &KafkaConfig, options: &[&str]) -> Output {
    let mut process = events(command, config, options);
    tokio::task::spawn_blocking(move || process.output().unwrap()).await.unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(!output.stdout.is_empty(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn send(config: &KafkaConfig, format: Format, records: Vec<EventRecord>) {
    let config = KafkaConfig { format, ..config.clone() };
    KafkaSink::new(config, Metrics::default()).unwrap().append(records).await.unwrap();
}
