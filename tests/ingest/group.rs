//! Two processes share the log; one is killed between its writes and its commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use acs_events::EventSink;
use acs_ingest::project;
use acs_store::Store;
use fail::FailScenario;
use tokio_util::sync::CancellationToken;

use crate::records::state_of;
use crate::service::fresh;
use crate::world::{World, sessions, undisturbed};

const DEVICES: u8 = 60;

/// P7, P8: nothing is left out, and what is done twice is recognised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_write_and_commit_and_two_rebalances_change_nothing_p7_p8() {
    let Some(config) = fresh(6).await else { return };
    let scenario = FailScenario::setup();
    let world = World::new(config);
    let all: Vec<_> = (1..=9).flat_map(|n| sessions(DEVICES, n)).collect();
    let (state, changes) = undisturbed(&all).await;

    let stop = CancellationToken::new();
    let run = |name: &str| {
        let (ingest, stop) = (world.ingest(name), stop.clone());
        tokio::spawn(async move { ingest.run(stop).await })
    };
    let mut parts = (1..=9).map(|n| sessions(DEVICES, n));
    let mut processes = vec![run("ingest-1"), run("ingest-2")];
    for _ in 0..3 {
        world.both.append(parts.next().unwrap()).await.unwrap();
        world.done().await;
    }
    // Whoever comes there next has written, observed and told, and does not commit.
    fail::cfg("ingest::before_cursor", "1*panic->off").unwrap();
    world.both.append(parts.next().unwrap()).await.unwrap();
    world.done().await;
    let ended = processes.iter().filter(|process| process.is_finished()).count();
    assert_eq!(ended, 1, "one was killed, and the other one did its work");
    // Another one joins while records come.
    world.both.append(parts.next().unwrap()).await.unwrap();
    processes.push(run("ingest-3"));
    for part in parts {
        world.both.append(part).await.unwrap();
    }
    world.done().await;
    // What is told of devices comes back by the log, of topics that nobody here works on.
    stop.cancel();
    for process in processes {
        let _ = process.await;
    }
    assert_eq!(state_of(&*world.store as &dyn Store).await, state);
    assert_eq!(world.changes().await, changes, "each change has the id of its cause");
    let observed: BTreeSet<_> = world.listener.observed.lock().unwrap().iter().copied().collect();
    assert!(all.iter().filter(|r| project(r).obliges).all(|r| observed.contains(&r.event_id)), "all that obliges");
    assert_eq!(Arc::strong_count(&world.both), 1, "nobody goes on behind the test");
    scenario.teardown();
}
