//! The session cache of a cluster of front-ends, on Redis: a single one, one under Sentinels, or a Redis Cluster.
//!
//! [`RedisSessionCache`] is [`acs_store::SessionCache`] and [`acs_store::ReplayWindow`]; what those mean is said and tested
//! there. Here is only how Redis holds them (`keys.rs`, `lua/`) and how a call ends when it does not.
//!
//! Invariants:
//! - Nothing here is needed (P14): Redis may be emptied, restarted or away at any time. A call then finds nothing, or ends
//!   with `Unavailable` within its time budget; after some of those at once, until Redis answers again.
//! - What the trait calls one step is one script on keys of one hash slot. What is in two slots (a session and its
//!   device) may part when Redis fails between: then the device has no session, or a session is counted until it expires.
//! - Every key has a life and a bounded size. Together they are bounded by Redis's `maxmemory`; set `maxmemory-policy` to
//!   `volatile-ttl` or `volatile-lru`, so that the oldest go.
//! - A `WAIT` for replicas is never sent: what a failover loses is as if Redis had been emptied of it.
//!
//! Where to start: [`RedisConfig`], `cache.rs`, then `gate.rs` (the way of each call).

mod breaker;
mod cache;
mod config;
mod connection;
mod gate;
mod keys;
mod link;
mod lua;
mod metrics;

pub use cache::RedisSessionCache;
pub use config::{BreakerConfig, ConfigError, Lives, RedisConfig, RedisCredentials, RedisMode, RedisTls};
pub use metrics::Metrics;
