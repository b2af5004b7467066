use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;
use futures::StreamExt;
use tonic::Request;
use tonic::transport::Channel;

use super::call::{once, repeated, reply};
use super::limits::{Deadlines, MESSAGE_BYTES_MAX};
use super::status::{from_status, malformed_reply};
use crate::records::{Unsealed, Wire, field};
use crate::v1::provisioning_client::ProvisioningClient as Stub;
use crate::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, NextReply, NextRequest,
    Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome, v1,
};

/// Provisioning in another process. Cheap to clone; all clones share one connection.
#[derive(Debug, Clone)]
pub struct ProvisioningClient {
    stub: Stub<Channel>,
    deadlines: Deadlines,
}

impl ProvisioningClient {
    /// Speaks over `channel`, which has to be private: secrets go through it.
    pub fn new(channel: Channel, deadlines: Deadlines) -> Self {
        let stub = Stub::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { stub, deadlines }
    }
}

#[async_trait]
impl Provisioning for ProvisioningClient {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |mut stub: Stub<Channel>, request| async move { stub.verifier(request).await };
        reply(repeated(&self.stub, self.deadlines.session, message, send).await?)
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |mut stub: Stub<Channel>, request| async move { stub.begin(request).await };
        reply(repeated(&self.stub, self.deadlines.session, message, send).await?)
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        let message = request.to_wire(&Unsealed);
        let send = |mut stub: Stub<Channel>, request| async move { stub.next(request).await };
        reply(once(&self.stub, self.deadlines.session, message, send).await?)
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        let message = request.to_wire(&Unsealed);
        let send = |mut stub: Stub<Channel>, request| async move { stub.end(request).await };
        reply(once(&self.stub, self.deadlines.session, message, send).await?)
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let message = || v1::AppendRequest { records: field::list(&records, &Unsealed) };
        let send = |mut stub: Stub<Channel>, request| async move { stub.append(request).await };
        repeated(&self.stub, self.deadlines.records, message, send).await.map(|v1::AppendReply {}| ())
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let message = || v1::ObserveRequest { records: field::list(&records, &Unsealed) };
        let send = |mut stub: Stub<Channel>, request| async move { stub.observe(request).await };
        repeated(&self.stub, self.deadlines.records, message, send).await.map(|v1::ObserveReply {}| ())
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |mut stub: Stub<Channel>, request| async move { stub.enqueue(request).await };
        reply(repeated(&self.stub, self.deadlines.wake, message, send).await?)
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        let (device, task, principal) = (device.to_string(), task.to_string(), principal.to_owned());
        let message = v1::CancelRequest { device, task, principal };
        let send = |mut stub: Stub<Channel>, request| async move { stub.cancel(request).await };
        reply(once(&self.stub, self.deadlines.request, message, send).await?)
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        let (device, task, principal) = (device.to_string(), task.to_string(), principal.to_owned());
        let message = v1::RetryRequest { device, task, principal };
        let send = |mut stub: Stub<Channel>, request| async move { stub.retry(request).await };
        let message = once(&self.stub, self.deadlines.request, message, send).await?;
        field::required(message.task, "RetryReply.task", &Unsealed).map_err(|error| malformed_reply(&error))
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        let message = || v1::WatchRequest { device: device.to_string(), task: task.to_string() };
        // The deadline is for the opening; the stream itself lasts as long as the task, so none is sent.
        let send = |mut stub: Stub<Channel>, request: Request<_>| async move { stub.watch(request.into_inner()).await };
        let states = repeated(&self.stub, self.deadlines.request, message, send).await?;
        Ok(Box::pin(states.map(|state| {
            let message = state.map_err(|status| from_status(&status))?;
            field::required(message.task, "WatchReply.task", &Unsealed).map_err(|error| malformed_reply(&error))
        })))
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        let message = v1::WakeDeviceRequest { device: device.to_string() };
        let send = |mut stub: Stub<Channel>, request| async move { stub.wake(request).await };
        let message = once(&self.stub, self.deadlines.wake, message, send).await?;
        field::required(message.outcome, "WakeDeviceReply.outcome", &Unsealed).map_err(|error| malformed_reply(&error))
    }
}
