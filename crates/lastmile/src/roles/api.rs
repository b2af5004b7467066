//! `lastmile api`: the REST API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acs_api::ApiService;
use acs_events_kafka::KafkaLog;
use acs_proto::remote::{PeerName, TlsFiles};
use acs_session_redis::RedisConfig;
use acs_store_scylla::ScyllaConfig;

use super::assembly::{self, bind};
use super::network;
use super::outbox::Outbox;
use super::running::{Running, open_keys};
use crate::config::cluster::{self, Kafka};
use crate::config::sections::Api;
use crate::settings::Settings;

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    api: Api,
    keys: PathBuf,
    health: SocketAddr,
    identity: TlsFiles,
    provisioning: Vec<PeerName>,
    files: Vec<PeerName>,
    kafka: Kafka,
    store: ScyllaConfig,
    redis: RedisConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            api: Api::read(s),
            keys: cluster::key_folder(s),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            provisioning: cluster::peers(s, "grpc.provisioning"),
            files: cluster::peers(s, "grpc.files"),
            kafka: Kafka::read(s),
            store: cluster::store(s),
            redis: cluster::redis(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let running = Running::begin("api", config.health).await?;
    let listener = bind(config.api.listen, "`api.listen`").await?;
    let identity = network::identity(&running, config.identity)?;
    let (provisioning, _) = network::provisioning(&running, config.provisioning, &identity);
    let store = running.store(config.store, &keys).await?;
    let outbox = Arc::new(Outbox(provisioning.clone()));
    let events = running.events(&config.kafka, Some(outbox)).await?;
    let process = &running.process;
    let api = ApiService::new(
        acs_api::Deps {
            store,
            events: Arc::new(KafkaLog::new(config.kafka.client)?),
            event_sink: Arc::new(events.clone()),
            provisioning,
            files: network::files(&running, config.files, &identity),
            sessions: running.sessions(config.redis)?,
            health: process.health.clone(),
            metrics: process.metrics.clone(),
            build: process.build,
        },
        acs_api::Config::new(process.emitter("api")),
    );
    let token = config.api.admin_token.reveal();
    if !token.is_empty() {
        assembly::administrator(&api, token).await?;
    }
    running.spawn_until_ending(|stop| async move {
        if let Err(error) = api.serve(listener, stop.cancelled_owned()).await {
            tracing::error!(%error, "the API stopped serving");
        }
    });
    running.work(Some(&events)).await
}
