//! The metrics of the session cache: `lastmile_session_cache_…`. No device or session is a label.

use std::time::Duration;

use acs_telemetry::prometheus_client::metrics::counter::Counter;
use acs_telemetry::prometheus_client::metrics::family::Family;
use acs_telemetry::prometheus_client::metrics::gauge::Gauge;
use acs_telemetry::prometheus_client::metrics::histogram::Histogram;
use acs_telemetry::prometheus_client::registry::Registry;

use crate::breaker::Change;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Not within the time budget.
    Slow,
    Failed,
    /// Not tried: the breaker is open.
    Refused,
    /// The caller did not wait for it.
    GivenUp,
}

/// All metrics of a session cache on Redis.
#[derive(Debug)]
pub struct Metrics {
    calls: Family<[(&'static str, &'static str); 2], Counter>,
    call_seconds: Histogram,
    breaker_open: Gauge,
    breaker_opened: Counter,
    connects: Family<[(&'static str, &'static str); 1], Counter>,
    snapshots_too_large: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            call_seconds: acs_telemetry::latency_histogram(),
            breaker_open: Gauge::default(),
            breaker_opened: Counter::default(),
            connects: Family::default(),
            snapshots_too_large: Counter::default(),
        }
    }
}

impl Metrics {
    /// Metrics that `metrics` shows: once in the life of a process.
    pub fn registered(metrics: &acs_telemetry::Metrics) -> Self {
        let new = Self::default();
        metrics.register("session_cache", |registry| new.add_to(registry));
        new
    }

    fn add_to(&self, r: &mut Registry) {
        r.register("calls", "Calls to Redis by operation and outcome", self.calls.clone());
        r.register("call_seconds", "Time of a call that was tried", self.call_seconds.clone());
        r.register("breaker_open", "1 while calls are given up without trying", self.breaker_open.clone());
        r.register("breaker_opened", "How often that began", self.breaker_opened.clone());
        r.register("connects", "Connections to Redis by outcome", self.connects.clone());
        r.register("snapshots_too_large", "Snapshots over the limit, not kept", self.snapshots_too_large.clone());
    }

    pub(crate) fn called(&self, operation: &'static str, outcome: Outcome, time: Duration) {
        let name = match outcome {
            Outcome::Done => "done",
            Outcome::Slow => "slow",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::GivenUp => "given_up",
        };
        self.calls.get_or_create(&[("operation", operation), ("outcome", name)]).inc();
        if outcome != Outcome::Refused {
            self.call_seconds.observe(time.as_secs_f64());
        }
    }

    pub(crate) fn breaker(&self, change: Change) {
        match change {
            Change::Opened => {
                self.breaker_open.set(1);
                self.breaker_opened.inc();
            }
            Change::Closed => {
                self.breaker_open.set(0);
            }
            Change::None | Change::OpenedAgain => {}
        }
    }

    pub(crate) fn connected(&self, done: bool) {
        self.connects.get_or_create(&[("outcome", if done { "done" } else { "failed" })]).inc();
    }

    pub(crate) fn snapshot_too_large(&self) {
        self.snapshots_too_large.inc();
    }
}
