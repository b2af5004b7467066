use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicI64, AtomicU64};

use acs_events::EventSink;
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, ConnectionRequests, EndReply, EndRequest, EnqueueReply, EnqueueRequest,
    FileServer, NextReply, NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest,
    WakeOutcome,
};
use acs_store::{Leases, Outbox, SessionCache, Store};
use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard, broadcast};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::error;
use crate::metrics::Metrics;
use crate::plans::Plans;
use crate::random::Random;
use crate::shards::Shards;
use crate::timers::FailingTimers;
use crate::wake::ArmedWakes;

/// Tasks and what sessions do for them. Clones are the same service.
#[derive(Clone)]
pub struct ProvisioningService {
    pub(crate) inner: Arc<Inner>,
}

/// What the service works with.
#[derive(Clone)]
pub struct Dependencies {
    /// Everything durable.
    pub store: Arc<dyn Store>,
    /// Where transitions are told.
    pub log: Arc<dyn EventSink>,
    /// Where records are kept that front-ends find no place for in the event log; `None`: that log is the only place.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// Which devices are in a session.
    pub sessions: Arc<dyn SessionCache>,
    /// Wakes devices.
    pub connection_requests: Arc<dyn ConnectionRequests>,
    /// Signs the addresses of files.
    pub files: Arc<dyn FileServer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Counters, registered or not.
    pub metrics: Metrics,
}

pub(crate) struct Inner {
    pub(crate) deps: Dependencies,
    pub(crate) config: Config,
    pub(crate) plans: Plans,
    pub(crate) wakes: StdMutex<ArmedWakes>,
    pub(crate) failing: StdMutex<FailingTimers>,
    /// `None`: this process is alone, and all timers are its.
    pub(crate) shards: Option<Shards>,
    pub(crate) changes: broadcast::Sender<Arc<Task>>,
    pub(crate) emitted: AtomicU64,
    /// When a front-end's death was written down last, in microseconds.
    pub(crate) death_noted: AtomicI64,
    turns: Vec<Mutex<()>>,
}

/// Changes that a slow watcher may be behind before it reads its task again.
const WATCH_BUFFER: usize = 1024;
/// Devices share so many locks; a lock only saves conflicts, correctness is the commit's.
const TURNS: usize = 256;

impl ProvisioningService {
    /// A service that takes calls at once; timers need [`ProvisioningService::run`].
    pub fn new(deps: Dependencies, config: Config) -> Self {
        Self::build(deps, config, None)
    }

    /// As [`ProvisioningService::new`], for one of several processes over one store: they share the timers by leases, and
    /// see to each other's that nobody handles in time. `config.emitter` tells them apart; set `config.clock_skew`, too.
    pub fn sharing(deps: Dependencies, config: Config, leases: Arc<dyn Leases>) -> Self {
        let shards = Shards::new(leases, config.emitter.to_string(), config.timer_shards_max);
        Self::build(deps, config, Some(shards))
    }

    fn build(deps: Dependencies, config: Config, shards: Option<Shards>) -> Self {
        let inner = Inner {
            plans: Plans::new(config.plans_max, config.plan_bytes_max, config.plan_age),
            wakes: StdMutex::default(),
            failing: StdMutex::default(),
            shards,
            changes: broadcast::Sender::new(WATCH_BUFFER),
            emitted: AtomicU64::new(0),
            death_noted: AtomicI64::new(0),
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            deps,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Watches deadlines and drops old history until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        self.inner.clone().run_timers(shutdown).await;
    }

    /// Handles every deadline that is due now; says how many.
    pub async fn fire_due_timers(&self) -> Result<usize, ServiceError> {
        self.inner.fire_due().await
    }
}

impl Inner {
    pub(crate) async fn turn(&self, device: &DeviceId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        device.hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        self.turns[turn].lock().await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.deps.store
    }

    pub(crate) fn now(&self) -> cwmp_model::Timestamp {
        self.deps.clock.now()
    }
}

#[async_trait]
impl Provisioning for ProvisioningService {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        self.inner.verifier(&request.username).await
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        self.inner.begin(request).await
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        self.inner.next(request).await
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.inner.end(request).await
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        // Who comes here has tried the log.
        match &self.inner.deps.outbox {
            Some(outbox) => outbox.put_outbox(records).await.map_err(error::store),
            None => self.inner.deps.log.append(records).await.map_err(error::log),
        }
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.inner.observe(records).await
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        self.inner.enqueue(request).await
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        let task = self.inner.cancel(device, task, principal).await?;
        Ok(CancelReply { task })
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        self.inner.retry(device, task, principal).await
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        self.inner.watch(device, task).await
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        self.inner.wake(device).await
    }
}
