use acs_types::{ApiToken, AuditRecord, CpeCredential, DeviceId, ModelKey, ModelNotes, Page, PageRequest, TokenId};
use async_trait::async_trait;

use crate::Result;

/// API tokens.
#[async_trait]
pub trait AccessRecords: Send + Sync {
    /// Keeps a token; the same id again replaces it.
    async fn put_token(&self, token: ApiToken) -> Result<()>;

    /// The token whose secret has this SHA-256.
    async fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>>;

    /// All tokens.
    async fn tokens(&self) -> Result<Vec<ApiToken>>;

    /// Forgets a token; `false`: not known.
    async fn delete_token(&self, token: &TokenId) -> Result<bool>;
}

/// The append-only audit log (P27).
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends; durable when it returns.
    async fn append_audit(&self, record: AuditRecord) -> Result<()>;

    /// The log, newest first.
    async fn audit(&self, page: &PageRequest) -> Result<Page<AuditRecord>>;
}

/// Credentials of devices, sealed at rest.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Those of a device.
    async fn credential(&self, device: &DeviceId) -> Result<Option<CpeCredential>>;

    /// Those of the device that logs in with this user name.
    async fn credential_by_username(&self, username: &str) -> Result<Option<(DeviceId, CpeCredential)>>;

    /// Keeps them; `None` forgets them.
    async fn put_credential(&self, device: &DeviceId, credential: Option<CpeCredential>) -> Result<()>;
}

/// What was learned about models.
#[async_trait]
pub trait Models: Send + Sync {
    /// The notes on a model; default ones if there are none.
    async fn model_notes(&self, model: &ModelKey) -> Result<ModelNotes>;

    /// Keeps them.
    async fn put_model_notes(&self, model: &ModelKey, notes: ModelNotes) -> Result<()>;
}
