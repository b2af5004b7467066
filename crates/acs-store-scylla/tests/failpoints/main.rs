//! Stopped between each two durable writes of one operation: nothing that was there is lost, and the operation done again ends
//! as if it had not been stopped. And conditional writes of unknown outcome.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../cql/support.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

mod stopped;
mod unknown;
