use std::pin::Pin;
use std::sync::Arc;

use acs_types::{DeviceId, TaskId};
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::limits::MESSAGE_BYTES_MAX;
use super::status::{malformed_request, request, to_status};
use crate::records::{Unsealed, Wire, field};
use crate::v1::provisioning_server::{Provisioning as Stub, ProvisioningServer as Service};
use crate::{Provisioning, ServiceError, v1};

/// Offers a provisioning service over gRPC.
#[derive(Clone)]
pub struct ProvisioningServer {
    service: Arc<dyn Provisioning>,
}

impl ProvisioningServer {
    /// Offers `service`.
    pub fn new(service: Arc<dyn Provisioning>) -> Self {
        Self { service }
    }

    /// For [`tonic::transport::Server::add_service`].
    pub fn into_service(self) -> Service<Self> {
        Service::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[async_trait]
impl Stub for ProvisioningServer {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchReply, Status>> + Send>>;

    async fn verifier(&self, message: Request<v1::VerifierRequest>) -> Result<Response<v1::VerifierReply>, Status> {
        answer(self.service.verifier(request(message.into_inner())?).await)
    }

    async fn begin(&self, message: Request<v1::BeginRequest>) -> Result<Response<v1::BeginReply>, Status> {
        answer(self.service.begin(request(message.into_inner())?).await)
    }

    async fn next(&self, message: Request<v1::NextRequest>) -> Result<Response<v1::NextReply>, Status> {
        answer(self.service.next(request(message.into_inner())?).await)
    }

    async fn end(&self, message: Request<v1::EndRequest>) -> Result<Response<v1::EndReply>, Status> {
        answer(self.service.end(request(message.into_inner())?).await)
    }

    async fn append(&self, message: Request<v1::AppendRequest>) -> Result<Response<v1::AppendReply>, Status> {
        let records = field::read_list(message.into_inner().records, &Unsealed).map_err(|e| malformed_request(&e))?;
        self.service.append(records).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::AppendReply {}))
    }

    async fn observe(&self, message: Request<v1::ObserveRequest>) -> Result<Response<v1::ObserveReply>, Status> {
        let records = field::read_list(message.into_inner().records, &Unsealed).map_err(|e| malformed_request(&e))?;
        self.service.observe(records).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::ObserveReply {}))
    }

    async fn enqueue(&self, message: Request<v1::EnqueueRequest>) -> Result<Response<v1::EnqueueReply>, Status> {
        answer(self.service.enqueue(request(message.into_inner())?).await)
    }

    async fn cancel(&self, message: Request<v1::CancelRequest>) -> Result<Response<v1::CancelReply>, Status> {
        let v1::CancelRequest { device, task, principal } = message.into_inner();
        let (device, task) = (device_id(&device)?, task_id(&task)?);
        answer(self.service.cancel(&device, &task, &principal).await)
    }

    async fn retry(&self, message: Request<v1::RetryRequest>) -> Result<Response<v1::RetryReply>, Status> {
        let v1::RetryRequest { device, task, principal } = message.into_inner();
        let (device, task) = (device_id(&device)?, task_id(&task)?);
        let task = self.service.retry(&device, &task, &principal).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::RetryReply { task: Some(task.to_wire(&Unsealed)) }))
    }

    async fn watch(&self, message: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let v1::WatchRequest { device, task } = message.into_inner();
        let (device, task) = (device_id(&device)?, task_id(&task)?);
        let states = self.service.watch(&device, &task).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(Box::pin(states.map(|state| match state {
            Ok(task) => Ok(v1::WatchReply { task: Some(task.to_wire(&Unsealed)) }),
            Err(error) => Err(to_status(&error)),
        }))))
    }

    async fn wake(&self, message: Request<v1::WakeDeviceRequest>) -> Result<Response<v1::WakeDeviceReply>, Status> {
        let device = device_id(&message.into_inner().device)?;
        let outcome = self.service.wake(&device).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::WakeDeviceReply { outcome: Some(outcome.to_wire(&Unsealed)) }))
    }
}

fn answer<T: Wire>(result: Result<T, ServiceError>) -> Result<Response<T::Message>, Status> {
    result.map(|reply| Response::new(reply.to_wire(&Unsealed))).map_err(|error| to_status(&error))
}

fn device_id(text: &str) -> Result<DeviceId, Status> {
    field::id(text, "device").map_err(|error| malformed_request(&error))
}

fn task_id(text: &str) -> Result<TaskId, Status> {
    field::id(text, "task").map_err(|error| malformed_request(&error))
}
