//! A scripted CPE against a front-end: in memory, and over TCP and TLS. Names carry the requirement or promise they hold.

mod authentication;
mod overload;
mod quirks;
mod receipts;
mod robustness;
mod sessions;
mod sockets;
mod support;
mod transport;
