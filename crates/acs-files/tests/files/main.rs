//! The file server from outside: keeping files (`keep`), fetching them by signed URL (`fetch`), sockets (`sockets`), kill -9
//! (`kill`).
#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

mod fetch;
mod keep;
mod kill;
mod sockets;

use std::sync::Arc;

use acs_files::{Config, LocalFileServer};
use acs_keyring::KeyRing;
use acs_proto::{FileContent, FileServer, NewFile};
use acs_store::memory::MemoryStore;
use acs_telemetry::Metrics;
use acs_types::{DeviceId, FileRecord, FileType};
use bytes::Bytes;
use cwmp_model::Timestamp;
use tempfile::TempDir;

/// A file server on a folder of its own, which can be started again.
struct Bench {
    folder: TempDir,
    store: Arc<MemoryStore>,
    metrics: Metrics,
    config: Config,
    server: LocalFileServer,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { folder: folder.path().join("files"), ..Config::default() };
        change(&mut config);
        let (store, metrics) = (Arc::new(MemoryStore::new()), Metrics::default());
        let server = open(&config, &store, &metrics).await;
        Self { folder, store, metrics, config, server }
    }

    /// What a start after a kill finds.
    async fn restart(&mut self) {
        self.metrics = Metrics::default();
        self.server = open(&self.config, &self.store, &self.metrics).await;
    }

    async fn put(&self, name: &str, content: &[u8]) -> FileRecord {
        self.server.store(new_file(name), chunks(content)).await.unwrap()
    }

    /// Path and query of a URL for `device` that is good until 2100.
    async fn signed(&self, device: &str, file: &FileRecord) -> String {
        let url = self.server.sign(&device_id(device), &file.id, far()).await.unwrap().url;
        url.strip_prefix("http://127.0.0.1:7567").unwrap().to_owned()
    }

    /// The names in the folder, and in `incoming`.
    fn names(&self) -> Vec<String> {
        let read = |path: std::path::PathBuf| {
            std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap())
        };
        let files = self.folder.path().join("files");
        let mut names: Vec<_> =
            read(files.clone()).filter(|n| n != "incoming").chain(read(files.join("incoming"))).collect();
        names.sort();
        names
    }
}

async fn open(config: &Config, store: &Arc<MemoryStore>, metrics: &Metrics) -> LocalFileServer {
    let keys = Arc::new(KeyRing::from_key("test", &[9; 32]));
    LocalFileServer::open(config.clone(), store.clone(), keys, metrics).await.unwrap()
}

fn new_file(name: &str) -> NewFile {
    NewFile {
        tenant: Default::default(),
        name: name.into(),
        file_type: FileType::Firmware,
        version: "1.0".into(),
        created_by: "alice".into(),
    }
}

fn chunks(content: &[u8]) -> FileContent {
    let chunks: Vec<_> = content.chunks(1000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    Box::pin(futures::stream::iter(chunks))
}

fn device_id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn far() -> Timestamp {
    Timestamp::from_seconds(4_102_444_800)
}

/// Bytes that differ from place to place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}
