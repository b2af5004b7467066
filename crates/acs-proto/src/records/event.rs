use acs_types::{
    AuditRecord, AuthLevel, ControlTotals, DeviceChange, EventBody, EventRecord, InformEvent, InformRecord, Position,
    RefusedInform, SessionRecord, SessionStamp, TaskKind, TaskTransition, TransferRecord,
};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;
use crate::v1::DeviceChangeName as Name;

impl Wire for EventRecord {
    type Message = v1::EventRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::EventRecord {
        v1::EventRecord {
            event_id: self.event_id.as_bytes().to_vec(),
            device_id: field::optional_text(self.device.as_ref()),
            tenant: self.tenant.to_string(),
            subscriber_id: self.subscriber_id.clone(),
            session_id: self.session.map(|session| session.as_bytes().to_vec()).unwrap_or_default(),
            session_stamp: self.position.stamp.as_micros(),
            resume: self.position.resume,
            seq: self.position.seq,
            occurred_at: self.occurred_at.as_micros(),
            emitter: self.emitter.to_string(),
            emitter_seq: self.emitter_seq,
            late: self.late,
            body: Some(body_to_wire(&self.body, seal)),
        }
    }

    fn from_wire(message: v1::EventRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let session = match message.session_id.as_slice() {
            [] => None,
            bytes => Some(field::session(bytes, "EventRecord.session_id")?),
        };
        Ok(Self {
            event_id: field::event(&message.event_id, "EventRecord.event_id")?,
            device: field::optional_id(&message.device_id, "EventRecord.device_id")?,
            tenant: field::id(&message.tenant, "EventRecord.tenant")?,
            subscriber_id: message.subscriber_id,
            session,
            position: Position {
                stamp: SessionStamp::from_micros(message.session_stamp),
                resume: message.resume,
                seq: message.seq,
            },
            occurred_at: Timestamp::from_micros(message.occurred_at),
            emitter: field::id(&message.emitter, "EventRecord.emitter")?,
            emitter_seq: message.emitter_seq,
            late: message.late,
            body: body_from_wire(field::present(message.body, "EventRecord.body")?, seal)?,
        })
    }
}

fn body_to_wire(body: &EventBody, seal: &dyn SecretSeal) -> v1::event_record::Body {
    use v1::event_record::Body;
    match body {
        EventBody::Inform(record) => Body::Inform(record.to_wire(seal)),
        EventBody::Transfer(record) => Body::Transfer(record.to_wire(seal)),
        EventBody::SessionEnded(record) => Body::SessionEnded(record.to_wire(seal)),
        EventBody::Task(record) => Body::Task(record.to_wire(seal)),
        EventBody::Device(record) => Body::Device(record.to_wire(seal)),
        EventBody::Refused(record) => Body::Refused(record.to_wire(seal)),
        EventBody::Audit(record) => Body::Audit(record.to_wire(seal)),
        EventBody::ControlTotals(record) => Body::ControlTotals(record.to_wire(seal)),
    }
}

fn body_from_wire(body: v1::event_record::Body, seal: &dyn SecretSeal) -> Result<EventBody, RecordError> {
    use v1::event_record::Body;
    Ok(match body {
        Body::Inform(record) => EventBody::Inform(Box::new(InformRecord::from_wire(record, seal)?)),
        Body::Transfer(record) => EventBody::Transfer(TransferRecord::from_wire(record, seal)?),
        Body::SessionEnded(record) => EventBody::SessionEnded(Box::new(SessionRecord::from_wire(record, seal)?)),
        Body::Task(record) => EventBody::Task(Box::new(TaskTransition::from_wire(record, seal)?)),
        Body::Device(record) => EventBody::Device(DeviceChange::from_wire(record, seal)?),
        Body::Refused(record) => EventBody::Refused(RefusedInform::from_wire(record, seal)?),
        Body::Audit(record) => EventBody::Audit(AuditRecord::from_wire(record, seal)?),
        Body::ControlTotals(record) => EventBody::ControlTotals(ControlTotals::from_wire(record, seal)?),
    })
}

impl Wire for InformRecord {
    type Message = v1::InformRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::InformRecord {
        v1::InformRecord {
            identity: Some(self.identity.to_wire(seal)),
            events: field::list(&self.events, seal),
            retry_count: self.retry_count,
            current_time: self.current_time.clone(),
            parameters: field::list(&self.parameters, seal),
            cwmp_version: self.cwmp_version.clone(),
            remote: field::address_text(self.remote),
            auth: self.auth.number(),
            tls: self.tls,
        }
    }

