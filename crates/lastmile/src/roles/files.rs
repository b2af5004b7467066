//! `lastmile files`: keeps files in a folder of its own and hands them to devices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acs_proto::remote::{GrpcServer, TlsFiles};
use acs_store_scylla::ScyllaConfig;

use super::assembly::{self, CERTIFICATE_INTERVAL, bind};
use super::network;
use super::running::{Running, open_keys};
use crate::config::cluster;
use crate::config::sections::{self, Files};
use crate::settings::Settings;

/// What it is told.
#[derive(Debug)]
pub(super) struct Config {
    files: Files,
    data: PathBuf,
    listen: SocketAddr,
    keys: PathBuf,
    health: SocketAddr,
    identity: TlsFiles,
    store: ScyllaConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self {
            files: Files::read(s),
            data: sections::data_folder(s),
            listen: sections::listen(s, "grpc.listen"),
            keys: cluster::key_folder(s),
            health: cluster::health_listen(s),
            identity: cluster::identity(s),
            store: cluster::store(s),
        }
    }
}

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let tls = assembly::read_certificate(config.files.tls.as_ref())?;
    let running = Running::begin("files", config.health).await?;
    let devices = bind(config.files.listen, "`files.listen`").await?;
    let calls = bind(config.listen, "`grpc.listen`").await?;
    let identity = network::identity(&running, config.identity)?;
    let store = running.store(config.store, &keys).await?;
    let folder = config.data.join("files");
    let files = running.process.file_server(&config.files, folder, &devices, store, keys).await?;
    let (server, acceptor) = (files.clone(), tls.as_ref().map(|tls| tls.acceptor()));
    running.spawn_until_ending(|stop| async move {
        server.serve(devices, acceptor, stop.cancelled_owned()).await;
    });
    if let Some(tls) = tls {
        running.spawn(async move { tls.watch(CERTIFICATE_INTERVAL).await });
    }
    let server = GrpcServer::new().await.file_server(Arc::new(files));
    running.serve_calls(server, calls, identity, None).await
}
