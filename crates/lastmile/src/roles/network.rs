//! The other roles, as clients see them.

use std::sync::Arc;

use acs_proto::remote::{
    CERTIFICATE_INTERVAL, ConnectionRequestsClient, Deadlines, FileServerClient, MutualTls, PeerName, Peers,
    ProvisioningClient, TlsFiles,
};
use acs_proto::{ConnectionRequests, FileServer, Provisioning};

use super::running::Running;

/// What this process proves itself with; watched for rotated files.
pub(super) fn identity(running: &Running, files: TlsFiles) -> anyhow::Result<Arc<MutualTls>> {
    let tls = MutualTls::from_files(files)?;
    let watched = Arc::clone(&tls);
    running.spawn(async move { watched.watch(CERTIFICATE_INTERVAL).await });
    Ok(tls)
}

pub(super) fn provisioning(
    running: &Running,
    names: Vec<PeerName>,
    tls: &Arc<MutualTls>,
) -> (Arc<dyn Provisioning>, Peers) {
    let peers = Peers::find("provisioning", names, Arc::clone(tls));
    running.watch_peers("provisioning", peers.clone());
    (Arc::new(ProvisioningClient::new(peers.clone(), Deadlines::default())), peers)
}

pub(super) fn connection_requests(
    running: &Running,
    names: Vec<PeerName>,
    tls: &Arc<MutualTls>,
) -> Arc<dyn ConnectionRequests> {
    let peers = Peers::find("connection requests", names, Arc::clone(tls));
    running.watch_peers("connection_requests", peers.clone());
    Arc::new(ConnectionRequestsClient::new(peers, Deadlines::default()))
}

pub(super) fn files(running: &Running, names: Vec<PeerName>, tls: &Arc<MutualTls>) -> Arc<dyn FileServer> {
    let peers = Peers::find("the file server", names, Arc::clone(tls));
    running.watch_peers("files", peers.clone());
    Arc::new(FileServerClient::new(peers, Deadlines::default()))
}
