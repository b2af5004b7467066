//! What an idle periodic session costs (`design.md` §4.9), from its Inform to what ingest writes: one front-end, provisioning
//! and ingest as they are, each over a driver of its own to a real CQL store, and everything that one of them asks another is
//! counted. A line more is a cost for every session of the fleet: it needs a reason and a line in the design.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use acs_cwmp_server::{CpeAuth, CpeAuthScheme, FrontEnd};
use acs_events::{AppendError, EventSink, MemoryEventLog};
use acs_ingest::{Ingest, LogConsumer};
use acs_keyring::KeyRing;
use acs_proto::records::Unsealed;
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, ConnectionRequests, EndReply, EndRequest, EnqueueReply, EnqueueRequest,
    ErrorClass, FileContent, FileServer, NewFile, NextReply, NextRequest, Provisioning, ServiceError, SignedUrl,
    TaskStream, VerifierReply, VerifierRequest, WakeOutcome, WakeRequest,
};
use acs_provisioning::{FirstContact, ProvisioningService};
use acs_store::memory::{MemorySessionCache, MemoryStore};
use acs_store::{CachedSession, Result as CacheResult, SessionCache};
use acs_store_scylla::{Requests, ScyllaConfig, ScyllaStore, migrate};
use acs_types::{DeviceId, EventRecord, FileId, FileRecord, SessionId, SessionStamp, Task, TaskId};
use async_trait::async_trait;
use bytes::Bytes;
use cwmp_model::Timestamp;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use crate::cpe::Cpe;
use crate::rebuild::cql;
use crate::records::emitter;

/// Sessions that are counted, one after the other.
const SESSIONS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_periodic_session_costs_the_lines_of_the_design() {
    let Some(cql) = cql() else { return };
    let world = World::over(&cql).await;
    let mut cpe = Cpe::new(&world.url, "1");
    // The first one makes the device known; what a connection costs once is no part of a session either.
    world.idle_session(&mut cpe).await;
    world.idle_session(&mut cpe).await;
    let before = world.spent();
    world.asked.lock().unwrap().clear();
    for _ in 0..SESSIONS {
        world.idle_session(&mut cpe).await;
    }

    let asked = world.asked.lock().unwrap().clone();
    let asked: Vec<_> = asked.iter().map(|(what, count)| (*what, *count)).collect();
    let expected = [
        // The ladder and outcome of the session: nobody waits for it.
        ("append unawaited: session.ended", SESSIONS),
        // The receipt of the Inform.
        ("append: inform", SESSIONS),
        // The design has one pipeline that nobody waits for. These are four: the last stamp, before the session gets its own;
        // its begin, beside the receipt; a look for a work hint before the last 204; its end, behind it. Digest adds one, the
        // use of the nonce.
        ("cache: begin", SESSIONS),
        ("cache: end", SESSIONS),
        ("cache: last_stamp", SESSIONS),
        ("cache: take_hint", SESSIONS),
        // One call between processes.
        ("provisioning: begin", SESSIONS),
    ];
    assert_eq!(asked, expected);
    let (provisioning, ingest) = world.spent_since(before);
    assert_eq!(provisioning, (SESSIONS, 0, 0), "behind the call: the device's partition, and nothing is written");
    assert_eq!(ingest.1, 3 * SESSIONS, "the device; the session, and where it is found by its id");
    assert_eq!(ingest.2, 0, "ingest asks the store for no agreement");
    assert_eq!(ingest.0, 0, "it remembers the devices of its share");
}

/// All that serves an idle session.
struct World {
    url: String,
    asked: Arc<Asked>,
    stores: [Arc<ScyllaStore>; 2],
    ingest: Ingest,
}

impl World {
    async fn over(cql: &str) -> Self {
        let asked = Arc::<Asked>::default();
        let stores = stores(cql).await;
        let (log, cache) = (MemoryEventLog::new(), Arc::new(MemorySessionCache::new()));
        let service = Arc::new(provisioning(stores[0].clone(), log.clone(), cache.clone()));
        let counted = Arc::new(Counted { asked: asked.clone(), service, log: log.clone(), cache });
        let url = front_end(counted.clone()).await;
        // A group keeps its cursors in Kafka, so they are no requests to the store.
        let consumer = Box::new(LogConsumer::new(Arc::new(log.clone()), Arc::new(MemoryStore::new())));
        let config = acs_ingest::Config::new(emitter("ingest-1"));
        let metrics = acs_ingest::Metrics::default();
        let ingest = Ingest::new(consumer, Arc::new(log), stores[1].clone(), counted.clone(), config, metrics);
        let ingest = ingest.with_sessions(counted);
        Self { url, asked, stores, ingest }
    }

