use acs_proto::{ServiceError, VerifierReply};
use acs_types::{CpeCredential, CpeVerifier, DeviceId, Secret, SessionStamp};
use data_encoding::BASE32_NOPAD;

use crate::error;
use crate::service::Inner;

/// Random bytes of a password: 32 characters of base32.
const PASSWORD_BYTES: usize = 20;

impl Inner {
    pub(crate) async fn verifier(&self, username: &str) -> Result<VerifierReply, ServiceError> {
        if let Some((device, credential)) = self.store().credential_by_username(username).await.map_err(error::store)? {
            let verifier = CpeVerifier { device: Some(device), password: credential.password };
            return Ok(VerifierReply { verifier: Some(verifier) });
        }
        let shared = self.config.shared_credentials.as_ref().filter(|(name, _)| name == username);
        let verifier = shared.map(|(_, password)| CpeVerifier { device: None, password: password.clone() });
        Ok(VerifierReply { verifier })
    }

    /// The credentials to send to a device: durable before they are sent, and pending until the device has taken them
    /// (CWMP-419). Until then either password may be the right one, so both are kept.
    pub(crate) async fn pending_credential(
        &self,
        device: &DeviceId,
        stamp: SessionStamp,
    ) -> Result<(String, Secret), ServiceError> {
        let before = self.credential(device).await?;
        let credential = self.with_pending(device, before.clone(), stamp);
        let pair =
            (credential.connection_request_username.clone(), credential.pending_connection_request_password.clone());
        if credential != before {
            self.store().put_credential(device, Some(credential)).await.map_err(error::store)?;
        }
        Ok(pair)
    }

    /// What [`Inner::pending_credential`] would write, for whoever has something else to write at the same time.
    pub(crate) async fn credential_to_send(
        &self,
        device: &DeviceId,
        stamp: SessionStamp,
    ) -> Result<Option<CpeCredential>, ServiceError> {
        let before = self.credential(device).await?;
        let credential = self.with_pending(device, before.clone(), stamp);
        Ok((credential != before).then_some(credential))
    }

    fn with_pending(&self, device: &DeviceId, mut credential: CpeCredential, stamp: SessionStamp) -> CpeCredential {
        if credential.connection_request_username.is_empty() {
            credential.connection_request_username = device.to_string();
        }
        if credential.pending_connection_request_password.is_empty() {
            credential.pending_connection_request_password = self.new_password();
            credential.connection_request_stamp = stamp;
        }
        credential
    }

    /// The credentials of a device that has taken what was pending; `None`: nothing was.
    pub(crate) async fn proved_credential(&self, device: &DeviceId) -> Result<Option<CpeCredential>, ServiceError> {
        let mut credential = self.credential(device).await?;
        if credential.pending_connection_request_password.is_empty() {
            return Ok(None);
        }
        credential.connection_request_password = std::mem::take(&mut credential.pending_connection_request_password);
        Ok(Some(credential))
    }

    /// The device refused the one that was used: the other one is tried next.
    pub(crate) async fn swap_credential(&self, device: &DeviceId) -> Result<(), ServiceError> {
        let mut credential = self.credential(device).await?;
        if credential.pending_connection_request_password.is_empty()
            || credential.connection_request_password.is_empty()
        {
            return Ok(());
        }
        std::mem::swap(
            &mut credential.connection_request_password,
            &mut credential.pending_connection_request_password,
        );
        self.store().put_credential(device, Some(credential)).await.map_err(error::store)
    }

    /// After `0 BOOTSTRAP` the device has none that was drawn before that session (CWMP-185). What it logs in with stays.
    pub(crate) async fn forget_connection_request_credential(
        &self,
        device: &DeviceId,
        stamp: SessionStamp,
    ) -> Result<(), ServiceError> {
        let Some(mut credential) = self.store().credential(device).await.map_err(error::store)? else { return Ok(()) };
        if credential.connection_request_username.is_empty() || credential.connection_request_stamp >= stamp {
            return Ok(());
        }
        credential.connection_request_username.clear();
        credential.connection_request_password = Secret::default();
        credential.pending_connection_request_password = Secret::default();
        self.store().put_credential(device, Some(credential)).await.map_err(error::store)
    }

    pub(crate) async fn credential(&self, device: &DeviceId) -> Result<CpeCredential, ServiceError> {
        Ok(self.store().credential(device).await.map_err(error::store)?.unwrap_or_default())
    }

    fn new_password(&self) -> Secret {
        let mut bytes = [0; PASSWORD_BYTES];
        self.deps.random.fill(&mut bytes);
        Secret::new(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}
