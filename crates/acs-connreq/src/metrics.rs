//! The metrics of connection requests, `lastmile_connreq_…`. Names and labels are for ever.

use acs_telemetry::prometheus_client::metrics::counter::Counter;
use acs_telemetry::prometheus_client::metrics::family::Family;
use acs_telemetry::prometheus_client::metrics::gauge::Gauge;
use acs_telemetry::prometheus_client::metrics::histogram::Histogram;
use acs_telemetry::{Metrics, latency_histogram};

use crate::Denied;

#[derive(Debug, Clone)]
pub(crate) struct ConnreqMetrics {
    /// `lastmile_connreq_wakes_total{outcome}`: wakes that were asked for, by what came of them (`WakeOutcome::as_str`).
    pub(crate) wakes: Family<[(&'static str, &'static str); 1], Counter>,
    /// `lastmile_connreq_coalesced_total`: wakes that shared the request of another one; also counted in `wakes`.
    pub(crate) coalesced: Counter,
    /// `lastmile_connreq_denied_total{rule}`: targets that policy forbade (`Denied::as_str`).
    pub(crate) denied: Family<[(&'static str, &'static str); 1], Counter>,
    /// `lastmile_connreq_request_seconds`: from the first resolution to the outcome, of requests that were sent.
    pub(crate) seconds: Histogram,
    /// `lastmile_connreq_dials`: requests on their way now; its limit is `max_dials`.
    pub(crate) dials: Gauge,
    /// `lastmile_connreq_devices`: devices whose last request is remembered; its limit is `max_devices`.
    pub(crate) devices: Gauge,
}

impl ConnreqMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            wakes: Family::default(),
            coalesced: Counter::default(),
            denied: Family::default(),
            seconds: latency_histogram(),
            dials: Gauge::default(),
            devices: Gauge::default(),
        };
        metrics.register("connreq", |registry| {
            registry.register("wakes", "Wakes asked for, by outcome", this.wakes.clone());
            registry.register("coalesced", "Wakes that shared the request of another one", this.coalesced.clone());
            registry.register("denied", "Targets that policy forbade, by rule", this.denied.clone());
            registry.register("request_seconds", "Time of a connection request", this.seconds.clone());
            registry.register("dials", "Connection requests on their way", this.dials.clone());
            registry.register("devices", "Devices whose last request is remembered", this.devices.clone());
        });
        this
    }

    pub(crate) fn count_outcome(&self, outcome: &'static str) {
        self.wakes.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn count_denied(&self, rule: Denied) {
        self.denied.get_or_create(&[("rule", rule.as_str())]).inc();
    }
}
