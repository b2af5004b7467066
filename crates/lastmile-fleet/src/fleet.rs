use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cwmp_model::{DeviceIdentity, ParameterPath};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{DEVICES_MAX, FleetConfig};
use crate::http::Target;
use crate::ledger::{Fact, Ledger, Line};
use crate::listener::{self, Gate};
use crate::session::SessionReport;
use crate::slot::{Errand, Phase, Slot};
use crate::state_folder::StateFolder;
use crate::tls::{self, TlsError};
use crate::{Device, runner};

/// Is told of every session that ends; must not block.
pub type Observer = Box<dyn Fn(&SessionReport) + Send + Sync>;

/// A number of simulated CPEs that run on the current tokio runtime until [`shutdown`](Self::shutdown) or drop.
pub struct Fleet {
    shared: Arc<Shared>,
    slots: Arc<[Arc<Slot>]>,
    address: SocketAddr,
}

/// What the devices of a fleet share.
pub(crate) struct Shared {
    pub(crate) config: FleetConfig,
    pub(crate) clock: Clock,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) gate: Gate,
    folder: Option<StateFolder>,
    pub(crate) observer: Option<Observer>,
    /// Ends every task of the fleet.
    stop: CancellationToken,
    sessions: AtomicU64,
}

/// Why a fleet cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A value of the configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// The listener for connection requests cannot be opened.
    #[error("connection requests cannot be taken at {address}: {why}; choose another address or port 0")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        why: io::Error,
    },
    /// The ledger file cannot be opened.
    #[error("the ledger file cannot be opened: {0}")]
    Ledger(io::Error),
    /// The state folder cannot be used, or does not hold these devices.
    #[error("the state folder cannot be used: {0}")]
    State(io::Error),
    /// `https` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Fleet {
    /// Starts every device.
    ///
    /// # Errors
    /// The configuration makes no sense, or something it names cannot be opened.
    pub async fn start(config: FleetConfig) -> Result<Self, StartError> {
        Self::start_observed(config, None).await
    }

    /// Like [`start`](Self::start); `observer` is told of every session that ends.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_observed(config: FleetConfig, observer: Option<Observer>) -> Result<Self, StartError> {
        check(&config)?;
        let unopened = |why| StartError::Listen { address: config.listen, why };
        let listener = TcpListener::bind(config.listen).await.map_err(unopened)?;
        let address = listener.local_addr().map_err(unopened)?;
        let ledger = Ledger::open(config.ledger.as_deref(), config.ledger_lines_max).map_err(StartError::Ledger)?;
        let tls = tls::client_config(&config.trust)?;
        let folder = config.state.clone().map(StateFolder::open).transpose().map_err(StartError::State)?;
        let device = |index| slot(&config, index, address, folder.as_ref()).map(Arc::new);
        let slots =
            (0..config.devices).map(device).collect::<io::Result<Arc<[Arc<Slot>]>>>().map_err(StartError::State)?;
        let clock = Clock::new();
        let shared = Arc::new(Shared {
            config,
            clock,
            ledger: Arc::new(ledger),
            tls,
            gate: Gate::new(),
            folder,
            observer,
            stop: CancellationToken::new(),
            // Unlike those of an earlier process with the same ledger file.
            sessions: AtomicU64::new(u64::try_from(clock.now().as_micros()).unwrap_or(0)),
        });
        shared.spawn(listener::run(shared.clone(), slots.clone(), listener));
        for slot in slots.iter() {
            shared.spawn(runner::run(shared.clone(), slot.clone()));
        }
        Ok(Self { shared, slots, address })
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The device with this index, from 0.
    pub fn device(&self, index: usize) -> Option<DeviceHandle> {
        let slot = self.slots.get(index)?.clone();
        Some(DeviceHandle { shared: self.shared.clone(), slot })
    }

    /// Every device.
    pub fn devices(&self) -> impl Iterator<Item = DeviceHandle> {
        (0..self.len()).filter_map(|index| self.device(index))
    }

    /// What the devices saw.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.shared.ledger.clone()
    }

    /// Where connection requests are taken.
    pub const fn listen_address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until no device has anything to do, see [`DeviceHandle::wait_idle`]; `false` if it takes longer than `limit`.
    pub async fn wait_idle(&self, limit: Duration) -> bool {
        let all = async {
            for device in self.devices() {
                device.idle().await;
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }

    /// Lets sessions in progress end for up to `grace`, then stops every device.
    pub async fn shutdown(self, grace: Duration) {
        let all_out = async {
            while self.slots.iter().any(|slot| slot.state().phase == Phase::InSession) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(grace, all_out).await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// One device of a running fleet.
#[derive(Clone)]
pub struct DeviceHandle {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

/// Sessions of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// As the standard says.
    pub completed: u64,
    /// All others.
    pub failed: u64,
}

impl DeviceHandle {
    /// How it names itself.
    pub fn identity(&self) -> DeviceIdentity {
        self.slot.state().device.identity.clone()
    }

    /// Its index in the fleet.
    pub fn index(&self) -> usize {
        self.slot.index
    }

    /// Lets an event happen, for example `2 PERIODIC`: a session opens at once, or after the one in progress.
    pub fn trigger(&self, event_code: &str) {
        self.slot.add_event(event_code, "");
    }

    /// Changes a value as the device itself, or a person at it, would: the next Inform tells of it with `4 VALUE CHANGE`.
    /// `false`: there is no such parameter.
    pub fn set_local(&self, path: &ParameterPath, text: &str) -> bool {
        {
            let mut state = self.slot.state();
            if state.device.model.value(path).is_none() {
                return false;
            }
            state.device.change(path, text);
            state.add_event("4 VALUE CHANGE", "");
        }
        self.slot.wake.notify_one();
        true
    }

    /// The value of a parameter by its full name.
    pub fn value(&self, path: &ParameterPath) -> Option<String> {
        self.slot.state().device.model.value(path).map(|value| value.text.clone())
    }

    /// The full name of something below the root of this device's data model.
    pub fn path(&self, below_root: &str) -> ParameterPath {
        self.slot.state().device.model.path(below_root)
    }

    /// The instance numbers of a table.
    pub fn instances(&self, table: &ParameterPath) -> Vec<u32> {
        self.slot.state().device.model.instances(table)
    }

    /// Power off and on.
    pub fn reboot(&self) {
        self.slot.add_errand(Errand::Restart { command_key: None });
    }

    /// The reset button.
    pub fn factory_reset(&self) {
        self.slot.add_errand(Errand::FactoryReset);
    }

    /// Sessions so far.
    pub fn sessions(&self) -> SessionCounts {
        let state = self.slot.state();
        SessionCounts { completed: state.completed, failed: state.failed }
    }

    /// How its last session went.
    pub fn last_session(&self) -> Option<SessionReport> {
        self.slot.state().last_report.clone()
    }

    /// What all devices of the fleet saw.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.shared.ledger.clone()
    }

    /// Waits until the device has nothing to tell, no session, no restart and no transfer; `false` if it takes longer than
    /// `limit`. A device that waits for a retry is not idle.
    pub async fn wait_idle(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.idle()).await.is_ok()
    }

    /// Waits until `completed` sessions are over without failure; `false` if it takes longer than `limit`.
    pub async fn wait_completed(&self, completed: u64, limit: Duration) -> bool {
        let wait = self.until(|slot| slot.state().completed >= completed);
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    async fn idle(&self) {
        self.until(|slot| slot.state().is_idle()).await;
    }

    async fn until(&self, is_so: impl Fn(&Slot) -> bool) {
        loop {
            let settled = self.slot.settled.notified();
            if is_so(&self.slot) {
                return;
            }
            settled.await;
        }
    }
}

impl Shared {
    pub(crate) fn note(&self, device: &str, fact: Fact) {
        self.ledger.write(Line { at: self.clock.now().to_string(), device: device.to_owned(), fact });
    }

    /// Keeps what the device is now, where that is asked for.
    pub(crate) fn save(&self, slot: &Slot) {
        if let Some(folder) = &self.folder {
            let saved = slot.state().device.save();
            if let Err(error) = folder.save(slot.index, &saved) {
                tracing::error!(%error, device = slot.serial, "the state of a device cannot be kept");
            }
        }
    }

    /// A task that ends with the fleet at latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let _ = stop.run_until_cancelled(task).await;
        });
    }

    pub(crate) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }
}

