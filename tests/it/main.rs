//! The product from outside: the binary as a process, simulated CPEs with their ledgers, the API as a client sees it.
//!
//! `end_to_end` says that it works, `crash` and `failpoints` that nothing is lost or done twice when it is killed,
//! `cluster` that the roles work as processes of their own (feature `distributed`, real services),
//! `full_disk`, `hostile` and `restart` what happens when the world is unkind. Each test names the promise it holds
//! (`promises.md`). Every wait has an end.

// Tests say what they expect by panicking.
#![allow(clippy::unwrap_used)]

mod access;
#[cfg(feature = "distributed")]
mod cluster;
mod crash;
mod end_to_end;
mod failpoints;
mod full_disk;
mod hostile;
mod restart;
mod roles;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod unanswered;
