//! The remote face of the services: gRPC clients that implement the traits, servers over any implementation, and what lies
//! between them.
//!
//! `ProvisioningClient` is a [`crate::Provisioning`] as the service itself is: who holds an `Arc<dyn Provisioning>` cannot
//! tell which one it is. The same for connection requests and files. A client speaks to [`Peers`]: the processes of a
//! service, found by name, watched by gRPC health checks, chosen by device. [`GrpcServer`] offers services on a listener.
//! Both prove themselves by [`MutualTls`].
//!
//! Invariants:
//! - Each call has a deadline ([`Deadlines`]), each message a size ([`MESSAGE_BYTES_MAX`]).
//! - A call that certainly was not sent goes to the next process. Otherwise only idempotent calls are made again, when the
//!   service is unavailable ([`REPEATS_MAX`]). `methods.rs` says of each method which it is.

mod call;
mod connect;
mod connection_requests;
mod file_content;
mod file_server;
mod limits;
mod listener;
mod methods;
mod peers;
mod provisioning_client;
mod provisioning_messages;
mod provisioning_server;
mod status;

pub use connect::{CERTIFICATE_INTERVAL, MutualTls, MutualTlsError, TlsFiles};
pub use connection_requests::{ConnectionRequestsClient, ConnectionRequestsServer};
pub use file_server::{FileServerClient, FileServerServer};
pub use limits::{CONTENT_PART_BYTES_MAX, Deadlines, MESSAGE_BYTES_MAX, REPEATS_MAX};
pub use listener::{CALLS_PER_CONNECTION_MAX, CONNECTION_AGE, CONNECTIONS_MAX, GrpcServer, NOTICE, Serving};
pub use peers::{HEALTH_INTERVAL, PEERS_MAX, PeerName, PeerNameError, Peers, RESOLVE_INTERVAL};
pub use provisioning_client::ProvisioningClient;
pub use provisioning_server::ProvisioningServer;
