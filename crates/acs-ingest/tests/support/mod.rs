//! Records, a provisioning that only listens, and the state of a store to compare.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_events::{EventSink, MemoryEventLog, Positions};
use acs_ingest::{Config, Ingest, LogConsumer, Metrics, Progress, Rebuild, Rebuilt};
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass, NextReply,
    NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_store::memory::MemoryStore;
use acs_store::{DeviceFilter, Devices, History, Objects};
use acs_types::{
    AuthLevel, DeviceId, EmitterId, EventBody, EventId, EventRecord, InformEvent, InformRecord, PageRequest, Position,
    RefusedInform, RefusedReason, SessionId, SessionOutcome, SessionRecord, SessionRef, SessionStamp, Task, TaskFault,
    TaskId, Tenant, TransferRecord,
};
use async_trait::async_trait;
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value};
use proptest::prelude::*;

/// Keeps what it is told; refuses for ever what `poison` says, is away while `away`.
#[derive(Default)]
pub struct Listener {
    pub observed: Mutex<Vec<EventId>>,
    pub poison: Mutex<Option<EventId>>,
    pub away: Mutex<bool>,
    /// What one record takes, and what a call may take.
    pub slow: Mutex<Option<(Duration, Duration)>>,
}

fn no<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "test", "not in this test"))
}

#[async_trait]
impl Provisioning for Listener {
    async fn verifier(&self, _: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        no()
    }

    async fn begin(&self, _: BeginRequest) -> Result<BeginReply, ServiceError> {
        no()
    }

    async fn next(&self, _: NextRequest) -> Result<NextReply, ServiceError> {
        no()
    }

    async fn end(&self, _: EndRequest) -> Result<EndReply, ServiceError> {
        no()
    }

    async fn append(&self, _: Vec<EventRecord>) -> Result<(), ServiceError> {
        no()
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        if *self.away.lock().unwrap() {
            return Err(ServiceError::new(ErrorClass::Unavailable, "away", "provisioning is away"));
        }
        let slow = *self.slow.lock().unwrap();
        if let Some((each, deadline)) = slow {
            let time = each * u32::try_from(records.len()).unwrap();
            tokio::time::sleep(time.min(deadline)).await;
            if time > deadline {
                return Err(ServiceError::new(ErrorClass::Unavailable, "deadline", "no answer within the deadline"));
            }
        }
        let poison = *self.poison.lock().unwrap();
        if records.iter().any(|record| Some(record.event_id) == poison) {
            return Err(ServiceError::new(ErrorClass::Internal, "poison", "it can never be taken"));
        }
        self.observed.lock().unwrap().extend(records.iter().map(|record| record.event_id));
        Ok(())
    }

    async fn enqueue(&self, _: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        no()
    }

    async fn cancel(&self, _: &DeviceId, _: &TaskId, _: &str) -> Result<CancelReply, ServiceError> {
        no()
    }

    async fn retry(&self, _: &DeviceId, _: &TaskId, _: &str) -> Result<Task, ServiceError> {
        no()
    }

    async fn watch(&self, _: &DeviceId, _: &TaskId) -> Result<TaskStream, ServiceError> {
        no()
    }

    async fn wake(&self, _: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        no()
    }
}

pub struct World {
    pub log: Arc<MemoryEventLog>,
    pub store: Arc<MemoryStore>,
    pub listener: Arc<Listener>,
    pub config: Config,
}

impl World {
    pub fn new() -> Self {
        Self {
            log: Arc::new(MemoryEventLog::new()),
            store: Arc::new(MemoryStore::new()),
            listener: Arc::default(),
            config: Config::new(emitter("ingest-1")),
        }
    }

    /// Another process over the same log and store.
    pub fn ingest(&self) -> Ingest {
        let (log, store, listener) = (self.log.clone(), self.store.clone(), self.listener.clone());
        let consumer = Box::new(LogConsumer::new(log.clone(), store.clone()));
        Ingest::new(consumer, log, store, listener, self.config.clone(), Metrics::default())
    }

    pub async fn append(&self, records: &[EventRecord]) {
        self.log.append(records.to_vec()).await.unwrap();
    }

    pub async fn run(&self) -> u64 {
        self.ingest().run_once().await.unwrap()
    }

    /// Everything that ingest writes, but for its cursors and the times of values.
    pub async fn state(&self) -> String {
        let page = PageRequest::first(1000);
        let devices = self.store.list_devices(&DeviceFilter::default(), &page).await.unwrap().items;
        let mut text = String::new();
        for device in devices {
            let mut objects = self.store.objects(&device.id, &ParameterPath::root()).await.unwrap();
            // An Inform that tells the same again does not write the time of the values.
            objects.iter_mut().flat_map(|o| &mut o.parameters).for_each(|p| p.value_at = Timestamp::default());
            let sessions = self.store.sessions(&device.id, &page).await.unwrap().items;
            let faults = self.store.faults(Some(&device.id), &page).await.unwrap().items;
            text.push_str(&format!("{device:#?}\n{objects:#?}\n{sessions:#?}\n{faults:#?}\n"));
        }
        let refused = self.store.refused(&page).await.unwrap().items;
        text + &format!("{refused:#?}")
    }

    /// The device changes in the log, each id once.
    pub fn changes(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let records = self.log.records();
        let change = |record: &EventRecord| match &record.body {
            EventBody::Device(change) => Some((record.event_id, change.as_str().to_owned())),
            _ => None,
        };
        records.iter().filter_map(change).filter(|(id, _)| seen.insert(*id)).map(|(_, name)| name).collect()
    }

    pub fn sessions_ended(&self) -> Vec<SessionRecord> {
        let ended = |record: EventRecord| match record.body {
            EventBody::SessionEnded(session) => Some(*session),
            _ => None,
        };
        self.log.records().into_iter().filter_map(ended).collect()
    }
}

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

/// Rebuilds up to `done`, and says what was told of it.
pub async fn rebuild(world: &World, done: Positions) -> (Rebuilt, Vec<Progress>) {
    let mut told = Vec::new();
    let rebuild = Rebuild::new(world.log.clone(), world.store.clone(), done);
    (rebuild.run(|progress| told.push(progress)).await.unwrap(), told)
}

/// The log is the same, everything that was written is gone.
pub fn wiped(world: World) -> World {
    World { store: Arc::new(MemoryStore::new()), ..world }
}

/// Sessions of three devices, each id once.
pub fn records() -> impl Strategy<Value = Vec<EventRecord>> {
    let event = prop_oneof![
        4 => Just(vec!["2 PERIODIC"]),
        1 => Just(vec!["0 BOOTSTRAP", "1 BOOT"]),
        1 => Just(vec!["1 BOOT"]),
        1 => Just(vec!["4 VALUE CHANGE"]),
    ];
    let session = (1..4u8, 1..40u32, event, 0..3u8, 0..3u8, 0..4u8);
    prop::collection::vec(session, 1..40).prop_map(|sessions| {
        let mut records = Vec::new();
        let mut used = BTreeSet::new();
        for (device, n, events, version, vendor, more) in sessions {
            if !used.insert((device, n)) {
                continue;
            }
            records.push(inform(device, n, &events, &format!("{version}"), &format!("{vendor}")));
            if more == 1 {
                records.push(transfer(device, n, 9010));
            }
            if more == 2 {
                records.push(refused(n));
            }
            if more > 0 {
                records.push(ended(device, n));
            }
        }
        records
    })
}
