use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use acs_files::{Config, LocalFileServer, OpenError};
use acs_keyring::KeyRing;
use acs_proto::{ErrorClass, FileServer};
use acs_store::{Error, Files};
use acs_telemetry::Metrics;
use acs_types::{FileId, FileType};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;

use crate::{Bench, chunks, device_id, far, new_file, pattern};

#[tokio::test]
async fn a_file_is_kept_with_its_hash_and_size() {
    let bench = Bench::new().await;
    let content = pattern(300_000);
    let record = bench.put("fw.bin", &content).await;
    assert_eq!((record.size, record.name.as_str(), record.version.as_str()), (300_000, "fw.bin", "1.0"));
    assert_eq!(record.id, FileId::of(&record.sha256, "fw.bin"));
    assert_eq!(bench.store.file(&record.id).await.unwrap(), Some(record.clone()));
    assert_eq!(bench.names(), [record.id.as_str()]);
    let path = bench.config.folder.join(record.id.as_str());
    assert_eq!(std::fs::read(&path).unwrap(), content);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(bench.metrics.exposition().contains("lastmile_files_stored_bytes_total 300000"));
}

#[tokio::test]
async fn the_same_bytes_under_the_same_name_are_the_same_file() {
    let bench = Bench::new().await;
    let first = bench.put("fw.bin", b"abc").await;
    assert_eq!(bench.put("fw.bin", b"abc").await, first);
    let other = bench.put("fw2.bin", b"abc").await;
    assert_ne!(other.id, first.id);
    let error = bench
        .server
        .store(acs_proto::NewFile { version: "2".into(), ..new_file("fw.bin") }, chunks(b"abc"))
        .await
        .unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Conflict, "file_differs"));
    assert_eq!(bench.names().len(), 2);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let bench = Bench::new().await;
    assert_eq!(bench.put("empty", b"").await.size, 0);
}

#[tokio::test]
async fn a_file_may_have_max_file_bytes_and_no_more() {
    let bench = Bench::with(|c| c.max_file_bytes = 5000).await;
    bench.put("at-limit", &pattern(5000)).await;
    let error = bench.server.store(new_file("over"), chunks(&pattern(5001))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Invalid, "file_too_large"));
    assert_eq!(bench.names().len(), 1, "nothing of it is left");
}

#[tokio::test]
async fn uploads_that_break_off_or_fall_silent_leave_nothing() {
    let bench = Bench::with(|c| c.upload_idle_timeout = Duration::from_millis(50)).await;
    let begin = || stream::iter([Ok(Bytes::from_static(b"begin"))]);
    let broken = begin().chain(stream::iter([Err(io::Error::other("reset"))]));
    let error = bench.server.store(new_file("a"), Box::pin(broken)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.text.contains("reset")), ("upload_interrupted", true), "{error}");
    let silent = begin().chain(stream::pending());
    let error = bench.server.store(new_file("a"), Box::pin(silent)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.text.contains("nothing for 50ms")), ("upload_interrupted", true), "{error}");
    assert_eq!(bench.names(), [""; 0]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing() {
    let bench = Bench::new().await;
    let silent = stream::iter([Ok(Bytes::from_static(b"begin"))]).chain(stream::pending());
    let upload = bench.server.store(new_file("a"), Box::pin(silent));
    assert!(tokio::time::timeout(Duration::from_millis(50), upload).await.is_err());
    assert_eq!(bench.names(), [""; 0]);
}

#[tokio::test]
async fn no_more_than_max_uploads_at_a_time() {
    let bench = Bench::with(|c| c.max_uploads = 1).await;
    let first = bench.server.store(new_file("a"), Box::pin(stream::pending()));
    let second = async {
        tokio::task::yield_now().await;
        bench.server.store(new_file("b"), chunks(b"b")).await.unwrap_err()
    };
    let error = tokio::select! {
        biased;
        done = first => panic!("{done:?}"),
        error = second => error,
    };
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Exhausted, "too_many_uploads"));
    bench.put("b", b"b").await;
}

