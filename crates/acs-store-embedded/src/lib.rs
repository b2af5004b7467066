//! Store and event log of one machine: one data folder, one engine (fjall), crash-safe.
//!
//! [`Embedded`] implements `acs_store::Store` and `acs_events::EventSink` and `EventLog`. Records are the protobuf messages of `acs-proto`;
//! secrets pass through the seal given in [`Options`] before they reach the disk. Keys stand in `keys`, for ever.
//!
//! Invariants:
//! - One thread writes (`committer`): it decides each job against the state all jobs before it left, writes a batch, syncs it
//!   once, and answers then. `Ok` means durable; a batch is all or nothing (P1, P7, P11).
//! - Reads go straight to the engine and see only what is synced.
//! - Below the disk reserve writes are refused before the engine is touched (`space`); after a write error the engine is
//!   opened anew in place (`slot`).
//!
//! What bounds it: events go by [`EventRetention`], refused Informs by their number; sessions, faults and final tasks stay until
//! somebody calls `drop_history`; the audit log stays.
//!
//! Where to start: [`Embedded::open`], then `committer`. Why fjall: `docs/001-engine.md`.

mod access;
mod committer;
mod devices;
mod embedded;
mod engine;
mod events;
mod failpoint;
mod files;
mod folder;
mod history;
mod journal;
mod keys;
mod objects;
mod options;
mod queue;
mod retention;
mod rows;
mod shared;
mod slot;
mod space;
mod steps;
mod tasks;
mod timers;
mod transaction;

pub use embedded::Embedded;
pub use events::RECORD_MAX;
pub use options::{EventRetention, OpenError, Options};

use acs_proto::records::{Record, SecretSeal};
use acs_store::{Error, Result};

fn engine_error(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Storage(error) => Error::Corrupt(error.to_string()),
        other => Error::Unavailable(other.to_string()),
    }
}

fn decode<R: Record>(bytes: &[u8], seal: &dyn SecretSeal) -> Result<R> {
    R::from_bytes(bytes, seal).map_err(|e| Error::Corrupt(e.to_string()))
}
