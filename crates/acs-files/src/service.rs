use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use acs_keyring::KeyRing;
use acs_proto::{ErrorClass, FileContent, FileServer, NewFile, ServiceError, SignedUrl};
use acs_store::Files;
use acs_telemetry::Metrics;
use acs_types::{DeviceId, FileId, FileRecord};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use fail::fail_point;
use tokio::sync::{Mutex, Semaphore};

use crate::Config;
use crate::clock;
use crate::folder::{Folder, ReceiveError, Received};
use crate::grant::Grant;
use crate::metrics::FilesMetrics;
use crate::public_url::{PublicUrl, PublicUrlError};
use crate::transfer::Budget;

const NAME_MAX: usize = 128;
const VERSION_MAX: usize = 64;

/// Files in a folder of this host. Clones share everything.
#[derive(Clone)]
pub struct LocalFileServer {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Files>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) folder: Folder,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: FilesMetrics,
    public_url: PublicUrl,
    uploads: Semaphore,
    /// Held while bytes and record change together, so that one upload's failure does not remove another's bytes.
    change: Mutex<()>,
}

/// Why the file server does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// See [`Config::public_url`].
    #[error(transparent)]
    PublicUrl(#[from] PublicUrlError),
    /// The folder cannot be used.
    #[error("the folder `{folder}` of the file server cannot be used: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store does not say which files are known.
    #[error("the file server cannot compare its folder with the store: {0}")]
    Store(#[from] acs_store::Error),
}

impl LocalFileServer {
    /// Opens the folder and removes what a killed process left: uploads that did not end, and bytes without a record.
    pub async fn open(
        config: Config,
        store: Arc<dyn Files>,
        keys: Arc<KeyRing>,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let public_url = PublicUrl::parse(&config.public_url)?;
        let metrics = FilesMetrics::new(metrics);
        let unusable = |source| OpenError::Folder { folder: config.folder.clone(), source };
        let folder = Folder::open(&config.folder).await.map_err(unusable)?;
        for id in folder.ids().await.map_err(unusable)? {
            if store.file(&id).await?.is_none() {
                tracing::warn!(file = %id, "bytes without a record are removed: their upload did not end, or their removal");
                folder.remove(&id).await.map_err(unusable)?;
                metrics.swept.inc();
            }
        }
        let inner = Inner {
            budget: Arc::new(Budget::new(config.max_transfers, config.max_transfers_per_device)),
            uploads: Semaphore::new(config.max_uploads),
            change: Mutex::new(()),
            config,
            store,
            keys,
            folder,
            metrics,
            public_url,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl FileServer for LocalFileServer {
    async fn store(&self, file: NewFile, content: FileContent) -> Result<FileRecord, ServiceError> {
        check(&file)?;
        let inner = &self.inner;
        let Ok(_turn) = inner.uploads.try_acquire() else {
            let text = format!("{} uploads are under way already; try again later", inner.config.max_uploads);
            return Err(ServiceError::new(ErrorClass::Exhausted, "too_many_uploads", text));
        };
        let Config { max_file_bytes, upload_idle_timeout, .. } = inner.config;
        let received = inner.folder.receive(content, max_file_bytes, upload_idle_timeout).await;
        let received = received.map_err(|error| not_received(&file.name, error))?;
        let record = inner.keep(file, received).await?;
        inner.metrics.stored.inc();
        inner.metrics.stored_bytes.inc_by(record.size);
        tracing::info!(file = %record.id, name = record.name, size = record.size, "file stored");
        Ok(record)
    }

    async fn remove(&self, file: &FileId) -> Result<(), ServiceError> {
        let inner = &self.inner;
        let _change = inner.change.lock().await;
        // The record first: bytes without a record are swept, a record without bytes would be a broken promise.
        fail_point!("files::before_delete");
        if !inner.store.delete_file(file).await.map_err(store_error)? {
            return Err(unknown(file));
        }
        fail_point!("files::before_unlink");
        tracing::info!(%file, "file removed");
        inner.folder.remove(file).await.map_err(|error| disk_error("remove", file.as_str(), &error))
    }

    async fn sign(&self, device: &DeviceId, file: &FileId, expires: Timestamp) -> Result<SignedUrl, ServiceError> {
        let record = self.inner.store.file(file).await.map_err(store_error)?.ok_or_else(|| unknown(file))?;
        let token = Grant::new(device, file, expires).seal(&self.inner.keys).ok_or_else(|| unknown(file))?;
        Ok(SignedUrl { url: self.inner.public_url.with(&token, &record.name), size: record.size })
    }
}

impl Inner {
    async fn keep(&self, file: NewFile, received: Received) -> Result<FileRecord, ServiceError> {
        let id = FileId::of(&received.sha256, &file.name);
        let _change = self.change.lock().await;
        if let Some(known) = self.store.file(&id).await.map_err(store_error)? {
            return same(known, &file);
        }
        let record = FileRecord {
            id,
            tenant: file.tenant,
            name: file.name,
            file_type: file.file_type,
            version: file.version,
            size: received.size,
            sha256: received.sha256,
            created_at: clock::now(),
            created_by: file.created_by,
        };
        fail_point!("files::before_publish");
        let published = self.folder.publish(received, &record.id).await;
        published.map_err(|error| disk_error("keep", &record.name, &error))?;
        fail_point!("files::before_record");
        match self.store.put_file(record.clone()).await {
            Ok(()) => {
                fail_point!("files::after_record");
                Ok(record)
            }
            Err(error) => {
                self.withdraw(&record.id).await;
                Err(store_error(error))
            }
        }
    }

    /// Removes bytes whose record was not written. If it may have been, they stay, and the next start decides.
    async fn withdraw(&self, id: &FileId) {
        if let Ok(None) = self.store.file(id).await
            && let Err(error) = self.folder.remove(id).await
        {
            tracing::warn!(file = %id, %error, "bytes without a record stay until the next start");
        }
    }
}

/// The file that is there already, if it is meant to be the same one.
fn same(known: FileRecord, file: &NewFile) -> Result<FileRecord, ServiceError> {
    if (&known.tenant, &known.file_type, &known.version) == (&file.tenant, &file.file_type, &file.version) {
        return Ok(known);
    }
    let text = format!(
        "the same bytes are kept as `{}` already, with another type or version (file {}); remove that file first, or choose another name",
        known.name, known.id
    );
    Err(ServiceError::new(ErrorClass::Conflict, "file_differs", text))
}

fn check(file: &NewFile) -> Result<(), ServiceError> {
    let mut fields = Vec::new();
    let plain = |text: &str| !text.chars().any(char::is_control);
    let name = &file.name;
    if name.is_empty()
        || name.chars().count() > NAME_MAX
        || name.contains('/')
        || !plain(name)
        || name.trim_matches('.').is_empty()
    {
        fields.push(("name".to_owned(), format!("use 1 to {NAME_MAX} characters without `/` and control characters")));
    }
    if file.version.chars().count() > VERSION_MAX || !plain(&file.version) {
        fields.push(("version".to_owned(), format!("use at most {VERSION_MAX} characters, no control characters")));
    }
    if fields.is_empty() {
        return Ok(());
    }
    let text = "the file cannot be kept under this name or version".to_owned();
    Err(ServiceError { class: ErrorClass::Invalid, code: "file_invalid".to_owned(), text, fields })
}

fn unknown(file: &FileId) -> ServiceError {
    ServiceError::new(ErrorClass::NotFound, "file_unknown", format!("there is no file `{file}`"))
}

fn not_received(name: &str, error: ReceiveError) -> ServiceError {
    let text = format!("`{name}` was not kept: {error}");
    match error {
        ReceiveError::TooLarge(_) => ServiceError::new(ErrorClass::Invalid, "file_too_large", text),
        ReceiveError::Interrupted(_) | ReceiveError::Idle(_) => {
            ServiceError::new(ErrorClass::Invalid, "upload_interrupted", text)
        }
        ReceiveError::Disk(error) => disk_error("keep", name, &error),
    }
}

fn disk_error(action: &str, name: &str, error: &io::Error) -> ServiceError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        let text = format!("cannot {action} `{name}`: the disk of the file server is full; remove files or make room");
        return ServiceError::new(ErrorClass::Exhausted, "disk_full", text);
    }
    tracing::error!(action, name, %error, "the file server's disk fails");
    let text = format!("cannot {action} `{name}`: {error}; see the log of the file server");
    ServiceError::new(ErrorClass::Unavailable, "disk_failed", text)
}

fn store_error(error: acs_store::Error) -> ServiceError {
    let (class, code) = match &error {
        acs_store::Error::Unavailable(_) => (ErrorClass::Unavailable, "store_unavailable"),
        acs_store::Error::NoSpace(_) => (ErrorClass::Exhausted, "store_full"),
        acs_store::Error::Corrupt(_) => (ErrorClass::Internal, "store_corrupt"),
        acs_store::Error::Invalid(_) => (ErrorClass::Internal, "store_refused"),
    };
    ServiceError::new(class, code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_so() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = not_received("fw.bin", ReceiveError::Disk(kind.into()));
            assert_eq!((error.class, error.code.as_str()), (ErrorClass::Exhausted, "disk_full"));
            assert!(error.text.contains("`fw.bin`") && error.text.contains("is full"), "{error}");
        }
        let error = disk_error("keep", "fw.bin", &io::ErrorKind::PermissionDenied.into());
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "disk_failed"));
    }
}
