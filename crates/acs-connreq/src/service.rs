use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use acs_proto::{ConnectionRequests, ErrorClass, ServiceError, WakeOutcome, WakeRequest};
use acs_telemetry::Metrics;
use acs_types::DeviceId;
use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::exchange::Exchange;
use crate::metrics::ConnreqMetrics;
use crate::schedule::{Admission, Limits, Schedule};
use crate::{Config, DialError, Dialler, Resolver, SystemResolver, Target, TargetError};

/// Wakes devices over HTTP. Clones share everything.
#[derive(Clone)]
pub struct HttpConnectionRequests {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    dialler: Dialler,
    schedule: Mutex<Schedule<Shared>>,
    dials: Semaphore,
    hasher: RandomState,
    metrics: ConnreqMetrics,
}

/// The outcome of a request in flight, once it is there.
type Shared = watch::Receiver<Option<WakeOutcome>>;

impl HttpConnectionRequests {
    /// With the names of the operating system. Call within a tokio runtime.
    pub fn new(config: Config, metrics: &Metrics) -> Self {
        Self::with_resolver(config, Arc::new(SystemResolver), metrics)
    }

    /// With another resolver.
    pub fn with_resolver(config: Config, resolver: Arc<dyn Resolver>, metrics: &Metrics) -> Self {
        let limits = Limits {
            min_interval: config.min_interval,
            busy_wait_max: config.busy_wait_max.max(config.min_interval),
            wrong_credentials_wait: config.wrong_credentials_wait.max(config.min_interval),
            max_devices: config.max_devices,
        };
        let inner = Inner {
            dialler: Dialler::new(config.policy.clone(), resolver, config.connect_timeout),
            schedule: Mutex::new(Schedule::new(limits)),
            dials: Semaphore::new(config.max_dials),
            hasher: RandomState::new(),
            metrics: ConnreqMetrics::new(metrics),
            config,
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl ConnectionRequests for HttpConnectionRequests {
    async fn wake(&self, request: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        let outcome = self.inner.clone().wake(request).await?;
        self.inner.metrics.count_outcome(outcome.as_str());
        Ok(outcome)
    }
}

impl Inner {
    async fn wake(self: Arc<Self>, request: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        let target = match Target::parse(&request.url) {
            Ok(target) => target,
            Err(error @ TargetError::Empty) => return Ok(WakeOutcome::NotSent { reason: error.to_string() }),
            Err(error) => return Ok(WakeOutcome::Refused { reason: error.to_string() }),
        };
        let (done, shared) = watch::channel(None);
        match self.admit(&request, shared.clone()) {
            Admission::Go => {
                // On its own task: a caller that goes away takes nothing from those who joined.
                tokio::spawn(async move {
                    let mut flight = Flight { inner: &self, device: &request.device, outcome: None };
                    let outcome = Box::pin(self.ask(&target, &request)).await;
                    flight.outcome = Some(outcome.clone());
                    drop(flight);
                    done.send_replace(Some(outcome));
                });
                outcome_of(shared).await
            }
            Admission::Join(shared) => {
                self.metrics.coalesced.inc();
                outcome_of(shared).await
            }
            Admission::Rest(rest) => Ok(WakeOutcome::NotSent { reason: rest.to_string() }),
        }
    }

    fn admit(&self, request: &WakeRequest, shared: Shared) -> Admission<Shared> {
        // With a random key, so that the number tells nothing of the password.
        let fingerprint = self.hasher.hash_one((&request.url, &request.username, request.password.reveal()));
        let mut schedule = self.schedule();
        let admission = schedule.admit(&request.device, fingerprint, Instant::now(), shared);
        self.metrics.devices.set(i64::try_from(schedule.len()).unwrap_or(i64::MAX));
        admission
    }

    async fn ask(&self, target: &Target, request: &WakeRequest) -> WakeOutcome {
        let Ok(Ok(_turn)) = timeout(self.config.queue_timeout, self.dials.acquire()).await else {
            let reason =
                format!("{} connection requests are on their way already; try again later", self.config.max_dials);
            return WakeOutcome::NotSent { reason };
        };
        self.metrics.dials.inc();
        let begun = Instant::now();
        let outcome = match self.dialler.check(target).await {
            Ok(checked) => {
                Exchange::new(&self.dialler, &checked, target, request, self.config.answer_timeout).run().await
            }
            Err(error) => self.not_dialled(error, request),
        };
        self.metrics.dials.dec();
        if !matches!(outcome, WakeOutcome::Refused { .. }) {
            self.metrics.seconds.observe(begun.elapsed().as_secs_f64());
        }
        tracing::debug!(device = %request.device, outcome = outcome.as_str(), "connection request");
        outcome
    }

    fn not_dialled(&self, error: DialError, request: &WakeRequest) -> WakeOutcome {
        let reason = error.to_string();
        match error {
            DialError::Denied { rule, what } => {
                self.metrics.count_denied(rule);
                tracing::warn!(device = %request.device, rule = rule.as_str(), what, "connection request refused by policy");
                WakeOutcome::Refused { reason }
            }
            DialError::Unresolved { .. } | DialError::NoConnection { .. } => WakeOutcome::Unreachable { reason },
        }
    }

    // Each change of the schedule is complete when it returns, so a panic elsewhere does no harm.
    fn schedule(&self) -> MutexGuard<'_, Schedule<Shared>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a device out of flight whatever happens to its task.
struct Flight<'a> {
    inner: &'a Inner,
    device: &'a DeviceId,
    outcome: Option<WakeOutcome>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| WakeOutcome::Unreachable { reason: String::new() });
        self.inner.schedule().finish(self.device, &outcome, Instant::now());
    }
}

async fn outcome_of(mut shared: Shared) -> Result<WakeOutcome, ServiceError> {
    let ended =
        || ServiceError::new(ErrorClass::Internal, "wake_ended", "the connection request ended without an outcome");
    let outcome = shared.wait_for(Option::is_some).await.map_err(|_| ended())?;
    outcome.clone().ok_or_else(ended)
}
