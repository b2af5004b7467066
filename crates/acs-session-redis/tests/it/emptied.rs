//! P14, F14: Redis is emptied between any two calls. The cache in memory, emptied at the same moment, says what has to come.

use std::time::{Duration, Instant};

use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::memory::MemorySessionCache;
use acs_store::{CachedSession, SessionCache};
use proptest::prelude::*;

use crate::support::{Server, cache, patient, redis_is_here};

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Session, device, length of the snapshot.
    Begin(u8, u32, usize),
    Put(u8, u8),
    Session(u8),
    Current(u32),
    LastStamp(u32),
    End(u32, u8),
    Ended(u8),
    Hint(u32),
    Take(u32),
    Live,
    Flush,
}

/// What the cache says, as text.
async fn told(cache: &impl SessionCache, step: &Step) -> String {
    match *step {
        Step::Begin(n, of, snapshot) => format!("{:?}", cache.begin(&cached(n, of, snapshot)).await.unwrap()),
        Step::Put(n, byte) => format!("{:?}", cache.put_snapshot(&session(n), vec![byte; 3]).await.unwrap()),
        Step::Session(n) => format!("{:?}", cache.session(&session(n)).await.unwrap()),
        Step::Current(n) => format!("{:?}", cache.current(&device(n)).await.unwrap()),
        Step::LastStamp(n) => format!("{:?}", cache.last_stamp(&device(n)).await.unwrap()),
        Step::End(n, of) => format!("{:?}", cache.end(&device(n), &session(of)).await.unwrap()),
        Step::Ended(n) => format!("{:?}", cache.has_ended(&session(n)).await.unwrap()),
        Step::Hint(n) => format!("{:?}", cache.hint_work(&device(n)).await.unwrap()),
        Step::Take(n) => format!("{:?}", cache.take_hint(&device(n)).await.unwrap()),
        Step::Live => format!("{:?}", cache.live_sessions().await.unwrap()),
        Step::Flush => String::new(),
    }
}

fn cached(n: u8, of: u32, snapshot: usize) -> CachedSession {
    let (stamp, front_end) = (stamp(i64::from(n) + 1), emitter());
    CachedSession { session: session(n), device: device(of), stamp, front_end, snapshot: vec![n; snapshot] }
}

/// Runs the steps on both, from empty.
async fn compare(server: &Server, steps: &[Step]) {
    server.ask(&["FLUSHALL"]);
    let (redis, memory) = (cache(patient(server.url())), MemorySessionCache::new());
    for (i, step) in steps.iter().enumerate() {
        if *step == Step::Flush {
            assert_eq!(server.ask(&["FLUSHALL"]), "OK");
            memory.clear();
        }
        assert_eq!(told(&redis, step).await, told(&memory, step).await, "P14: step {i}, {step:?} of {steps:?}");
    }
}

/// Two devices, a session that is taken over, hints at all moments.
fn life() -> Vec<Step> {
    let (asked, hinted) =
        ([Step::Current(1), Step::LastStamp(1), Step::Session(1), Step::Ended(1), Step::Live], Step::Hint(1));
    let mut steps = vec![Step::LastStamp(1), Step::Begin(1, 1, 0), Step::Put(1, 7)];
    steps.extend(asked.clone());
    steps.extend([hinted.clone(), Step::Begin(2, 2, 5), Step::Take(1), hinted.clone(), Step::Begin(3, 1, 2)]);
    steps.extend(asked);
    steps.extend([
        Step::End(1, 1),
        Step::Ended(1),
        Step::Put(3, 8),
        Step::Session(3),
        Step::End(1, 3),
        hinted,
        Step::Session(2),
    ]);
    steps.extend([Step::End(2, 2), Step::Take(1), Step::Live, Step::LastStamp(1)]);
    steps
}

#[tokio::test]
async fn emptied_between_any_two_calls_p14() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let steps = life();
    compare(&server, &steps).await;
    for cut in 0..=steps.len() {
        let mut cut_steps = steps.clone();
        cut_steps.insert(cut, Step::Flush);
        compare(&server, &cut_steps).await;
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let (session, device) = (1u8..6, 1u32..4);
    prop_oneof![
        4 => (session.clone(), 0usize..4).prop_map(|(n, snapshot)| Step::Begin(n, u32::from(n % 3) + 1, snapshot)),
        2 => (session.clone(), any::<u8>()).prop_map(|(n, byte)| Step::Put(n, byte)),
        2 => session.clone().prop_map(Step::Session),
        1 => device.clone().prop_map(Step::Current),
        1 => device.clone().prop_map(Step::LastStamp),
        1 => session.clone().prop_map(Step::Ended),
        3 => session.prop_map(|n| Step::End(u32::from(n % 3) + 1, n)),
        3 => device.clone().prop_map(Step::Hint),
        2 => device.prop_map(Step::Take),
        1 => Just(Step::Live),
        1 => Just(Step::Flush),
    ]
}

#[test]
fn any_calls_say_what_the_cache_in_memory_says_p14() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(any_step(), 1..40))| {
        runtime.block_on(compare(&server, &steps));
    });
}

/// Emptied all the time, and the scripts forgotten as well: no call fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_while_calls_run_p14() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let redis = cache(patient(server.url()));
    let deadline = Instant::now() + Duration::from_secs(2);
    let work = |of: u32| {
        let (redis, steps) = (&redis, life());
        async move {
            let mut rounds = 0;
            while Instant::now() < deadline {
                for step in &steps {
                    told(redis, step).await;
                }
                rounds += 1;
            }
            assert!(rounds > 0, "worker {of} came to nothing");
        }
    };
    let empty = async {
        while Instant::now() < deadline {
            for words in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]] {
                assert_eq!(server.ask(words), "OK");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(work(1), work(2), work(3), empty);
}
