//! `lastmile ingest`: from event records to what people look up, and from the outbox to Kafka. Several processes share the
//! log as a consumer group.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acs_events::{EventLog, EventSink, Partition, Positions, ReadError};
use acs_events_kafka::{KafkaConsumer, KafkaGroup, KafkaLog, WORK_TOPICS};
use acs_ingest::{Group, Relay};
use acs_proto::remote::{PeerName, TlsFiles};
use acs_session_redis::RedisConfig;
use acs_store_scylla::ScyllaConfig;
use async_trait::async_trait;

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
    let group = Whole {
        log: KafkaLog::new(config.kafka.client.clone())?,
        group: KafkaGroup::new(config.kafka.client.clone(), GROUP)?,
    };
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

/// What all processes of the group work on together.
struct Whole {
    log: KafkaLog,
    group: KafkaGroup,
}

#[async_trait]
impl Group for Whole {
    async fn ends(&self) -> Result<Positions, ReadError> {
        let is_worked_on = |(partition, _): &(Partition, _)| partition.topic.is_some_and(|t| WORK_TOPICS.contains(&t));
        Ok(self.log.ends().await?.iter().filter(is_worked_on).collect())
    }

    async fn done(&self) -> Result<Positions, ReadError> {
        let (mut done, starts) = tokio::try_join!(self.group.done(), self.log.starts())?;
        // What retention took needs nobody's work any more.
        for (partition, start) in starts.iter() {
            done.set(partition, done.get(partition).max(start));
        }
        Ok(done)
    }
}
