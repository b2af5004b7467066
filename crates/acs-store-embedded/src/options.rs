use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_proto::records::SecretSeal;

/// How an embedded store works.
#[derive(Clone)]
pub struct Options {
    /// Hides secrets before they reach the disk.
    pub seal: Arc<dyn SecretSeal>,
    /// Bytes that stay free on the disk: below it every write is refused with `NoSpace`, and it works again by itself as
    /// soon as there is more. The engine needs them to finish what it has begun, so at least 64 MiB beside tests.
    pub disk_reserve_bytes: u64,
    /// Bytes of memory for blocks read from disk.
    pub cache_bytes: u64,
    /// Bytes of memory for rows not yet written to a table, for each of the four spaces.
    pub write_buffer_bytes: u64,
    /// How long events stay.
    pub event_retention: EventRetention,
}

impl Options {
    /// The defaults: 512 MiB reserve, 64 MiB cache, 16 MiB write buffers.
    pub fn new(seal: Arc<dyn SecretSeal>) -> Self {
        Self {
            seal,
            disk_reserve_bytes: 512 << 20,
            cache_bytes: 64 << 20,
            write_buffer_bytes: 16 << 20,
            event_retention: EventRetention::default(),
        }
    }
}

/// When events go: the oldest first, as soon as one of the limits is passed, but never one that a consumer still has to
/// read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRetention {
    /// Bytes of all records.
    pub bytes: u64,
    /// Age of a record.
    pub age: Duration,
    /// Consumers whose cursor nothing is trimmed beyond; one that has no cursor yet keeps everything.
    pub consumers: Vec<String>,
}

impl Default for EventRetention {
    /// 2 GiB, 30 days, `ingest`.
    fn default() -> Self {
        Self { bytes: 2 << 30, age: Duration::from_secs(30 * 24 * 3600), consumers: vec!["ingest".into()] }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made, read or written.
    #[error("the data folder {folder} cannot be used: {source}; check that it exists, is writable and has room")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("the data folder {folder} is in use by {by}; stop that one first or choose another folder")]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who, as far as is known.
        by: String,
    },
    /// Written by another version.
    #[error(
        "the data folder {folder} has format `{found}`, this version reads `{wanted}`; use the version that wrote it"
    )]
    Format {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
        /// What this version writes.
        wanted: &'static str,
    },
    /// What is on the disk is damaged beyond what a crash does. Needs a person.
    #[error("the data folder {folder} is damaged: {reason}; keep a copy and restore a backup")]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// How.
        reason: String,
    },
}
