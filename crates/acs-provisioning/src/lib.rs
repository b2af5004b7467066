//! The life of tasks: takes them, wakes devices for them, gives sessions their next requests, and finds out what became of
//! each. Implements [`acs_proto::Provisioning`].
//!
//! The decisions are `acs-planner`'s; this crate reads and writes records, timers and events around them. Sessions on the
//! wire are the front-end's, dialling devices is the connection-request service's, projections of events are ingest's.
//!
//! Invariants:
//! - The intent of a request that changes a device is durable before the request is returned (P2), and its timer before
//!   the intent. What was read is written before the task that read it is done.
//! - Every task write is conditional on the task's revision and, from a session, on the holder (P6).
//! - Nothing needed for correctness is in memory only: plans of sessions, wake-up steps and watchers may be lost.
//! - Several processes may work over one store: they share the timers by leases, and what two do is as once.
//!
//! Where to start: [`ProvisioningService`]; `session.rs` has `next` and `end`, `arrival.rs` has `begin` and `observe`,
//! `timers.rs` the deadlines.

mod arrival;
mod clock;
mod commit;
mod config;
mod credentials;
mod enqueue;
mod error;
mod lost_session;
mod metrics;
mod plans;
mod random;
mod service;
mod session;
mod shards;
mod timers;
mod validation;
mod view;
mod wake;
mod watch;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, FirstContact};
pub use metrics::Metrics;
pub use random::{Random, SystemRandom};
pub use service::{Dependencies, ProvisioningService};
