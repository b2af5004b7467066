use acs_types::{AuthLevel, DeviceSummary, Holder, Presence, RefusedInform, RefusedReason, SessionStamp, SummaryPatch};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for DeviceSummary {
    type Message = v1::DeviceSummary;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::DeviceSummary {
        v1::DeviceSummary {
            id: self.id.to_string(),
            tenant: self.tenant.to_string(),
            subscriber_id: self.subscriber_id.clone(),
            identity: Some(self.identity.to_wire(seal)),
            root: self.root.to_string(),
            software_version: self.software_version.clone(),
            hardware_version: self.hardware_version.clone(),
            provisioning_code: self.provisioning_code.clone(),
            connection_request_url: self.connection_request_url.clone(),
            parameter_key: self.parameter_key.clone(),
            cwmp_version: self.cwmp_version.clone(),
            remote: field::address_text(self.remote),
            auth: self.auth.number(),
            first_seen_at: self.first_seen.as_micros(),
            last_inform_at: self.last_inform.as_micros(),
            last_events: self.last_events.clone(),
            last_boot_at: field::micros(self.last_boot),
            last_bootstrap_at: field::micros(self.last_bootstrap),
            last_session: self.last_session.as_bytes().to_vec(),
            last_stamp: self.last_stamp.as_micros(),
            discovered_at: field::micros(self.discovered_at),
        }
    }

    fn from_wire(message: v1::DeviceSummary, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            id: field::id(&message.id, "DeviceSummary.id")?,
            tenant: field::id(&message.tenant, "DeviceSummary.tenant")?,
            subscriber_id: message.subscriber_id,
            identity: field::required(message.identity, "DeviceSummary.identity", seal)?,
            root: field::path(&message.root, "DeviceSummary.root")?,
            software_version: message.software_version,
            hardware_version: message.hardware_version,
            provisioning_code: message.provisioning_code,
            connection_request_url: message.connection_request_url,
            parameter_key: message.parameter_key,
            cwmp_version: message.cwmp_version,
            remote: field::address(&message.remote, "DeviceSummary.remote")?,
            auth: AuthLevel::from_number(message.auth, "DeviceSummary.auth")?,
            first_seen: Timestamp::from_micros(message.first_seen_at),
            last_inform: Timestamp::from_micros(message.last_inform_at),
            last_events: message.last_events,
            last_boot: field::moment(message.last_boot_at),
            last_bootstrap: field::moment(message.last_bootstrap_at),
            last_session: field::session(&message.last_session, "DeviceSummary.last_session")?,
            last_stamp: SessionStamp::from_micros(message.last_stamp),
            discovered_at: field::moment(message.discovered_at),
        })
    }
}

impl Wire for SummaryPatch {
    type Message = v1::SummaryPatch;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::SummaryPatch {
        v1::SummaryPatch {
            stamp: self.stamp.as_micros(),
            identity: self.identity.as_ref().map(|identity| identity.to_wire(seal)),
            tenant: self.tenant.as_ref().map(ToString::to_string),
            subscriber_id: self.subscriber_id.clone(),
            root: self.root.as_ref().map(ToString::to_string),
            software_version: self.software_version.clone(),
            hardware_version: self.hardware_version.clone(),
            provisioning_code: self.provisioning_code.clone(),
            connection_request_url: self.connection_request_url.clone(),
            parameter_key: self.parameter_key.clone(),
            presence: self.presence.as_ref().map(|presence| presence.to_wire(seal)),
            discovered_at: field::micros(self.discovered_at),
        }
    }

    fn from_wire(message: v1::SummaryPatch, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            stamp: SessionStamp::from_micros(message.stamp),
            identity: field::optional(message.identity, seal)?,
            tenant: message.tenant.map(|text| field::id(&text, "SummaryPatch.tenant")).transpose()?,
            subscriber_id: message.subscriber_id,
            root: message.root.map(|text| field::path(&text, "SummaryPatch.root")).transpose()?,
            software_version: message.software_version,
            hardware_version: message.hardware_version,
            provisioning_code: message.provisioning_code,
            connection_request_url: message.connection_request_url,
            parameter_key: message.parameter_key,
            presence: field::optional(message.presence, seal)?,
            discovered_at: field::moment(message.discovered_at),
        })
    }
}

impl Wire for Presence {
    type Message = v1::Presence;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Presence {
        v1::Presence {
            at: self.at.as_micros(),
            session: self.session.as_bytes().to_vec(),
            events: self.events.clone(),
            cwmp_version: self.cwmp_version.clone(),
            remote: field::address_text(self.remote),
            auth: self.auth.number(),
            boot: self.boot,
            bootstrap: self.bootstrap,
        }
    }

    fn from_wire(message: v1::Presence, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: Timestamp::from_micros(message.at),
            session: field::session(&message.session, "Presence.session")?,
            events: message.events,
            cwmp_version: message.cwmp_version,
            remote: field::address(&message.remote, "Presence.remote")?,
            auth: AuthLevel::from_number(message.auth, "Presence.auth")?,
            boot: message.boot,
            bootstrap: message.bootstrap,
        })
    }
}

impl Wire for Holder {
    type Message = v1::Holder;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Holder {
        v1::Holder { session: self.session.as_bytes().to_vec(), stamp: self.stamp.as_micros() }
    }

    fn from_wire(message: v1::Holder, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            session: field::session(&message.session, "Holder.session")?,
            stamp: SessionStamp::from_micros(message.stamp),
        })
    }
}

impl Wire for RefusedInform {
    type Message = v1::RefusedInform;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::RefusedInform {
        v1::RefusedInform {
            at: self.at.as_micros(),
            remote: field::address_text(self.remote),
            identity: Some(self.identity.to_wire(seal)),
            username: self.username.clone(),
            reason: self.reason.number(),
        }
    }

    fn from_wire(message: v1::RefusedInform, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: Timestamp::from_micros(message.at),
            remote: field::address(&message.remote, "RefusedInform.remote")?,
            identity: field::required(message.identity, "RefusedInform.identity", seal)?,
            username: message.username,
            reason: RefusedReason::from_number(message.reason, "RefusedInform.reason")?,
        })
    }
}
