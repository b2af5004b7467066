use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// What the service counts. Names are for ever.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(crate) transitions: Family<Transition, Counter>,
    pub(crate) attempts: Family<AttemptLabels, Counter>,
    pub(crate) faults: Family<FaultLabels, Counter>,
    pub(crate) wakes: Family<WakeLabels, Counter>,
    pub(crate) plans: Gauge,
    pub(crate) plan_bytes: Gauge,
    pub(crate) plans_lost: Counter,
    pub(crate) timers: Family<TimerLabels, Counter>,
    pub(crate) timer_failures: Family<TimerFailureLabels, Counter>,
    pub(crate) conflicts: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Transition {
    pub(crate) kind: &'static str,
    pub(crate) to: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) method: &'static str,
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FaultLabels {
    /// The code if it is one of the standard, else `other`.
    pub(crate) code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WakeLabels {
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TimerLabels {
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TimerFailureLabels {
    pub(crate) kind: &'static str,
    /// `error` or `panic`.
    pub(crate) cause: &'static str,
}

impl Metrics {
    /// Declares them in the registry of the process.
    pub fn register(&self, metrics: &acs_telemetry::Metrics) {
        metrics.register("provisioning", |registry| {
            registry.register("task_transitions", "Tasks that came into a state, by kind", self.transitions.clone());
            registry.register("attempts", "Requests that change a device, by method and reason", self.attempts.clone());
            registry.register("faults", "Faults of devices, by code", self.faults.clone());
            registry.register("wakes", "Wake-ups of devices, by outcome", self.wakes.clone());
            registry.register("plans", "Sessions whose plan is in memory", self.plans.clone());
            registry.register("plan_bytes", "Memory that plans of sessions take, about", self.plan_bytes.clone());
            registry.register("plans_lost", "Sessions that went on without their plan", self.plans_lost.clone());
            registry.register("timers", "Deadlines that came due, by kind", self.timers.clone());
            registry.register(
                "timer_failures",
                "Deadlines that could not be handled and were put off, by kind and cause",
                self.timer_failures.clone(),
            );
            registry.register("conflicts", "Commits that had to be decided anew", self.conflicts.clone());
        });
    }
}
