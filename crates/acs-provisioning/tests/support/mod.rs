//! The service over the stores in memory, a front-end by hand, and a CPE.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

#[path = "../../../acs-planner/tests/support/cpe.rs"]
pub mod cpe;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_events::MemoryEventLog;
use acs_planner::life::Settings;
use acs_proto::{
    Answer, AnswerOutcome, BeginReply, BeginRequest, Call, ConnectionRequests, EndReply, EndRequest, EnqueueReply,
    EnqueueRequest, ErrorClass, FileContent, FileServer, NewFile, NextReply, NextRequest, Provisioning, ServiceError,
    SignedUrl, UnansweredReason, WakeOutcome, WakeRequest,
};
use acs_provisioning::{Config, Dependencies, FirstContact, ManualClock, Metrics, ProvisioningService, SystemRandom};
use acs_store::memory::{MemorySessionCache, MemoryStore};
use acs_store::{CachedSession, SessionCache, TaskFilter, Tasks};
use acs_types::{
    AuthLevel, DeviceId, EmitterId, EventBody, EventId, EventRecord, FileId, FileRecord, InformEvent, InformRecord,
    PageRequest, Position, Secret, SessionId, SessionOutcome, SessionRecord, SessionRef, SessionStamp, SetValue, Task,
    TaskId, TaskSpec, Tenant, Wanted,
};
use async_trait::async_trait;
use cpe::{Cpe, Reply};
use cwmp_codec::{CwmpVersion, Event, Inform};
use cwmp_model::{DeviceIdentity, ParameterPath, Timestamp};

pub const BOOTSTRAP: (&str, &str) = ("0 BOOTSTRAP", "");
pub const BOOT: (&str, &str) = ("1 BOOT", "");
pub const PERIODIC: (&str, &str) = ("2 PERIODIC", "");

pub struct World {
    pub store: Arc<MemoryStore>,
    pub log: Arc<MemoryEventLog>,
    pub sessions: Arc<MemorySessionCache>,
    pub wakes: Arc<Wakes>,
    pub clock: Arc<ManualClock>,
    pub config: Config,
    pub service: ProvisioningService,
    stamps: AtomicU64,
}

/// A clock that is off.
pub struct Skewed {
    clock: Arc<ManualClock>,
    micros: i64,
}

impl acs_provisioning::Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().as_micros() + self.micros)
    }
}

/// Connection requests that were asked for.
pub struct Wakes {
    pub asked: Mutex<Vec<WakeRequest>>,
    pub outcome: Mutex<WakeOutcome>,
}

impl Wakes {
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl ConnectionRequests for Wakes {
    async fn wake(&self, request: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        self.asked.lock().unwrap().push(request);
        Ok(self.outcome.lock().unwrap().clone())
    }
}

/// Signs everything but the file `gone`.
pub struct Files;

#[async_trait]
impl FileServer for Files {
    async fn store(&self, _: NewFile, _: FileContent) -> Result<FileRecord, ServiceError> {
        Err(ServiceError::new(ErrorClass::Internal, "test", "not in this test"))
    }

    async fn remove(&self, _: &FileId) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn sign(&self, device: &DeviceId, file: &FileId, _: Timestamp) -> Result<SignedUrl, ServiceError> {
        match file.as_str() {
            "gone" => Err(ServiceError::new(ErrorClass::NotFound, "file_not_found", "the file is gone")),
            _ => Ok(SignedUrl { url: format!("http://files/{device}/{file}"), size: 7 }),
        }
    }
}

pub fn config() -> Config {
    let mut config = Config::new("test-1".parse::<EmitterId>().unwrap());
    config.first_contact = FirstContact::None;
    config.settings = Settings::default();
    config
}

impl World {
    pub fn new(config: Config) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
        let (store, log) = (Arc::new(MemoryStore::new()), Arc::new(MemoryEventLog::new()));
        let sessions = Arc::new(MemorySessionCache::new());
        let wakes = Arc::new(Wakes { asked: Mutex::default(), outcome: Mutex::new(WakeOutcome::Accepted) });
        let deps = deps(&store, &log, &sessions, &wakes, &clock);
        let service = ProvisioningService::new(deps, config.clone());
        Self { store, log, sessions, wakes, clock, config, service, stamps: AtomicU64::new(0) }
    }

