//! Ingest over real Kafka: members of a group that are killed and joined, and `lastmile ingest --rebuild` into a real CQL
//! store; and what an idle session costs, ingest included. `cargo xtask services up` starts both.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod cost;
#[allow(dead_code, reason = "shared with the tests of the product from outside")]
#[path = "../support/cpe.rs"]
mod cpe;
mod front_ends;
mod group;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of acs-ingest")]
#[path = "../../crates/acs-ingest/tests/support/listener.rs"]
mod listener;
mod rebuild;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of acs-ingest")]
#[path = "../../crates/acs-ingest/tests/support/records.rs"]
mod records;
#[allow(dead_code, reason = "shared with the tests of acs-events-kafka")]
#[path = "../../crates/acs-events-kafka/tests/kafka/service.rs"]
mod service;
mod world;
