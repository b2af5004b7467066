use crate::{DeviceId, Secret, SessionStamp, Tenant, TokenId};
use cwmp_model::Timestamp;

/// How a CPE proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthLevel {
    /// Not at all (`--cpe-auth open`).
    Open,
    /// By a credential that many devices share.
    Shared,
    /// By a credential of its own.
    Device,
    /// By a client certificate.
    Certificate,
}

impl AuthLevel {
    /// Every level, weakest first.
    pub const ALL: [Self; 4] = [Self::Open, Self::Shared, Self::Device, Self::Certificate];

    /// The name in records and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shared => "shared",
            Self::Device => "device",
            Self::Certificate => "certificate",
        }
    }

    /// From the name in records.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == name)
    }
}

/// What a device logs in with, and what the ACS uses to wake it. Stored sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpeCredential {
    /// The user name the CPE sends to the ACS; empty: none of its own.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The user name of connection requests to the CPE (ManagementServer.ConnectionRequestUsername).
    pub connection_request_username: String,
    /// Their password.
    pub connection_request_password: Secret,
    /// A password that was sent or is about to be sent to the device and is not proved yet; empty: none. Until then either
    /// may be the right one.
    pub pending_connection_request_password: Secret,
    /// The session that the newest of them was drawn in: a `0 BOOTSTRAP` of a later one makes both worthless (CWMP-185).
    pub connection_request_stamp: SessionStamp,
}

/// What the front-end needs to check a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpeVerifier {
    /// The device the user name belongs to; `None`: shared by many devices.
    pub device: Option<DeviceId>,
    /// The password.
    pub password: Secret,
}

/// An API token: its secret is stored as a hash only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its public name.
    pub id: TokenId,
    /// Who it stands for; the principal of the tasks made with it.
    pub principal: String,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read devices, tasks, sessions, faults, events.
    Read,
    /// Create and cancel tasks, delete devices.
    Write,
    /// Upload and delete files.
    Files,
    /// Tokens, secrets, credentials.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Files, Self::Admin];

    /// The name in API and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Files => "files",
            Self::Admin => "admin",
        }
    }

    /// From its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// A change by a person or a token, written before it takes effect (P27).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub tenant: Tenant,
    /// By whom.
    pub principal: String,
    /// With which token.
    pub token: Option<TokenId>,
    /// What: `task.create`, `task.cancel`, `device.delete`, `file.create` …
    pub action: String,
    /// To which object.
    pub object: String,
    /// A short account without secrets.
    pub detail: String,
}
