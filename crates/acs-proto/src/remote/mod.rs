//! The remote face of the services: gRPC clients that implement the traits, and servers over any implementation.
//!
//! `ProvisioningClient` is a [`crate::Provisioning`] as the service itself is: who holds an `Arc<dyn Provisioning>` cannot
//! tell which one it is. The same for connection requests and files. Connections and mutual TLS are made by the assembly:
//! a client takes a [`tonic::transport::Channel`], a server goes into a [`tonic::transport::Server`].
//!
//! Each call has a deadline ([`Deadlines`]), each message a size ([`MESSAGE_BYTES_MAX`]). Calls that are idempotent are
//! repeated when the service is unavailable ([`REPEATS_MAX`]), all others never: whether an unanswered `next`, `end`,
//! `cancel`, `retry`, `wake`, `store` or `remove` was carried out only the service knows.
//!
//! | repeated | not repeated |
//! |---|---|
//! | `verifier`, `begin`, `append`, `observe`, `enqueue`, opening of `watch`, `sign` | `next`, `end`, `cancel`, `retry`, `wake`, `store`, `remove` |

mod call;
mod connection_requests;
mod file_content;
mod file_server;
mod limits;
mod provisioning_client;
mod provisioning_messages;
mod provisioning_server;
mod status;

pub use connection_requests::{ConnectionRequestsClient, ConnectionRequestsServer};
pub use file_server::{FileServerClient, FileServerServer};
pub use limits::{CONTENT_PART_BYTES_MAX, Deadlines, MESSAGE_BYTES_MAX, REPEATS_MAX};
pub use provisioning_client::ProvisioningClient;
pub use provisioning_server::ProvisioningServer;
