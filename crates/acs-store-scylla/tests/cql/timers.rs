//! Timers in windows of time, with a clock of the test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use acs_proto::records::Unsealed;
use acs_store::contract::sample::{device, first_patch};
use acs_store::{DeleteOutcome, Devices, Timers, timer_shard};
use acs_store_scylla::ScyllaStore;
use acs_types::{Timer, TimerKind};
use cwmp_model::Timestamp;

use crate::support::{config, migrated};

const MINUTE: i64 = 60_000_000;
const NOW: i64 = 1_800_000_000_000_000;

fn timer(n: u32, due: i64) -> Timer {
    Timer { due: Timestamp::from_micros(due), device: device(n), kind: TimerKind::TaskExpiry, reference: "t".into() }
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A store, and how to set its clock.
async fn fresh() -> Option<(ScyllaStore, Arc<AtomicI64>)> {
    let config = config()?;
    migrated(&config).await;
    let clock = Arc::new(AtomicI64::new(NOW));
    let read = {
        let clock = clock.clone();
        move || time(clock.load(Ordering::Relaxed))
    };
    Some((ScyllaStore::open_with_clock(config, Arc::new(Unsealed), Arc::new(read)).await.unwrap(), clock))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_of_many_windows_are_due_in_order() {
    let Some((store, _)) = fresh().await else { return };
    let mut timers: Vec<Timer> = (0..40).map(|i| timer(i % 3, NOW + i64::from(i) * 7 * MINUTE)).collect();
    timers.push(timer(1, NOW - 90 * MINUTE));
    store.put_timers(timers.clone()).await.unwrap();
    timers.sort();
    assert_eq!(store.next_timer().await.unwrap(), Some(time(NOW - 90 * MINUTE)));
    assert_eq!(store.due_timers(time(NOW + 1000 * MINUTE), 100).await.unwrap(), timers);
    assert_eq!(store.due_timers(time(NOW + 1000 * MINUTE), 5).await.unwrap(), timers[..5]);
    let until = NOW + 70 * MINUTE;
    let due: Vec<Timer> = timers.iter().filter(|timer| timer.due.as_micros() <= until).cloned().collect();
    assert_eq!(store.due_timers(time(until), 100).await.unwrap(), due, "the last in the middle of a window");
    store.delete_timers(&due).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(timers[due.len()].due));
    assert_eq!(store.due_timers(time(until), 100).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_forgotten_when_it_is_past_and_empty() {
    let Some((store, clock)) = fresh().await else { return };
    let shard = [timer_shard(&device(1))];
    let one = timer(1, NOW + MINUTE);
    store.put_timers(vec![one.clone()]).await.unwrap();
    let cost = async || {
        let before = store.requests();
        let due = store.due_timers_in(&shard, time(clock.load(Ordering::Relaxed)), 10).await.unwrap();
        let after = store.requests();
        (due.len(), after.reads - before.reads, after.writes - before.writes)
    };
    clock.store(NOW + 60 * MINUTE, Ordering::Relaxed);
    assert_eq!(cost().await, (1, 2, 0), "it is still there");
    store.delete_timers(std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(cost().await, (0, 2, 1), "now its window goes");
    assert_eq!(cost().await, (0, 1, 0));
    // The same timer again is overdue when it is put, so it needs no window.
    store.put_timers(vec![one.clone()]).await.unwrap();
    assert_eq!(cost().await, (1, 1, 0));
    assert_eq!(store.next_timer().await.unwrap(), Some(one.due));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_may_still_be_written_stays() {
    let Some((store, clock)) = fresh().await else { return };
    let one = timer(1, NOW + MINUTE);
    store.put_timers(vec![one.clone()]).await.unwrap();
    store.delete_timers(std::slice::from_ref(&one)).await.unwrap();
    let end_of_window = (one.due.as_micros().div_euclid(10 * MINUTE) + 1) * 10 * MINUTE;
    clock.store(end_of_window + 12 * MINUTE, Ordering::Relaxed);
    let before = store.requests().writes;
    let shard = [timer_shard(&device(1))];
    store.due_timers_in(&shard, time(end_of_window + 12 * MINUTE), 10).await.unwrap();
    assert_eq!(store.requests().writes, before, "two clocks may be ten minutes apart");
    clock.store(end_of_window + 12 * MINUTE + 1, Ordering::Relaxed);
    store.due_timers_in(&shard, time(end_of_window + 12 * MINUTE), 10).await.unwrap();
    assert_eq!(store.requests().writes, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_device_takes_its_timers_from_every_window() {
    let Some((store, _)) = fresh().await else { return };
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let other = timer(2, NOW + 5 * MINUTE);
    let timers = [timer(1, NOW - 90 * MINUTE), timer(1, NOW + 5 * MINUTE), timer(1, NOW + 999 * MINUTE), other.clone()];
    store.put_timers(timers.to_vec()).await.unwrap();
    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.due_timers(time(NOW + 1000 * MINUTE), 10).await.unwrap(), [other]);
}