    /// The process dies and another one comes up over the same stores.
    pub fn restart(&mut self) {
        self.service = ProvisioningService::new(self.deps(), self.config.clone());
    }

    /// What a further process over the same stores works with.
    pub fn deps(&self) -> Dependencies {
        deps(&self.store, &self.log, &self.sessions, &self.wakes, &self.clock)
    }

    /// The clock of a host that is ahead by so many seconds.
    pub fn skewed(&self, seconds: i64) -> Arc<Skewed> {
        Arc::new(Skewed { clock: self.clock.clone(), micros: seconds * 1_000_000 })
    }

    pub fn now(&self) -> Timestamp {
        use acs_provisioning::Clock as _;
        self.clock.now()
    }

    pub fn pass(&self, seconds: u64) -> Timestamp {
        self.clock.advance(Duration::from_secs(seconds))
    }

    pub async fn fire(&self) {
        self.service.fire_due_timers().await.unwrap();
        settle().await;
    }

    /// A new session of the device.
    pub fn session_ref(&self) -> SessionRef {
        let n = self.stamps.fetch_add(1, Ordering::SeqCst) + 1;
        self.clock.advance(Duration::from_millis(10));
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        SessionRef {
            device: device(),
            session: SessionId::from_bytes(id),
            stamp: SessionStamp::default().next(self.now()),
            resume: 0,
        }
    }

    pub fn inform(&self, cpe: &Cpe, events: &[(&str, &str)]) -> Inform {
        let event = |(code, key): &(&str, &str)| Event { code: (*code).into(), command_key: (*key).into() };
        Inform {
            device: identity(),
            events: events.iter().map(event).collect(),
            max_envelopes: 1,
            current_time: String::new(),
            retry_count: 0,
            parameters: cpe.inform_parameters(),
        }
    }

    pub async fn begin(&self, session: &SessionRef, cpe: &Cpe, events: &[(&str, &str)]) -> BeginReply {
        let cached = CachedSession {
            session: session.session,
            device: session.device.clone(),
            stamp: session.stamp,
            front_end: self.config.emitter.clone(),
            snapshot: Vec::new(),
        };
        self.sessions.begin(&cached).await.unwrap();
        self.service.begin(self.begin_request(session, cpe, events)).await.unwrap()
    }

    pub fn begin_request(&self, session: &SessionRef, cpe: &Cpe, events: &[(&str, &str)]) -> BeginRequest {
        BeginRequest {
            session: session.clone(),
            tenant: Tenant::default(),
            event_id: EventId::of(&session.session, 0, 1),
            at: Timestamp::from_micros(session.stamp.as_micros()),
            inform: self.inform(cpe, events),
            version: CwmpVersion::V1_2,
            auth: AuthLevel::Device,
            tls: false,
            remote: None,
        }
    }

    /// The record of the same Inform in the event log.
    pub fn inform_record(&self, session: &SessionRef, cpe: &Cpe, events: &[(&str, &str)]) -> EventRecord {
        let inform = self.inform(cpe, events);
        let record = InformRecord {
            identity: inform.device,
            events: inform
                .events
                .into_iter()
                .map(|e| InformEvent { code: e.code, command_key: e.command_key, dedup_key: String::new() })
                .collect(),
            retry_count: 0,
            current_time: String::new(),
            parameters: inform.parameters,
            cwmp_version: "1.2".into(),
            remote: None,
            auth: AuthLevel::Device,
            tls: false,
        };
        EventRecord {
            event_id: EventId::of(&session.session, 0, 1),
            device: Some(device()),
            tenant: Tenant::default(),
            subscriber_id: String::new(),
            session: Some(session.session),
            position: Position { stamp: session.stamp, resume: 0, seq: 1 },
            occurred_at: Timestamp::from_micros(session.stamp.as_micros()),
            emitter: self.config.emitter.clone(),
            emitter_seq: 1,
            late: false,
            body: EventBody::Inform(Box::new(record)),
        }
    }

