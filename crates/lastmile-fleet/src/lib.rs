//! Simulated CPEs: thousands in one process, for trying out, load and tests of an ACS.
//!
//! - [`Fleet`] starts devices from a [`FleetConfig`]; a [`DeviceHandle`] is one of them: let something happen to it, read
//!   its values, wait until it has nothing to do.
//! - [`ledger`] is what the devices saw, line by line: tests judge the ACS by it.
//! - [`load::run`] makes sessions at a rate, or so many at a time, and says how long they took.
//! - [`Device`] is what a device does with a request, pure; [`DataModel`] its parameters.
//!
//! The protocol is that of `cwmp-session` and `cwmp-codec`; this crate adds sockets, time and faults. It knows nothing of any
//! ACS. What always holds: one request and one session at a time per device (CWMP-024); no two Informs of a device have the
//! same CurrentTime and RetryCount; an event is forgotten only when it was delivered (CWMP-184); a ledger line that tells of
//! sending is written before the first byte.
//!
//! Where to start: [`Fleet::start`]; then `runner.rs` (the life of a device) and `session.rs` (one session).

mod clock;
mod config;
mod device;
mod fleet;
mod http;
pub mod ledger;
mod listener;
pub mod load;
mod model;
mod runner;
mod schedule;
mod session;
mod slot;
mod state_folder;
mod statistics;
mod tls;
mod transfer;

pub use config::{
    ConnectionUse, DEVICES_MAX, DeviceCredentials, FirstContact, FleetConfig, ModelMix, RetryRule, Trust,
};
pub use device::{Action, Device, SavedDevice};
pub use fleet::{DeviceHandle, Fleet, Observer, SessionCounts, StartError};
pub use ledger::Ledger;
pub use model::{DataModel, Gateway, ROW_CHANGES_MAX, RowChange};
pub use session::{SessionFailure, SessionReport};
pub use statistics::{Latency, Statistics, Summary};
pub use tls::TlsError;
