//! How the services of Lastmile meet: their traits, and (in a cluster) the gRPC contract of `/proto`.
//!
//! A service implements its trait; another one holds it as `Arc<dyn …>`: the service itself in one process (the local
//! face), a gRPC client in a cluster (the remote face). Services know each other only through this crate.
//!
//! Where to start: [`Provisioning`].

mod connection_requests;
mod error;
mod file_server;
mod provisioning;
pub mod records;

/// The messages and gRPC stubs generated from `/proto/lastmile/v1`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, rust_2018_idioms, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("lastmile.v1");
}

pub use connection_requests::{ConnectionRequests, WakeOutcome, WakeRequest};
pub use error::{ErrorClass, ServiceError};
pub use file_server::{FileContent, FileServer, NewFile, SignedUrl};
pub use provisioning::{
    Answer, AnswerOutcome, BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply,
    EnqueueRequest, NextReply, NextRequest, Provisioning, TaskStream, UnansweredReason, VerifierReply, VerifierRequest,
};
pub use records::{Record, RecordError, SecretSeal, Unsealed};