    /// The record of a session's end in the event log.
    pub fn ended_record(&self, session: &SessionRef, outcome: SessionOutcome) -> EventRecord {
        let at = self.now();
        let ended = SessionRecord {
            at: session.clone(),
            tenant: Tenant::default(),
            front_end: self.config.emitter.clone(),
            started_at: at,
            ended_at: at,
            outcome,
            detail: String::new(),
            remote: None,
            tls: false,
            auth: AuthLevel::Device,
            cwmp_version: "1.2".into(),
            events: Vec::new(),
            retry_count: 0,
            exchanges: Vec::new(),
            exchange_count: 0,
            record_count: 2,
            complete: false,
            record_hash: None,
        };
        EventRecord {
            event_id: EventId::of(&session.session, session.resume, 2),
            device: Some(session.device.clone()),
            tenant: Tenant::default(),
            subscriber_id: String::new(),
            session: Some(session.session),
            position: Position { stamp: session.stamp, resume: session.resume, seq: 2 },
            occurred_at: at,
            emitter: self.config.emitter.clone(),
            emitter_seq: 2,
            late: true,
            body: EventBody::SessionEnded(Box::new(ended)),
        }
    }

    pub async fn next(&self, session: &SessionRef, answers: Vec<Answer>) -> Result<NextReply, ServiceError> {
        self.clock.advance(Duration::from_millis(1));
        self.service.next(self.next_request(session, answers)).await
    }

    pub fn next_request(&self, session: &SessionRef, answers: Vec<Answer>) -> NextRequest {
        NextRequest {
            session: session.clone(),
            at: self.now(),
            deadline: self.now().plus(Duration::from_secs(60)),
            version: CwmpVersion::V1_2,
            auth: AuthLevel::Device,
            tls: false,
            remote: None,
            answers,
        }
    }

    pub async fn end(&self, session: &SessionRef, outcome: SessionOutcome, answers: Vec<Answer>) -> EndReply {
        self.sessions.end(&session.device, &session.session).await.unwrap();
        let request = EndRequest { session: session.clone(), at: self.now(), outcome, answers };
        let reply = self.service.end(request).await.unwrap();
        settle().await;
        reply
    }

    /// A whole session as the front-end leads it: the hint is asked for once more before the last answer.
    pub async fn session(&self, cpe: &mut Cpe, events: &[(&str, &str)]) -> EndReply {
        let session = self.session_ref();
        let begun = self.begin(&session, cpe, events).await;
        if begun.work || self.sessions.take_hint(&session.device).await.unwrap() {
            return self.go_on(&session, cpe, Vec::new()).await;
        }
        self.end(&session, SessionOutcome::Completed, Vec::new()).await
    }

    /// From the answers to the last segment to the end.
    pub async fn go_on(&self, session: &SessionRef, cpe: &mut Cpe, mut answers: Vec<Answer>) -> EndReply {
        for _ in 0..1000 {
            let reply = match self.next(session, std::mem::take(&mut answers)).await {
                Ok(reply) => reply,
                Err(error) if error.class == ErrorClass::Superseded => {
                    return self.end(session, SessionOutcome::Superseded, Vec::new()).await;
                }
                Err(error) => panic!("{error}"),
            };
            if reply.calls.is_empty() {
                if self.sessions.take_hint(&session.device).await.unwrap() {
                    continue;
                }
                return self.end(session, SessionOutcome::Completed, Vec::new()).await;
            }
            let (next, alive) = send(cpe, &reply.calls, self.now());
            answers = next;
            if !alive {
                return self.end(session, SessionOutcome::TimedOut, answers).await;
            }
        }
        panic!("the session has no end");
    }

