//! `events tail`

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use acs_events_kafka::{Format, KafkaConfig};
use serde_json::Value;

use crate::history::{A, B, find, id, whole};
use crate::{events, run, send, service, stdout};

async fn ids(config: &KafkaConfig, options: &[&str]) -> Vec<String> {
    let output = run("tail", config, &[&["--output", "json"], options].concat()).await;
    assert_eq!(output.status.code(), Some(0));
    let of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event_id"].as_str().unwrap().to_owned();
    String::from_utf8(output.stdout).unwrap().lines().map(of).collect()
}

fn labels(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| id(label).to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_events_of_all_partitions_come_oldest_first() {
    let Some(config) = service::fresh(4).await else { return };
    let mut history = whole();
    // Each a microsecond after the one before, in partitions of different topics and devices.
    for (n, record) in (0..).zip(&mut history) {
        record.occurred_at = cwmp_model::Timestamp::from_micros(crate::history::BEGIN + n);
        record.subscriber_id = if n == 4 { "anna".into() } else { String::new() };
    }
    send(&config, Format::Protobuf, history).await;
    assert_eq!(ids(&config, &["-n", "3"]).await, labels(&["b1.inform", "b1.end", "f1.totals2"]));
    let all = ["a1.inform", "a1.transfer", "a1.end", "f1.totals1", "b1.inform", "b1.end", "f1.totals2"];
    assert_eq!(ids(&config, &[]).await, labels(&all));
    assert_eq!(ids(&config, &["-n", "0"]).await, labels(&[]));
    let ended = ["--type", "session_ended,acs.transfer_complete.v1"];
    assert_eq!(ids(&config, &ended).await, labels(&["a1.transfer", "a1.end", "b1.end"]));
    assert_eq!(ids(&config, &["-n", "1", "--device", A]).await, labels(&["a1.end"]));
    assert_eq!(ids(&config, &["--subscriber", "anna"]).await, labels(&["b1.inform"]));
    let table = stdout(&run("tail", &config, &["-n", "1", "--device", B]).await);
    assert!(table.contains("acs.session.v1-") && table.contains("session_ended"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_follows_shows_what_comes() {
    let Some(config) = service::fresh(3).await else { return };
    let history = whole();
    send(&config, Format::Protobuf, vec![find(&history, "a1.inform").clone()]).await;
    let options = ["-n", "1", "--follow", "--type", "inform", "--output", "json"];
    let mut process = events("tail", &config, &options).stdout(Stdio::piped()).spawn().unwrap();
    let (lines, mut shown) = tokio::sync::mpsc::channel(10);
    let output = BufReader::new(process.stdout.take().unwrap());
    let reading = std::thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| lines.blocking_send(line).unwrap());
    });
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(30), shown.recv()).await.unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["event_id"].clone()
    };
    assert_eq!(next().await, id("a1.inform").to_string());
    // The transfer is left out.
    let news = ["a1.transfer", "b1.inform"].map(|label| find(&history, label).clone());
    send(&config, Format::Protobuf, news.to_vec()).await;
    assert_eq!(next().await, id("b1.inform").to_string());
    process.kill().unwrap();
    process.wait().unwrap();
    reading.join().unwrap();
}
