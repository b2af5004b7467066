use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::BuildInfo;

/// Every name begins with it.
const PREFIX: &str = "lastmile";

/// The metrics of a process. Clones share one registry.
///
/// ```
/// use acs_telemetry::{BuildInfo, Metrics, prometheus_client::metrics::counter::Counter};
///
/// let metrics = Metrics::new(BuildInfo { version: "0.1.0", revision: None });
/// let wakes = Counter::<u64>::default();
/// metrics.register("connreq", |registry| registry.register("wakes", "Connection requests asked for", wakes.clone()));
/// wakes.inc();
/// assert!(metrics.exposition().contains("lastmile_connreq_wakes_total 1"));
/// ```
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// `Content-Type` of [`exposition`](Self::exposition).
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A registry that holds `lastmile_build_info`.
    pub fn new(build: BuildInfo) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let labels = vec![("version", build.version), ("revision", build.revision.unwrap_or("unknown"))];
        registry.register("build", "What runs here", Info::new(labels));
        Self { registry: Arc::new(Mutex::new(registry)) }
    }

    /// Lets a component add its metrics, once in the life of a process; names become `lastmile_<component>_<name>`, and a
    /// counter gets `_total`. A second registration of one component would give each of its names twice.
    pub fn register<T>(&self, component: &str, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(self.lock().sub_registry_with_prefix(component))
    }

    /// All metrics in the OpenMetrics text format, which Prometheus scrapes.
    pub fn exposition(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.lock()).expect("writing to a string does not fail");
        out
    }

    // A registration that panicked left at most its own metrics out.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    /// For tests and tools: without a build.
    fn default() -> Self {
        Self::new(BuildInfo { version: "unknown", revision: None })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// A histogram for the time of requests in seconds, 1 ms to 32 s. All services use these bounds, so that their times can
/// be compared and added.
pub fn latency_histogram() -> Histogram {
    const BOUNDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 16.0, 32.0];
    Histogram::new(BOUNDS)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    use super::*;

    #[test]
    fn components_share_one_exposition() {
        let metrics = Metrics::new(BuildInfo { version: "0.1.0", revision: Some("abc") });
        let served = Family::<[(&str, &str); 1], Counter>::default();
        let time = latency_histogram();
        metrics.clone().register("files", |registry| {
            registry.register("served", "Downloads by outcome", served.clone());
            registry.register("serve_seconds", "Time of a download", time.clone());
        });
        served.get_or_create(&[("outcome", "complete")]).inc();
        time.observe(0.004);
        let text = metrics.exposition();
        for line in [
            r#"lastmile_build_info{version="0.1.0",revision="abc"} 1"#,
            "# HELP lastmile_files_served Downloads by outcome.",
            r#"lastmile_files_served_total{outcome="complete"} 1"#,
            r#"lastmile_files_serve_seconds_bucket{le="0.005"} 1"#,
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
