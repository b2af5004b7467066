//! P15: one of three nodes stands still. Needs a set of its own: `cargo xtask services up --nodes 3`, and the variables that
//! `cargo xtask services status --nodes 3` prints.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../cql/support.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use acs_store::contract::sample::{commit, commit_of, device, first_patch, holder, task, with_state};
use acs_store::{CommitOutcome, Devices, Tasks};
use acs_store_scylla::{ScyllaConfig, ScyllaStore};
use acs_types::TaskState;
use rustix::process::{Pid, Signal, kill_process};

/// The process of a node; it goes on when this goes.
struct Stopped(Pid);

impl Stopped {
    fn node(name: &str) -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("LASTMILE_TEST_SERVICES")?);
        let pid = std::fs::read_to_string(folder.join(name).join("pid")).ok()?;
        let pid = Pid::from_raw(pid.trim().parse().ok()?)?;
        kill_process(pid, Signal::STOP).unwrap();
        Some(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

#[derive(Default)]
struct Counts {
    done: AtomicU32,
    failed: AtomicU32,
}

/// One session of a device: an Inform, a read, a task that is sent and done; each step that fails is tried again later.
async fn session(store: &ScyllaStore, n: u32, counts: &Counts) {
    let count = |ok: bool| if ok { &counts.done } else { &counts.failed }.fetch_add(1, Ordering::Relaxed);
    let device = device(n);
    count(store.patch_summary(&device, first_patch(n, 10)).await.is_ok());
    count(store.partition(&device).await.is_ok());
    let new = task(n, "a", 5);
    let inserted = store.commit(&device, commit([(None, new.clone())])).await;
    count(inserted.is_ok());
    if inserted.is_ok_and(|outcome| outcome == CommitOutcome::Applied) {
        let done = with_state(&new, TaskState::Cancelled);
        count(store.commit(&device, commit_of(holder(1, 10), [(Some(1), done)])).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_one_of_three_nodes_stands_still() {
    let Some(config) = support::config() else { return };
    if config.contact_points.len() < 3 || std::env::var_os("LASTMILE_TEST_SERVICES").is_none() {
        eprintln!(
            "skipped: not three nodes; `cargo xtask services up --nodes 3` starts them, `status --nodes 3` names them"
        );
        return;
    }
    support::migrated(&config).await;
    let store = support::open(&ScyllaConfig { request_timeout: Duration::from_secs(3), ..config }).await;
    session(&store, 0, &Counts::default()).await;
    let stopped = Stopped::node("cassandra-3").expect("the folder of the set has the process of the node");
    let (early, late) = (Counts::default(), Counts::default());
    let started = Instant::now();
    let mut sessions = tokio::task::JoinSet::new();
    let (early, late) = (std::sync::Arc::new(early), std::sync::Arc::new(late));
    for n in 1..=750 {
        let counts = if started.elapsed() < Duration::from_secs(10) { early.clone() } else { late.clone() };
        let store = store.clone();
        sessions.spawn(async move { session(&store, n, &counts).await });
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    sessions.join_all().await;
    drop(stopped);
    let of = |counts: &Counts| (counts.done.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed));
    eprintln!("done and failed in the first ten seconds: {:?}, after them: {:?}", of(&early), of(&late));
    let (done, failed) = of(&late);
    assert!(done > 500 && failed * 1000 <= done, "P15: {failed} of {done} failed after ten seconds");
    // P1: what was acknowledged is there, and nothing is in between.
    for n in 1..=750 {
        let tasks = store.list_tasks(&device(n), &Default::default(), &acs_types::PageRequest::first(9)).await.unwrap();
        let open = store.partition(&device(n)).await.unwrap().tasks;
        assert!(tasks.items.len() <= 1 && open.len() <= tasks.items.len(), "device {n}: {tasks:?} {open:?}");
    }
}
