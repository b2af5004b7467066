//! The byte form of the records of `acs-types`: what stores keep, what the event log carries, what gRPC moves.
//!
//! [`Record`] turns a record into bytes and back; the bytes are the messages of `/proto/lastmile/v1`, for ever.
//! `testdata/v1` keeps a sample of each that every later version has to read. Secrets pass through a [`SecretSeal`]:
//! a store gives one over its key ring, so that no plain secret reaches a driver.
//!
//! The conversions are written by hand, one file per group of records: domain types know nothing of protobuf.

mod access;
mod attempt;
mod cwmp;
mod device;
mod enums;
mod error;
mod event;
mod fault;
pub(crate) mod field;
mod file;
mod model;
mod object;
mod seal;
mod session;
mod task;
mod timer;

use acs_types::{
    ApiToken, AuditRecord, CpeCredential, DeviceSummary, EventRecord, FaultRecord, FileRecord, HandedSession, Holder,
    ModelNotes, ObjectRecord, RefusedInform, SessionRecord, SummaryPatch, Task, Timer,
};
use prost::Message;

pub(crate) use enums::{Enumerated, enumerated};
pub use error::RecordError;
pub(crate) use file::file_type;
pub use seal::{SecretSeal, Unsealed};

/// A record with a byte form that lasts.
pub trait Record: Sized {
    /// The bytes; secrets only as `seal` gives them.
    fn to_bytes(&self, seal: &dyn SecretSeal) -> Vec<u8>;

    /// The record. Damaged bytes, values of a newer version and secrets that `seal` cannot open are errors.
    fn from_bytes(bytes: &[u8], seal: &dyn SecretSeal) -> Result<Self, RecordError>;
}

/// A domain value that has a message.
pub(crate) trait Wire: Sized {
    /// The message.
    type Message: Message + Default;

    /// To the message: each text is copied once.
    fn to_wire(&self, seal: &dyn SecretSeal) -> Self::Message;

    /// From the message: its texts are moved.
    fn from_wire(message: Self::Message, seal: &dyn SecretSeal) -> Result<Self, RecordError>;
}

macro_rules! records {
    ($($record:ident),* $(,)?) => {
        $(impl Record for $record {
            fn to_bytes(&self, seal: &dyn SecretSeal) -> Vec<u8> {
                self.to_wire(seal).encode_to_vec()
            }

            fn from_bytes(bytes: &[u8], seal: &dyn SecretSeal) -> Result<Self, RecordError> {
                let message = <Self as Wire>::Message::decode(bytes)
                    .map_err(|source| RecordError::Damaged { record: stringify!($record), source })?;
                Self::from_wire(message, seal)
            }
        })*
    };
}

records! {
    ApiToken, AuditRecord, CpeCredential, DeviceSummary, EventRecord, FaultRecord, FileRecord, HandedSession, Holder, ModelNotes,
    ObjectRecord, RefusedInform, SessionRecord, SummaryPatch, Task, Timer,
}
