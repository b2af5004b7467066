use std::sync::Arc;
use std::time::Duration;

use acs_cwmp_server::{
    Clock, Config, CpeAuth, CpeAuthScheme, FrontEnd, Metrics, Peer, Services, Stop, serve_connection,
};
use acs_events::{AppendError, EventSink, MemoryEventLog};
use acs_keyring::KeyRing;
use acs_store::memory::{MemoryReplayWindow, MemorySessionCache};
use acs_store::{ReplayWindow, SessionCache};
use acs_types::{EventBody, EventRecord, SessionRecord};
use async_trait::async_trait;

use super::Cpe;
use super::provisioning::{FakeProvisioning, shared};

/// A front-end with everything around it in memory.
pub(crate) struct World {
    pub(crate) front_end: Arc<FrontEnd>,
    pub(crate) provisioning: Arc<FakeProvisioning>,
    pub(crate) events: Arc<MemoryEventLog>,
    pub(crate) cache: Arc<MemorySessionCache>,
    replay: Arc<dyn ReplayWindow>,
    pub(crate) metrics: acs_telemetry::Metrics,
    pub(crate) stop: Stop,
}

impl World {
    /// One that believes every Inform.
    pub(crate) fn open() -> Self {
        Self::with(CpeAuthScheme::Open, |_| {})
    }

    pub(crate) fn with(scheme: CpeAuthScheme, change: impl FnOnce(&mut Config)) -> Self {
        let (provisioning, events) = (shared(), Arc::new(MemoryEventLog::new()));
        let log = Arc::clone(&events) as _;
        Self::build(scheme, change, provisioning, (events, log), Arc::new(MemorySessionCache::new()), "test-1")
    }

    /// One whose event log never answers.
    pub(crate) fn with_stuck_log() -> Self {
        let (provisioning, events) = (shared(), Arc::new(MemoryEventLog::new()));
        let log = (events, Arc::new(StuckLog) as _);
        Self::build(CpeAuthScheme::Open, |_| {}, provisioning, log, Arc::new(MemorySessionCache::new()), "test-1")
    }

    /// Another front-end of the same deployment, with a memory of its own: one that was started after a kill -9.
    pub(crate) fn restarted(&self, scheme: CpeAuthScheme) -> Self {
        let cache = Arc::new(MemorySessionCache::new());
        let log = (Arc::clone(&self.events), Arc::clone(&self.events) as _);
        Self::build(scheme, |_| {}, Arc::clone(&self.provisioning), log, cache, "test-2")
    }

    /// One of several front-ends over one session cache.
    pub(crate) fn shared(scheme: CpeAuthScheme, cache: Arc<dyn SessionCache>) -> Self {
        let (provisioning, events) = (shared(), Arc::new(MemoryEventLog::new()));
        let replay = Arc::new(MemoryReplayWindow::new());
        Self::sharing(scheme, provisioning, events, (cache, replay), "test-1")
    }

    /// Another one, which serves the same devices.
    pub(crate) fn beside(&self, scheme: CpeAuthScheme, cache: Arc<dyn SessionCache>, emitter: &str) -> Self {
        let shared = (cache, Arc::clone(&self.replay));
        Self::sharing(scheme, Arc::clone(&self.provisioning), Arc::clone(&self.events), shared, emitter)
    }

    fn sharing(
        scheme: CpeAuthScheme,
        provisioning: Arc<FakeProvisioning>,
        events: Arc<MemoryEventLog>,
        (cache, replay): (Arc<dyn SessionCache>, Arc<dyn ReplayWindow>),
        emitter: &str,
    ) -> Self {
        let log = (Arc::clone(&events), events as _);
        let own = Arc::new(MemorySessionCache::new());
        let change = |config: &mut Config| config.shared_sessions = true;
        Self::build_on(scheme, change, provisioning, log, (own, cache, replay), emitter)
    }

