//! Where records are durable while Kafka is away: provisioning keeps them (`design.md` §3.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acs_events::{AppendError, EventSink};
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass, NextReply,
    NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;

/// The outbox as the place of unawaited records.
pub(super) struct Outbox(pub(super) Arc<dyn Provisioning>);

#[async_trait]
impl EventSink for Outbox {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.0.append(records).await.map_err(|error| refused(&error))
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.append(records).await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

fn refused(error: &ServiceError) -> AppendError {
    let why = format!("the outbox: {error}");
    if error.class == ErrorClass::Exhausted { AppendError::NoSpace(why) } else { AppendError::Unavailable(why) }
}

/// Provisioning, with an eye on its outbox: readiness tells what it did last.
pub(super) struct SeenProvisioning {
    provisioning: Arc<dyn Provisioning>,
    refused: AtomicBool,
}

impl SeenProvisioning {
    pub(super) fn new(provisioning: Arc<dyn Provisioning>) -> Arc<Self> {
        Arc::new(Self { provisioning, refused: AtomicBool::new(false) })
    }

    /// Whether the outbox took the last records that it was given; yes, if it never was.
    pub(super) fn outbox_works(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Provisioning for SeenProvisioning {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let appended = self.provisioning.append(records).await;
        self.refused.store(appended.is_err(), Ordering::Relaxed);
        appended
    }

    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        self.provisioning.verifier(request).await
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        self.provisioning.begin(request).await
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        self.provisioning.next(request).await
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.provisioning.end(request).await
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.provisioning.observe(records).await
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        self.provisioning.enqueue(request).await
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        self.provisioning.cancel(device, task, principal).await
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        self.provisioning.retry(device, task, principal).await
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        self.provisioning.watch(device, task).await
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        self.provisioning.wake(device).await
    }
}
