use acs_types::{ApiToken, AuditRecord, CpeCredential, Scope, Secret, SessionStamp};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for ApiToken {
    type Message = v1::ApiToken;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ApiToken {
        v1::ApiToken {
            id: self.id.to_string(),
            principal: self.principal.clone(),
            sha256: self.sha256.to_vec(),
            scopes: self.scopes.iter().map(|scope| scope.number()).collect(),
            created_at: self.created_at.as_micros(),
            expires_at: field::micros(self.expires_at),
        }
    }

    fn from_wire(message: v1::ApiToken, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let scope = |number: i32| Scope::from_number(number, "ApiToken.scopes");
        Ok(Self {
            id: field::id(&message.id, "ApiToken.id")?,
            principal: message.principal,
            sha256: field::fixed(&message.sha256, "ApiToken.sha256")?,
            scopes: message.scopes.into_iter().map(scope).collect::<Result<_, _>>()?,
            created_at: Timestamp::from_micros(message.created_at),
            expires_at: field::moment(message.expires_at),
        })
    }
}

impl Wire for AuditRecord {
    type Message = v1::AuditRecord;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::AuditRecord {
        v1::AuditRecord {
            at: self.at.as_micros(),
            tenant: self.tenant.to_string(),
            principal: self.principal.clone(),
            token: field::optional_text(self.token.as_ref()),
            action: self.action.clone(),
            object: self.object.clone(),
            detail: self.detail.clone(),
        }
    }

    fn from_wire(message: v1::AuditRecord, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: Timestamp::from_micros(message.at),
            tenant: field::id(&message.tenant, "AuditRecord.tenant")?,
            principal: message.principal,
            token: field::optional_id(&message.token, "AuditRecord.token")?,
            action: message.action,
            object: message.object,
            detail: message.detail,
        })
    }
}

impl Wire for CpeCredential {
    type Message = v1::CpeCredential;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::CpeCredential {
        v1::CpeCredential {
            username: self.username.clone(),
            sealed_password: field::sealed(self.password.reveal(), seal),
            connection_request_username: self.connection_request_username.clone(),
            sealed_connection_request_password: field::sealed(self.connection_request_password.reveal(), seal),
            sealed_pending_connection_request_password: field::sealed(
                self.pending_connection_request_password.reveal(),
                seal,
            ),
            connection_request_stamp: self.connection_request_stamp.as_micros(),
        }
    }

    fn from_wire(message: v1::CpeCredential, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let password = field::opened(&message.sealed_password, seal, || {
            format!("the password of the CPE user `{}`", message.username)
        })?;
        let of_connection_requests =
            || format!("the password of the connection request user `{}`", message.connection_request_username);
        let connection_request_password =
            field::opened(&message.sealed_connection_request_password, seal, of_connection_requests)?;
        let pending_connection_request_password =
            field::opened(&message.sealed_pending_connection_request_password, seal, of_connection_requests)?;
        Ok(Self {
            username: message.username,
            password: Secret::new(password),
            connection_request_username: message.connection_request_username,
            connection_request_password: Secret::new(connection_request_password),
            pending_connection_request_password: Secret::new(pending_connection_request_password),
            connection_request_stamp: SessionStamp::from_micros(message.connection_request_stamp),
        })
    }
}
