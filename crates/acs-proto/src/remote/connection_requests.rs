use std::sync::Arc;

use acs_types::Secret;
use async_trait::async_trait;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::call::call;
use super::limits::{Deadlines, MESSAGE_BYTES_MAX};
use super::methods;
use super::peers::Peers;
use super::status::{malformed_reply, request, to_status};
use crate::records::{RecordError, SecretSeal, Unsealed, Wire, field};
use crate::v1::WakeOutcomeName as Name;
use crate::v1::connection_requests_client::ConnectionRequestsClient as ClientStub;
use crate::v1::connection_requests_server::{ConnectionRequests as ServerStub, ConnectionRequestsServer as Service};
use crate::{ConnectionRequests, ServiceError, WakeOutcome, WakeRequest, v1};

/// Connection requests sent by another process. Cheap to clone; all clones share connections.
#[derive(Debug, Clone)]
pub struct ConnectionRequestsClient {
    peers: Peers,
    deadlines: Deadlines,
}

impl ConnectionRequestsClient {
    /// Speaks to `peers`. A single channel will do; it has to be private: secrets go through it.
    pub fn new(peers: impl Into<Peers>, deadlines: Deadlines) -> Self {
        Self { peers: peers.into(), deadlines }
    }
}

#[async_trait]
impl ConnectionRequests for ConnectionRequestsClient {
    async fn wake(&self, request: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        let message = || request.to_wire(&Unsealed);
        let send = |channel: Channel, request| async move {
            ClientStub::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX).wake(request).await
        };
        let way = (methods::WAKE, &self.deadlines);
        let message = call(&self.peers, way, request.device.as_str(), message, send).await?;
        field::required(message.outcome, "WakeReply.outcome", &Unsealed).map_err(|error| malformed_reply(&error))
    }
}

/// Offers connection requests over gRPC.
#[derive(Clone)]
pub struct ConnectionRequestsServer {
    service: Arc<dyn ConnectionRequests>,
}

impl ConnectionRequestsServer {
    /// Offers `service`.
    pub fn new(service: Arc<dyn ConnectionRequests>) -> Self {
        Self { service }
    }

    /// For [`tonic::transport::Server::add_service`].
    pub fn into_service(self) -> Service<Self> {
        Service::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[async_trait]
impl ServerStub for ConnectionRequestsServer {
    async fn wake(&self, message: Request<v1::WakeRequest>) -> Result<Response<v1::WakeReply>, Status> {
        let outcome = self.service.wake(request(message.into_inner())?).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::WakeReply { outcome: Some(outcome.to_wire(&Unsealed)) }))
    }
}

impl Wire for WakeRequest {
    type Message = v1::WakeRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::WakeRequest {
        v1::WakeRequest {
            device: self.device.to_string(),
            url: self.url.clone(),
            username: self.username.clone(),
            password: field::sealed(self.password.reveal(), seal),
            allow_basic: self.allow_basic,
        }
    }

    fn from_wire(message: v1::WakeRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let password = field::opened(&message.password, seal, || "the password of a connection request".to_owned())?;
        Ok(Self {
            device: field::id(&message.device, "WakeRequest.device")?,
            url: message.url,
            username: message.username,
            password: Secret::new(password),
            allow_basic: message.allow_basic,
        })
    }
}

impl Wire for WakeOutcome {
    type Message = v1::WakeOutcome;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::WakeOutcome {
        let (name, reason) = match self {
            Self::NotSent { reason } => (Name::NotSent, reason.as_str()),
            Self::Refused { reason } => (Name::Refused, reason.as_str()),
            Self::Accepted => (Name::Accepted, ""),
            Self::Busy => (Name::Busy, ""),
            Self::WrongCredentials => (Name::WrongCredentials, ""),
            Self::Unreachable { reason } => (Name::Unreachable, reason.as_str()),
        };
        v1::WakeOutcome { name: name.into(), reason: reason.to_owned() }
    }

    fn from_wire(message: v1::WakeOutcome, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let (field, number, reason) = ("WakeOutcome.name", message.name, message.reason);
        match Name::try_from(number).map_err(|_| RecordError::UnknownValue { field, number })? {
            Name::Unspecified => Err(RecordError::Missing { field }),
            Name::NotSent => Ok(Self::NotSent { reason }),
            Name::Refused => Ok(Self::Refused { reason }),
            Name::Accepted => Ok(Self::Accepted),
            Name::Busy => Ok(Self::Busy),
            Name::WrongCredentials => Ok(Self::WrongCredentials),
            Name::Unreachable => Ok(Self::Unreachable { reason }),
        }
    }
}
