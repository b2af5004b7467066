//! `lastmile cwmp`: a front-end. It owns nothing that only it knows, and does not speak to the store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_events_kafka::KafkaSink;
use acs_proto::remote::{PeerName, Peers, TlsFiles};
use acs_session_redis::RedisConfig;
use acs_telemetry::Impact;
use tokio_util::sync::CancellationToken;

use super::assembly::{self, CERTIFICATE_INTERVAL, asked_to_end, bind};
use super::network;
use super::outbox::{Outbox, SeenProvisioning};
use super::running::{Running, open_keys};
use crate::config::cluster::{self, Kafka};
use crate::config::sections::Cwmp;
use crate::settings::Settings;

/// Connections are still taken so long after the front-end says that it is not ready: balancers look every second or two.
const NOTICE: Duration = Duration::from_secs(5);
/// And then begun sessions get so long; with what follows a minute in all.
const DRAIN: Duration = Duration::from_secs(50);

/// What a front-end is told.
#[derive(Debug)]
pub(super) struct Config {
    cwmp: Cwmp,
    keys: PathBuf,
    health: SocketAddr,
    identity: TlsFiles,
    provisioning: Vec<PeerName>,
    kafka: Kafka,
    redis: RedisConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            cwmp: Cwmp::read(s),
            keys: cluster::key_folder(s),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            provisioning: cluster::peers(s, "grpc.provisioning"),
            kafka: Kafka::read(s),
            redis: cluster::redis(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let tls = assembly::read_certificate(config.cwmp.tls.as_ref())?;
    let running = Running::begin("cwmp", config.health).await?;
    let listener = bind(config.cwmp.listen, "`cwmp.listen`").await?;
    let identity = network::identity(&running, config.identity)?;
    let (provisioning, peers) = network::provisioning(&running, config.provisioning, &identity);
    let provisioning = SeenProvisioning::new(provisioning);
    let outbox = Arc::new(Outbox(provisioning.clone()));
    let events = running.events(&config.kafka, Some(outbox)).await?;
    let cache = running.sessions(config.redis)?;
    watch_receipts(&running, events.clone(), peers, provisioning.clone());
    if let Some(tls) = tls.clone() {
        running.spawn(async move { tls.watch(CERTIFICATE_INTERVAL).await });
    }
    let services = acs_cwmp_server::Services {
        provisioning,
        events: Arc::new(events.clone()),
        cache: cache.clone(),
        replay: Some(cache),
        keys,
    };
    let front_end = running.process.front_end(&config.cwmp, DRAIN, services);
    tracing::info!(listen = %config.cwmp.listen, tls = tls.is_some(), "CPEs may connect");

    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(acs_cwmp_server::serve(listener, tls, front_end, shutdown.clone()));
    running.built();
    asked_to_end().await?;
    running.drain();
    tokio::time::sleep(NOTICE).await;
    shutdown.cancel();
    let served = serving.await;
    running.finish(Some(&events)).await;
    Ok(served?)
}

/// A front-end without any durable place for records could answer an Inform only with 503 (P11): then others should get it.
fn watch_receipts(running: &Running, events: KafkaSink, peers: Peers, provisioning: Arc<SeenProvisioning>) {
    running.watch("receipts", Impact::NotReady, move || {
        let durable = !events.is_open() || (peers.serving().0 > 0 && provisioning.outbox_works());
        async move { if durable { Ok(()) } else { Err("neither Kafka nor the outbox takes records".to_owned()) } }
    });
}
