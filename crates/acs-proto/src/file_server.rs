use std::pin::Pin;

use acs_types::{DeviceId, FileId, FileRecord, FileType, Tenant};
use async_trait::async_trait;
use bytes::Bytes;
use cwmp_model::Timestamp;
use futures::Stream;

use crate::ServiceError;

/// The bytes of a file as they come in.
pub type FileContent = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// Files that devices download.
#[async_trait]
pub trait FileServer: Send + Sync {
    /// Keeps a file; durable when it returns. The same bytes under the same name are the same file.
    async fn store(&self, file: NewFile, content: FileContent) -> Result<FileRecord, ServiceError>;

    /// Forgets a file and its bytes.
    async fn remove(&self, file: &FileId) -> Result<(), ServiceError>;

    /// A URL under which this device alone may fetch this file until `expires`; at most 256 characters (CWMP-332).
    async fn sign(&self, device: &DeviceId, file: &FileId, expires: Timestamp) -> Result<SignedUrl, ServiceError>;
}

/// A file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Whose.
    pub tenant: Tenant,
    /// Its name, 1–128 characters without `/` and control characters.
    pub name: String,
    /// What kind it is.
    pub file_type: FileType,
    /// Its version; may be empty.
    pub version: String,
    /// By whom.
    pub created_by: String,
}

/// Where a device fetches a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrl {
    /// The URL.
    pub url: String,
    /// Size of the file in bytes.
    pub size: u64,
}
