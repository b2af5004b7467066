//! A service over memory with fake neighbours, and calls that hold every answer against the OpenAPI document (P22).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_api::{ApiService, Config, Deps, Limits};
use acs_events::MemoryEventLog;
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass, FileContent,
    FileServer, NewFile, NextReply, NextRequest, Provisioning, ServiceError, SignedUrl, TaskStream, VerifierReply,
    VerifierRequest, WakeOutcome,
};
use acs_store::memory::{MemorySessionCache, MemoryStore};
use acs_store::{AuditLog, Commit, CommitOutcome, Devices, Files, HolderGuard, TaskWrite, Tasks};
use acs_telemetry::{BuildInfo, Health, Metrics};
use acs_types::{
    AttemptReason, AuthLevel, DeviceId, EventRecord, FileId, FileRecord, Origin, PageRequest, Presence, Scope,
    SessionId, SessionStamp, SummaryPatch, Task, TaskId, TaskState,
};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use cwmp_model::{DeviceIdentity, Timestamp};
use futures::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::schema;

pub(crate) struct Bench {
    pub(crate) service: ApiService,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) log: Arc<MemoryEventLog>,
    pub(crate) sessions: Arc<MemorySessionCache>,
    pub(crate) provisioning: Arc<FakeProvisioning>,
    pub(crate) files: Arc<FakeFiles>,
    pub(crate) health: Health,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// `Null` if the body is no JSON.
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// The token of a principal that has this scope alone; its principal has the scope's name.
pub(crate) fn token(scope: Scope) -> String {
    format!("{}-token-of-the-tests", scope.as_str())
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default(), MemoryEventLog::new()).await
    }

    pub(crate) async fn with(limits: Limits, log: MemoryEventLog) -> Self {
        let store = Arc::new(MemoryStore::new());
        let log = Arc::new(log);
        let sessions = Arc::new(MemorySessionCache::new());
        let provisioning = Arc::new(FakeProvisioning::new(Arc::clone(&store)));
        let files = Arc::new(FakeFiles { store: Arc::clone(&store), audits: Mutex::default() });
        let metrics = Metrics::default();
        let health = Health::new(&metrics);
        let deps = Deps {
            store: Arc::clone(&store) as _,
            events: Arc::clone(&log) as _,
            event_sink: Arc::clone(&log) as _,
            provisioning: Arc::clone(&provisioning) as _,
            files: Arc::clone(&files) as _,
            sessions: Arc::clone(&sessions) as _,
            health: health.clone(),
            metrics,
            build: BuildInfo { version: "0.1.0", revision: None },
        };
        let config = Config { limits, ..Config::new("api.test".parse().unwrap()) };
        let service = ApiService::new(deps, config);
        for scope in Scope::ALL {
            service.ensure_token(scope.as_str(), &token(scope), &[scope]).await.unwrap();
        }
        Self { service, store, log, sessions, provisioning, files, health }
    }

    pub(crate) fn router(&self) -> Router {
        self.service.router()
    }

    /// A GET with the scope `read`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, Some(Scope::Read))).await
    }

    /// A GET with another scope.
    pub(crate) async fn get_as(&self, scope: Scope, path: &str) -> Reply {
        self.send(request(Method::GET, path, Some(scope))).await
    }

    /// A POST of JSON with the scope `write`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send_json(Method::POST, path, Scope::Write, &body.to_string()).await
    }

    /// A POST of JSON with an idempotency key.
    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        let mut request = json_request(Method::POST, path, Scope::Write, &body.to_string());
        request.headers_mut().insert("Idempotency-Key", key.parse().unwrap());
        self.send(request).await
    }

    pub(crate) async fn send_json(&self, method: Method, path: &str, scope: Scope, body: &str) -> Reply {
        self.send(json_request(method, path, scope, body)).await
    }

    /// Sends a request below `/api/v1` and holds the answer against the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        let reply = Reply { status: parts.status, headers: parts.headers, text, json };
        schema::check_reply(&method, &path, &reply);
        reply
    }

    /// Makes device `n` known.
    pub(crate) async fn add_device(&self, n: u32) -> DeviceId {
        let id = DeviceId::of(&identity(n));
        self.store.patch_summary(&id, first_patch(n)).await.unwrap();
        id
    }

    /// What the audit log says, oldest first: (principal, action, object).
    pub(crate) async fn audit(&self) -> Vec<(String, String, String)> {
        let page = self.store.audit(&PageRequest::first(1000)).await.unwrap();
        page.items.into_iter().rev().map(|record| (record.principal, record.action, record.object)).collect()
    }
}

