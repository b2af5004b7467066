use acs_types::{DeviceId, Secret};
use async_trait::async_trait;

use crate::ServiceError;

/// Wakes devices (group J of the requirement list).
#[async_trait]
pub trait ConnectionRequests: Send + Sync {
    /// Asks a device to open a session. Coalesced and rate-limited per device; dials only what policy allows (P25).
    async fn wake(&self, request: WakeRequest) -> Result<WakeOutcome, ServiceError>;
}

/// Which device, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeRequest {
    /// The device.
    pub device: DeviceId,
    /// ManagementServer.ConnectionRequestURL; the device chose it, so it is not trusted (CWMP-420).
    pub url: String,
    /// ManagementServer.ConnectionRequestUsername; empty: none known.
    pub username: String,
    /// ManagementServer.ConnectionRequestPassword.
    pub password: Secret,
    /// Whether Basic may be answered (CWMP-412).
    pub allow_basic: bool,
}

/// What happened (CWMP-423).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeOutcome {
    /// Nothing was sent.
    NotSent {
        /// Why: no URL known, too soon after the last one, a session is live …
        reason: String,
    },
    /// Policy forbids that address.
    Refused {
        /// Which rule.
        reason: String,
    },
    /// 200 or 204 (CWMP-413).
    Accepted,
    /// 503: alive, in a session or limiting (CWMP-416).
    Busy,
    /// 401 after credentials (CWMP-417).
    WrongCredentials,
    /// No connection, no answer, or an unexpected one.
    Unreachable {
        /// What was seen.
        reason: String,
    },
}

impl WakeOutcome {
    /// The name in API, records and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotSent { .. } => "not_sent",
            Self::Refused { .. } => "refused",
            Self::Accepted => "accepted",
            Self::Busy => "busy",
            Self::WrongCredentials => "wrong_credentials",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}
