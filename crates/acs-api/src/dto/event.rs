use acs_events::LoggedEvent;
use acs_types::{ControlTotals, DeviceChange, EventBody, InformRecord, TaskTransition, TransferRecord};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AuditRecordDto, RefusedInformDto, SessionDetailDto, ShownValueDto, TaskFaultDto, TimeDto};

/// A record of the event log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventDto {
    /// Its place in its partition of the log.
    position: u64,
    /// Its partition, such as `acs.inform.v1-0`; `null`: the log is one sequence.
    partition: Option<String>,
    /// The same in every copy of the record.
    event_id: String,
    /// `acs.inform.v1`, `acs.transfer_complete.v1`, `acs.session_ended.v1`, `acs.task_transition.v1`,
    /// `acs.device_change.v1`, `acs.inform_refused.v1`, `acs.audit.v1`, `acs.control_totals.v1`.
    #[serde(rename = "type")]
    #[schema(example = "acs.inform.v1")]
    event_type: &'static str,
    device_id: Option<String>,
    tenant: String,
    /// The subscriber; empty: none.
    subscriber_id: String,
    session_id: Option<String>,
    /// The order of a device's records is `session_stamp`, `resume`, `seq`.
    session_stamp: i64,
    resume: u32,
    seq: u32,
    occurred_at: TimeDto,
    emitter: String,
    /// Without gaps within one emitter.
    emitter_seq: u64,
    /// Whether it may stand behind records that come later in the order.
    late: bool,
    data: EventDataDto,
}

/// A record of the event log as the API shows it.
pub fn event_document(event: LoggedEvent) -> serde_json::Value {
    serde_json::to_value(EventDto::from(event)).expect("its keys are texts and its numbers are whole")
}

impl From<LoggedEvent> for EventDto {
    fn from(event: LoggedEvent) -> Self {
        let record = event.record;
        Self {
            position: event.position,
            partition: event.partition.topic.map(|_| event.partition.to_string()),
            event_id: record.event_id.to_string(),
            event_type: record.event_type().as_str(),
            device_id: record.device.map(|device| device.to_string()),
            tenant: record.tenant.to_string(),
            subscriber_id: record.subscriber_id,
            session_id: record.session.map(|session| session.to_string()),
            session_stamp: record.position.stamp.as_micros(),
            resume: record.position.resume,
            seq: record.position.seq,
            occurred_at: record.occurred_at.into(),
            emitter: record.emitter.to_string(),
            emitter_seq: record.emitter_seq,
            late: record.late,
            data: record.body.into(),
        }
    }
}

/// What happened; which one `type` says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = EventData)]
enum EventDataDto {
    Inform(InformDto),
    Transfer(TransferDto),
    SessionEnded(SessionDetailDto),
    Task(TaskTransitionDto),
    Device(DeviceChangeDto),
    Refused(RefusedInformDto),
    Audit(AuditRecordDto),
    ControlTotals(ControlTotalsDto),
}

impl From<EventBody> for EventDataDto {
    fn from(body: EventBody) -> Self {
        match body {
            EventBody::Inform(inform) => Self::Inform((*inform).into()),
            EventBody::Transfer(transfer) => Self::Transfer(transfer.into()),
            EventBody::SessionEnded(session) => Self::SessionEnded((&*session).into()),
            EventBody::Task(transition) => Self::Task((*transition).into()),
            EventBody::Device(change) => Self::Device(change.into()),
            EventBody::Refused(refused) => Self::Refused(refused.into()),
            EventBody::Audit(record) => Self::Audit(record.into()),
            EventBody::ControlTotals(totals) => Self::ControlTotals(totals.into()),
        }
    }
}

/// An accepted Inform.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InformEvent)]
struct InformDto {
    manufacturer: String,
    oui: String,
    product_class: String,
    serial_number: String,
    events: Vec<InformEntryDto>,
    retry_count: u32,
    /// As the device sent it.
    current_time: String,
    parameters: Vec<ShownValueDto>,
    cwmp_version: String,
    remote_address: Option<String>,
    auth: String,
}

