//! `lastmile ingest --rebuild` as an operator runs it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use acs_events::EventSink;
use acs_events_kafka::KafkaConfig;
use acs_proto::records::Unsealed;
use acs_store::{Devices, Store};
use acs_store_scylla::{ScyllaConfig, ScyllaStore};
use fail::FailScenario;
use tokio_util::sync::CancellationToken;

use crate::records::{id, inform, state_of};
use crate::service::fresh;
use crate::world::{World, sessions};

const DEVICES: u8 = 30;

/// The CQL servers; `None`: they are not there, and nobody said that they have to be.
pub(crate) fn cql() -> Option<String> {
    let named = std::env::var("LASTMILE_TEST_CQL").ok();
    let servers = named.clone().unwrap_or_else(|| "127.0.0.1:19042".to_owned());
    if servers.split(',').any(|server| std::net::TcpStream::connect(server).is_ok()) {
        return Some(servers);
    }
    let wanted = named.is_some() || std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!wanted, "no CQL server at {servers}; `cargo xtask services up` starts one");
    eprintln!("left out: no CQL server at {servers}; `cargo xtask services up` starts one");
    None
}

fn lastmile(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("the binary runs")
}

fn succeed(arguments: &[&str]) -> String {
    let output = lastmile(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    told
}

fn write_config(file: &Path, folder: &Path, kafka: &KafkaConfig, cql: &str, keyspace: &str) {
    let quoted = |addresses: &str| addresses.split(',').map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        r#"
[data]
dir = "{folder}"
[kafka]
brokers = [{brokers}]
topic_prefix = "{prefix}"
partitions = {partitions}
replication = 1
allow_weak_topics = true
[store]
nodes = [{nodes}]
keyspace = "{keyspace}"
replication = 1
"#,
        folder = folder.display(),
        brokers = quoted(&kafka.bootstrap_servers),
        prefix = kafka.topic_prefix,
        partitions = kafka.partitions,
        nodes = quoted(cql),
    );
    std::fs::write(file, text).unwrap();
}

/// Ingest has worked into one store; an empty one gets the same documents from Kafka, also when the work is done twice and
/// while ingest goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_gets_the_same_documents_from_kafka() {
    let (Some(kafka), Some(cql)) = (fresh(3).await, cql()) else { return };
    // Failpoints are of the whole process: no other test may set one meanwhile.
    let _no_failpoints = FailScenario::setup();
    let (world, stop) = (World::new(kafka), CancellationToken::new());
    let running = {
        let (ingest, stop) = (world.ingest("ingest-1"), stop.clone());
        tokio::spawn(async move { ingest.run(stop).await })
    };
    for n in 1..=4 {
        world.both.append(sessions(DEVICES, n)).await.unwrap();
    }
    world.done().await;
    let before = state_of(&*world.store as &dyn Store).await;
    stop.cancel();
    running.await.unwrap();
    // Not projected yet: that is left to ingest.
    world.both.append(vec![inform(1, 9, &["2 PERIODIC"], "9.9", "later")]).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lastmile.toml");
    let keyspace = format!("rebuild{}x{:x}", std::process::id(), rand::random::<u32>());
    write_config(&file, folder.path(), &world.kafka, &cql, &keyspace);
    let config = file.display().to_string();
    succeed(&["keys", "rotate", "--data-dir", &folder.path().display().to_string()]);
    succeed(&["migrate", "--config", &config]);

    let told = succeed(&["ingest", "--rebuild", "--config", &config]);
    let informs = usize::from(DEVICES) * 4;
    assert!(told.contains("pass 1 of 2") && told.contains("pass 2 of 2") && told.contains("(100 %)"), "{told}");
    let records = 2 * informs + informs / 4 - 2;
    assert!(told.contains(&format!("rebuilt from {records} records")), "{told}");
    let nodes = cql.split(',').map(str::to_owned).collect();
    let store = ScyllaStore::open(ScyllaConfig::new(nodes, keyspace), Arc::new(Unsealed)).await.unwrap();
    assert_eq!(store.summary(&id(1)).await.unwrap().unwrap().software_version, "1.1");
    assert_eq!(state_of(&store).await, before);
    succeed(&["ingest", "--rebuild", "--config", &config]);
    assert_eq!(state_of(&store).await, before, "twice is as once");
}

#[test]
fn the_help_says_what_comes_back_and_what_does_not() {
    let help = String::from_utf8(lastmile(&["ingest", "--help"]).stdout).unwrap();
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in
        ["Brings back: summaries of devices", "Does not bring back: what is older than Kafka's retention", "tasks"]
    {
        assert!(text.contains(said), "{said}: {help}");
    }
}
