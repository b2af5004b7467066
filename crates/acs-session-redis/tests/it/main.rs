//! The adapter against real Redis: `cargo xtask services up`, or servers of a test's own where it stops or empties them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod breaker;
mod cluster;
mod contract;
mod cost;
mod emptied;
mod lives;
mod secure;
mod sentinel;
mod stored_form;
mod support;