    /// An Inform, an empty POST, the end, on one connection; and what ingest makes of it.
    async fn idle_session(&self, cpe: &mut Cpe) {
        let mut connection = Connection::to(&self.url).await;
        let inform = cwmp_codec::encode(&cpe.inform_message(&[("2 PERIODIC", "")], 0)).unwrap();
        assert_eq!(connection.post(inform).await, 200);
        assert_eq!(connection.post(Vec::new()).await, 204, "there is no work");
        // The end is told behind the last reply.
        let mut records = 0;
        while records < 2 {
            records += self.ingest.run_once().await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let ended = || self.asked.lock().unwrap().get("cache: end").copied();
        let begun = || self.asked.lock().unwrap().get("cache: begin").copied();
        while ended() != begun() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Requests to the store so far: of provisioning, of ingest.
    fn spent(&self) -> [Requests; 2] {
        [self.stores[0].requests(), self.stores[1].requests()]
    }

    /// Reads, writes and conditional writes since then.
    fn spent_since(&self, before: [Requests; 2]) -> ((u64, u64, u64), (u64, u64, u64)) {
        let [provisioning, ingest] = self.spent();
        let since = |now: Requests, then: Requests| {
            (now.reads - then.reads, now.writes - then.writes, now.conditional - then.conditional)
        };
        let [provisioning_then, ingest_then] = before;
        (since(provisioning, provisioning_then), since(ingest, ingest_then))
    }
}

/// The one connection of a session: a POST on another one is looked up.
struct Connection {
    http: http1::SendRequest<Full<Bytes>>,
    cookie: Option<HeaderValue>,
}

impl Connection {
    async fn to(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (http, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { http, cookie: None }
    }

    /// The status of the answer.
    async fn post(&mut self, body: Vec<u8>) -> u16 {
        let mut request = http::Request::post("/").header(header::HOST, "acs.example");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "text/xml; charset=utf-8").header("SOAPAction", "");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.http.ready().await.unwrap();
        let answer = self.http.send_request(request.body(Full::from(body)).unwrap()).await.unwrap();
        if let Some(set) = answer.headers().get(header::SET_COOKIE) {
            let cookie = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(HeaderValue::from_str(cookie).unwrap());
        }
        let status = answer.status().as_u16();
        answer.into_body().collect().await.unwrap();
        status
    }
}

/// One driver for provisioning and one for ingest, to the same tables.
async fn stores(cql: &str) -> [Arc<ScyllaStore>; 2] {
    let nodes = cql.split(',').map(str::to_owned).collect();
    let mut config = ScyllaConfig::new(nodes, format!("cost{}x{:x}", std::process::id(), rand::random::<u32>()));
    config.replication = acs_store_scylla::Replication::Simple(1);
    migrate(&config).await.unwrap();
    let open = async || Arc::new(ScyllaStore::open(config.clone(), Arc::new(Unsealed)).await.unwrap());
    [open().await, open().await]
}

fn provisioning(
    store: Arc<ScyllaStore>,
    log: MemoryEventLog,
    sessions: Arc<MemorySessionCache>,
) -> ProvisioningService {
    let dependencies = acs_provisioning::Dependencies {
        store: store.clone(),
        log: Arc::new(log),
        outbox: Some(store),
        sessions,
        connection_requests: Arc::new(Nobody),
        files: Arc::new(Nobody),
        clock: Arc::new(acs_provisioning::SystemClock),
        random: Arc::new(acs_provisioning::SystemRandom),
        metrics: acs_provisioning::Metrics::default(),
    };
    let config = acs_provisioning::Config::new(emitter("provisioning-1"));
    let config = acs_provisioning::Config { first_contact: FirstContact::None, ..config };
    ProvisioningService::new(dependencies, config)
}

/// One of several front-ends; its address.
async fn front_end(counted: Arc<Counted>) -> String {
    let mut config = acs_cwmp_server::Config::new(emitter("cwmp-1"), CpeAuth::new(CpeAuthScheme::Open));
    config.shared_sessions = true;
    let services = acs_cwmp_server::Services {
        provisioning: counted.clone(),
        events: counted.clone(),
        cache: counted,
        replay: None,
        keys: Arc::new(KeyRing::from_key("k", &[3; 32])),
    };
    let metrics = acs_cwmp_server::Metrics::registered(&acs_telemetry::Metrics::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let front_end = FrontEnd::new(config, services, metrics);
    tokio::spawn(acs_cwmp_server::serve(listener, None, front_end, CancellationToken::new()));
    url
}

/// How often what was asked.
type Asked = Mutex<BTreeMap<&'static str, u64>>;

/// Everything a front-end and ingest ask, counted on its way.
struct Counted {
    asked: Arc<Asked>,
    service: Arc<ProvisioningService>,
    log: MemoryEventLog,
    cache: Arc<MemorySessionCache>,
}

impl Counted {
    fn count(&self, what: &'static str) {
        *self.asked.lock().unwrap().entry(what).or_default() += 1;
    }
}

#[async_trait]
impl EventSink for Counted {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        records.iter().for_each(|record| self.count(named(record, true)));
        self.log.append(records).await
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        records.iter().for_each(|record| self.count(named(record, false)));
        self.log.append_unawaited(records).await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        self.log.flush().await
    }
}

fn named(record: &EventRecord, awaited: bool) -> &'static str {
    use acs_types::EventBody::{Inform, SessionEnded};
    match (&record.body, awaited) {
        (Inform(_), true) => "append: inform",
        (SessionEnded(_), false) => "append unawaited: session.ended",
        (_, true) => "append: another record",
        (_, false) => "append unawaited: another record",
    }
}

#[async_trait]
impl SessionCache for Counted {
    async fn begin(&self, session: &CachedSession) -> CacheResult<Option<SessionId>> {
        self.count("cache: begin");
        self.cache.begin(session).await
    }

    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> CacheResult<()> {
        self.count("cache: put_snapshot");
        self.cache.put_snapshot(session, snapshot).await
    }

