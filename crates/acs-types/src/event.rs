//! The event records (`design.md` §7). Types and fields are for ever.

use std::net::IpAddr;

use cwmp_model::{DeviceIdentity, ParameterValue, Timestamp};

use crate::{
    AuditRecord, AuthLevel, DeviceId, EmitterId, EventId, RefusedInform, SessionId, SessionRecord, SessionStamp,
    TaskFault, TaskId, TaskKind, Tenant,
};

/// One record of the event log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Assigned once, the same in every copy (P8).
    pub event_id: EventId,
    /// The device it is about; `None` for audit and refused Informs.
    pub device: Option<DeviceId>,
    /// Whose.
    pub tenant: Tenant,
    /// The subscriber; empty: none.
    pub subscriber_id: String,
    /// The session it belongs to; `None` outside a session.
    pub session: Option<SessionId>,
    /// Its place among the records of the device (P9).
    pub position: Position,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who emits it.
    pub emitter: EmitterId,
    /// Dense within the emitter, from 1 (P10).
    pub emitter_seq: u64,
    /// Whether it may stand behind records that are later by `position`.
    pub late: bool,
    /// What happened.
    pub body: EventBody,
}

impl EventRecord {
    /// Its type.
    pub fn event_type(&self) -> EventType {
        match &self.body {
            EventBody::Inform(_) => EventType::Inform,
            EventBody::Transfer(_) => EventType::TransferComplete,
            EventBody::SessionEnded(_) => EventType::SessionEnded,
            EventBody::Task(_) => EventType::TaskTransition,
            EventBody::Device(_) => EventType::DeviceChange,
            EventBody::Refused(_) => EventType::InformRefused,
            EventBody::Audit(_) => EventType::Audit,
            EventBody::ControlTotals(_) => EventType::ControlTotals,
        }
    }
}

/// Order of a device's records: (`stamp`, `resume`, `seq`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Of the session.
    pub stamp: SessionStamp,
    /// How often the session went on without its snapshot.
    pub resume: u32,
    /// From 1 within stamp and resume.
    pub seq: u32,
}

/// The types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// An Inform was accepted.
    Inform,
    /// A TransferComplete was accepted.
    TransferComplete,
    /// A session ended.
    SessionEnded,
    /// A task changed its state.
    TaskTransition,
    /// A device changed: first seen, bootstrapped, booted …
    DeviceChange,
    /// An Inform was refused (P24).
    InformRefused,
    /// A person or a token changed something (P27).
    Audit,
    /// An emitter accounts for its numbers (P10).
    ControlTotals,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::Inform,
        Self::TransferComplete,
        Self::SessionEnded,
        Self::TaskTransition,
        Self::DeviceChange,
        Self::InformRefused,
        Self::Audit,
        Self::ControlTotals,
    ];

    /// `ce_type` of the CloudEvent and name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inform => "acs.inform.v1",
            Self::TransferComplete => "acs.transfer_complete.v1",
            Self::SessionEnded => "acs.session_ended.v1",
            Self::TaskTransition => "acs.task_transition.v1",
            Self::DeviceChange => "acs.device_change.v1",
            Self::InformRefused => "acs.inform_refused.v1",
            Self::Audit => "acs.audit.v1",
            Self::ControlTotals => "acs.control_totals.v1",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == name)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// See [`EventType::Inform`].
    Inform(Box<InformRecord>),
    /// See [`EventType::TransferComplete`].
    Transfer(TransferRecord),
    /// See [`EventType::SessionEnded`].
    SessionEnded(Box<SessionRecord>),
    /// See [`EventType::TaskTransition`].
    Task(Box<TaskTransition>),
    /// See [`EventType::DeviceChange`].
    Device(DeviceChange),
    /// See [`EventType::InformRefused`].
    Refused(RefusedInform),
    /// See [`EventType::Audit`].
    Audit(AuditRecord),
    /// See [`EventType::ControlTotals`].
    ControlTotals(ControlTotals),
}

/// An accepted Inform. Secret parameter values are left out before it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct InformRecord {
    /// DeviceId.
    pub identity: DeviceIdentity,
    /// The event entries.
    pub events: Vec<InformEvent>,
    /// RetryCount.
    pub retry_count: u32,
    /// CurrentTime as sent.
    pub current_time: String,
    /// ParameterList.
    pub parameters: Vec<ParameterValue>,
    /// `1.0` … `1.4`.
    pub cwmp_version: String,
    /// Source address.
    pub remote: Option<IpAddr>,
    /// How the device proved who it is.
    pub auth: AuthLevel,
    /// Whether it came over TLS.
    pub tls: bool,
}

/// One entry of an Inform's Event list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformEvent {
    /// EventCode as sent.
    pub code: String,
    /// CommandKey.
    pub command_key: String,
    /// The same for every repetition of this entry by the CPE; `chain_unknown` where that cannot be told (P8).
    pub dedup_key: String,
}

/// An accepted TransferComplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// CommandKey.
    pub command_key: String,
    /// FaultStruct; code 0 is success.
    pub fault: TaskFault,
    /// StartTime as sent.
    pub start_time: String,
    /// CompleteTime as sent.
    pub complete_time: String,
    /// The same for every repetition by the CPE (CWMP-340).
    pub dedup_key: String,
}

/// What an emitter says of a range of its `emitter_seq`: all records of it that are durable now. The ranges of an emitter
/// follow each other from 1 without gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlTotals {
    /// The first number of the range.
    pub first: u64,
    /// The last one, not below `first`.
    pub last: u64,
    /// How many numbers of the range have a durable record; `last - first + 1` unless some were given up without an answer.
    pub count: u64,
}

/// A task changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskTransition {
    /// The task.
    pub task: TaskId,
    /// Its kind.
    pub kind: TaskKind,
    /// The state before; empty for a new task.
    pub from: String,
    /// The state now.
    pub to: String,
    /// The attempt concerned; 0: none.
    pub attempt: u32,
    /// The task's revision.
    pub revision: u64,
    /// Why it failed.
    pub fault: Option<TaskFault>,
}

/// A device changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// Its first Inform.
    FirstSeen,
    /// `0 BOOTSTRAP`.
    Bootstrapped,
    /// `1 BOOT`.
    Booted,
    /// SoftwareVersion changed.
    FirmwareChanged {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Its source address changed.
    AddressChanged {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Deleted by a person.
    Deleted,
}

impl DeviceChange {
    /// The name in records and API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::FirstSeen => "first_seen",
            Self::Bootstrapped => "bootstrapped",
            Self::Booted => "booted",
            Self::FirmwareChanged { .. } => "firmware_changed",
            Self::AddressChanged { .. } => "address_changed",
            Self::Deleted => "deleted",
        }
    }
}