pub(crate) fn request(method: Method, path: &str, scope: Option<Scope>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if let Some(scope) = scope {
        request = request.header("Authorization", format!("Bearer {}", token(scope)));
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) fn json_request(method: Method, path: &str, scope: Scope, body: &str) -> Request<Body> {
    let mut request = request(method, path, Some(scope));
    request.headers_mut().insert("Content-Type", "application/json".parse().unwrap());
    *request.body_mut() = Body::from(body.to_owned());
    request
}

pub(crate) fn identity(n: u32) -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00AABB".into(),
        product_class: if n.is_multiple_of(2) { "IGD".into() } else { "a-b".into() },
        serial_number: format!("{n:06}"),
    }
}

fn first_patch(n: u32) -> SummaryPatch {
    SummaryPatch {
        stamp: SessionStamp::from_micros(i64::from(n) * 1_000_000),
        identity: Some(identity(n)),
        software_version: Some("1.0".into()),
        connection_request_url: Some("http://user:canary@192.0.2.1:7547/cr".into()),
        presence: Some(Presence {
            at: Timestamp::from_seconds(i64::from(n)),
            session: SessionId::from_bytes([u8::try_from(n % 256).unwrap(); 16]),
            events: vec!["2 PERIODIC".into()],
            cwmp_version: "1.2".into(),
            remote: Some([192, 0, 2, 1].into()),
            auth: AuthLevel::Device,
            boot: false,
            bootstrap: false,
        }),
        ..SummaryPatch::default()
    }
}

/// The device id as it stands in a URL.
pub(crate) fn in_url(device: &DeviceId) -> String {
    device.as_str().replace('%', "%25")
}

/// The part of provisioning that the API calls, over the same store.
pub(crate) struct FakeProvisioning {
    store: Arc<MemoryStore>,
    /// The newest audit record at each call that changes something (P27).
    pub(crate) audits: Mutex<Vec<String>>,
    pub(crate) wake_hangs: AtomicBool,
    pub(crate) wake_panics: AtomicBool,
    /// Cancelling a task makes another one first.
    pub(crate) creates_meanwhile: AtomicBool,
    /// Creating a task takes a tenth of a second.
    pub(crate) is_slow: AtomicBool,
}

impl FakeProvisioning {
    fn new(store: Arc<MemoryStore>) -> Self {
        Self {
            store,
            audits: Mutex::default(),
            wake_hangs: false.into(),
            wake_panics: false.into(),
            creates_meanwhile: false.into(),
            is_slow: false.into(),
        }
    }

    /// Puts a task into another state.
    pub(crate) async fn put(&self, task: &Task, state: TaskState) {
        let revision = self.store.task(&task.device, &task.id).await.unwrap().map(|task| task.revision);
        let task = Task { state, ..task.clone() };
        let writes = vec![TaskWrite { expected_revision: revision, task: task.clone() }];
        let commit = Commit { holder: HolderGuard::Any, device_known: false, writes };
        assert_eq!(self.store.commit(&task.device, commit).await.unwrap(), CommitOutcome::Applied);
    }

    async fn note_audit(&self) {
        note_audit(&self.store, &self.audits).await;
    }

    async fn known(&self, device: &DeviceId, task: &TaskId) -> Result<Task, ServiceError> {
        let task = self.store.task(device, task).await.map_err(failed)?;
        task.ok_or_else(|| ServiceError::new(ErrorClass::NotFound, "no_such_task", "no such task"))
    }
}

async fn note_audit(store: &MemoryStore, audits: &Mutex<Vec<String>>) {
    let newest = store.audit(&PageRequest::first(1)).await.unwrap().items.pop();
    audits.lock().unwrap().push(newest.map(|record| record.action).unwrap_or_default());
}

fn failed(error: acs_store::Error) -> ServiceError {
    ServiceError::new(ErrorClass::Unavailable, "store_unavailable", error.to_string())
}

fn not_asked<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "not_asked", "the API never calls this"))
}

#[async_trait]
impl Provisioning for FakeProvisioning {
    async fn verifier(&self, _: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        not_asked()
    }

    async fn begin(&self, _: BeginRequest) -> Result<BeginReply, ServiceError> {
        not_asked()
    }

    async fn next(&self, _: NextRequest) -> Result<NextReply, ServiceError> {
        not_asked()
    }

    async fn end(&self, _: EndRequest) -> Result<EndReply, ServiceError> {
        not_asked()
    }

    async fn append(&self, _: Vec<EventRecord>) -> Result<(), ServiceError> {
        not_asked()
    }

