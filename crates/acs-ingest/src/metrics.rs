use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What ingest counts. Names are for ever.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(crate) records: Counter,
    pub(crate) skipped: Counter,
    pub(crate) retries: Counter,
    pub(crate) lost_sessions: Counter,
    pub(crate) position: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) relayed: Counter,
    pub(crate) relay_failures: Counter,
}

impl Metrics {
    /// Declares them in the registry of the process.
    pub fn register(&self, metrics: &acs_telemetry::Metrics) {
        metrics.register("ingest", |registry| {
            registry.register("records", "Records projected", self.records.clone());
            registry.register("skipped", "Records that could not be projected and were left out", self.skipped.clone());
            registry.register("retries", "Batches that had to be done again", self.retries.clone());
            registry.register(
                "lost_sessions",
                "Sessions closed because nobody saw their end",
                self.lost_sessions.clone(),
            );
            registry.register(
                "position",
                "Records of the event log up to which all is projected, over its partitions",
                self.position.clone(),
            );
            registry.register("lag", "Records in the event log that are not projected yet", self.lag.clone());
            registry.register(
                "outbox_relayed",
                "Records brought from the outbox to the event log",
                self.relayed.clone(),
            );
            registry.register(
                "outbox_relay_failures",
                "Times that records had to stay in the outbox for longer",
                self.relay_failures.clone(),
            );
        });
    }
}
