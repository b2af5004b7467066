//! What `dev` and the roles build alike: each service from its section of the configuration and from what it stands on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_api::ApiService;
use acs_cwmp_server::{FrontEnd, TlsIdentity};
use acs_events::{EventConsumer, EventSink};
use acs_files::LocalFileServer;
use acs_ingest::Ingest;
use acs_keyring::KeyRing;
use acs_proto::Provisioning;
use acs_store::{Files as FileRecords, Store};
use acs_telemetry::{BuildInfo, Health, Metrics};
use acs_types::{EmitterId, Scope};
use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::sections::{Cwmp, Files, Provisioning as ProvisioningSection};
use crate::config::{emitter, reachable};

/// How often certificates are looked at.
pub(crate) const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(5);
/// Who the first administrator is in the audit log.
const ADMINISTRATOR: &str = "admin";

/// What every process has.
pub(crate) struct Process {
    pub(crate) build: BuildInfo,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    booted_at_micros: i64,
}

impl Process {
    pub(crate) fn new() -> Self {
        let build = BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: option_env!("LASTMILE_REVISION") };
        let metrics = Metrics::new(build);
        let health = Health::new(&metrics);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let booted_at_micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Self { build, metrics, health, booted_at_micros }
    }

    /// The name of a role of this process in records.
    pub(crate) fn emitter(&self, role: &str) -> EmitterId {
        emitter(role, self.booted_at_micros)
    }

    pub(crate) fn front_end(&self, cwmp: &Cwmp, drain: Duration, services: acs_cwmp_server::Services) -> Arc<FrontEnd> {
        let mut config = acs_cwmp_server::Config::new(self.emitter("cwmp"), cwmp.auth.clone());
        config.session.idle_timeout = cwmp.session_timeout;
        (config.http.connections, config.http.connections_per_source) = cwmp.connections;
        config.http.body_bytes = cwmp.message_bytes;
        config.overload.sessions = cwmp.sessions;
        config.waits.drain = drain;
        // Where nonces are shared there are other front-ends, and sessions are theirs, too.
        config.shared_sessions = services.replay.is_some();
        FrontEnd::new(config, services, acs_cwmp_server::Metrics::registered(&self.metrics))
    }

    pub(crate) fn provisioning_config(&self, section: &ProvisioningSection) -> acs_provisioning::Config {
        acs_provisioning::Config {
            first_contact: section.first_contact,
            shared_credentials: section.shared_credentials.clone(),
            retention: section.history,
            allow_basic: section.connection_request_basic,
            ..acs_provisioning::Config::new(self.emitter("provisioning"))
        }
    }

    pub(crate) fn provisioning_metrics(&self) -> acs_provisioning::Metrics {
        let provisioning = acs_provisioning::Metrics::default();
        provisioning.register(&self.metrics);
        provisioning
    }

    pub(crate) fn ingest_metrics(&self) -> acs_ingest::Metrics {
        let metrics = acs_ingest::Metrics::default();
        metrics.register(&self.metrics);
        metrics
    }

    /// `alive`: the front-ends that live, where all of them are known.
    pub(crate) fn ingest(
        &self,
        metrics: acs_ingest::Metrics,
        consumer: Box<dyn EventConsumer>,
        sink: Arc<dyn EventSink>,
        store: Arc<dyn Store>,
        provisioning: Arc<dyn Provisioning>,
        alive: Option<Vec<EmitterId>>,
    ) -> Ingest {
        let mut config = acs_ingest::Config::new(self.emitter("ingest"));
        config.alive = alive;
        Ingest::new(consumer, sink, store, provisioning, config, metrics)
    }

    pub(crate) async fn file_server(
        &self,
        section: &Files,
        folder: PathBuf,
        listener: &TcpListener,
        store: Arc<dyn FileRecords>,
        keys: Arc<KeyRing>,
    ) -> anyhow::Result<LocalFileServer> {
        let config = acs_files::Config {
            folder,
            public_url: files_url(section, listener),
            max_file_bytes: section.file_bytes,
            ..acs_files::Config::default()
        };
        Ok(LocalFileServer::open(config, store, keys, &self.metrics).await?)
    }
}

/// Makes `token` the administrator's.
pub(crate) async fn administrator(api: &ApiService, token: &str) -> anyhow::Result<()> {
    api.ensure_token(ADMINISTRATOR, token, &Scope::ALL).await?;
    Ok(())
}

/// How devices reach the file server.
pub(crate) fn files_url(section: &Files, listener: &TcpListener) -> String {
    if !section.public_url.is_empty() {
        return section.public_url.clone();
    }
    let scheme = if section.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", reachable(listener.local_addr().unwrap_or(section.listen)))
}

/// The certificate that CPEs see, if one is configured.
pub(crate) fn read_certificate(files: Option<&(PathBuf, PathBuf)>) -> anyhow::Result<Option<Arc<TlsIdentity>>> {
    let read = |(certificates, key): &(PathBuf, PathBuf)| TlsIdentity::from_files(certificates, key);
    Ok(files.map(read).transpose()?)
}

/// A listener; `choose` says where another address is given.
pub(crate) async fn bind(address: SocketAddr, choose: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be used; choose another with {choose}"))
}

/// Returns when the process is asked to end; asked once more it ends at once.
#[cfg(feature = "distributed")]
pub(crate) async fn asked_to_end() -> anyhow::Result<()> {
    EndSignals::listen()?.received().await;
    Ok(())
}

/// Ctrl-C and SIGTERM, from the moment of listening on: one that comes before it is waited for is not lost.
pub(crate) struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    /// From now on neither ends the process by itself.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when the first has come; the second one ends the process at once.
    pub(crate) async fn received(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(130);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let written = || -> std::io::Result<()> {
        let draft = path.with_extension("new");
        let _ = std::fs::remove_file(&draft);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}