    fn from_wire(message: v1::InformRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            identity: field::required(message.identity, "InformRecord.identity", seal)?,
            events: field::read_list(message.events, seal)?,
            retry_count: message.retry_count,
            current_time: message.current_time,
            parameters: field::read_list(message.parameters, seal)?,
            cwmp_version: message.cwmp_version,
            remote: field::address(&message.remote, "InformRecord.remote")?,
            auth: AuthLevel::from_number(message.auth, "InformRecord.auth")?,
            tls: message.tls,
        })
    }
}

impl Wire for InformEvent {
    type Message = v1::InformEvent;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::InformEvent {
        v1::InformEvent {
            code: self.code.clone(),
            command_key: self.command_key.clone(),
            dedup_key: self.dedup_key.clone(),
        }
    }

    fn from_wire(message: v1::InformEvent, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let v1::InformEvent { code, command_key, dedup_key } = message;
        Ok(Self { code, command_key, dedup_key })
    }
}

impl Wire for TransferRecord {
    type Message = v1::TransferRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::TransferRecord {
        v1::TransferRecord {
            command_key: self.command_key.clone(),
            fault: Some(self.fault.to_wire(seal)),
            start_time: self.start_time.clone(),
            complete_time: self.complete_time.clone(),
            dedup_key: self.dedup_key.clone(),
        }
    }

    fn from_wire(message: v1::TransferRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            command_key: message.command_key,
            fault: field::required(message.fault, "TransferRecord.fault", seal)?,
            start_time: message.start_time,
            complete_time: message.complete_time,
            dedup_key: message.dedup_key,
        })
    }
}

impl Wire for ControlTotals {
    type Message = v1::ControlTotals;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ControlTotals {
        v1::ControlTotals { first_emitter_seq: self.first, last_emitter_seq: self.last, count: self.count }
    }

    fn from_wire(message: v1::ControlTotals, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let v1::ControlTotals { first_emitter_seq: first, last_emitter_seq: last, count } = message;
        Ok(Self { first, last, count })
    }
}

impl Wire for TaskTransition {
    type Message = v1::TaskTransition;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::TaskTransition {
        v1::TaskTransition {
            task: self.task.to_string(),
            kind: self.kind.number(),
            from: self.from.clone(),
            to: self.to.clone(),
            attempt: self.attempt,
            revision: self.revision,
            fault: self.fault.as_ref().map(|fault| fault.to_wire(seal)),
        }
    }

    fn from_wire(message: v1::TaskTransition, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            task: field::id(&message.task, "TaskTransition.task")?,
            kind: TaskKind::from_number(message.kind, "TaskTransition.kind")?,
            from: message.from,
            to: message.to,
            attempt: message.attempt,
            revision: message.revision,
            fault: field::optional(message.fault, seal)?,
        })
    }
}

impl Wire for DeviceChange {
    type Message = v1::DeviceChange;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::DeviceChange {
        let (name, from, to) = match self {
            Self::FirstSeen => (Name::FirstSeen, "", ""),
            Self::Bootstrapped => (Name::Bootstrapped, "", ""),
            Self::Booted => (Name::Booted, "", ""),
            Self::FirmwareChanged { from, to } => (Name::FirmwareChanged, from.as_str(), to.as_str()),
            Self::AddressChanged { from, to } => (Name::AddressChanged, from.as_str(), to.as_str()),
            Self::Deleted => (Name::Deleted, "", ""),
        };
        v1::DeviceChange { name: name.into(), from: from.to_owned(), to: to.to_owned() }
    }

    fn from_wire(message: v1::DeviceChange, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let (field, number) = ("DeviceChange.name", message.name);
        let v1::DeviceChange { from, to, .. } = message;
        match Name::try_from(number).map_err(|_| RecordError::UnknownValue { field, number })? {
            Name::Unspecified => Err(RecordError::Missing { field }),
            Name::FirstSeen => Ok(Self::FirstSeen),
            Name::Bootstrapped => Ok(Self::Bootstrapped),
            Name::Booted => Ok(Self::Booted),
            Name::FirmwareChanged => Ok(Self::FirmwareChanged { from, to }),
            Name::AddressChanged => Ok(Self::AddressChanged { from, to }),
            Name::Deleted => Ok(Self::Deleted),
        }
    }
}
