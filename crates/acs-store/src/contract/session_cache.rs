//! [`crate::SessionCache`].

use acs_types::SessionId;

use super::sample::{device, emitter, session, stamp};
use crate::{CachedSession, SessionCache};

fn cached(n: u8, device_number: u32) -> CachedSession {
    CachedSession {
        session: session(n),
        device: device(device_number),
        stamp: stamp(i64::from(n)),
        front_end: emitter(),
        snapshot: Vec::new(),
    }
}

async fn begin(cache: &impl SessionCache, n: u8, device_number: u32) -> Option<SessionId> {
    cache.begin(&cached(n, device_number)).await.unwrap()
}

pub async fn begin_names_the_one_before(cache: &impl SessionCache) {
    assert_eq!(begin(cache, 1, 1).await, None);
    assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(1)));
    assert_eq!(begin(cache, 2, 1).await, Some(session(1)), "P6: the older one is told apart");
    assert_eq!(begin(cache, 3, 2).await, None);
    assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(2)));
    assert_eq!(begin(cache, 2, 1).await, None, "a session does not replace itself");
    assert!(!cache.end(&device(1), &session(2)).await.unwrap());
    assert_eq!(begin(cache, 4, 1).await, None, "the one before is over");
}

pub async fn snapshot_is_kept(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    cache.put_snapshot(&session(1), vec![1, 2, 3]).await.unwrap();
    let wanted = CachedSession { snapshot: vec![1, 2, 3], ..cached(1, 1) };
    assert_eq!(cache.session(&session(1)).await.unwrap(), Some(wanted));
    cache.put_snapshot(&session(9), vec![1]).await.unwrap();
    assert_eq!(cache.session(&session(9)).await.unwrap(), None, "no session that began");
    assert_eq!(cache.live_sessions().await.unwrap(), 1);
}

pub async fn ended_is_gone(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    begin(cache, 2, 2).await;
    assert_eq!(cache.live_sessions().await.unwrap(), 2);
    cache.end(&device(1), &session(1)).await.unwrap();
    assert_eq!(cache.session(&session(1)).await.unwrap(), None);
    assert_eq!(cache.current(&device(1)).await.unwrap(), None);
    assert_eq!(cache.live_sessions().await.unwrap(), 1);
    assert!(!cache.end(&device(1), &session(1)).await.unwrap(), "ending twice is no error");
}

pub async fn an_end_is_remembered(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    assert!(!cache.has_ended(&session(1)).await.unwrap(), "P9: it is live");
    begin(cache, 2, 1).await;
    cache.end(&device(1), &session(1)).await.unwrap();
    assert!(cache.has_ended(&session(1)).await.unwrap(), "P9: also where another one is current");
    assert!(!cache.has_ended(&session(2)).await.unwrap());
    cache.end(&device(9), &session(9)).await.unwrap();
    assert!(cache.has_ended(&session(9)).await.unwrap(), "P9: also one that the cache has lost");
}

pub async fn stamps_only_grow(cache: &impl SessionCache) {
    assert_eq!(cache.last_stamp(&device(1)).await.unwrap(), stamp(0));
    begin(cache, 5, 1).await;
    begin(cache, 3, 1).await;
    assert_eq!(cache.last_stamp(&device(1)).await.unwrap(), stamp(5));
    cache.end(&device(1), &session(3)).await.unwrap();
    assert_eq!(cache.last_stamp(&device(1)).await.unwrap(), stamp(5));
}

pub async fn hint_is_found_at_the_end(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    assert_eq!(cache.hint_work(&device(1)).await.unwrap(), Some(session(1)));
    assert!(cache.end(&device(1), &session(1)).await.unwrap());
    assert!(!cache.take_hint(&device(1)).await.unwrap(), "the end took it");
}

pub async fn hint_waits_for_the_current_one(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    cache.hint_work(&device(1)).await.unwrap();
    begin(cache, 2, 1).await;
    assert!(!cache.end(&device(1), &session(1)).await.unwrap(), "not the current one");
    assert!(cache.end(&device(1), &session(2)).await.unwrap());
}