    fn build(
        scheme: CpeAuthScheme,
        change: impl FnOnce(&mut Config),
        provisioning: Arc<FakeProvisioning>,
        log: (Arc<MemoryEventLog>, Arc<dyn EventSink>),
        cache: Arc<MemorySessionCache>,
        emitter: &str,
    ) -> Self {
        let used = Arc::clone(&cache) as _;
        Self::build_on(scheme, change, provisioning, log, (cache, used, Arc::new(MemoryReplayWindow::new())), emitter)
    }

    fn build_on(
        scheme: CpeAuthScheme,
        change: impl FnOnce(&mut Config),
        provisioning: Arc<FakeProvisioning>,
        (events, log): (Arc<MemoryEventLog>, Arc<dyn EventSink>),
        (cache, used, replay): (Arc<MemorySessionCache>, Arc<dyn SessionCache>, Arc<dyn ReplayWindow>),
        emitter: &str,
    ) -> Self {
        let metrics = acs_telemetry::Metrics::default();
        let mut config = Config::new(emitter.parse().unwrap(), CpeAuth::new(scheme));
        config.clock = Clock::tokio();
        change(&mut config);
        let services = Services {
            replay: Some(Arc::clone(&replay)),
            provisioning: Arc::clone(&provisioning) as _,
            events: log,
            cache: used,
            keys: Arc::new(KeyRing::from_key("k", &[3; 32])),
        };
        let front_end = FrontEnd::new(config, services, Metrics::registered(&metrics));
        front_end.look_after_sessions();
        Self { front_end, provisioning, events, cache, replay, metrics, stop: Stop::default() }
    }

    /// A CPE on a new connection, without TLS.
    pub(crate) fn connect(&self) -> Cpe {
        self.connect_from("192.0.2.1", false)
    }

    pub(crate) fn connect_from(&self, source: &str, tls: bool) -> Cpe {
        let (near, far) = tokio::io::duplex(1 << 20);
        let peer = Peer { address: format!("{source}:40000").parse().unwrap(), tls };
        tokio::spawn(serve_connection(far, peer, Arc::clone(&self.front_end), self.stop.clone()));
        Cpe::new(near)
    }

    /// Waits until what goes on behind the replies is done.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// The records of one type, by their bodies.
    pub(crate) fn records(&self) -> Vec<EventRecord> {
        self.events.records()
    }

    pub(crate) fn informs(&self) -> Vec<acs_types::InformRecord> {
        let body = |r: EventRecord| if let EventBody::Inform(inform) = r.body { Some(*inform) } else { None };
        self.records().into_iter().filter_map(body).collect()
    }

    pub(crate) fn transfers(&self) -> Vec<acs_types::TransferRecord> {
        let body = |r: EventRecord| if let EventBody::Transfer(transfer) = r.body { Some(transfer) } else { None };
        self.records().into_iter().filter_map(body).collect()
    }

    pub(crate) fn refusals(&self) -> Vec<acs_types::RefusedInform> {
        let body = |r: EventRecord| if let EventBody::Refused(refused) = r.body { Some(refused) } else { None };
        self.records().into_iter().filter_map(body).collect()
    }

    /// The accounts of ended sessions.
    pub(crate) async fn accounts(&self) -> Vec<SessionRecord> {
        self.settle().await;
        let body = |r: EventRecord| if let EventBody::SessionEnded(record) = r.body { Some(*record) } else { None };
        self.records().into_iter().filter_map(body).collect()
    }

    /// The value of a metric line such as `responses_total{status="204"}`.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let wanted = format!("lastmile_cwmp_{line} ");
        let text = self.metrics.exposition();
        let found = text.lines().find_map(|l| l.strip_prefix(&wanted));
        found.map_or(0.0, |value| value.parse().expect("a number"))
    }
}

/// Takes everything and answers nothing.
struct StuckLog;

#[async_trait]
impl EventSink for StuckLog {
    async fn append(&self, _records: Vec<EventRecord>) -> Result<(), AppendError> {
        std::future::pending().await
    }

    async fn append_unawaited(&self, _records: Vec<EventRecord>) -> Result<(), AppendError> {
        std::future::pending().await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        std::future::pending().await
    }
}
