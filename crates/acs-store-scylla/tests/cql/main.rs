//! The adapter against a real CQL cluster: `cargo xtask services up`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod support;
