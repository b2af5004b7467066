//! `lastmile dev`: every role in one process over one data folder, with simulated devices.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acs_api::ApiService;
use acs_cwmp_server::{CpeAuthScheme, FrontEnd, TlsIdentity};
use acs_events::SequenceLog;
use acs_files::LocalFileServer;
use acs_ingest::{Ingest, LogConsumer};
use acs_keyring::KeyRing;
use acs_proto::Provisioning;
use acs_provisioning::ProvisioningService;
use acs_store::memory::MemorySessionCache;
use acs_store::{Credentials as _, SessionCache};
use acs_store_embedded::{Embedded, EventRetention, Options};
use acs_telemetry::{Health, Impact};
use acs_types::{DeviceId, Secret};
use anyhow::Context;
use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, Fleet, FleetConfig, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::assembly::{self, CERTIFICATE_INTERVAL, Process, bind, files_url};
use crate::config::dev::DevConfig;
use crate::config::{StoreSeal, reachable};
use crate::ctl::Endpoints;
use crate::keys;

/// How often the health of the store is looked at.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// How long simulated devices may finish their sessions at a stop.
const FLEET_GRACE: Duration = Duration::from_secs(5);
/// How long sessions of other devices may.
const DRAIN: Duration = Duration::from_secs(25);

pub(crate) fn run(config: DevConfig) -> anyhow::Result<()> {
    acs_telemetry::logging::init(&config.log)?;
    runtime()?.block_on(serve(config))
}

/// One worker for each core but one: that one is the commit thread's of the store. With as many workers as cores every
/// receipt wakes a thread that finds nothing to do; a session costs a tenth more then. `TOKIO_WORKER_THREADS` decides
/// otherwise.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        builder.worker_threads(cores.saturating_sub(1).max(1));
    }
    builder.enable_all().build()
}

async fn serve(config: DevConfig) -> anyhow::Result<()> {
    let asked = assembly::EndSignals::listen()?;
    let ports = Ports::bind(&config).await?;
    let parts = Parts::build(&config, &ports).await?;
    let token = parts.administrator(&config).await?;
    let shutdown = CancellationToken::new();
    let services = parts.start(&config, ports, &shutdown);
    let fleet = start_fleet(&config, services.addresses.cwmp, &parts.store).await?;
    let endpoints = Endpoints::new(services.addresses.api, &token);
    endpoints.write(&config.data)?;
    welcome(&config, &services.addresses, &token)?;

    asked.received().await;
    println!("\nStopping: sessions that have begun may finish. Once more ends at once.");
    parts.health.drain();
    if let Some(fleet) = fleet {
        fleet.shutdown(FLEET_GRACE).await;
    }
    shutdown.cancel();
    services.front.wait().await;
    services.stop_rest.cancel();
    services.rest.wait().await;
    Endpoints::remove(&config.data);
    println!("Stopped. Everything is kept in {}.", config.data.display());
    Ok(())
}

/// The listeners, bound before anything else begins.
struct Ports {
    cwmp: TcpListener,
    api: TcpListener,
    files: TcpListener,
}

impl Ports {
    async fn bind(config: &DevConfig) -> anyhow::Result<Self> {
        Ok(Self {
            cwmp: bind(config.cwmp.listen, "--cwmp-listen").await?,
            api: bind(config.api.listen, "--api-listen").await?,
            files: bind(config.files.listen, "--files-listen").await?,
        })
    }
}

/// Where the process is reached.
struct Addresses {
    cwmp: SocketAddr,
    api: SocketAddr,
    files: String,
}

/// The services, built and not yet serving.
struct Parts {
    store: Embedded,
    front_end: Arc<FrontEnd>,
    provisioning: ProvisioningService,
    ingest: Arc<Ingest>,
    files: LocalFileServer,
    api: ApiService,
    tls: Option<Arc<TlsIdentity>>,
    health: Health,
}