pub async fn hint_is_taken_once(cache: &impl SessionCache) {
    begin(cache, 1, 1).await;
    cache.hint_work(&device(1)).await.unwrap();
    cache.hint_work(&device(1)).await.unwrap();
    assert!(cache.take_hint(&device(1)).await.unwrap());
    assert!(!cache.take_hint(&device(1)).await.unwrap());
    assert!(!cache.end(&device(1), &session(1)).await.unwrap());
}

pub async fn nobody_is_there(cache: &impl SessionCache) {
    assert_eq!(cache.hint_work(&device(1)).await.unwrap(), None);
    begin(cache, 1, 1).await;
    assert!(cache.end(&device(1), &session(1)).await.unwrap(), "a hint set before it began waits, too");
}

/// The steps of one who has work for a device, and of the sessions of that device.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// The task is in the store already.
    Hint,
    Begin(u8),
    /// The session looks once more before its last answer.
    Take(u8),
    End(u8),
}

/// F7: every interleaving of one hint with two sessions, the second of which takes over. The work is never forgotten:
/// somebody is told to wake the device, or a session asks for work after the hint was set.
pub async fn every_order_of_hint_and_end(cache: &impl SessionCache) {
    let first = [Step::Begin(1), Step::Take(1), Step::End(1)];
    let second = [Step::Begin(2), Step::Take(2), Step::End(2)];
    let mut runs = 0;
    for order in interleavings(&[&first, &second, &[Step::Hint]]) {
        runs += 1;
        let (mut hinted, mut heard) = (false, false);
        for step in &order {
            match *step {
                Step::Hint => {
                    hinted = true;
                    // `None`: the caller wakes the device.
                    heard |= cache.hint_work(&device(runs)).await.unwrap().is_none();
                }
                Step::Begin(n) => {
                    let session = CachedSession { session: id(runs, n), ..cached(n, runs) };
                    cache.begin(&session).await.unwrap();
                    // A session reads the open tasks when it begins.
                    heard |= hinted;
                }
                Step::Take(_) => heard |= cache.take_hint(&device(runs)).await.unwrap(),
                // `true`: a connection request follows.
                Step::End(n) => heard |= cache.end(&device(runs), &id(runs, n)).await.unwrap(),
            }
        }
        assert!(heard, "P14: the work was forgotten in {order:?}");
    }
    assert_eq!(runs, 140, "7! / (3! 3! 1!)");
}

fn id(run: u32, n: u8) -> SessionId {
    SessionId::from_bytes((u128::from(run) << 8 | u128::from(n)).to_be_bytes())
}

fn interleavings(threads: &[&[Step]]) -> Vec<Vec<Step>> {
    if threads.iter().all(|t| t.is_empty()) {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for (i, thread) in threads.iter().enumerate() {
        let Some((step, rest)) = thread.split_first() else { continue };
        let mut others = threads.to_vec();
        others[i] = rest;
        orders.extend(interleavings(&others).into_iter().map(|mut order| {
            order.insert(0, *step);
            order
        }));
    }
    orders
}

/// F7: the same with real threads, thousands of races of one hint and one end.
pub async fn no_wake_up_is_lost(cache: &impl SessionCache) {
    for run in 0..2000 {
        let session = CachedSession { session: id(run, 1), ..cached(1, run) };
        cache.begin(&session).await.unwrap();
        let device = &device(run);
        let hint = async {
            yield_some(run % 3).await;
            cache.hint_work(device).await.unwrap()
        };
        let end = async {
            yield_some(run % 2).await;
            cache.end(device, &session.session).await.unwrap()
        };
        let (told, found) = futures::join!(hint, end);
        assert!(told.is_none() || found, "P14: told that {told:?} is there, but its end found no hint");
    }
}

async fn yield_some(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}