/// One entry of an Inform's event list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InformEntry)]
struct InformEntryDto {
    #[schema(example = "2 PERIODIC")]
    code: String,
    command_key: String,
    /// The same for every repetition of this entry by the device; `chain_unknown` where that cannot be told.
    dedup_key: String,
}

impl From<InformRecord> for InformDto {
    fn from(inform: InformRecord) -> Self {
        let events = inform.events.into_iter().map(|event| InformEntryDto {
            code: event.code,
            command_key: event.command_key,
            dedup_key: event.dedup_key,
        });
        Self {
            manufacturer: inform.identity.manufacturer,
            oui: inform.identity.oui,
            product_class: inform.identity.product_class,
            serial_number: inform.identity.serial_number,
            events: events.collect(),
            retry_count: inform.retry_count,
            current_time: inform.current_time,
            parameters: inform.parameters.iter().map(ShownValueDto::from).collect(),
            cwmp_version: inform.cwmp_version,
            remote_address: inform.remote.map(|address| address.to_string()),
            auth: inform.auth.as_str().to_owned(),
        }
    }
}

/// An accepted TransferComplete.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferEvent)]
struct TransferDto {
    command_key: String,
    /// `null`: it succeeded.
    fault: Option<TaskFaultDto>,
    /// As the device sent it.
    start_time: String,
    /// As the device sent it.
    complete_time: String,
    /// The same for every repetition by the device.
    dedup_key: String,
}

impl From<TransferRecord> for TransferDto {
    fn from(transfer: TransferRecord) -> Self {
        Self {
            command_key: transfer.command_key,
            fault: (transfer.fault.code != 0).then(|| (&transfer.fault).into()),
            start_time: transfer.start_time,
            complete_time: transfer.complete_time,
            dedup_key: transfer.dedup_key,
        }
    }
}

/// A task changed its state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskTransitionEvent)]
struct TaskTransitionDto {
    task_id: String,
    kind: String,
    /// The state before; empty for a new task.
    from: String,
    /// The state now.
    to: String,
    /// The attempt concerned; 0: none.
    attempt: u32,
    revision: u64,
    fault: Option<TaskFaultDto>,
}

impl From<TaskTransition> for TaskTransitionDto {
    fn from(transition: TaskTransition) -> Self {
        Self {
            task_id: transition.task.to_string(),
            kind: transition.kind.as_str().to_owned(),
            from: transition.from,
            to: transition.to,
            attempt: transition.attempt,
            revision: transition.revision,
            fault: transition.fault.as_ref().map(TaskFaultDto::from),
        }
    }
}

/// A device changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceChangeEvent)]
struct DeviceChangeDto {
    /// `first_seen`, `bootstrapped`, `booted`, `firmware_changed`, `address_changed`, `deleted`.
    change: &'static str,
    /// Before, for firmware and address.
    from: Option<String>,
    /// Now, for firmware and address.
    to: Option<String>,
}

impl From<DeviceChange> for DeviceChangeDto {
    fn from(change: DeviceChange) -> Self {
        let name = change.as_str();
        let (from, to) = match change {
            DeviceChange::FirmwareChanged { from, to } | DeviceChange::AddressChanged { from, to } => {
                (Some(from), Some(to))
            }
            DeviceChange::FirstSeen | DeviceChange::Bootstrapped | DeviceChange::Booted | DeviceChange::Deleted => {
                (None, None)
            }
        };
        Self { change: name, from, to }
    }
}

/// What an emitter says of a range of its numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ControlTotalsEvent)]
struct ControlTotalsDto {
    first_emitter_seq: u64,
    last_emitter_seq: u64,
    /// How many numbers of the range have a record.
    count: u64,
}

impl From<ControlTotals> for ControlTotalsDto {
    fn from(totals: ControlTotals) -> Self {
        Self { first_emitter_seq: totals.first, last_emitter_seq: totals.last, count: totals.count }
    }
}