#[tokio::test]
async fn hostile_names_are_refused_and_no_name_becomes_a_path() {
    let bench = Bench::new().await;
    for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0b", "a\nb", &"x".repeat(129)] {
        let error = bench.server.store(new_file(name), chunks(b"x")).await.unwrap_err();
        assert_eq!((error.class, error.fields[0].0.as_str()), (ErrorClass::Invalid, "name"), "{name:?}");
    }
    let error = bench
        .server
        .store(acs_proto::NewFile { version: "v".repeat(65), ..new_file("a") }, chunks(b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.fields[0].0, "version");
    for name in ["..\\..\\x", "x".repeat(128).as_str(), "fw ü.bin", "-rf"] {
        let record = bench.put(name, name.as_bytes()).await;
        assert!(bench.names().contains(&record.id.as_str().to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_removed_file_is_gone() {
    let bench = Bench::new().await;
    let record = bench.put("a", b"a").await;
    bench.server.remove(&record.id).await.unwrap();
    assert_eq!(bench.names(), [""; 0]);
    assert_eq!(bench.server.remove(&record.id).await.unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(
        bench.server.sign(&device_id("00AABB-1"), &record.id, far()).await.unwrap_err().class,
        ErrorClass::NotFound
    );
    let traversal: FileId = "..".parse().unwrap();
    assert_eq!(bench.server.remove(&traversal).await.unwrap_err().class, ErrorClass::NotFound);
}

// A kill can only leave what these steps leave: part of an upload, bytes without a record (before the record is written, or
// after it was deleted). Each is set up here as the kill leaves it.
#[tokio::test]
async fn what_a_kill_leaves_is_swept_at_the_next_start() {
    let mut bench = Bench::new().await;
    let kept = bench.put("kept", b"kept").await;
    let folder = bench.config.folder.clone();
    let orphan = FileId::of(&[1; 32], "killed before its record");
    std::fs::write(folder.join("incoming/0123"), b"half").unwrap();
    std::fs::write(folder.join(orphan.as_str()), b"whole").unwrap();
    std::fs::write(folder.join("README"), b"somebody else's").unwrap();
    bench.restart().await;
    assert_eq!(bench.names(), ["README", kept.id.as_str()]);
    assert!(bench.metrics.exposition().contains("lastmile_files_swept_total 1"));
}

#[tokio::test]
async fn nothing_is_swept_on_the_word_of_a_store_that_fails() {
    let bench = Bench::new().await;
    bench.put("kept", b"kept").await;
    bench.store.fail_with(Some(Error::Unavailable("away".into())));
    let keys = Arc::new(KeyRing::from_key("test", &[9; 32]));
    let opened = LocalFileServer::open(bench.config.clone(), bench.store.clone(), keys, &Metrics::default()).await;
    assert!(matches!(opened, Err(OpenError::Store(_))));
    assert_eq!(bench.names().len(), 1);
}

/// Writes no record, but looks at the disk when it is asked to.
struct Refusing {
    folder: std::path::PathBuf,
    error: Error,
}

#[async_trait::async_trait]
impl Files for Refusing {
    async fn put_file(&self, record: acs_types::FileRecord) -> acs_store::Result<()> {
        let bytes = std::fs::read(self.folder.join(record.id.as_str())).unwrap();
        assert_eq!(bytes.len() as u64, record.size, "the bytes are in their place before the record is written");
        Err(self.error.clone())
    }

    async fn file(&self, _: &FileId) -> acs_store::Result<Option<acs_types::FileRecord>> {
        Ok(None)
    }

    async fn files(&self, _: &acs_types::PageRequest) -> acs_store::Result<acs_types::Page<acs_types::FileRecord>> {
        Err(self.error.clone())
    }

    async fn delete_file(&self, _: &FileId) -> acs_store::Result<bool> {
        Ok(false)
    }
}

#[tokio::test]
async fn bytes_whose_record_is_refused_are_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { folder: dir.path().to_owned(), ..Config::default() };
    let store = Refusing { folder: config.folder.clone(), error: Error::NoSpace("full".into()) };
    let keys = Arc::new(KeyRing::from_key("test", &[9; 32]));
    let server = LocalFileServer::open(config, Arc::new(store), keys, &Metrics::default()).await.unwrap();
    let error = server.store(new_file("a"), chunks(b"abc")).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Exhausted, "store_full"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only `incoming`");
}

#[tokio::test]
async fn a_wrong_public_url_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { folder: dir.path().to_owned(), public_url: "acs.example.net".into(), ..Config::default() };
    let keys = Arc::new(KeyRing::from_key("test", &[9; 32]));
    let store = Arc::new(acs_store::memory::MemoryStore::new());
    let opened = LocalFileServer::open(config, store, keys, &Metrics::default()).await;
    assert!(matches!(opened, Err(OpenError::PublicUrl(_))));
}

#[tokio::test]
async fn vendor_types_are_kept() {
    let bench = Bench::new().await;
    let file = acs_proto::NewFile { file_type: FileType::Vendor("X 00AABB Reset".into()), ..new_file("r.rsc") };
    let record = bench.server.store(file, chunks(b"/reset")).await.unwrap();
    assert_eq!(record.file_type.as_str(), "X 00AABB Reset");
}
