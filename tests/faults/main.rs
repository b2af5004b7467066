//! Faults of the distributed shape under load, each judged by the books of all sides: the devices' ledger, what the client was
//! promised, the event log.
//!
//! `cargo xtask faults [--long] [--release] [NAME]` brings the servers up, runs one fault after the other and prints a table. The quick
//! lane has the small numbers below; `--long` sets `LASTMILE_TEST_LONG`, which makes them those in brackets. Each can be set
//! by itself, for a repetition together with `LASTMILE_TEST_SEED`; `LASTMILE_TEST_KEEP` keeps configuration and logs.
//!
//! | variable | what | default |
//! |---|---|---|
//! | `LASTMILE_TEST_DEVICES` | devices with a session every two seconds, of most tests | 30 (120) |
//! | `LASTMILE_TEST_KILLS` | front-ends killed at random under load | 30 (500) |
//! | `LASTMILE_TEST_ROLLED_SESSIONS` | sessions while front-ends are restarted in turn | 500 (50,000) |
//! | `LASTMILE_TEST_ROLLED_RATE` | those sessions in a second | 25 (60) |
//! | `LASTMILE_TEST_CUT_SESSIONS` | sessions whose front-end dies between request and answer | 8 (100) |
//! | `LASTMILE_TEST_DOUBLE_INFORMS` | pairs of Informs of one device at two front-ends at once | 100 (1,000) |
//! | `LASTMILE_TEST_BOOTSTRAPS` | front-ends killed right after the InformResponse of a BOOTSTRAP | 10 (200) |
//! | `LASTMILE_TEST_FLUSHES` | times that Redis is emptied under load | 20, one a second (60, every 5 s) |
//! | `LASTMILE_TEST_REDIS_AWAY` | seconds in which Redis stands still, and then is not there | 5 (60) |
//! | `LASTMILE_TEST_RACES` | tasks created at some moment of a session | 300 (10,000) |
//! | `LASTMILE_TEST_PROVISIONING_KILLS` | provisioning processes killed at random under load | 15 (300) |
//! | `LASTMILE_TEST_PROVISIONING_AWAY` | seconds without any of them | 12 (300) |
//! | `LASTMILE_TEST_PROVISIONING_STOPS` | times that one and then all of them stand still | 3 (60) |
//! | `LASTMILE_TEST_PROVISIONING_SLOW` | seconds with each of three delays | 8 (120) |
//! | `LASTMILE_TEST_CQL_AWAY` | seconds without one of three CQL servers | 25 (300) |
//! | `LASTMILE_TEST_CQL_STOPS` | times that one of them stands still for 5 s of 6 | 5 (60) |
//! | `LASTMILE_TEST_BROKER_BOUNCES` | times that the only broker is killed or stopped | 4 (60) |
//! | `LASTMILE_TEST_BROKERS` | of three brokers, how many are taken away in turn | 1 (3) |
//! | `LASTMILE_TEST_BROKER_AWAY` | seconds without each of them | 20 (180) |
//! | `LASTMILE_TEST_KAFKA_AWAY` | seconds without Kafka under load | 20 (600) |
//! | `LASTMILE_TEST_PRODUCER_KILLS` | kills of the only broker under a producer alone | 6 (100) |
//! | `LASTMILE_TEST_ALL_KILLED` | times that everything is killed at once | 2 (20) |
//! | `LASTMILE_TEST_BEHIND` | seconds in which writers with late clocks fill the outbox | 15 (120) |

// Tests say what they expect by panicking.
#![allow(clippy::unwrap_used)]

mod bench;
mod brokers;
mod certificates;
mod clocks;
mod doubles;
mod everything;
mod front_ends;
mod hand;
mod judgement;
mod producer;
mod provisioning;
mod proxy;
mod races;
#[allow(dead_code, reason = "shared with the tests of acs-session-redis")]
#[path = "../../crates/acs-session-redis/tests/it/support/server.rs"]
mod redis_server;
mod rolling;
mod servers;
mod session_cache;
mod steady;
mod stores;
#[allow(dead_code, reason = "shared with the tests of one machine")]
#[path = "../support/mod.rs"]
mod support;

/// A number of the quick lane, or of the long one, or what the variable says.
fn number(variable: &str, quick: u64, long: u64) -> u64 {
    support::number(variable).unwrap_or_else(|| if is_long() { long } else { quick })
}

/// Whether this is the long lane.
fn is_long() -> bool {
    std::env::var_os("LASTMILE_TEST_LONG").is_some()
}
