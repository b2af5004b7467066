//! Against a real Kafka: `cargo xtask services up` starts it.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod breaker;
mod contract;
mod group;
mod proxy;
mod refusal;
mod security;
mod service;
mod topics;
mod wire;
