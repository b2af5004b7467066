//! The store on a CQL cluster: ScyllaDB or Apache Cassandra, by what both of them have.
//!
//! [`ScyllaStore`] implements `acs_store::Store` and `acs_store::Leases` for one tenant. Records are the protobuf messages of
//! `acs-proto`; secrets pass through the seal given to [`ScyllaStore::open`] before they reach the driver. Tables are made by
//! [`migrate()`] and by nothing else.
//!
//! Invariants:
//! - A task, the holder of its device and what orders them stand in one partition, and only conditional writes touch them: a
//!   commit is one of these (`commit`, P1, P2, P6).
//! - `Ok` means that a quorum of the local data centre has it. A time-out is `Unavailable`; what it left open is looked for by
//!   a SERIAL read before anything is decided on it.
//! - Every other operation of several writes is in an order that may end anywhere and be done again.
//! - No outcome depends on the clocks of clients or nodes, except which of two writes of the same history row stays.
//!
//! Where to start: `schema` (each table with the reason for its key), then `commit`. Reasons: `docs/001-schema.md`.

mod access;
mod cells;
mod commit;
mod config;
mod connect;
mod cql;
mod deletion;
mod devices;
mod doubt;
mod dropping;
mod error;
mod files;
mod history;
mod index;
mod leases;
mod migrate;
mod objects;
mod outbox;
mod partition;
mod place;
mod registers;
mod schema;
mod statements;
mod store;
mod task_rows;
mod tasks;
mod timers;

pub use config::{ConfigError, CqlCredentials, CqlTls, Replication, Retention, ScyllaConfig};
pub use cql::Requests;
pub use error::OpenError;
pub use migrate::{Product, Report, migrate};
pub use store::ScyllaStore;

/// What a call returns that a test stops at a failpoint.
#[allow(dead_code, reason = "unused where failpoints are not compiled in")]
fn failed_here<T>(_: Option<String>) -> acs_store::Result<T> {
    Err(acs_store::Error::Unavailable("stopped by a failpoint".into()))
}
