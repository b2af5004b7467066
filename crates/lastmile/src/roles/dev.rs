//! `lastmile dev`: every role in one process over one data folder, with simulated devices.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
use acs_telemetry::{BuildInfo, Health, Impact, Metrics};
use acs_types::{DeviceId, Scope, Secret};
use anyhow::Context;
use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, Fleet, FleetConfig, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{DevConfig, StoreSeal, emitter, reachable};
use crate::ctl::Endpoints;
use crate::keys;

/// How often certificates are looked at.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the health of the store is looked at.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// How long simulated devices may finish their sessions at a stop.
const FLEET_GRACE: Duration = Duration::from_secs(5);
/// Who the first administrator is in the audit log.
const ADMINISTRATOR: &str = "admin";

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
    let ports = Ports::bind(&config).await?;
    let parts = Parts::build(&config, &ports).await?;
    let token = parts.administrator(&config).await?;
    let shutdown = CancellationToken::new();
    let services = parts.start(&config, ports, &shutdown);
    let fleet = start_fleet(&config, services.addresses.cwmp, &parts.store).await?;
    let endpoints = Endpoints::new(services.addresses.api, &token);
    endpoints.write(&config.data)?;
    welcome(&config, &services.addresses, &token)?;

    wait_for_signal().await?;
    println!("\nStopping: sessions that have begun may finish. Once more ends at once.");
    tokio::spawn(async {
        let _ = wait_for_signal().await;
        std::process::exit(130);
    });
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
            cwmp: bind(config.cwmp_listen, "cwmp-listen").await?,
            api: bind(config.api_listen, "api-listen").await?,
            files: bind(config.files_listen, "files-listen").await?,
        })
    }
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be used; choose another with --{flag}"))
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
        let build = BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: option_env!("LASTMILE_REVISION") };
        let metrics = Metrics::new(build);
        let health = Health::new(&metrics);
        let keys = Arc::new(KeyRing::open_or_create(&config.data.join(keys::FOLDER))?);
        let tls = read_certificate(config)?;
        let store = open_store(config, &keys)?;
        let (stored, log) = (Arc::new(store.clone()), Arc::new(store.clone()));
        let sessions: Arc<dyn SessionCache> = Arc::new(MemorySessionCache::new());
        let files = open_files(config, ports, stored.clone(), &keys, &metrics).await?;
        let booted = booted_at_micros();

        let provisioning = ProvisioningService::new(
            acs_provisioning::Dependencies {
                store: stored.clone(),
                log: log.clone(),
                sessions: sessions.clone(),
                connection_requests: Arc::new(acs_connreq::HttpConnectionRequests::new(
                    config.connection_requests.clone(),
                    &metrics,
                )),
                files: Arc::new(files.clone()),
                clock: Arc::new(acs_provisioning::SystemClock),
                random: Arc::new(acs_provisioning::SystemRandom),
                metrics: provisioning_metrics(&metrics),
            },
            provisioning_config(config, booted),
        );
        let service: Arc<dyn Provisioning> = Arc::new(provisioning.clone());
        let front_end = FrontEnd::new(
            front_end_config(config, booted),
            acs_cwmp_server::Services {
                replay: None,
                provisioning: service.clone(),
                events: log.clone(),
                cache: sessions.clone(),
                keys,
            },
            acs_cwmp_server::Metrics::registered(&metrics),
        );
        let ingest = Arc::new(Ingest::new(
            Box::new(LogConsumer::new(log.clone(), stored.clone())),
            log.clone(),
            stored.clone(),
            service.clone(),
            ingest_config(booted),
            ingest_metrics(&metrics),
        ));
        let mut api_config = acs_api::Config::new(emitter("api", booted));
        api_config.weak_tokens = true;
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
        let token = match config.admin_token.reveal() {
            "" => format!("lm_admin_{}", kept_secret(&config.data.join("admin-token"))?),
            configured => configured.to_owned(),
        };
        self.api.ensure_token(ADMINISTRATOR, &token, &Scope::ALL).await?;
        Ok(token)
    }

    /// Starts everything.
    fn start(&self, config: &DevConfig, ports: Ports, shutdown: &CancellationToken) -> Running {
        let (front, rest, stop_rest) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());
        let addresses = Addresses {
            cwmp: ports.cwmp.local_addr().unwrap_or(config.cwmp_listen),
            api: ports.api.local_addr().unwrap_or(config.api_listen),
            files: files_url(config, &ports),
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

fn booted_at_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn read_certificate(config: &DevConfig) -> anyhow::Result<Option<Arc<TlsIdentity>>> {
    let read =
        |(certificates, key): &(std::path::PathBuf, std::path::PathBuf)| TlsIdentity::from_files(certificates, key);
    Ok(config.tls.as_ref().map(read).transpose()?)
}

fn open_store(config: &DevConfig, keys: &Arc<KeyRing>) -> anyhow::Result<Embedded> {
    let mut options = Options::new(Arc::new(StoreSeal(keys.clone())));
    options.disk_reserve_bytes = config.disk_reserve_bytes;
    options.event_retention =
        EventRetention { bytes: config.events_bytes, age: config.events_age, consumers: LogConsumer::cursors() };
    Ok(Embedded::open(&config.data.join("store"), options)?)
}

async fn open_files(
    config: &DevConfig,
    ports: &Ports,
    store: Arc<Embedded>,
    keys: &Arc<KeyRing>,
    metrics: &Metrics,
) -> anyhow::Result<LocalFileServer> {
    let files = acs_files::Config {
        folder: config.data.join("files"),
        public_url: files_url(config, ports),
        max_file_bytes: config.file_bytes,
        ..acs_files::Config::default()
    };
    Ok(LocalFileServer::open(files, store, keys.clone(), metrics).await?)
}

fn files_url(config: &DevConfig, ports: &Ports) -> String {
    if !config.files_public_url.is_empty() {
        return config.files_public_url.clone();
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let address = ports.files.local_addr().unwrap_or(config.files_listen);
    format!("{scheme}://{}", reachable(address))
}

fn provisioning_metrics(metrics: &Metrics) -> acs_provisioning::Metrics {
    let provisioning = acs_provisioning::Metrics::default();
    provisioning.register(metrics);
    provisioning
}

fn ingest_metrics(metrics: &Metrics) -> acs_ingest::Metrics {
    let ingest = acs_ingest::Metrics::default();
    ingest.register(metrics);
    ingest
}

/// The one front-end that lives is in this process: sessions of an earlier one are lost.
fn ingest_config(booted: i64) -> acs_ingest::Config {
    let mut config = acs_ingest::Config::new(emitter("ingest", booted));
    config.alive = Some(vec![emitter("cwmp", booted)]);
    config
}

fn provisioning_config(config: &DevConfig, booted: i64) -> acs_provisioning::Config {
    acs_provisioning::Config {
        first_contact: config.first_contact,
        shared_credentials: config.shared_credentials.clone(),
        retention: config.history,
        allow_basic: config.connection_request_basic,
        loopback_is_confidential: true,
        ..acs_provisioning::Config::new(emitter("provisioning", booted))
    }
}

fn front_end_config(config: &DevConfig, booted: i64) -> acs_cwmp_server::Config {
    let mut front_end = acs_cwmp_server::Config::new(emitter("cwmp", booted), config.auth.clone());
    front_end.session.idle_timeout = config.session_timeout;
    (front_end.http.connections, front_end.http.connections_per_source) = config.connections;
    front_end.http.body_bytes = config.message_bytes;
    front_end.overload.sessions = config.sessions;
    front_end
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
    write_private(path, &secret)?;
    Ok(secret)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
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

/// The simulated devices: the same ones at each start over this folder. They log in as CPEs have to.
async fn start_fleet(config: &DevConfig, cwmp: SocketAddr, store: &Embedded) -> anyhow::Result<Option<Fleet>> {
    if config.fleet_devices == 0 {
        return Ok(None);
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut fleet = FleetConfig::new(format!("{scheme}://{}/", reachable(cwmp)));
    fleet.devices = config.fleet_devices;
    fleet.periodic = config.fleet_periodic;
    fleet.state = Some(config.data.join("fleet"));
    // The devices and their ACS are one process.
    fleet.trust = Trust::Anybody;
    if let Some((username, secret)) = &config.shared_credentials {
        let password = Password::new(secret.reveal());
        fleet.credentials = DeviceCredentials::Shared { username: username.clone(), password };
    } else if config.auth.scheme != CpeAuthScheme::Open {
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

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn welcome(config: &DevConfig, addresses: &Addresses, token: &str) -> anyhow::Result<()> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
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
    if config.files_listen.ip().is_unspecified() && config.files_public_url.is_empty() {
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
