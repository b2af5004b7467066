//! Connection requests: asks a CPE over HTTP to open a session (TR-069 section 3.2.2, CWMP-410…423).
//!
//! [`HttpConnectionRequests`] implements [`acs_proto::ConnectionRequests`]: one GET without a body, Digest if the CPE asks
//! for it, and a word about what happened. Wakes of one device that meet share one request, and requests to one device keep
//! their distance. Whether a device should be woken, whether a session is live already and when to try again is the caller's.
//!
//! Invariants:
//! - [`Dialler`] is the only place that opens an outgoing connection, and it takes only addresses that [`Policy`] allowed
//!   (P25): the URL comes from the device, so it is not trusted. No proxy, no redirect, no second resolution.
//! - What a CPE answers is bounded in time and size; the state per device is bounded in number.
//! - Credentials are never logged (P26); Basic is sent only where it is allowed (CWMP-412).
//!
//! Where to start: `service.rs`, then `policy.rs`.

mod config;
mod credentials;
mod dialler;
mod exchange;
mod metrics;
mod policy;
mod resolver;
mod schedule;
mod service;
mod target;

pub use config::Config;
pub use dialler::{CheckedTarget, DialError, Dialler};
pub use policy::{Denied, Policy};
pub use resolver::{Resolver, SystemResolver};
pub use service::HttpConnectionRequests;
pub use target::{Host, Target, TargetError};
