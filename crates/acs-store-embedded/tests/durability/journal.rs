//! The journal cut at any byte, and torn as a power loss may tear it.

use std::fs;
use std::path::{Path, PathBuf};

use acs_store_embedded::OpenError;

use super::ledger::{self, Events};

const WRITES: u64 = 24;

/// A folder with [`WRITES`] writes, each a batch of its own, closed hard; and where each batch ends in the journal.
struct Written {
    folder: tempfile::TempDir,
    journal: PathBuf,
    ends: Vec<usize>,
    runtime: tokio::runtime::Runtime,
}

impl Written {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let live = tempfile::tempdir().unwrap();
        let store = ledger::open(live.path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let journal = PathBuf::from("engine").join("0.jnl");
        let mut ends = vec![used(&fs::read(live.path().join(&journal)).unwrap())];
        for n in 0..WRITES {
            runtime.block_on(ledger::write(&store, n)).unwrap();
            ends.push(used(&fs::read(live.path().join(&journal)).unwrap()));
        }
        // Copied while open: closing would tidy up.
        copy(live.path(), folder.path());
        Self { folder, journal, ends, runtime }
    }

    fn journal(&self) -> Vec<u8> {
        let mut bytes = fs::read(self.folder.path().join(&self.journal)).unwrap();
        bytes.truncate(*self.ends.last().unwrap());
        bytes
    }

    /// A copy whose journal is `bytes`, with unused space behind it as the engine leaves it.
    fn with_journal(&self, bytes: &[u8], unused: usize) -> tempfile::TempDir {
        let copied = tempfile::tempdir().unwrap();
        copy(self.folder.path(), copied.path());
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len() + unused, 0);
        fs::write(copied.path().join(&self.journal), bytes).unwrap();
        copied
    }

    /// Opens it and asserts that exactly the first writes are there, all of them whole.
    fn assert_prefix(&self, folder: &Path, writes: usize, what: &str) {
        let store = ledger::open(folder).unwrap_or_else(|e| panic!("{what}: {e}"));
        self.runtime.block_on(async {
            let events = Events::read(&store).await;
            for n in 0..WRITES {
                // A summary is not told apart from a later one.
                if n % 4 == 2 && (n as usize) >= writes {
                    continue;
                }
                let wanted = if (n as usize) < writes { 2 } else { 0 };
                assert_eq!(ledger::halves(&store, n, &events).await, wanted, "{what}: write {n}");
            }
            // It works on.
            ledger::write(&store, 1000).await.unwrap();
            ledger::write(&store, 1001).await.unwrap();
            let events = Events::read(&store).await;
            assert_eq!(ledger::halves(&store, 1000, &events).await, 2, "{what}");
        });
        drop(store);
        let store = ledger::open(folder).unwrap_or_else(|e| panic!("{what}, once more: {e}"));
        self.runtime.block_on(async {
            let events = Events::read(&store).await;
            assert_eq!(ledger::halves(&store, 1000, &events).await, 2, "{what}, once more");
            assert_eq!(ledger::halves(&store, 1001, &events).await, 2, "{what}, once more");
        });
    }
}

fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else if entry.path().extension().is_some_and(|e| e == "jnl") {
            // Not its 64 MiB of unused space.
            let bytes = fs::read(entry.path()).unwrap();
            fs::write(&to, &bytes[..used(&bytes)]).unwrap();
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[test]
fn p1_p7_a_cut_journal_gives_a_prefix_of_what_was_acknowledged() {
    let written = Written::new();
    let journal = written.journal();
    let count = written.ends.len();
    // Every byte of the last two batches, and some of all others.
    let tail = written.ends[count - 3];
    let middle = (written.ends[0]..tail).step_by(97);
    let mut cuts = 0;
    for cut in middle.chain((tail..=journal.len()).step_by(7)).chain(written.ends.iter().copied()) {
        let writes = written.ends.iter().filter(|end| **end <= cut).count() - 1;
        for unused in [0, 4096] {
            let folder = written.with_journal(&journal[..cut], unused);
            written.assert_prefix(folder.path(), writes, &format!("cut at {cut}, {unused} zero bytes behind"));
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 100);
}

#[test]
fn p1_p7_a_torn_last_batch_is_cut_off() {
    let written = Written::new();
    let journal = written.journal();
    let last = written.ends[WRITES as usize - 1]..written.ends[WRITES as usize];
    let lengths = [1, 8, 64, last.len()];
    let mut torn = 0;
    for from in last.clone().step_by(37) {
        for length in lengths {
            // Some sectors of the batch did not reach the disk, later ones did.
            let mut bytes = journal.clone();
            let hole = from..(from + length).min(last.end);
            bytes[hole.clone()].fill(0);
            if bytes == journal {
                continue;
            }
            let folder = written.with_journal(&bytes, 4096);
            written.assert_prefix(folder.path(), WRITES as usize - 1, &format!("a hole at {hole:?}"));
            torn += 1;
        }
    }
    assert!(torn > 20, "{torn}");
}

#[test]
fn damage_before_the_last_batch_is_reported_and_nothing_is_cut() {
    let written = Written::new();
    let mut bytes = written.journal();
    // In a value of a batch in the middle: the engine sees a wrong checksum.
    let batch = written.ends[9]..written.ends[10];
    let at = batch.end - 40;
    bytes[at] ^= 0x55;
    let folder = written.with_journal(&bytes, 0);
    let error = ledger::open(folder.path()).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let after = fs::read(folder.path().join(&written.journal)).unwrap();
    assert_eq!(after, bytes, "a person may still save what follows");
}
