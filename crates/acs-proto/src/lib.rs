//! How the services of Lastmile meet: their traits, the byte form of records, and the gRPC contract of `/proto`.
//!
//! A service implements its trait; another one holds it as `Arc<dyn …>` and cannot tell which of two faces it has:
//! - **local**: the service itself, in one process (`lastmile dev`). No bytes are made, nothing is copied.
//! - **remote**: a client of [`remote`] over gRPC, with a server of [`remote`] around the same trait in the other process.
//!   Requests, replies and errors arrive as they were given; `tests/contract/remote.rs` holds that for every method.
//!
//! Services know each other only through this crate. How processes find each other and prove themselves is in [`remote`]; which
//! process offers what is the assembly's work.
//!
//! Invariants:
//! - One set of messages, [`v1`], is gRPC contract, event payload and stored form. Numbers and types of fields are for
//!   ever: `tests/contract` holds them against `testdata/v1` and reads what older versions wrote.
//! - A secret is stored only as a [`SecretSeal`] gave it; in the clear it is only in memory and within mutual TLS.
//! - No bytes make a reader panic: they give a record or a [`RecordError`].
//!
//! Where to start: [`Provisioning`] for the services, [`Record`] for what is stored.

mod connection_requests;
mod error;
mod file_server;
mod hidden;
mod provisioning;
pub mod records;
pub mod remote;

/// The messages and gRPC stubs generated from `/proto/lastmile/v1`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, rust_2018_idioms, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("lastmile.v1");
}

/// `/proto/lastmile/v1` as a compiled `FileDescriptorSet`, for the JSON form of messages.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lastmile.v1.binpb"));

pub use connection_requests::{ConnectionRequests, WakeOutcome, WakeRequest};
pub use error::{ErrorClass, ServiceError};
pub use file_server::{FileContent, FileServer, NewFile, SignedUrl};
pub use provisioning::{
    Answer, AnswerOutcome, BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply,
    EnqueueRequest, NextReply, NextRequest, Provisioning, TaskStream, UnansweredReason, VerifierReply, VerifierRequest,
};
pub use records::{Record, RecordError, SecretSeal, Unsealed};
