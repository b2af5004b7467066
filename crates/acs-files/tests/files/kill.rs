//! A process that dies while it stores and removes files: a child does both as fast as it can, and dies between two given
//! steps, or by kill -9 anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use acs_files::{Config, LocalFileServer};
use acs_keyring::KeyRing;
use acs_proto::FileServer;
use acs_store::Files;
use acs_telemetry::Metrics;
use acs_types::{FileId, FileRecord, FileType, Page, PageRequest};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::{chunks, new_file, pattern};

const FOLDER: &str = "LASTMILE_TEST_KILL_FOLDER";
/// Where the child dies, the third time it comes there.
const POINT: &str = "LASTMILE_TEST_KILL_POINT";
const POINTS: [&str; 5] = [
    "files::before_publish",
    "files::before_record",
    "files::after_record",
    "files::before_delete",
    "files::before_unlink",
];
const RANDOM_ROUNDS: u64 = 6;

/// A store of records that outlives its process: a log of `+id sha256 size` and `-id`, one write a line.
struct Ledger {
    path: PathBuf,
    records: Mutex<BTreeMap<FileId, FileRecord>>,
}

impl Ledger {
    fn open(path: PathBuf) -> Self {
        let mut records = BTreeMap::new();
        for line in fs::read_to_string(&path).unwrap_or_default().lines() {
            let fields: Vec<&str> = line[1..].split(' ').collect();
            let id: FileId = fields[0].parse().unwrap();
            if line.starts_with('-') {
                records.remove(&id);
            } else {
                let sha256 = HEXLOWER.decode(fields[1].as_bytes()).unwrap().try_into().unwrap();
                records.insert(id.clone(), record(id, sha256, fields[2].parse().unwrap()));
            }
        }
        Self { path, records: Mutex::new(records) }
    }

    fn write(&self, line: String) {
        let mut log = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        log.write_all(line.as_bytes()).unwrap();
    }
}

fn record(id: FileId, sha256: [u8; 32], size: u64) -> FileRecord {
    FileRecord {
        id,
        tenant: Default::default(),
        name: "fw".into(),
        file_type: FileType::Firmware,
        version: "1.0".into(),
        size,
        sha256,
        created_at: Default::default(),
        created_by: "alice".into(),
    }
}

#[async_trait::async_trait]
impl Files for Ledger {
    async fn put_file(&self, file: FileRecord) -> acs_store::Result<()> {
        self.write(format!("+{} {} {}\n", file.id, HEXLOWER.encode(&file.sha256), file.size));
        self.records.lock().unwrap().insert(file.id.clone(), file);
        Ok(())
    }

    async fn file(&self, file: &FileId) -> acs_store::Result<Option<FileRecord>> {
        Ok(self.records.lock().unwrap().get(file).cloned())
    }

    async fn files(&self, _: &PageRequest) -> acs_store::Result<Page<FileRecord>> {
        Err(acs_store::Error::Unavailable("not asked for here".into()))
    }

    async fn delete_file(&self, file: &FileId) -> acs_store::Result<bool> {
        self.write(format!("-{file}\n"));
        Ok(self.records.lock().unwrap().remove(file).is_some())
    }
}

async fn open(folder: &Path) -> (LocalFileServer, Arc<Ledger>) {
    let config = Config { folder: folder.join("files"), ..Config::default() };
    let (ledger, keys) = (Arc::new(Ledger::open(folder.join("ledger"))), Arc::new(KeyRing::from_key("test", &[9; 32])));
    (LocalFileServer::open(config, ledger.clone(), keys, &Metrics::default()).await.unwrap(), ledger)
}

#[tokio::test]
#[ignore = "the process that is killed; the other test starts it"]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER).map(PathBuf::from) else { return };
    let (server, _) = open(&folder).await;
    if let Ok(point) = std::env::var(POINT) {
        let times = AtomicU32::new(0);
        let die = move || {
            if times.fetch_add(1, Ordering::Relaxed) == 2 {
                std::process::abort()
            }
        };
        fail::cfg_callback(point, die).unwrap();
    }
    let content = pattern(40_000);
    let mut last = None;
    for n in 0.. {
        let name = format!("{}-{n}", std::process::id());
        let stored = server.store(new_file(&name), chunks(&content)).await.unwrap();
        println!("\nstored {}", stored.id);
        if let Some(last) = last.replace(stored.id).filter(|_| n % 2 == 0) {
            println!("\nremoving {last}");
            server.remove(&last).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_killed_server_keeps_every_acknowledged_file_and_shows_no_half_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = BTreeSet::new();
    for point in POINTS {
        let said = run(dir.path(), Some(point), |child| assert!(!child.wait().unwrap().success(), "{point}"));
        check(dir.path(), point, &mut kept, said).await;
    }
    for round in 0..RANDOM_ROUNDS {
        let kill = |child: &mut Child| {
            std::thread::sleep(Duration::from_millis(5 + round * 7));
            child.kill().unwrap();
            child.wait().unwrap();
        };
        check(dir.path(), "kill -9", &mut kept, run(dir.path(), None, kill)).await;
    }
    assert!(!kept.is_empty());
}

/// Starts again and compares folder, records and what the child said.
async fn check(folder: &Path, point: &str, kept: &mut BTreeSet<FileId>, said: Vec<(String, FileId)>) {
    for (what, id) in said {
        if what == "stored" {
            kept.insert(id)
        } else {
            kept.remove(&id)
        };
    }
    let (_, ledger) = open(folder).await;
    let records = ledger.records.lock().unwrap().clone();
    for id in kept.iter() {
        assert!(records.contains_key(id), "{point}: {id} was acknowledged");
    }
    let files = folder.join("files");
    for record in records.values() {
        let bytes = fs::read(files.join(record.id.as_str())).unwrap_or_else(|e| panic!("{point}: {}: {e}", record.id));
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), record.sha256, "{point}: {}", record.id);
    }
    assert_eq!(fs::read_dir(&files).unwrap().count(), records.len() + 1, "{point}: only files with a record");
    assert_eq!(fs::read_dir(files.join("incoming")).unwrap().count(), 0, "{point}");
}

/// Lets the child run until `end` saw it die, and gives what it said: `stored` or `removing`, and which file.
fn run(folder: &Path, point: Option<&str>, end: impl FnOnce(&mut Child)) -> Vec<(String, FileId)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .envs(point.map(|p| (POINT, p)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let said = |line: String| {
        let (what, id) = line.split_once(' ')?;
        // The last line may be cut off.
        let whole = matches!(what, "stored" | "removing") && id.len() == 26;
        whole.then(|| (what.to_owned(), id.parse().unwrap()))
    };
    let first = lines.iter().find_map(said).expect("the child stores a file");
    end(&mut child);
    std::iter::once(first).chain(lines.iter().filter_map(said)).collect()
}
