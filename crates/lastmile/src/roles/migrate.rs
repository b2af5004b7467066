//! `lastmile migrate`: makes or updates the tables of the store and the topics of the event log, and ends.

use acs_events_kafka::{check_topics, create_topics};
use acs_store_scylla::ScyllaConfig;

use crate::config::cluster::{self, Kafka};
use crate::settings::Settings;

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    kafka: Kafka,
    store: ScyllaConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self { kafka: Kafka::read(s), store: cluster::store(s) }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let report = acs_store_scylla::migrate(&config.store).await?;
    let acs_store_scylla::Report { product, keyspace, replication, version_before, version } = report;
    let was = if version_before == version { "as before".to_owned() } else { format!("before {version_before}") };
    println!("store: keyspace {keyspace} on {product} has schema {version} ({was}), replication {replication}");
    create_topics(&config.kafka.client, &config.kafka.topics).await?;
    check_topics(&config.kafka.client).await?;
    println!("event log: all topics are there, {} partitions each", config.kafka.client.partitions);
    Ok(())
}
