use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What the adapter counts. Names are for ever.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    pub(crate) opened: Counter,
    pub(crate) open: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) lost: Counter,
}

impl Metrics {
    /// Declares them in the registry of the process.
    pub fn register(&self, metrics: &acs_telemetry::Metrics) {
        metrics.register("kafka", |registry| {
            registry.register("delivered", "Event records that Kafka acknowledged", self.delivered.clone());
            registry.register("failed", "Event records that Kafka did not acknowledge in time", self.failed.clone());
            registry.register("breaker_opened", "How often the breaker opened", self.opened.clone());
            registry.register("breaker_open", "1 while records are not given to Kafka", self.open.clone());
            registry.register("waiting", "Unawaited event records not acknowledged yet", self.waiting.clone());
            registry.register("lost", "Unawaited event records that Kafka refuses for ever", self.lost.clone());
        });
    }
}
