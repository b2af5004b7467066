use acs_store::{AccessRecords, AuditLog, Credentials, Models, Result};
use acs_types::{ApiToken, AuditRecord, CpeCredential, DeviceId, ModelKey, ModelNotes, Page, PageRequest, TokenId};
use async_trait::async_trait;

use crate::keys::{self, Space};
use crate::transaction::Transaction;
use crate::{Embedded, decode, engine_error, rows};

#[async_trait]
impl AccessRecords for Embedded {
    async fn put_token(&self, token: ApiToken) -> Result<()> {
        self.write(move |transaction| {
            let key = keys::token(&token.id);
            if let Some(before) = transaction.record::<ApiToken>(Space::Rows, &key)? {
                transaction.remove(Space::Rows, keys::token_hash(&before.sha256));
            }
            transaction.put(Space::Rows, keys::token_hash(&token.sha256), token.id.as_str().as_bytes());
            transaction.put_record(Space::Rows, key, &token);
            Ok(())
        })
        .await
    }

    async fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>> {
        let id = self.engine()?.get(Space::Rows, &keys::token_hash(sha256)).map_err(engine_error)?;
        let Some(id) = id.and_then(|id| std::str::from_utf8(&id).ok()?.parse().ok()) else { return Ok(None) };
        let token: Option<ApiToken> = self.record(Space::Rows, &keys::token(&id))?;
        // Between the two reads it may have been replaced.
        Ok(token.filter(|token| token.sha256 == *sha256))
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>> {
        self.scan(|store| {
            let engine = store.engine()?;
            let rows = engine.scan(Space::Rows, keys::TOKENS, None);
            rows.map(|row| decode(&row.map_err(engine_error)?.1, store.seal())).collect()
        })
        .await
    }

    async fn delete_token(&self, token: &TokenId) -> Result<bool> {
        let key = keys::token(token);
        self.write_making_room(move |transaction| {
            let Some(before) = transaction.record::<ApiToken>(Space::Rows, &key)? else { return Ok(false) };
            transaction.remove(Space::Rows, keys::token_hash(&before.sha256));
            transaction.remove(Space::Rows, key);
            Ok(true)
        })
        .await
    }
}

#[async_trait]
impl AuditLog for Embedded {
    async fn append_audit(&self, record: AuditRecord) -> Result<()> {
        self.write(move |transaction| {
            let newest = transaction.edge(Space::History, keys::AUDIT, false)?;
            let number = newest.and_then(|key| keys::audit_number(&key)).map_or(0, |number| number + 1);
            transaction.put_record(Space::History, keys::audit(number), &record);
            Ok(())
        })
        .await
    }

    async fn audit(&self, page: &PageRequest) -> Result<Page<AuditRecord>> {
        let page = page.clone();
        self.scan(move |store| {
            store.page(Space::History, keys::AUDIT, &page, |_, value| Ok(Some(decode(value, store.seal())?)))
        })
        .await
    }
}

#[async_trait]
impl Credentials for Embedded {
    async fn credential(&self, device: &DeviceId) -> Result<Option<CpeCredential>> {
        self.record(Space::Rows, &keys::credential(device))
    }

    async fn credential_by_username(&self, username: &str) -> Result<Option<(DeviceId, CpeCredential)>> {
        if username.is_empty() || username.len() > USERNAME_MAX {
            return Ok(None);
        }
        let device = self.engine()?.get(Space::Rows, &keys::username(username)).map_err(engine_error)?;
        let Some(device) = device.and_then(|bytes| rows::device_id(&bytes)) else { return Ok(None) };
        let credential: Option<CpeCredential> = self.record(Space::Rows, &keys::credential(&device))?;
        // Between the two reads it may have been replaced.
        Ok(credential.filter(|c| c.username == username).map(|credential| (device, credential)))
    }

    async fn put_credential(&self, device: &DeviceId, credential: Option<CpeCredential>) -> Result<()> {
        let device = device.clone();
        self.write(move |transaction| put_credential(transaction, &device, credential)).await
    }
}

/// Bytes of a user name, which is a key here: far above the 256 characters a CPE can hold (TR-098, TR-181).
const USERNAME_MAX: usize = 4096;

/// Replaces or forgets the credentials of a device together with its user name.
pub(crate) fn put_credential(
    transaction: &mut Transaction<'_>,
    device: &DeviceId,
    credential: Option<CpeCredential>,
) -> Result<()> {
    if credential.as_ref().is_some_and(|c| c.username.len() > USERNAME_MAX) {
        return Err(acs_store::Error::Invalid(format!("a user name has at most {USERNAME_MAX} bytes")));
    }
    let key = keys::credential(device);
    if let Some(before) = transaction.record::<CpeCredential>(Space::Rows, &key)? {
        let name = keys::username(&before.username);
        // Another device may have taken the name since.
        if transaction.get(Space::Rows, &name)?.is_some_and(|d| *d == *device.as_str().as_bytes()) {
            transaction.remove(Space::Rows, name);
        }
        transaction.remove(Space::Rows, key.clone());
    }
    let Some(credential) = credential else { return Ok(()) };
    if !credential.username.is_empty() {
        transaction.put(Space::Rows, keys::username(&credential.username), device.as_str().as_bytes());
    }
    transaction.put_record(Space::Rows, key, &credential);
    Ok(())
}

#[async_trait]
impl Models for Embedded {
    async fn model_notes(&self, model: &ModelKey) -> Result<ModelNotes> {
        Ok(self.record(Space::Rows, &keys::model(model))?.unwrap_or_default())
    }

    async fn put_model_notes(&self, model: &ModelKey, notes: ModelNotes) -> Result<()> {
        let key = keys::model(model);
        self.write(move |transaction| {
            transaction.put_record(Space::Rows, key, &notes);
            Ok(())
        })
        .await
    }
}