fn slot(config: &FleetConfig, index: usize, address: SocketAddr, folder: Option<&StateFolder>) -> io::Result<Slot> {
    let secret_path = format!("{:016x}", config.device_number(index, "path"));
    let url = format!("http://{address}/{index}/{secret_path}");
    let (username, password) =
        config.login(index).map(|(name, password)| (name, password.expose().to_owned())).unwrap_or_default();
    let enabled = if config.periodic.is_zero() { "0" } else { "1" };
    let interval = config.periodic.as_secs().max(1).to_string();
    let factory = vec![
        ("ManagementServer.URL", config.acs_url.clone()),
        ("ManagementServer.Username", username),
        ("ManagementServer.Password", password),
        ("ManagementServer.ConnectionRequestURL", url),
        ("ManagementServer.PeriodicInformEnable", enabled.to_owned()),
        ("ManagementServer.PeriodicInformInterval", interval),
    ];
    let mut device = Device::new(config.gateway(index), config.identity(index), factory);
    if let Some(saved) = folder.map(|folder| folder.load(index, &device.identity)).transpose()?.flatten() {
        device.restore(saved);
    }
    Ok(Slot::new(index, device, secret_path))
}

fn check(config: &FleetConfig) -> Result<(), StartError> {
    if config.devices == 0 || config.devices > DEVICES_MAX {
        let text = format!("a fleet has 1 to {DEVICES_MAX} devices, not {}", config.devices);
        return Err(StartError::Config(text));
    }
    Target::parse(&config.acs_url).map_err(|error| StartError::Config(error.to_string()))?;
    Ok(())
}
