use std::sync::Arc;

use acs_types::{DeviceId, FileId, FileRecord};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::call::{call, call_once, reply};
use super::file_content::{from_parts, to_parts};
use super::limits::{Deadlines, FILE_MESSAGE_BYTES_MAX};
use super::methods::{self, Method};
use super::peers::Peers;
use super::status::{malformed_reply, malformed_request, request, to_status};
use crate::records::{RecordError, SecretSeal, Unsealed, Wire, field, file_type};
use crate::v1::file_server_client::FileServerClient as ClientStub;
use crate::v1::file_server_server::{FileServer as ServerStub, FileServerServer as Service};
use crate::v1::store_part::Part;
use crate::{FileContent, FileServer, NewFile, ServiceError, SignedUrl, v1};

/// The file server in another process. Cheap to clone; all clones share connections.
#[derive(Debug, Clone)]
pub struct FileServerClient {
    peers: Peers,
    deadlines: Deadlines,
}

impl FileServerClient {
    /// Speaks to `peers`; a single channel will do.
    pub fn new(peers: impl Into<Peers>, deadlines: Deadlines) -> Self {
        Self { peers: peers.into(), deadlines }
    }

    fn way(&self, method: Method) -> (Method, &Deadlines) {
        (method, &self.deadlines)
    }
}

fn stub(channel: Channel) -> ClientStub<Channel> {
    ClientStub::new(channel).max_decoding_message_size(FILE_MESSAGE_BYTES_MAX)
}

#[async_trait]
impl FileServer for FileServerClient {
    async fn store(&self, file: NewFile, content: FileContent) -> Result<FileRecord, ServiceError> {
        let name = file.name.clone();
        let parts = to_parts(file.to_wire(&Unsealed), content);
        let send = |channel, request| async move { stub(channel).store(request).await };
        let message = call_once(&self.peers, self.way(methods::STORE), &name, parts, send).await?;
        field::required(message.file, "StoreReply.file", &Unsealed).map_err(|error| malformed_reply(&error))
    }

    async fn remove(&self, file: &FileId) -> Result<(), ServiceError> {
        let message = || v1::RemoveRequest { file: file.to_string() };
        let send = |channel, request| async move { stub(channel).remove(request).await };
        call(&self.peers, self.way(methods::REMOVE), file.as_str(), message, send).await.map(|v1::RemoveReply {}| ())
    }

    async fn sign(&self, device: &DeviceId, file: &FileId, expires: Timestamp) -> Result<SignedUrl, ServiceError> {
        let message =
            || v1::SignRequest { device: device.to_string(), file: file.to_string(), expires_at: expires.as_micros() };
        let send = |channel, request| async move { stub(channel).sign(request).await };
        reply(call(&self.peers, self.way(methods::SIGN), device.as_str(), message, send).await?)
    }
}

/// Offers a file server over gRPC.
#[derive(Clone)]
pub struct FileServerServer {
    service: Arc<dyn FileServer>,
}

impl FileServerServer {
    /// Offers `service`.
    pub fn new(service: Arc<dyn FileServer>) -> Self {
        Self { service }
    }

    /// For [`tonic::transport::Server::add_service`].
    pub fn into_service(self) -> Service<Self> {
        Service::new(self).max_decoding_message_size(FILE_MESSAGE_BYTES_MAX)
    }
}

#[async_trait]
impl ServerStub for FileServerServer {
    async fn store(&self, parts: Request<Streaming<v1::StorePart>>) -> Result<Response<v1::StoreReply>, Status> {
        let mut parts = parts.into_inner();
        let Some(v1::StorePart { part: Some(Part::File(file)) }) = parts.message().await? else {
            return Err(malformed_request(&RecordError::Missing { field: "StorePart.file" }));
        };
        let stored = self.service.store(request(file)?, from_parts(parts)).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::StoreReply { file: Some(stored.to_wire(&Unsealed)) }))
    }

    async fn remove(&self, message: Request<v1::RemoveRequest>) -> Result<Response<v1::RemoveReply>, Status> {
        let file = id(&message.into_inner().file, "RemoveRequest.file")?;
        self.service.remove(&file).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(v1::RemoveReply {}))
    }

    async fn sign(&self, message: Request<v1::SignRequest>) -> Result<Response<v1::SignReply>, Status> {
        let v1::SignRequest { device, file, expires_at } = message.into_inner();
        let device = field::id(&device, "SignRequest.device").map_err(|error| malformed_request(&error))?;
        let file = id(&file, "SignRequest.file")?;
        let signed = self.service.sign(&device, &file, Timestamp::from_micros(expires_at)).await;
        signed.map(|url| Response::new(url.to_wire(&Unsealed))).map_err(|error| to_status(&error))
    }
}

fn id(text: &str, name: &'static str) -> Result<FileId, Status> {
    field::id(text, name).map_err(|error| malformed_request(&error))
}

impl Wire for NewFile {
    type Message = v1::NewFile;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::NewFile {
        v1::NewFile {
            tenant: self.tenant.to_string(),
            name: self.name.clone(),
            file_type: self.file_type.as_str().to_owned(),
            version: self.version.clone(),
            created_by: self.created_by.clone(),
        }
    }

    fn from_wire(message: v1::NewFile, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            tenant: field::id(&message.tenant, "NewFile.tenant")?,
            name: message.name,
            file_type: file_type(message.file_type, "NewFile.file_type")?,
            version: message.version,
            created_by: message.created_by,
        })
    }
}

impl Wire for SignedUrl {
    type Message = v1::SignReply;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::SignReply {
        v1::SignReply { url: self.url.clone(), size: self.size }
    }

    fn from_wire(message: v1::SignReply, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { url: message.url, size: message.size })
    }
}
