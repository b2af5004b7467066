//! A disk that fills, on a tmpfs of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::{AppendError, EventSink, SequenceLog, contract::record};
use acs_proto::records::Unsealed;
use acs_store::Error;
use acs_store_embedded::{Embedded, Options};

use super::ledger::{self, Events};

/// A mounted tmpfs, unmounted at the end.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not permitted; on CI that is a failure.
    fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Self { folder }),
            failed => println!("no tmpfs can be mounted, so the full disk is not tested: {failed:?}"),
        }
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must be able to mount a tmpfs");
        None
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Takes all room but `leave` bytes.
    fn fill(&self, leave: usize) -> PathBuf {
        let ballast = self.folder.path().join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        let chunk = vec![1; 64 << 10];
        let mut taken = 0;
        while let Ok(written @ 1..) = file.write(&chunk) {
            taken += written;
        }
        file.set_len(taken.saturating_sub(leave) as u64).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

fn open(folder: &Path, reserve: u64) -> Embedded {
    let options =
        Options { disk_reserve_bytes: reserve, write_buffer_bytes: 1 << 20, ..Options::new(Arc::new(Unsealed)) };
    Embedded::open(folder, options).unwrap()
}

async fn assert_all_there(store: &Embedded, acknowledged: &[u64]) {
    let events = Events::read(store).await;
    for n in acknowledged {
        assert_eq!(ledger::halves(store, *n, &events).await, 2, "write {n} was acknowledged");
    }
}

/// Waits until writes work again; the number of the first that did.
async fn works_again(store: &Embedded, from: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(10);
    for n in from.. {
        match ledger::write(store, n).await {
            Ok(()) => return n,
            Err(error) => assert!(Instant::now() < until, "it does not work again by itself: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the numbers do not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_below_the_reserve_writes_are_refused_and_reads_go_on() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let reserve = 16 << 20;
    let store = open(&disk.data(), reserve);
    let mut acknowledged = Vec::new();
    for n in 0..200 {
        ledger::write(&store, n).await.unwrap();
        acknowledged.push(n);
    }
    let ballast = disk.fill(8 << 20);
    tokio::time::sleep(Duration::from_millis(150)).await;
    for n in 200..208 {
        let refused = ledger::write(&store, n).await;
        let text = refused.expect_err("no room").to_string();
        assert!(text.contains("room"), "{text}");
    }
    let refused = store.append(vec![record(1, 1)]).await;
    assert!(matches!(refused, Err(AppendError::NoSpace(_))), "{refused:?}");
    let before = store.end().await.unwrap();
    store.append_unawaited(vec![record(9, 9)]).await.unwrap();
    assert_all_there(&store, &acknowledged).await;
    assert_eq!(store.end().await.unwrap(), before, "nothing was written");

    fs::remove_file(ballast).unwrap();
    acknowledged.push(works_again(&store, 300).await);
    tokio::time::timeout(Duration::from_secs(5), store.changed(before)).await.expect("the unawaited record comes, too");
    assert_all_there(&store, &acknowledged).await;
    drop(store);
    assert_all_there(&open(&disk.data(), reserve), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_write_error_inside_the_engine_is_survived_without_a_restart() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let store = open(&disk.data(), 0);
    let mut acknowledged = Vec::new();
    for n in 0..100 {
        ledger::write(&store, n).await.unwrap();
        acknowledged.push(n);
    }
    let ballast = disk.fill(200 << 10);
    let mut failures = 0;
    for n in 1000..20_000 {
        match ledger::write(&store, n).await {
            Ok(()) => acknowledged.push(n),
            Err(error) => {
                assert!(!matches!(error, Error::Invalid(_) | Error::Corrupt(_)), "{error}");
                failures += 1;
                if failures == 5 {
                    break;
                }
            }
        }
    }
    assert_eq!(failures, 5, "the disk was full");
    fs::remove_file(ballast).unwrap();
    acknowledged.push(works_again(&store, 30_000).await);
    assert_all_there(&store, &acknowledged).await;
    drop(store);
    assert_all_there(&open(&disk.data(), 0), &acknowledged).await;
}
