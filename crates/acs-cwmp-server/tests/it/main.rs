//! A scripted CPE against a front-end: in memory, and over TCP and TLS. Names carry the requirement or promise they hold.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod authentication;
mod hand_over;
mod overload;
mod quirks;
mod receipts;
mod requirements;
mod robustness;
mod sessions;
mod sockets;
mod support;
mod transport;
