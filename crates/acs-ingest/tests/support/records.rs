//! Records of sessions, and the state of a store to compare.

use acs_store::{DeviceFilter, Store};
use acs_types::{
    AuthLevel, DeviceId, EmitterId, EventBody, EventId, EventRecord, InformEvent, InformRecord, PageRequest, Position,
    RefusedInform, RefusedReason, SessionId, SessionOutcome, SessionRecord, SessionRef, SessionStamp, TaskFault,
    Tenant, TransferRecord,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value};

pub fn emitter(name: &str) -> EmitterId {
    name.parse().unwrap()
}

pub fn identity(device: u8) -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00AABB".into(),
        product_class: "IGD".into(),
        serial_number: device.to_string(),
    }
}

pub fn id(device: u8) -> DeviceId {
    DeviceId::of(&identity(device))
}

pub fn session(device: u8, n: u32) -> SessionId {
    let mut bytes = [device; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub fn at(n: u32) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + i64::from(n) * 60)
}

pub fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).unwrap()
}

pub fn record(device: u8, n: u32, seq: u32, body: EventBody) -> EventRecord {
    EventRecord {
        event_id: EventId::of(&session(device, n), 0, seq),
        device: Some(id(device)),
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: Some(session(device, n)),
        position: Position { stamp: SessionStamp::from_micros(at(n).as_micros()), resume: 0, seq },
        occurred_at: at(n),
        emitter: emitter("front-1"),
        emitter_seq: u64::from(n),
        late: false,
        body,
    }
}

pub fn inform(device: u8, n: u32, events: &[&str], version: &str, vendor: &str) -> EventRecord {
    let value = |name: &str, text: &str| ParameterValue { name: path(name), value: Value::string(text) };
    let event =
        |code: &&str| InformEvent { code: (*code).into(), command_key: String::new(), dedup_key: String::new() };
    let body = InformRecord {
        identity: identity(device),
        events: events.iter().map(event).collect(),
        retry_count: 0,
        current_time: String::new(),
        parameters: vec![value("Device.DeviceInfo.SoftwareVersion", version), value("Device.X_Acme.State", vendor)],
        cwmp_version: "1.2".into(),
        remote: Some("192.0.2.1".parse().unwrap()),
        auth: AuthLevel::Device,
        tls: false,
    };
    record(device, n, 1, EventBody::Inform(Box::new(body)))
}

pub fn ended(device: u8, n: u32) -> EventRecord {
    let body = SessionRecord {
        at: SessionRef {
            device: id(device),
            session: session(device, n),
            stamp: SessionStamp::from_micros(at(n).as_micros()),
            resume: 0,
        },
        tenant: Tenant::default(),
        front_end: emitter("front-1"),
        started_at: at(n),
        ended_at: at(n),
        outcome: SessionOutcome::Completed,
        detail: String::new(),
        remote: None,
        tls: true,
        auth: AuthLevel::Device,
        cwmp_version: "1.2".into(),
        events: Vec::new(),
        retry_count: 0,
        exchanges: Vec::new(),
        exchange_count: 4,
        record_count: 2,
        complete: true,
        record_hash: None,
    };
    record(device, n, 3, EventBody::SessionEnded(Box::new(body)))
}

pub fn end_of(record: &EventRecord) -> SessionRecord {
    let EventBody::SessionEnded(session) = &record.body else { panic!("it is no end: {record:?}") };
    (**session).clone()
}

pub fn transfer(device: u8, n: u32, code: u32) -> EventRecord {
    let body = TransferRecord {
        command_key: "key".into(),
        fault: TaskFault { code, text: "said so".into(), parameters: Vec::new() },
        start_time: String::new(),
        complete_time: String::new(),
        dedup_key: String::new(),
    };
    record(device, n, 2, EventBody::Transfer(body))
}

pub fn refused(n: u32) -> EventRecord {
    let body = RefusedInform {
        at: at(n),
        remote: None,
        identity: identity(99),
        username: "guess".into(),
        reason: RefusedReason::UnknownUser,
    };
    let mut record = record(99, n, 1, EventBody::Refused(body));
    (record.device, record.session) = (None, None);
    record
}

/// Everything that ingest writes, but for its cursors and the times of values.
pub async fn state_of(store: &dyn Store) -> String {
    let page = PageRequest::first(1000);
    let mut devices = store.list_devices(&DeviceFilter::default(), &page).await.unwrap().items;
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    let mut text = String::new();
    for device in devices {
        let mut objects = store.objects(&device.id, &ParameterPath::root()).await.unwrap();
        // An Inform that tells the same again does not write the time of the values.
        objects.iter_mut().flat_map(|o| &mut o.parameters).for_each(|p| p.value_at = Timestamp::default());
        let sessions = store.sessions(&device.id, &page).await.unwrap().items;
        let faults = store.faults(Some(&device.id), &page).await.unwrap().items;
        text.push_str(&format!("{device:#?}\n{objects:#?}\n{sessions:#?}\n{faults:#?}\n"));
    }
    let refused = store.refused(&page).await.unwrap().items;
    text + &format!("{refused:#?}")
}
