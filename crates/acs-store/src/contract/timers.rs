//! [`crate::Timers`].

use acs_types::{Timer, TimerKind};

use super::sample::{at, device};
use crate::{Store, TIMER_SHARDS, timer_shard};

fn timer(due: i64, n: u32, kind: TimerKind) -> Timer {
    Timer { due: at(due), device: device(n), kind, reference: "ref".into() }
}

pub async fn due_in_order(store: &impl Store) {
    assert_eq!(store.next_timer().await.unwrap(), None);
    let timers = [30, 10, 20].map(|due| timer(due, 1, TimerKind::Wake));
    store.put_timers(timers.to_vec()).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(at(10)));
    assert_eq!(store.due_timers(at(9), 10).await.unwrap(), []);
    assert_eq!(store.due_timers(at(20), 10).await.unwrap(), [timers[1].clone(), timers[2].clone()]);
    assert_eq!(store.due_timers(at(100), 1).await.unwrap(), [timers[1].clone()]);
    assert_eq!(store.due_timers(at(100), 10).await.unwrap().len(), 3, "reading takes nothing away");
}

pub async fn a_timer_twice_is_one(store: &impl Store) {
    let one = timer(10, 1, TimerKind::TaskExpiry);
    store.put_timers(vec![one.clone(), one.clone()]).await.unwrap();
    store.put_timers(vec![one.clone()]).await.unwrap();
    assert_eq!(store.due_timers(at(10), 10).await.unwrap(), [one]);
}

pub async fn delete_is_exact(store: &impl Store) {
    let kinds = [TimerKind::AttemptDeadline, TimerKind::EvidenceDeadline, TimerKind::TaskExpiry, TimerKind::Wake];
    let mut timers: Vec<_> = kinds.into_iter().map(|kind| timer(10, 1, kind)).collect();
    timers.push(timer(10, 2, TimerKind::Wake));
    timers.push(timer(11, 1, TimerKind::Wake));
    timers.push(Timer { reference: "other".into(), ..timer(10, 1, TimerKind::Wake) });
    store.put_timers(timers.clone()).await.unwrap();
    let gone = timer(10, 1, TimerKind::Wake);
    store.delete_timers(&[gone.clone(), gone.clone()]).await.unwrap();
    timers.retain(|t| *t != gone);
    let mut left = store.due_timers(at(100), 100).await.unwrap();
    left.sort();
    timers.sort();
    assert_eq!(left, timers);
}

pub async fn earlier_timers_come_first_again(store: &impl Store) {
    store.put_timers(vec![timer(50, 1, TimerKind::Wake)]).await.unwrap();
    assert_eq!(store.due_timers(at(60), 10).await.unwrap().len(), 1);
    store.delete_timers(&[timer(50, 1, TimerKind::Wake)]).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), None);
    store.put_timers(vec![timer(i64::MIN, 2, TimerKind::Wake), timer(-5, 1, TimerKind::Wake)]).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(at(i64::MIN)), "one that is due before those seen so far");
    let due = store.due_timers(at(0), 10).await.unwrap();
    assert_eq!(due, [timer(i64::MIN, 2, TimerKind::Wake), timer(-5, 1, TimerKind::Wake)]);
}

pub async fn shards_part_the_timers(store: &impl Store) {
    let timers: Vec<_> = (0..200).map(|n| timer(i64::from(n), n, TimerKind::Wake)).collect();
    store.put_timers(timers.clone()).await.unwrap();
    let mut found = Vec::new();
    for shard in 0..TIMER_SHARDS {
        let due = store.due_timers_in(&[shard], at(149), 1000).await.unwrap();
        assert!(due.is_sorted_by_key(|timer| timer.due), "oldest first");
        found.extend(due);
    }
    found.sort();
    assert_eq!(found, timers[..150], "each is in one shard");
    let halves: [Vec<u16>; 2] = [(0..32).collect(), (32..TIMER_SHARDS).collect()];
    let [low, high] = [&halves[0], &halves[1]];
    let mut both = store.due_timers_in(low, at(149), 1000).await.unwrap();
    both.extend(store.due_timers_in(high, at(149), 1000).await.unwrap());
    both.sort();
    assert_eq!(both, timers[..150]);
    assert_eq!(store.due_timers_in(&[], at(149), 1000).await.unwrap(), []);
    let first = store.due_timers_in(low, at(149), 3).await.unwrap();
    assert_eq!(first, store.due_timers_in(low, at(149), 1000).await.unwrap()[..3]);
}

pub async fn a_full_shard_hides_no_other(store: &impl Store) {
    let many = (0..300).map(|n| timer(n, 1, TimerKind::Wake)).collect();
    store.put_timers(many).await.unwrap();
    let shard_of = |n: u32| timer_shard(&device(n));
    let other = (2..200).find(|n| shard_of(*n) != shard_of(1)).unwrap();
    let one = timer(1000, other, TimerKind::TaskExpiry);
    store.put_timers(vec![one.clone()]).await.unwrap();
    assert_eq!(store.due_timers_in(&[shard_of(other)], at(1000), 2).await.unwrap(), [one]);
}
