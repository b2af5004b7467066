//! `lastmile ingest`: from event records to what people look up, and from the outbox to Kafka. Several processes share the
//! log as a consumer group.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acs_events::EventSink;
use acs_events_kafka::{KafkaConsumer, KafkaGroup};
use acs_ingest::Relay;
use acs_proto::remote::{PeerName, TlsFiles};
use acs_session_redis::RedisConfig;
use acs_store_scylla::ScyllaConfig;

use super::network;
use super::running::{Running, open_keys};
use crate::config::cluster::{self, Kafka};
use crate::settings::Settings;

/// The consumer group, behind the topic prefix.
pub(super) const GROUP: &str = "lastmile-ingest";

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    keys: PathBuf,
    health: SocketAddr,
    identity: TlsFiles,
    provisioning: Vec<PeerName>,
    kafka: Kafka,
    store: ScyllaConfig,
    redis: RedisConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            keys: cluster::key_folder(s),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            provisioning: cluster::peers(s, "grpc.provisioning"),
            kafka: Kafka::read(s),
            store: cluster::store(s),
            redis: cluster::redis(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let running = Running::begin("ingest", config.health).await?;
    let identity = network::identity(&running, config.identity)?;
    let (provisioning, _) = network::provisioning(&running, config.provisioning, &identity);
    let store = running.store(config.store, &keys).await?;
    let events = running.events(&config.kafka, None).await?;
    let group = KafkaGroup::new(config.kafka.client.clone(), GROUP)?;
    let consumer = Box::new(KafkaConsumer::join(config.kafka.client, GROUP)?);
    let metrics = running.process.ingest_metrics();
    let sink: Arc<dyn EventSink> = Arc::new(events.clone());
    let holder = running.process.emitter("ingest").to_string();
    let relay = Relay::new(store.clone(), store.clone(), sink.clone(), holder, metrics.clone());
    running.spawn_until_ending(|stop| async move { relay.run(stop).await });
    // Which front-ends live only their records tell.
    let ingest = running.process.ingest(metrics, consumer, sink, store, provisioning, None);
    let ingest = ingest.with_sessions(running.sessions(config.redis)?).with_group(Arc::new(group));
    running.spawn_until_ending(|stop| async move { ingest.run(stop).await });
    running.work(Some(&events)).await
}
