use std::sync::Arc;
use std::time::SystemTime;

use acs_events::{EventLog, EventSink};
use acs_proto::{FileServer, Provisioning};
use acs_store::{SessionCache, Store};
use acs_telemetry::{BuildInfo, Health, Metrics};
use cwmp_model::Timestamp;
use tokio::sync::{Mutex, watch};

use crate::Config;
use crate::access::AccessTable;
use crate::limits::Permits;
use crate::metrics::ApiMetrics;

/// What the service works with.
#[derive(Clone)]
pub struct Deps {
    /// Devices, tasks, history, tokens, audit.
    pub store: Arc<dyn Store>,
    /// The event log that `/events` reads.
    pub events: Arc<dyn EventLog>,
    /// Where the records of this service go.
    pub event_sink: Arc<dyn EventSink>,
    /// Creates and steers tasks.
    pub provisioning: Arc<dyn Provisioning>,
    /// Keeps files.
    pub files: Arc<dyn FileServer>,
    /// Which devices are in a session now.
    pub sessions: Arc<dyn SessionCache>,
    /// The health of this process.
    pub health: Health,
    /// The metrics of this process; those of this service are added to them.
    pub metrics: Metrics,
    /// What runs here.
    pub build: BuildInfo,
}

/// What handlers see; clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) deps: Deps,
    pub(crate) config: Config,
    pub(crate) access: AccessTable,
    pub(crate) permits: Permits,
    pub(crate) metrics: ApiMetrics,
    /// The OpenAPI document as JSON.
    pub(crate) document: String,
    /// `emitter_seq` of the last record appended.
    pub(crate) emitter_seq: Mutex<u64>,
    /// `true` once the service ends: streams and waits end with it.
    pub(crate) draining: watch::Sender<bool>,
}

impl Api {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Completes when the service ends.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        // The sender lives as long as this value, so waiting cannot fail.
        let _ = draining.wait_for(|draining| *draining).await;
    }
}

impl std::ops::Deref for Api {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// Now by the system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