impl Parts {
    async fn build(config: &DevConfig, ports: &Ports) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("the data folder {} cannot be made", config.data.display()))?;
        let process = Process::new();
        let keys = Arc::new(KeyRing::open_or_create(&key_folder(config))?);
        let tls = assembly::read_certificate(config.cwmp.tls.as_ref())?;
        let store = open_store(config, &keys)?;
        let (stored, log) = (Arc::new(store.clone()), Arc::new(store.clone()));
        let sessions: Arc<dyn SessionCache> = Arc::new(MemorySessionCache::new());
        let folder = config.data.join("files");
        let files = process.file_server(&config.files, folder, &ports.files, stored.clone(), keys.clone()).await?;

        let requests = acs_connreq::HttpConnectionRequests::new(config.connection_requests.clone(), &process.metrics);
        let mut settings = process.provisioning_config(&config.provisioning);
        settings.loopback_is_confidential = true;
        let provisioning = ProvisioningService::new(
            acs_provisioning::Dependencies {
                outbox: None,
                store: stored.clone(),
                log: log.clone(),
                sessions: sessions.clone(),
                connection_requests: Arc::new(requests),
                files: Arc::new(files.clone()),
                clock: Arc::new(acs_provisioning::SystemClock),
                random: Arc::new(acs_provisioning::SystemRandom),
                metrics: process.provisioning_metrics(),
            },
            settings,
        );
        let service: Arc<dyn Provisioning> = Arc::new(provisioning.clone());
        let services = acs_cwmp_server::Services {
            provisioning: service.clone(),
            events: log.clone(),
            cache: sessions.clone(),
            replay: None,
            keys,
        };
        let front_end = process.front_end(&config.cwmp, DRAIN, services);
        let consumer = Box::new(LogConsumer::new(log.clone(), stored.clone()));
        // The one front-end that lives is in this process: sessions of an earlier one are lost.
        let alive = Some(vec![process.emitter("cwmp")]);
        let metrics = process.ingest_metrics();
        let ingest = process.ingest(metrics, consumer, log.clone(), stored.clone(), service.clone(), alive);
        let ingest = Arc::new(ingest.with_sessions(sessions.clone()));
        let mut api_config = acs_api::Config::new(process.emitter("api"));
        api_config.weak_tokens = true;
        let Process { build, metrics, health, .. } = process;
        let api = ApiService::new(
            acs_api::Deps {
                store: stored,
                events: log.clone(),
                event_sink: log,
                provisioning: service,
                files: Arc::new(files.clone()),
                sessions,
                health: health.clone(),
                metrics,
                build,
            },
            api_config,
        );
        Ok(Self { store, front_end, provisioning, ingest, files, api, tls, health })
    }

    /// Makes the administrator's token: the one configured, else the one of the last start, else a new one.
    async fn administrator(&self, config: &DevConfig) -> anyhow::Result<String> {
        let token = match config.api.admin_token.reveal() {
            "" => format!("lm_admin_{}", kept_secret(&config.data.join("admin-token"))?),
            configured => configured.to_owned(),
        };
        assembly::administrator(&self.api, &token).await?;
        Ok(token)
    }

    /// Starts everything.
    fn start(&self, config: &DevConfig, ports: Ports, shutdown: &CancellationToken) -> Running {
        let (front, rest, stop_rest) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());
        let addresses = Addresses {
            cwmp: ports.cwmp.local_addr().unwrap_or(config.cwmp.listen),
            api: ports.api.local_addr().unwrap_or(config.api.listen),
            files: files_url(&config.files, &ports.files),
        };
        front.spawn(acs_cwmp_server::serve(ports.cwmp, self.tls.clone(), self.front_end.clone(), shutdown.clone()));
        let (provisioning, stop) = (self.provisioning.clone(), stop_rest.clone());
        rest.spawn(async move { provisioning.run(stop).await });
        let (ingest, stop) = (self.ingest.clone(), stop_rest.clone());
        rest.spawn(async move { ingest.run(stop).await });
        let (files, stop) = (self.files.clone(), stop_rest.clone());
        let acceptor = self.tls.as_ref().map(|tls| tls.acceptor());
        rest.spawn(async move { files.serve(ports.files, acceptor, stop.cancelled_owned()).await });
        let (api, stop) = (self.api.clone(), stop_rest.clone());
        rest.spawn(async move {
            if let Err(error) = api.serve(ports.api, stop.cancelled_owned()).await {
                tracing::error!(%error, "the API stopped serving");
            }
        });
        let watch = watch_health(self.health.clone(), self.store.clone());
        let stop = stop_rest.clone();
        rest.spawn(async move { stop.run_until_cancelled(watch).await });
        if let Some(tls) = self.tls.clone() {
            let stop = stop_rest.clone();
            rest.spawn(async move { stop.run_until_cancelled(tls.watch(CERTIFICATE_INTERVAL)).await });
        }
        front.close();
        rest.close();
        Running { front, rest, stop_rest, addresses }
    }
}

/// What is serving.
struct Running {
    /// Stops first: sessions drain while the rest still works for them.
    front: TaskTracker,
    rest: TaskTracker,
    stop_rest: CancellationToken,
    addresses: Addresses,
}

fn key_folder(config: &DevConfig) -> std::path::PathBuf {
    config.keys.clone().unwrap_or_else(|| config.data.join(keys::FOLDER))
}

