//! Killed at each durable step, and a write error in the middle of work.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::ledger::{self, Events};

const FOLDER: &str = "STORE_FAILPOINT_FOLDER";

/// Runs a process that writes 1, 2, 3 … and ends at the failpoint in its fourth batch; how much of the writes is there.
fn killed_at(failpoint: &str, action: &str) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["failpoints::writer", "--exact", "--ignored"])
        .env(FOLDER, folder.path())
        .env("FAILPOINTS", format!("{failpoint}=3*off->1*{action}"))
        .env("STORE_FAILPOINT", failpoint)
        .status()
        .unwrap();
    assert!(!status.success(), "{failpoint} ended the process");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = ledger::open(folder.path()).unwrap();
    runtime.block_on(async {
        let events = Events::read(&store).await;
        let mut found = Vec::new();
        for n in [4, 5, 7, 8, 9] {
            found.push(ledger::halves(&store, n, &events).await);
        }
        found
    })
}

#[test]
fn p1_killed_before_a_batch_is_written() {
    assert_eq!(killed_at("store::before_write", "return"), [2, 2, 2, 0, 0]);
}

#[test]
fn p1_killed_between_write_and_sync() {
    let found = killed_at("store::before_sync", "return");
    assert_eq!(found[..3], [2, 2, 2]);
    assert_ne!(found[3], 1, "all of it or nothing");
    assert_eq!(found[4], 0);
}

#[test]
fn p1_killed_after_the_sync_before_the_answer() {
    assert_eq!(killed_at("store::after_sync", "return"), [2, 2, 2, 2, 0], "durable, though nobody was told");
}

#[test]
#[ignore = "the process that killed_at runs"]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = ledger::open(Path::new(&folder)).unwrap();
    let _scenario = fail::FailScenario::setup();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for n in [4, 5, 7, 8, 9] {
            ledger::write(&store, n).await.unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_write_error_opens_the_engine_anew_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = ledger::open(folder.path()).unwrap();
    for n in 0..20 {
        ledger::write(&store, n).await.unwrap();
    }
    fail::cfg("store::write_error", "1*return").unwrap();
    let failed = ledger::write(&store, 20).await.expect_err("the failpoint");
    assert!(matches!(failed, acs_store::Error::Unavailable(_)), "{failed}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    for n in 21..40 {
        ledger::write(&store, n).await.unwrap_or_else(|e| panic!("write {n}: {e}"));
    }
    let events = Events::read(&store).await;
    for n in (0..20).chain(21..40) {
        assert_eq!(ledger::halves(&store, n, &events).await, 2, "write {n}");
    }
}
