//! What is acknowledged survives kill -9, a cut journal, a torn batch and a full disk (P1, P7, P11).
#![allow(clippy::unwrap_used, reason = "tests")]

mod crash;
#[cfg(feature = "failpoints")]
mod failpoints;
mod full_disk;
mod journal;
mod ledger;
mod retention;
mod start;
