//! The CPE side of one session: for simulators and tests.
//!
//! It does what the standard asks of a CPE: Inform first, its own requests, an empty POST, answers until the ACS has nothing
//! left (CWMP-110 to CWMP-123), credentials after a challenge, redirects, Fault 8005. Devices that do otherwise are made by
//! changing its outputs on their way. Cookies belong to the caller's HTTP client.

mod authorization;
mod message;
mod retry;
mod session;

pub use message::{CpeFailure, Delivered, HttpResponse, Input, Output, Post, ResponseBody, Start};
pub use retry::retry_wait;
pub use session::{CpeSession, REDIRECTS_MAX, REQUESTS_MAX, RESPONSE_TIMEOUT, RETRY_REQUESTS_MAX};
