//! The bytes of a [`Snapshot`]: protobuf, format version 1. Field numbers and names of kinds are for ever; fields may be
//! added, and an older reader passes over them.

mod messages;
mod read;
mod write;

use prost::Message as _;

use self::messages::Session;
use super::Snapshot;

/// The most bytes that are read.
pub const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

const FORMAT: u32 = 1;

/// Why bytes are no snapshot. The session then goes on by [`AcsSession::resume`](crate::AcsSession::resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Over [`SNAPSHOT_BYTES_MAX`].
    #[error("the session snapshot has more than {SNAPSHOT_BYTES_MAX} bytes")]
    TooLong,
    /// No protobuf of this kind.
    #[error("the session snapshot cannot be read")]
    Malformed,
    /// Written by a later version.
    #[error("the session snapshot has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// A field that has no meaning.
    #[error("the session snapshot has no valid {0}")]
    Field(&'static str),
}

impl Snapshot {
    /// As bytes. They may hold secrets.
    pub fn to_bytes(&self) -> Vec<u8> {
        Session::from(self).encode_to_vec()
    }

    /// From bytes of this or an earlier version.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLong);
        }
        let session = Session::decode(bytes).map_err(|_| SnapshotError::Malformed)?;
        if session.format != FORMAT {
            return Err(SnapshotError::Format(session.format));
        }
        session.read()
    }
}
