use std::time::Duration;

use acs_types::{
    AuthLevel, Exchange, HandedSession, SessionOutcome, SessionPhase, SessionRecord, SessionRef, SessionStamp,
};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for SessionRef {
    type Message = v1::SessionRef;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::SessionRef {
        v1::SessionRef {
            device: self.device.to_string(),
            session: self.session.as_bytes().to_vec(),
            stamp: self.stamp.as_micros(),
            resume: self.resume,
        }
    }

    fn from_wire(message: v1::SessionRef, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            device: field::id(&message.device, "SessionRef.device")?,
            session: field::session(&message.session, "SessionRef.session")?,
            stamp: SessionStamp::from_micros(message.stamp),
            resume: message.resume,
        })
    }
}

impl Wire for SessionRecord {
    type Message = v1::SessionRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::SessionRecord {
        v1::SessionRecord {
            session: Some(self.at.to_wire(seal)),
            tenant: self.tenant.to_string(),
            front_end: self.front_end.to_string(),
            started_at: self.started_at.as_micros(),
            ended_at: self.ended_at.as_micros(),
            outcome: self.outcome.number(),
            detail: self.detail.clone(),
            remote: field::address_text(self.remote),
            tls: self.tls,
            auth: self.auth.number(),
            cwmp_version: self.cwmp_version.clone(),
            events: self.events.clone(),
            retry_count: self.retry_count,
            exchanges: field::list(&self.exchanges, seal),
            exchange_count: self.exchange_count,
            record_count: self.record_count,
            complete: self.complete,
            record_hash: self.record_hash.map(Vec::from).unwrap_or_default(),
        }
    }

    fn from_wire(message: v1::SessionRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: field::required(message.session, "SessionRecord.session", seal)?,
            tenant: field::id(&message.tenant, "SessionRecord.tenant")?,
            front_end: field::id(&message.front_end, "SessionRecord.front_end")?,
            started_at: Timestamp::from_micros(message.started_at),
            ended_at: Timestamp::from_micros(message.ended_at),
            outcome: SessionOutcome::from_number(message.outcome, "SessionRecord.outcome")?,
            detail: message.detail,
            remote: field::address(&message.remote, "SessionRecord.remote")?,
            tls: message.tls,
            auth: AuthLevel::from_number(message.auth, "SessionRecord.auth")?,
            cwmp_version: message.cwmp_version,
            events: message.events,
            retry_count: message.retry_count,
            exchanges: field::read_list(message.exchanges, seal)?,
            exchange_count: message.exchange_count,
            record_count: message.record_count,
            complete: message.complete,
            record_hash: field::hash(&message.record_hash, "SessionRecord.record_hash")?,
        })
    }
}

impl Wire for HandedSession {
    type Message = v1::HandedSession;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::HandedSession {
        v1::HandedSession {
            account: Some(self.account.to_wire(seal)),
            identity: Some(self.identity.to_wire(seal)),
            software_version: self.software_version.clone(),
            subscriber_id: self.subscriber_id.clone(),
            idle_timeout_millis: self.idle_timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            worked: self.worked,
            late: self.late,
            machine: self.machine.clone(),
        }
    }

    fn from_wire(message: v1::HandedSession, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            account: field::required(message.account, "HandedSession.account", seal)?,
            identity: field::required(message.identity, "HandedSession.identity", seal)?,
            software_version: message.software_version,
            subscriber_id: message.subscriber_id,
            idle_timeout: message.idle_timeout_millis.map(Duration::from_millis),
            worked: message.worked,
            late: message.late,
            machine: message.machine,
        })
    }
}

impl Wire for Exchange {
    type Message = v1::Exchange;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Exchange {
        v1::Exchange {
            at: self.at.as_micros(),
            from_cpe: self.from_cpe,
            phase: self.phase.number(),
            message: self.message.clone(),
            bytes: self.bytes,
            after_micros: self.after_micros,
            task: field::optional_text(self.task.as_ref()),
            remarks: self.remarks.clone(),
        }
    }

    fn from_wire(message: v1::Exchange, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: Timestamp::from_micros(message.at),
            from_cpe: message.from_cpe,
            phase: SessionPhase::from_number(message.phase, "Exchange.phase")?,
            message: message.message,
            bytes: message.bytes,
            after_micros: message.after_micros,
            task: field::optional_id(&message.task, "Exchange.task")?,
            remarks: message.remarks,
        })
    }
}
