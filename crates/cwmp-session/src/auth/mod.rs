//! HTTP authentication as pure functions, for both ends: of the CPE at the ACS (section B of the requirement list) and of the
//! ACS at the connection-request server of a CPE (CWMP-411).
//!
//! **Server.** [`NonceKey::issue`] makes a nonce that every holder of the key can check; [`Challenge::to_header`] offers it;
//! [`parse_authorization`] reads the answer; [`DigestRules::check`] decides, with a [`ReplayWindow`] that refuses a
//! (nonce, nc) pair twice. **Client.** [`parse_challenges`] reads challenges as real devices write them, [`respond`]
//! answers one.
//!
//! Secrets are compared in constant time (CWMP-062) and never shown by `Debug`.

mod authorization;
mod basic;
mod challenge;
mod credentials;
mod digest;
mod nonce;
mod parameters;
mod replay;
mod target;
mod user_name;
mod verify;

pub use authorization::{Authorization, AuthorizationError, DigestAnswer, Protection, parse_authorization};
pub use basic::{basic_authorization, basic_challenge, verify_basic};
pub use challenge::{Challenge, DigestRequest, OfferedChallenge, parse_challenges, respond};
pub use credentials::{Credentials, Password, Verifier};
pub use digest::{Algorithm, ha1};
pub use nonce::{CheckedNonce, NONCE_LIFE, Nonce, NonceKey};
pub use parameters::{HEADER_BYTES_MAX, PARAMETERS_MAX};
pub use replay::{Admission, ReplayWindow};
pub use target::{RequestTarget, request_target};
pub use user_name::UserName;
pub use verify::{DigestRefusal, DigestRules, DigestVerdict, Nonces};
