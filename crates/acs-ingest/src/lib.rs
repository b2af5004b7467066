//! From the event log to what people look up: presence, sessions, faults, refused Informs, values of Informs.
//!
//! Takes records from a consumer of the log ([`LogConsumer`] with its cursor in the store, or a member of a Kafka group),
//! projects each ([`project`], pure), writes a batch in few calls, tells provisioning of what obliges it, then commits.
//! Closes sessions whose end nobody tells any more as `lost` (P9), and tells the session cache.
//!
//! Invariants:
//! - The commit comes last: after a crash a batch is done again, and doing it again changes nothing.
//! - Records it makes itself (device changes, lost sessions) have ids derived from their cause, so a copy is recognisable
//!   (P8).
//! - A session is lost only when nobody who lives tells its end: the session cache says who serves it, or that it is over; no
//!   clock of a front-end is believed.
//! - An idle periodic session costs one device write and one history write.
//!
//! What obliges provisioning is decided there, from the same record, whether or not the live session did it already (P7).
//!
//! [`Rebuild`] makes anew what was written from what the log still keeps.
//!
//! [`Relay`] brings what waits in the outbox to the log (P7).
//!
//! Where to start: [`Ingest::run`].

mod changes;
mod consumer;
mod front_ends;
mod ingest;
mod metrics;
mod open_sessions;
mod project;
mod range;
mod rebuild;
mod relay;
mod writes;

pub use consumer::LogConsumer;
pub use ingest::{Config, Ingest, IngestError};
pub use metrics::Metrics;
pub use project::{Patch, project};
pub use rebuild::{Progress, Rebuild, RebuildError, Rebuilt};
pub use relay::{Relay, RelayError};
