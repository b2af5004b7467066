//! The file server: keeps firmware, configurations and scripts, and hands them to the devices that may have them.
//!
//! [`LocalFileServer`] implements [`acs_proto::FileServer`]: it stores a file, and signs URLs that let one device fetch one
//! file until a moment. Its [`router`](LocalFileServer::router) answers them with ranges and ETag (CWMP-351), within a
//! budget of transfers (CWMP-353). Which device gets which file is the caller's decision; the record of a file is the
//! store's. Bytes lie in one folder of this host.
//!
//! Invariants:
//! - A file is seen whole or not at all, at whatever instruction the process is killed: bytes go to `incoming/`, are synced,
//!   renamed, their folder synced, and only then the record is written; removal goes the other way. What lies between is
//!   swept at the next start.
//! - Nothing is served without a token that this key ring sealed; the token tells all, so any process can check it.
//! - Names of files and devices never become paths.
//!
//! Where to start: `service.rs` for keeping, `download.rs` for serving.

mod clock;
mod config;
mod download;
mod folder;
mod grant;
mod metrics;
mod public_url;
mod range;
mod serve;
mod service;
mod transfer;

pub use config::Config;
pub use public_url::{PUBLIC_URL_MAX, PublicUrlError, URL_MAX};
pub use service::{LocalFileServer, OpenError};
