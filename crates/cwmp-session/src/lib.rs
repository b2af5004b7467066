//! Both sides of a CWMP session as values, and HTTP authentication as pure functions.
//!
//! - [`acs`]: [`AcsSession`], the side of the ACS. Give it what happened ([`acs::Input`]), do what it wants
//!   ([`acs::Output`]): `Begin`, `Record` and `NeedStep` are questions to the caller's back ends (answers: `Begun`,
//!   `Recorded`, `Step`), `Reply` is an HTTP response, `Wait` and `Closed` end a drain.
//! - [`cpe`]: [`CpeSession`], the side of a device, for simulators and tests.
//! - [`auth`]: Digest and Basic for both sides, nonces that any front-end can check, the replay window, user names.
//! - [`snapshot`]: a session between two POSTs, to be picked up by another front-end.
//!
//! The caller's loop is: `handle`, drain `poll_output` to `Wait` or `Closed`, await one thing, again. Nothing here opens a
//! socket, reads a clock, draws a random number or awaits: time and randomness are arguments. Sockets, HTTP, cookies and XML
//! are left to the caller and to `cwmp-codec`; what work there is, to the caller.
//!
//! Invariants: one reply to each POST; one request at the CPE at a time; no InformResponse before `Begun::Accepted` and no
//! TransferCompleteResponse before `Recorded(Ok)`; every wait has an end.
//!
//! Start with `examples/one_inform.rs` and [`flow`].

pub mod acs;
pub mod auth;
pub mod cpe;
pub mod snapshot;

/// One session drawn as a ladder.
#[doc = include_str!("flow.md")]
pub mod flow {}

pub use acs::AcsSession;
pub use cpe::CpeSession;
pub use snapshot::{Snapshot, SnapshotTurn};
