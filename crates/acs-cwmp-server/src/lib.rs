//! The CWMP front-end: a thin loop over the state machine of `cwmp-session`.
//!
//! It takes connections (plain or TLS), reads POSTs within limits, decodes them, finds out who is there and whose session it
//! is, hands the message to the session's [`AcsSession`](cwmp_session::AcsSession), does what that wants (receipt,
//! `Provisioning::begin`, `next`), and writes its reply. What a session means is left to `cwmp-session`, what is to be done
//! for a device to `acs-provisioning`, what an event means to those who read the log.
//!
//! Invariants:
//! - An InformResponse or TransferCompleteResponse goes out only when its record is durable (P7, P11).
//! - Nothing is stored or published before the credentials were checked (CWMP-532).
//! - A session belongs to one exchange at a time; a front-end owns nothing that its end could lose (`design.md` §3).
//! - Whatever a peer sends costs bounded memory and time (P19) and ends nothing but its own session (P20).
//!
//! Not here: the PROXY protocol, client certificates, and session snapshots for other front-ends; a session whose process
//! died goes on from its cookie.
//!
//! Start with [`serve`], then [`FrontEnd`] (`front_end.rs`: the way of a POST) and `session_loop.rs` (the loop).

mod attempts;
mod authentication;
mod body;
mod clock;
mod config;
mod connection;
mod cookie;
mod device_memory;
mod emitter;
mod ending;
mod front_end;
mod hand_over;
mod ladder;
mod limits;
mod metrics;
mod models;
mod numbers;
mod overload;
mod post;
mod records;
mod response;
mod server;
mod session;
mod session_loop;
mod sessions;
mod stamps;
mod timing;
mod tls;

pub use attempts::AttemptLimits;
pub use authentication::{CpeAuth, CpeAuthScheme};
pub use clock::Clock;
pub use config::{Config, Waits};
pub use connection::{Peer, Stop, serve_connection};
pub use cookie::{COOKIE_BYTES, COOKIE_LIFE, COOKIE_NAME};
pub use device_memory::{CHAIN_UNKNOWN, DEVICES_MAX};
pub use emitter::ReceiptLimits;
pub use front_end::{FrontEnd, Services};
pub use limits::HttpLimits;
pub use metrics::{MODELS_MAX, Metrics};
pub use models::{ModelMatch, ModelRule};
pub use overload::OverloadLimits;
pub use server::serve;
pub use sessions::ENDED_MAX;
pub use tls::{TlsError, TlsIdentity};
