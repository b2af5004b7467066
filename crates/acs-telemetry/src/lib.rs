//! What operators see of a Lastmile process besides its API: logs, metrics, health, build.
//!
//! - [`logging`]: structured log lines on standard error, text or JSON, quiet by default.
//! - [`Metrics`]: the one registry of a process. Each service crate declares its metrics, with their meaning, in its own
//!   `metrics.rs` and registers them once at start.
//! - [`Health`]: liveness and readiness as named checks that their owners keep up to date.
//! - [`BuildInfo`]: what runs here.
//!
//! Serving them over HTTP is left to the binary, which has the listeners. Traces by OpenTelemetry (OTLP) have their place
//! in [`logging::init`], as one more layer of the subscriber; they are not built yet.
//!
//! Invariants: no device id, address or other unbounded text is a label; no secret is logged ([`is_secret_header`], P26).

mod build;
mod health;
pub mod logging;
mod metrics;
mod redact;

pub use build::BuildInfo;
pub use health::{Check, CheckState, Health, Impact, Report};
pub use logging::{LogConfig, LogFormat};
pub use metrics::{Metrics, latency_histogram};
/// The library behind [`Metrics`], so that every crate uses the same version.
pub use prometheus_client;
pub use redact::is_secret_header;
