//! The process is killed between any two steps: a panic at each failpoint, then another process over the same log and store.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::sync::Arc;

use acs_events::EventLog;
use acs_ingest::project;
use fail::FailScenario;
use support::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_kill_between_any_two_steps_changes_nothing_p7() {
    let scenario = FailScenario::setup();
    let records: Vec<_> = (1..=6)
        .flat_map(|n| [inform(1, n, &["1 BOOT"], &n.to_string(), "up"), transfer(1, n, 9010), ended(1, n), refused(n)])
        .chain([inform(2, 9, &["0 BOOTSTRAP"], "1", "up")])
        .collect();
    let expected = block_on(async {
        let world = World::new();
        world.append(&records).await;
        world.run().await;
        (world.state().await, world.changes())
    });
    for point in ["ingest::before_writes", "ingest::before_observe", "ingest::before_cursor", "ingest::after_cursor"] {
        for nth in 0..3 {
            block_on(async {
                let world = World::new();
                fail::cfg(point, &format!("{nth}*off->1*panic->off")).unwrap();
                let mut kills = 0;
                for part in records.chunks(9) {
                    world.append(part).await;
                    let ingest = world.ingest();
                    kills += u32::from(tokio::spawn(async move { ingest.run_once().await }).await.is_err());
                    world.run().await;
                }
                fail::remove(point);
                assert!(kills <= 1 && (nth > 0 || kills == 1), "{point} #{nth}");
                assert_eq!((world.state().await, world.changes()), expected, "{point} #{nth}");
                let observed = world.listener.observed.lock().unwrap().clone();
                assert!(records.iter().filter(|r| project(r).obliges).all(|r| observed.contains(&r.event_id)));
            });
        }
    }
    scenario.teardown();
}

#[test]
fn a_rebuild_killed_and_started_again_ends_as_if_it_was_not() {
    let scenario = FailScenario::setup();
    let records: Vec<_> =
        (1..=600).flat_map(|n| [inform(1, n, &["1 BOOT"], &n.to_string(), "up"), ended(1, n)]).collect();
    block_on(async {
        let world = World::new();
        world.append(&records).await;
        world.run().await;
        let (before, done) = (world.state().await, world.log.ends().await.unwrap());
        let world = Arc::new(wiped(world));
        fail::cfg("rebuild::after_batch", "1*off->1*panic->off").unwrap();
        let (killed, until) = (world.clone(), done.clone());
        assert!(tokio::spawn(async move { rebuild(&killed, until).await }).await.is_err(), "it was killed");
        assert_ne!(world.state().await, before);
        rebuild(&world, done).await;
        assert_eq!(world.state().await, before);
    });
    scenario.teardown();
}
