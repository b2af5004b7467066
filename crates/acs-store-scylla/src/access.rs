use std::sync::atomic::Ordering;

use acs_store::{AccessRecords, AuditLog, Credentials, Error, Models, Result};
use acs_types::{
    ApiToken, AuditRecord, CpeCredential, DeviceId, EventId, ModelKey, ModelNotes, Page, PageRequest, TokenId,
};
use async_trait::async_trait;
use fail::fail_point;

use crate::history::AUDIT;
use crate::place;
use crate::registers::Register;
use crate::store::{ScyllaStore, Shared};

#[async_trait]
impl AccessRecords for ScyllaStore {
    async fn put_token(&self, token: ApiToken) -> Result<()> {
        let shared = &*self.shared;
        let before = shared.token(&token.id).await?;
        // The look-up first: without its token it opens nothing.
        shared.set(Register::TokenHash, &token.sha256, token.id.as_str().as_bytes().to_vec()).await?;
        fail_point!("scylla::between_hash_and_token", crate::failed_here);
        shared.set(Register::Token, token.id.as_str().as_bytes(), shared.encode(&token)).await?;
        match before {
            Some(before) if before.sha256 != token.sha256 => shared.forget_hash(&before).await,
            _ => Ok(()),
        }
    }

    async fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>> {
        let Some(id) = self.shared.get(Register::TokenHash, sha256).await? else { return Ok(None) };
        let token = self.shared.token(&place::stored(&text(id)?)?).await?;
        // The token decides: it may have been replaced or deleted.
        Ok(token.filter(|token| token.sha256 == *sha256))
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let rows: Vec<(Vec<u8>, i64)> = cql.rows(&s.tokens, (tenant,)).await?;
        rows.iter().map(|(value, _)| self.shared.decode(value)).collect()
    }

    async fn delete_token(&self, token: &TokenId) -> Result<bool> {
        let shared = &*self.shared;
        let before = shared.token(token).await?;
        let deleted = shared.unset(Register::Token, token.as_str().as_bytes(), |_| true).await?;
        fail_point!("scylla::between_token_and_hash", crate::failed_here);
        if let Some(before) = before {
            shared.forget_hash(&before).await?;
        }
        Ok(deleted)
    }
}

#[async_trait]
impl AuditLog for ScyllaStore {
    async fn append_audit(&self, record: AuditRecord) -> Result<()> {
        // By the time of the append: what one process appends keeps its order, whatever time the records have.
        let at = self.shared.next_moment();
        let id: [u8; 16] = rand::random();
        self.shared.put(AUDIT, at, &id, self.shared.encode(&record), self.shared.audit_ttl()).await
    }

    async fn audit(&self, page: &PageRequest) -> Result<Page<AuditRecord>> {
        self.shared.page::<EventId, _>(AUDIT, page, |bytes| self.shared.decode(bytes)).await
    }
}

#[async_trait]
impl Credentials for ScyllaStore {
    async fn credential(&self, device: &DeviceId) -> Result<Option<CpeCredential>> {
        let value = self.shared.get(Register::Credential, device.as_str().as_bytes()).await?;
        value.map(|value| self.shared.decode(&value)).transpose()
    }

    async fn credential_by_username(&self, username: &str) -> Result<Option<(DeviceId, CpeCredential)>> {
        if username.is_empty() {
            return Ok(None);
        }
        let Some(device) = self.shared.get(Register::Username, username.as_bytes()).await? else { return Ok(None) };
        let device = place::stored(&text(device)?)?;
        // The credential decides: it may have another user name by now.
        let credential = self.credential(&device).await?.filter(|credential| credential.username == username);
        Ok(credential.map(|credential| (device, credential)))
    }

    async fn put_credential(&self, device: &DeviceId, credential: Option<CpeCredential>) -> Result<()> {
        self.shared.put_credential(device, credential).await
    }
}

#[async_trait]
impl Models for ScyllaStore {
    async fn model_notes(&self, model: &ModelKey) -> Result<ModelNotes> {
        let value = self.shared.get(Register::Model, &model_key(model)).await?;
        value.map_or_else(|| Ok(ModelNotes::default()), |value| self.shared.decode(&value))
    }

    async fn put_model_notes(&self, model: &ModelKey, notes: ModelNotes) -> Result<()> {
        self.shared.set(Register::Model, &model_key(model), self.shared.encode(&notes)).await
    }
}

impl Shared {
    /// Now, or a microsecond after the last time.
    fn next_moment(&self) -> i64 {
        let now = self.now_micros();
        let after = |last: i64| now.max(last.saturating_add(1));
        let last = self.audited.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        last.map_or(now, after)
    }

    async fn token(&self, id: &TokenId) -> Result<Option<ApiToken>> {
        let value = self.get(Register::Token, id.as_str().as_bytes()).await?;
        value.map(|value| self.decode(&value)).transpose()
    }

    async fn forget_hash(&self, token: &ApiToken) -> Result<()> {
        let id = token.id.as_str().as_bytes();
        self.unset(Register::TokenHash, &token.sha256, |value| value == id).await.map(|_| ())
    }

    /// The user name first: without the credential it opens nothing.
    pub(crate) async fn put_credential(&self, device: &DeviceId, credential: Option<CpeCredential>) -> Result<()> {
        let key = device.as_str().as_bytes();
        let before = self.get(Register::Credential, key).await?;
        let before = before.map(|value| self.decode::<CpeCredential>(&value)).transpose()?;
        let username = credential.as_ref().map(|credential| credential.username.clone()).unwrap_or_default();
        match credential {
            Some(credential) => {
                if !username.is_empty() {
                    self.set(Register::Username, username.as_bytes(), key.to_vec()).await?;
                    fail_point!("scylla::between_username_and_credential", crate::failed_here);
                }
                self.set(Register::Credential, key, self.encode(&credential)).await?;
            }
            None => {
                self.unset(Register::Credential, key, |_| true).await?;
            }
        }
        fail_point!("scylla::between_credential_and_old_username", crate::failed_here);
        match before {
            Some(before) if !before.username.is_empty() && before.username != username => {
                self.unset(Register::Username, before.username.as_bytes(), |value| value == key).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

/// The fields one after another, each with its length before it. In keys, for ever.
fn model_key(model: &ModelKey) -> Vec<u8> {
    let ModelKey { manufacturer, oui, product_class, software_version } = model;
    let mut key = Vec::new();
    for field in [manufacturer, oui, product_class, software_version] {
        key.extend_from_slice(&(field.len() as u64).to_be_bytes());
        key.extend_from_slice(field.as_bytes());
    }
    key
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::Corrupt("a look-up does not hold an id".into()))
}
