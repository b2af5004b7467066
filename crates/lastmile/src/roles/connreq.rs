//! `lastmile connreq`: connection requests, through the one dialler.

use std::net::SocketAddr;
use std::sync::Arc;

use acs_connreq::HttpConnectionRequests;
use acs_proto::remote::{GrpcServer, TlsFiles};

use super::assembly::bind;
use super::network;
use super::running::Running;
use crate::config::{cluster, sections};
use crate::settings::Settings;

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    listen: SocketAddr,
    health: SocketAddr,
    identity: TlsFiles,
    requests: acs_connreq::Config,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            listen: sections::listen(s, "grpc.listen"),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            requests: sections::connection_requests(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let running = Running::begin("connreq", config.health).await?;
    let listener = bind(config.listen, "`grpc.listen`").await?;
    let identity = network::identity(&running, config.identity)?;
    let requests = HttpConnectionRequests::new(config.requests, &running.process.metrics);
    let server = GrpcServer::new().await.connection_requests(Arc::new(requests));
    running.serve_calls(server, listener, identity, None).await
}