    pub async fn enqueue(&self, key: &str, spec: TaskSpec) -> EnqueueReply {
        self.service.enqueue(enqueue_request(key, spec)).await.unwrap()
    }

    pub async fn task(&self, id: &TaskId) -> Task {
        self.store.task(&device(), id).await.unwrap().unwrap()
    }

    pub async fn tasks(&self) -> Vec<Task> {
        let page = PageRequest::first(1000);
        self.store.list_tasks(&device(), &TaskFilter::default(), &page).await.unwrap().items
    }

    /// A device that was there before, with a session of its own.
    pub async fn known_device(&self, cpe: &mut Cpe) {
        self.session(cpe, &[PERIODIC]).await;
    }
}

/// What a front-end does with a segment.
pub fn send(cpe: &mut Cpe, calls: &[Call], at: Timestamp) -> (Vec<Answer>, bool) {
    let mut alive = true;
    let mut answers = Vec::new();
    for call in calls {
        let outcome = match alive.then(|| cpe.handle(&call.request)) {
            Some(Reply::Response(response)) => AnswerOutcome::Response(response),
            Some(Reply::Fault(fault)) => AnswerOutcome::Fault(fault),
            Some(Reply::Silence) => {
                alive = false;
                AnswerOutcome::Unanswered(UnansweredReason::Silence)
            }
            None => AnswerOutcome::Unanswered(UnansweredReason::NotSent),
        };
        let task = Some(call.task.clone());
        answers.push(Answer { id: call.id.clone(), task, attempt: call.attempt.clone(), at, outcome });
    }
    (answers, alive)
}

pub fn enqueue_request(key: &str, spec: TaskSpec) -> EnqueueRequest {
    EnqueueRequest {
        device: device(),
        tenant: Tenant::default(),
        principal: "alice".into(),
        key: key.into(),
        body_sha256: [7; 32],
        spec,
        wanted: Wanted::Now,
        expires_at: None,
    }
}

fn deps(
    store: &Arc<MemoryStore>,
    log: &Arc<MemoryEventLog>,
    sessions: &Arc<MemorySessionCache>,
    wakes: &Arc<Wakes>,
    clock: &Arc<ManualClock>,
) -> Dependencies {
    Dependencies {
        outbox: None,
        store: store.clone(),
        log: log.clone(),
        sessions: sessions.clone(),
        connection_requests: wakes.clone(),
        files: Arc::new(Files),
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        metrics: Metrics::default(),
    }
}

/// Lets what was spawned run.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub fn identity() -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00AABB".into(),
        product_class: "IGD".into(),
        serial_number: "1".into(),
    }
}

pub fn device() -> DeviceId {
    DeviceId::of(&identity())
}

pub fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).unwrap()
}

pub fn set(name: &str, text: &str) -> SetValue {
    SetValue { path: path(name), kind: None, text: Secret::new(text) }
}

pub fn set_values(name: &str, text: &str) -> TaskSpec {
    TaskSpec::SetValues { values: vec![set(name, text)] }
}

pub fn get_values(name: &str) -> TaskSpec {
    TaskSpec::GetValues { paths: vec![path(name)] }
}

pub fn download() -> TaskSpec {
    TaskSpec::Download(acs_types::DownloadSpec {
        file_type: acs_types::FileType::Firmware,
        source: acs_types::DownloadSource::Url {
            url: "http://files.example/fw.bin".into(),
            username: String::new(),
            password: Secret::default(),
            file_size: 9,
        },
        target_file_name: String::new(),
        delay_seconds: 0,
    })
}

pub fn new_cpe() -> Cpe {
    let mut cpe = Cpe::new("Device.", 30);
    let url = path("Device.ManagementServer.ConnectionRequestURL");
    cpe.tree.set_value(&url, cwmp_model::Value::string("http://192.0.2.1:7547/")).unwrap();
    cpe
}
