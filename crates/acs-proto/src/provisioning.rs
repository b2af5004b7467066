use std::pin::Pin;

use acs_types::{
    AttemptId, AuthLevel, CpeVerifier, DeviceId, EventId, EventRecord, SessionOutcome, SessionRef, SessionStamp, Task,
    TaskId, TaskSpec, Tenant, Wanted,
};
use async_trait::async_trait;
use cwmp_codec::{AcsRequest, CpeResponse, CwmpVersion, Fault, Inform};
use cwmp_model::Timestamp;
use futures::Stream;

use crate::{ServiceError, WakeOutcome};

/// A stream of a task's states: the one now, then each new one, ending with a final one.
pub type TaskStream = Pin<Box<dyn Stream<Item = Result<Task, ServiceError>> + Send>>;

/// Tasks and what sessions do for them (`design.md` §4 and §5).
#[async_trait]
pub trait Provisioning: Send + Sync {
    // === for front-ends, in the order of a session ===

    /// Who logs in with this user name.
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError>;

    /// A session has begun: applies what its Inform proves (evidence, obligations) and says whether there is work. Writes
    /// nothing if there is nothing to do. The same call again is as once.
    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError>;

    /// Takes the answers to the last segment and gives the next one, its intents written. Error class `Superseded`: a newer
    /// session holds the device; end this one.
    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError>;

    /// The session is over. Unanswered requests become visible as unknown at once (P3); wanted-now work that is left wakes
    /// the device again.
    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError>;

    /// Keeps records that the event log could not take (the outbox).
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError>;

    // === for ingest ===

    /// Applies what durable records oblige us to, whether or not `begin` did already: obligations of Informs, results of
    /// transfers, evidence; that a session was lost with one of our front-ends. Idempotent.
    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError>;

    // === for the API ===

    /// Creates a task. Durable when it returns (P1); the same key gives the same task (P5), with another body `Invalid`
    /// with code `idempotency_key_reused`.
    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError>;

    /// Withdraws a task that is not final. One that may be on its way stays visible until its outcome is known.
    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError>;

    /// Puts a task that ended without success back into the queue, as a person's decision (P3).
    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError>;

    /// Follows a task.
    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError>;

    /// Wakes a device by a person's wish, outside any task.
    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError>;
}

/// Asks who logs in with a user name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierRequest {
    /// The user name as sent.
    pub username: String,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierReply {
    /// `None`: nobody.
    pub verifier: Option<CpeVerifier>,
}

/// A session has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct BeginRequest {
    /// The session.
    pub session: SessionRef,
    /// Whose device.
    pub tenant: Tenant,
    /// The record of the Inform in the event log; names the cause of obligations.
    pub event_id: EventId,
    /// When the Inform came.
    pub at: Timestamp,
    /// The whole Inform.
    pub inform: Inform,
    /// The version negotiated.
    pub version: CwmpVersion,
    /// How the CPE proved who it is.
    pub auth: AuthLevel,
    /// Whether it came over TLS: secrets go only over TLS or to an authenticated device (P24).
    pub tls: bool,
    /// Where from.
    pub remote: Option<std::net::IpAddr>,
}

/// What is known at the begin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BeginReply {
    /// Whether there is work: then `next` is asked at the CPE's turn.
    pub work: bool,
    /// The subscriber of the device; empty: none.
    pub subscriber_id: String,
    /// The device had a session with a larger stamp: records of this one are late.
    pub stale: bool,
    /// The largest stamp of its sessions before this one; the default when none is known. A front-end whose clock is behind
    /// gives its next session a larger one, also where the session cache has forgotten it (P9, P14).
    pub last_stamp: SessionStamp,
}

/// Asks for the next segment.
#[derive(Debug, Clone, PartialEq)]
pub struct NextRequest {
    /// The session.
    pub session: SessionRef,
    /// Now.
    pub at: Timestamp,
    /// When an answer that has not come counts as unknown: the session's deadline.
    pub deadline: Timestamp,
    /// The version negotiated.
    pub version: CwmpVersion,
    /// How the CPE proved who it is.
    pub auth: AuthLevel,
    /// Whether the session is over TLS.
    pub tls: bool,
    /// Where from.
    pub remote: Option<std::net::IpAddr>,
    /// The answers to the last segment, in the order sent.
    pub answers: Vec<Answer>,
}

/// The next segment: any number of reads and at most one request that changes the device, which is the last.
#[derive(Debug, Clone, PartialEq)]
pub struct NextReply {
    /// What to send, in this order; empty: nothing now.
    pub calls: Vec<Call>,
}

/// One request to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The `cwmp:ID`: 1–32 characters of letters, digits and `-`, unlike any other of the session.
    pub id: String,
    /// The task it serves.
    pub task: TaskId,
    /// The attempt whose intent is durable; `None` for reads.
    pub attempt: Option<AttemptId>,
    /// What to send.
    pub request: AcsRequest,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// [`Call::id`].
    pub id: String,
    /// [`Call::task`]; `None` for an answer to a request this front-end does not know (resumed session).
    pub task: Option<TaskId>,
    /// [`Call::attempt`].
    pub attempt: Option<AttemptId>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: AnswerOutcome,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerOutcome {
    /// The CPE's response.
    Response(CpeResponse),
    /// The CPE's fault.
    Fault(Fault),
    /// No answer.
    Unanswered(UnansweredReason),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnansweredReason {
    /// It was never sent: its first byte did not leave.
    NotSent,
    /// It was sent, or may have been, and nothing came.
    Silence,
    /// Something came that does not fit (CWMP-104), or an empty POST.
    Unusable,
}

/// A session is over.
#[derive(Debug, Clone, PartialEq)]
pub struct EndRequest {
    /// The session.
    pub session: SessionRef,
    /// Now.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// Answers not handed over yet, and calls that have none.
    pub answers: Vec<Answer>,
}

/// What follows the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndReply {
    /// Wanted-now work is left, and the device is being woken.
    pub wakes: bool,
}

/// Asks for a task.
#[derive(Debug, Clone, PartialEq)]
pub struct EnqueueRequest {
    /// On which device.
    pub device: DeviceId,
    /// Whose.
    pub tenant: Tenant,
    /// Who asks.
    pub principal: String,
    /// The idempotency key, 1–128 characters; unique within principal and device.
    pub key: String,
    /// SHA-256 of the request body.
    pub body_sha256: [u8; 32],
    /// What.
    pub spec: TaskSpec,
    /// When.
    pub wanted: Wanted,
    /// When nobody wants it any more.
    pub expires_at: Option<Timestamp>,
}

/// The task.
#[derive(Debug, Clone, PartialEq)]
pub struct EnqueueReply {
    /// As it is now.
    pub task: Task,
    /// `false`: it was there already.
    pub created: bool,
    /// What came of waking the device; `None`: not tried (not wanted now, or a session is live).
    pub wake: Option<WakeOutcome>,
}

/// A task after a wish to cancel it.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelReply {
    /// As it is now.
    pub task: Task,
}