fn open_store(config: &DevConfig, keys: &Arc<KeyRing>) -> anyhow::Result<Embedded> {
    let mut options = Options::new(Arc::new(StoreSeal(keys.clone())));
    options.disk_reserve_bytes = config.disk_reserve_bytes;
    options.event_retention =
        EventRetention { bytes: config.events_bytes, age: config.events_age, consumers: LogConsumer::cursors() };
    Ok(Embedded::open(&config.data.join("store"), options)?)
}

/// The secret that the last start kept in this file, or a new one, readable by the owner alone.
fn kept_secret(path: &Path) -> anyhow::Result<String> {
    if let Ok(kept) = std::fs::read_to_string(path) {
        let kept = kept.trim().to_owned();
        if !kept.is_empty() {
            return Ok(kept);
        }
    }
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    let secret = data_encoding::BASE64URL_NOPAD.encode(&bytes);
    assembly::write_private(path, &secret)?;
    Ok(secret)
}

/// The simulated devices: the same ones at each start over this folder. They log in as CPEs have to.
async fn start_fleet(config: &DevConfig, cwmp: SocketAddr, store: &Embedded) -> anyhow::Result<Option<Fleet>> {
    if config.fleet_devices == 0 {
        return Ok(None);
    }
    let scheme = if config.cwmp.tls.is_some() { "https" } else { "http" };
    let mut fleet = FleetConfig::new(format!("{scheme}://{}/", reachable(cwmp)));
    fleet.devices = config.fleet_devices;
    fleet.periodic = config.fleet_periodic;
    fleet.state = Some(config.data.join("fleet"));
    // The devices and their ACS are one process.
    fleet.trust = Trust::Anybody;
    if let Some((username, secret)) = &config.provisioning.shared_credentials {
        let password = Password::new(secret.reveal());
        fleet.credentials = DeviceCredentials::Shared { username: username.clone(), password };
    } else if config.cwmp.auth.scheme != CpeAuthScheme::Open {
        let secret = Password::new(kept_secret(&config.data.join("fleet-secret"))?);
        fleet.credentials = DeviceCredentials::Derived { secret };
        register_fleet(&fleet, store).await?;
    }
    Ok(Some(Fleet::start(fleet).await?))
}

/// Tells the store what each simulated device logs in with.
async fn register_fleet(fleet: &FleetConfig, store: &Embedded) -> anyhow::Result<()> {
    for index in 0..fleet.devices {
        let Some((username, password)) = fleet.login(index) else { continue };
        let device = DeviceId::of(&fleet.identity(index));
        let mut credential = store.credential(&device).await?.unwrap_or_default();
        credential.username = username;
        credential.password = Secret::new(password.expose());
        store.put_credential(&device, Some(credential)).await?;
    }
    Ok(())
}

/// Keeps the health checks true.
async fn watch_health(health: Health, store: Embedded) {
    let check = health.check("store", Impact::NotReady);
    loop {
        match (SequenceLog::end(&store).await, store.check_space()) {
            (Ok(_), Ok(())) => check.pass(),
            (Err(error), _) => check.fail(error.to_string()),
            (_, Err(error)) => check.fail(error.to_string()),
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}

fn welcome(config: &DevConfig, addresses: &Addresses, token: &str) -> anyhow::Result<()> {
    let scheme = if config.cwmp.tls.is_some() { "https" } else { "http" };
    let ctl = if config.data == Path::new("lastmile-data") {
        "lastmile ctl".to_owned()
    } else {
        format!("lastmile ctl --data-dir {}", config.data.display())
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "Lastmile {} is up.", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  ACS URL for CPEs   {scheme}://{}/", addresses.cwmp)?;
    writeln!(out, "  API                http://{}/api/v1", addresses.api)?;
    writeln!(out, "  Files              {}", addresses.files)?;
    if config.files.listen.ip().is_unspecified() && config.files.public_url.is_empty() {
        writeln!(
            out,
            "                     (CPEs on other hosts need the key `files.public_url`, such as http://HOST:PORT)"
        )?;
    }
    writeln!(out, "  Data folder        {}", config.data.display())?;
    writeln!(out, "  Administrator      {token}")?;
    writeln!(out, "  Simulated devices  {}", config.fleet_devices)?;
    writeln!(out, "\nTry, in another terminal:")?;
    writeln!(out, "  {ctl} devices")?;
    writeln!(out, "  {ctl} get DEVICE DeviceInfo.")?;
    writeln!(out, "  {ctl} reboot DEVICE")?;
    writeln!(out, "  {ctl} watch")?;
    writeln!(out, "\nCtrl-C stops it.")?;
    out.flush()?;
    Ok(())
}
