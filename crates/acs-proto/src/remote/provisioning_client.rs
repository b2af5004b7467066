use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;
use futures::StreamExt;
use tonic::Request;
use tonic::transport::Channel;

use super::call::{call, reply};
use super::limits::{Deadlines, MESSAGE_BYTES_MAX};
use super::methods::{self, Method};
use super::peers::Peers;
use super::status::{from_status, malformed_reply};
use crate::records::{Unsealed, Wire, field};
use crate::v1::provisioning_client::ProvisioningClient as Stub;
use crate::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, NextReply, NextRequest,
    Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome, v1,
};

/// Provisioning in another process. Cheap to clone; all clones share connections.
#[derive(Debug, Clone)]
pub struct ProvisioningClient {
    peers: Peers,
    deadlines: Deadlines,
}

impl ProvisioningClient {
    /// Speaks to `peers`. A single channel will do; it has to be private: secrets go through it.
    pub fn new(peers: impl Into<Peers>, deadlines: Deadlines) -> Self {
        Self { peers: peers.into(), deadlines }
    }

    fn way(&self, method: Method) -> (Method, &Deadlines) {
        (method, &self.deadlines)
    }
}

fn stub(channel: Channel) -> Stub<Channel> {
    Stub::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// The device that records are about, of several the first.
fn device_of(records: &[EventRecord]) -> &str {
    records.iter().find_map(|record| record.device.as_ref()).map_or("", DeviceId::as_str)
}

#[async_trait]
impl Provisioning for ProvisioningClient {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel, request| async move { stub(channel).verifier(request).await };
        reply(call(&self.peers, self.way(methods::VERIFIER), &request.username, message, send).await?)
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel, request| async move { stub(channel).begin(request).await };
        reply(call(&self.peers, self.way(methods::BEGIN), request.session.device.as_str(), message, send).await?)
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel, request| async move { stub(channel).next(request).await };
        reply(call(&self.peers, self.way(methods::NEXT), request.session.device.as_str(), message, send).await?)
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel, request| async move { stub(channel).end(request).await };
        reply(call(&self.peers, self.way(methods::END), request.session.device.as_str(), message, send).await?)
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let message = || v1::AppendRequest { records: field::list(&records, &Unsealed) };
        let send = |channel, request| async move { stub(channel).append(request).await };
        call(&self.peers, self.way(methods::APPEND), device_of(&records), message, send)
            .await
            .map(|v1::AppendReply {}| ())
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let message = || v1::ObserveRequest { records: field::list(&records, &Unsealed) };
        let send = |channel, request| async move { stub(channel).observe(request).await };
        call(&self.peers, self.way(methods::OBSERVE), device_of(&records), message, send)
            .await
            .map(|v1::ObserveReply {}| ())
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel, request| async move { stub(channel).enqueue(request).await };
        reply(call(&self.peers, self.way(methods::ENQUEUE), request.device.as_str(), message, send).await?)
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        let (id, task, principal) = (device.to_string(), task.to_string(), principal.to_owned());
        let message = || v1::CancelRequest { device: id.clone(), task: task.clone(), principal: principal.clone() };
        let send = |channel, request| async move { stub(channel).cancel(request).await };
        reply(call(&self.peers, self.way(methods::CANCEL), device.as_str(), message, send).await?)
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        let (id, task, principal) = (device.to_string(), task.to_string(), principal.to_owned());
        let message = || v1::RetryRequest { device: id.clone(), task: task.clone(), principal: principal.clone() };
        let send = |channel, request| async move { stub(channel).retry(request).await };
        let message = call(&self.peers, self.way(methods::RETRY), device.as_str(), message, send).await?;
        field::required(message.task, "RetryReply.task", &Unsealed).map_err(|error| malformed_reply(&error))
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        let message = || v1::WatchRequest { device: device.to_string(), task: task.to_string() };
        // The deadline is for the opening; the stream itself lasts as long as the task, so none is sent.
        let send = |channel, request: Request<_>| async move { stub(channel).watch(request.into_inner()).await };
        let states = call(&self.peers, self.way(methods::WATCH), device.as_str(), message, send).await?;
        Ok(Box::pin(states.map(|state| {
            let message = state.map_err(|status| from_status(&status))?;
            field::required(message.task, "WatchReply.task", &Unsealed).map_err(|error| malformed_reply(&error))
        })))
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        let message = || v1::WakeDeviceRequest { device: device.to_string() };
        let send = |channel, request| async move { stub(channel).wake(request).await };
        let message = call(&self.peers, self.way(methods::WAKE_DEVICE), device.as_str(), message, send).await?;
        field::required(message.outcome, "WakeDeviceReply.outcome", &Unsealed).map_err(|error| malformed_reply(&error))
    }
}
