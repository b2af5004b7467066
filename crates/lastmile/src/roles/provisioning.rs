//! `lastmile provisioning`: the life of tasks. Any number of processes over one store; they share the deadlines by leases.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_proto::remote::{GrpcServer, PeerName, TlsFiles};
use acs_provisioning::ProvisioningService;
use acs_session_redis::RedisConfig;
use acs_store_scylla::ScyllaConfig;

use super::assembly::bind;
use super::network;
use super::running::{Running, open_keys};
use crate::config::cluster::{self, Kafka};
use crate::config::sections::{self, Provisioning};
use crate::settings::Settings;

/// How far the clocks of processes may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    provisioning: Provisioning,
    listen: SocketAddr,
    keys: PathBuf,
    health: SocketAddr,
    identity: TlsFiles,
    connreq: Vec<PeerName>,
    files: Vec<PeerName>,
    kafka: Kafka,
    store: ScyllaConfig,
    redis: RedisConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            provisioning: Provisioning::read(s),
            listen: sections::listen(s, "grpc.listen"),
            keys: cluster::key_folder(s),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            connreq: cluster::peers(s, "grpc.connreq"),
            files: cluster::peers(s, "grpc.files"),
            kafka: Kafka::read(s),
            store: cluster::store(s),
            redis: cluster::redis(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let running = Running::begin("provisioning", config.health).await?;
    let listener = bind(config.listen, "`grpc.listen`").await?;
    let identity = network::identity(&running, config.identity)?;
    let store = running.store(config.store, &keys).await?;
    let events = running.events(&config.kafka, None).await?;
    let dependencies = acs_provisioning::Dependencies {
        outbox: Some(store.clone()),
        store: store.clone(),
        log: Arc::new(events.clone()),
        sessions: running.sessions(config.redis)?,
        connection_requests: network::connection_requests(&running, config.connreq, &identity),
        files: network::files(&running, config.files, &identity),
        clock: Arc::new(acs_provisioning::SystemClock),
        random: Arc::new(acs_provisioning::SystemRandom),
        metrics: running.process.provisioning_metrics(),
    };
    let mut settings = running.process.provisioning_config(&config.provisioning);
    settings.clock_skew = CLOCK_SKEW;
    let service = ProvisioningService::sharing(dependencies, settings, store);
    let timers = service.clone();
    running.spawn_until_ending(|stop| async move { timers.run(stop).await });
    let server = GrpcServer::new().await.provisioning(Arc::new(service));
    running.serve_calls(server, listener, identity, Some(&events)).await
}
