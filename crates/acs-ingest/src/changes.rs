use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use acs_types::{
    DeviceChange, DeviceId, DeviceSummary, EmitterId, EventBody, EventId, EventRecord, InformRecord, SessionId,
    SessionStamp,
};
use cwmp_model::{Event, EventCode, Timestamp};
use hashlink::LruCache;

/// Devices remembered between two Informs; for others the summary is read.
const DEVICES_MAX: usize = 100_000;

/// What is remembered of devices, so that an idle Inform costs no read and no write beyond its presence. Losing it costs
/// reads only.
#[derive(Debug)]
pub(crate) struct Devices {
    seen: LruCache<DeviceId, Seen>,
}

/// A device as it was before a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stamp: SessionStamp,
    pub(crate) software_version: String,
    pub(crate) remote: Option<IpAddr>,
    /// Hash of the parameter list last written; `None`: something else may have written since.
    pub(crate) parameters: Option<u64>,
    /// First Inform, last Inform, last session; `None`: not known at all.
    pub(crate) informs: Option<(Timestamp, Timestamp, SessionId)>,
}

impl Devices {
    pub(crate) fn new() -> Self {
        Self { seen: LruCache::new(DEVICES_MAX) }
    }

    pub(crate) fn get(&mut self, device: &DeviceId) -> Option<Seen> {
        self.seen.get(device).cloned()
    }

    pub(crate) fn put(&mut self, device: DeviceId, seen: Seen) {
        self.seen.insert(device, seen);
    }

    /// Someone else may have written values of the device.
    pub(crate) fn touched(&mut self, device: &DeviceId) {
        if let Some(seen) = self.seen.get_mut(device) {
            seen.parameters = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.seen.clear();
    }
}

impl Seen {
    pub(crate) fn of_summary(summary: Option<&DeviceSummary>) -> Self {
        let Some(summary) = summary else { return Self::default() };
        Self {
            stamp: summary.last_stamp,
            software_version: summary.software_version.clone(),
            remote: summary.remote,
            parameters: None,
            informs: Some((summary.first_seen, summary.last_inform, summary.last_session)),
        }
    }

    /// Whether a record is the first of its device.
    pub(crate) fn is_first(&self, record: &EventRecord) -> bool {
        self.informs.is_none_or(|(first, last, session)| {
            first == record.occurred_at || first == last && record.session == Some(session)
        })
    }

    /// Whether the device had a later session before the record was read.
    pub(crate) fn is_late(&self, record: &EventRecord) -> bool {
        record.position.stamp < self.stamp
    }

    /// The device after an Inform with a parameter list of this hash.
    pub(crate) fn after(
        &self,
        record: &EventRecord,
        inform: &InformRecord,
        software_version: Option<&str>,
        parameters: u64,
    ) -> Self {
        if self.is_late(record) {
            return self.clone();
        }
        let at = record.occurred_at;
        let first = self.informs.map_or(at, |(first, ..)| first.min(at));
        Self {
            stamp: record.position.stamp,
            software_version: software_version.unwrap_or(&self.software_version).to_owned(),
            remote: inform.remote.or(self.remote),
            parameters: Some(parameters),
            informs: record.session.map(|session| (first, at, session)).or(self.informs),
        }
    }
}

/// The hash of its parameter list.
pub(crate) fn hash_of(inform: &InformRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    inform.parameters.hash(&mut hasher);
    hasher.finish()
}

/// How a device changed with an Inform, told by the device before it.
pub(crate) fn changes(
    record: &EventRecord,
    inform: &InformRecord,
    before: &Seen,
    software: Option<&str>,
) -> Vec<DeviceChange> {
    let has = |event| inform.events.iter().any(|e| EventCode::parse(&e.code).standard() == Some(event));
    let mut changes = Vec::new();
    if before.is_first(record) && !before.is_late(record) {
        changes.push(DeviceChange::FirstSeen);
    }
    if has(Event::Bootstrap) {
        changes.push(DeviceChange::Bootstrapped);
    }
    if has(Event::Boot) {
        changes.push(DeviceChange::Booted);
    }
    // An older Inform that is read late is no change.
    if record.position.stamp > before.stamp {
        if let Some(now) = software.filter(|now| !before.software_version.is_empty() && *now != before.software_version)
        {
            changes.push(DeviceChange::FirmwareChanged { from: before.software_version.clone(), to: now.to_owned() });
        }
        if let (Some(from), Some(to)) = (before.remote, inform.remote)
            && from != to
        {
            changes.push(DeviceChange::AddressChanged { from: from.to_string(), to: to.to_string() });
        }
    }
    changes
}

/// The record of a change: its id follows from its cause, so a second one is recognisable (P8). It belongs to no session:
/// a session's own records are counted by its front-end.
pub(crate) fn change_record(
    cause: &EventRecord,
    change: DeviceChange,
    emitter: &EmitterId,
    emitter_seq: u64,
) -> EventRecord {
    EventRecord {
        event_id: EventId::derived(&cause.event_id, change.as_str()),
        session: None,
        emitter: emitter.clone(),
        emitter_seq,
        body: EventBody::Device(change),
        ..cause.clone()
    }
}
