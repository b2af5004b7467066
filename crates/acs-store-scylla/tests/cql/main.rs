//! The adapter against a real CQL cluster: `cargo xtask services up`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod cost;
mod migration;
mod processes;
mod retention;
mod secrets;
mod support;
mod timers;