    async fn session(&self, session: &SessionId) -> CacheResult<Option<CachedSession>> {
        self.count("cache: session");
        self.cache.session(session).await
    }

    async fn current(&self, device: &DeviceId) -> CacheResult<Option<SessionId>> {
        self.count("cache: current");
        self.cache.current(device).await
    }

    async fn last_stamp(&self, device: &DeviceId) -> CacheResult<SessionStamp> {
        self.count("cache: last_stamp");
        self.cache.last_stamp(device).await
    }

    async fn end(&self, device: &DeviceId, session: &SessionId) -> CacheResult<bool> {
        self.count("cache: end");
        self.cache.end(device, session).await
    }

    async fn has_ended(&self, session: &SessionId) -> CacheResult<bool> {
        self.count("cache: has_ended");
        self.cache.has_ended(session).await
    }

    async fn hint_work(&self, device: &DeviceId) -> CacheResult<Option<SessionId>> {
        self.count("cache: hint_work");
        self.cache.hint_work(device).await
    }

    async fn take_hint(&self, device: &DeviceId) -> CacheResult<bool> {
        self.count("cache: take_hint");
        self.cache.take_hint(device).await
    }

    async fn live_sessions(&self) -> CacheResult<u64> {
        self.count("cache: live_sessions");
        self.cache.live_sessions().await
    }
}

#[async_trait]
impl Provisioning for Counted {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        self.count("provisioning: verifier");
        self.service.verifier(request).await
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        self.count("provisioning: begin");
        self.service.begin(request).await
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        self.count("provisioning: next");
        self.service.next(request).await
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.count("provisioning: end");
        self.service.end(request).await
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.count("provisioning: append");
        Provisioning::append(&*self.service, records).await
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.count("provisioning: observe");
        self.service.observe(records).await
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        self.count("provisioning: enqueue");
        self.service.enqueue(request).await
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        self.count("provisioning: cancel");
        self.service.cancel(device, task, principal).await
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        self.count("provisioning: retry");
        self.service.retry(device, task, principal).await
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        self.count("provisioning: watch");
        self.service.watch(device, task).await
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        self.count("provisioning: wake");
        Provisioning::wake(&*self.service, device).await
    }
}

/// What an idle session has no use for.
struct Nobody;

fn unwanted<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "test", "an idle session asks nobody for this"))
}

#[async_trait]
impl ConnectionRequests for Nobody {
    async fn wake(&self, _: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        unwanted()
    }
}

#[async_trait]
impl FileServer for Nobody {
    async fn store(&self, _: NewFile, _: FileContent) -> Result<FileRecord, ServiceError> {
        unwanted()
    }

    async fn remove(&self, _: &FileId) -> Result<(), ServiceError> {
        unwanted()
    }

    async fn sign(&self, _: &DeviceId, _: &FileId, _: Timestamp) -> Result<SignedUrl, ServiceError> {
        unwanted()
    }
}