    async fn observe(&self, _: Vec<EventRecord>) -> Result<(), ServiceError> {
        not_asked()
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        self.note_audit().await;
        if self.is_slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let id = TaskId::of(&request.principal, &request.device, &request.key);
        if let Some(task) = self.store.task(&request.device, &id).await.map_err(failed)? {
            if task.body_sha256 != request.body_sha256 {
                let text = "the idempotency key was used with another body";
                return Err(ServiceError::new(ErrorClass::Invalid, "idempotency_key_reused", text));
            }
            return Ok(EnqueueReply { task, created: false, wake: None });
        }
        let count = self.store.count_tasks_since(&request.device, 0).await.map_err(failed)?;
        let created_at = Timestamp::from_seconds(1_000 + i64::from(count));
        let task = Task {
            id,
            tenant: request.tenant,
            device: request.device,
            spec: request.spec,
            wanted: request.wanted,
            origin: Origin::Request { principal: request.principal },
            priority: 10,
            created_at,
            expires_at: request.expires_at,
            state: TaskState::Queued,
            revision: 1,
            attempts: Vec::new(),
            unanswered: 0,
            unanswered_in: Vec::new(),
            excused: 0,
            next_reason: AttemptReason::First,
            cancel_requested: false,
            result: None,
            fault: None,
            body_sha256: request.body_sha256,
            updated_at: created_at,
        };
        let writes = vec![TaskWrite { expected_revision: None, task: task.clone() }];
        self.store
            .commit(&task.device, Commit { holder: HolderGuard::Any, device_known: false, writes })
            .await
            .map_err(failed)?;
        Ok(EnqueueReply { task, created: true, wake: Some(WakeOutcome::Accepted) })
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, _: &str) -> Result<CancelReply, ServiceError> {
        self.note_audit().await;
        let task = self.known(device, task).await?;
        let state = match task.state {
            TaskState::Queued => TaskState::Cancelled,
            ref state if state.is_final() => {
                return Err(ServiceError::new(ErrorClass::Conflict, "task_final", "the task is over"));
            }
            ref state => state.clone(),
        };
        if self.creates_meanwhile.load(Ordering::Relaxed) {
            self.put(&Task { id: TaskId::of("other", device, "meanwhile"), ..task.clone() }, TaskState::Queued).await;
        }
        self.put(&Task { cancel_requested: true, ..task.clone() }, state).await;
        Ok(CancelReply { task: self.known(device, &task.id).await? })
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, _: &str) -> Result<Task, ServiceError> {
        self.note_audit().await;
        let task = self.known(device, task).await?;
        if !task.state.is_final() || task.state.is_success() {
            return Err(ServiceError::new(ErrorClass::Conflict, "not_retryable", "it did not end without success"));
        }
        self.put(&task, TaskState::Queued).await;
        self.known(device, &task.id).await
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        self.known(device, task).await?;
        let (store, device, task) = (Arc::clone(&self.store), device.clone(), task.clone());
        let states = futures::stream::unfold(false, move |is_over| {
            let (store, device, task) = (Arc::clone(&store), device.clone(), task.clone());
            async move {
                if is_over {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                let state = store.task(&device, &task).await.unwrap().unwrap();
                let is_over = state.state.is_final();
                Some((Ok(state), is_over))
            }
        });
        Ok(states.boxed())
    }

    async fn wake(&self, _: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        self.note_audit().await;
        assert!(!self.wake_panics.load(Ordering::Relaxed), "a panic that a test asked for");
        if self.wake_hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(WakeOutcome::Unreachable { reason: "no answer".into() })
    }
}

/// A file server that keeps the bytes' length and first byte alone.
pub(crate) struct FakeFiles {
    store: Arc<MemoryStore>,
    /// As in [`FakeProvisioning`].
    pub(crate) audits: Mutex<Vec<String>>,
}

#[async_trait]
impl FileServer for FakeFiles {
    async fn store(&self, file: NewFile, mut content: FileContent) -> Result<FileRecord, ServiceError> {
        note_audit(&self.store, &self.audits).await;
        let mut size = 0;
        let mut sha256 = [0; 32];
        while let Some(chunk) = content.next().await {
            let broken = |error: std::io::Error| {
                ServiceError::new(ErrorClass::Invalid, "upload_broken", format!("the upload broke off: {error}"))
            };
            let chunk = chunk.map_err(broken)?;
            size += chunk.len() as u64;
            sha256[0] ^= chunk.first().copied().unwrap_or_default();
        }
        let record = FileRecord {
            id: FileId::of(&sha256, &file.name),
            tenant: file.tenant,
            name: file.name,
            file_type: file.file_type,
            version: file.version,
            size,
            sha256,
            created_at: Timestamp::from_seconds(1),
            created_by: file.created_by,
        };
        self.store.put_file(record.clone()).await.map_err(failed)?;
        Ok(record)
    }

    async fn remove(&self, file: &FileId) -> Result<(), ServiceError> {
        note_audit(&self.store, &self.audits).await;
        self.store.delete_file(file).await.map_err(failed)?;
        Ok(())
    }

    async fn sign(&self, _: &DeviceId, _: &FileId, _: Timestamp) -> Result<SignedUrl, ServiceError> {
        not_asked()
    }
}
