//! What Lastmile keeps, as traits: devices, parameter trees, tasks, sessions, faults, files, access, timers.
//!
//! Small object-safe traits, one per kind of record; [`Store`] is all of them. Each backend (memory here, embedded, CQL)
//! passes the same contract suite. The traits are cut so that a CQL store can hold them: one partition per device, plain
//! writes ordered by a stamp, conditional writes within one partition, no transaction over two.
//!
//! Where to start: [`Devices`], [`Tasks`]; `contract` (a feature) says each rule as a test; [`rules`] are the decisions that
//! backends share; [`memory`] has the fakes and the session cache of a single process.
//!
//! Invariants:
//! - What a call returned `Ok` for is durable.
//! - A task is only ever written by [`Tasks::commit`], alone or in a [`Step`]: conditional on its revision and, from a
//!   session, on the holder.

mod access;
#[cfg(feature = "contract")]
pub mod contract;
mod devices;
mod error;
mod files;
mod history;
mod leases;
pub mod memory;
mod outbox;
mod replay_window;
pub mod rules;
mod session_cache;
mod steps;
mod summary_row;
mod tasks;
mod timers;

pub use access::{AccessRecords, AuditLog, Credentials, Models};
pub use devices::{DeleteOutcome, DeviceFilter, Devices, Objects, ObjectsPatch, UpsertObject};
pub use error::Error;
pub use files::Files;
pub use history::{History, REFUSED_MAX};
pub use leases::Leases;
pub use outbox::{Kept, OUTBOX_SHARDS, Outbox, outbox_shard};
pub use replay_window::{NONCE_BYTES_MAX, ReplayWindow, check_nonce};
pub use session_cache::{CachedSession, END_KEPT, END_TOLD_WITHIN, SessionCache};
pub use steps::{Step, Steps};
pub use tasks::{Commit, CommitOutcome, HolderGuard, TaskFilter, TaskWrite, Tasks};
pub use timers::{TIMER_SHARDS, Timers, timer_shard};

/// Everything a deployment keeps.
pub trait Store:
    Devices + Objects + Tasks + History + Files + AccessRecords + AuditLog + Credentials + Models + Timers + Steps
{
}

impl<T> Store for T where
    T: Devices
        + Objects
        + Tasks
        + History
        + Files
        + AccessRecords
        + AuditLog
        + Credentials
        + Models
        + Timers
        + Steps
        + ?Sized
{
}

/// What a call returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use crate::memory::{MemoryLeases, MemoryReplayWindow, MemorySessionCache, MemoryStore};

    crate::store_contract!(memory_store, async { (MemoryStore::new(), ()) });
    crate::outbox_contract!(memory_outbox, async { (crate::memory::MemoryOutbox::new(), ()) });
    crate::session_cache_contract!(memory_session_cache, async { (MemorySessionCache::new(), ()) });
    crate::leases_contract!(memory_leases, async { (MemoryLeases::new(), ()) });
    crate::replay_window_contract!(memory_replay_window, async { (MemoryReplayWindow::new(), ()) });
}
