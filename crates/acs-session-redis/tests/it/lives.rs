//! Nothing stays for ever, and nothing is without bound (P19).

use std::time::Duration;

use acs_session_redis::{Lives, RedisConfig};
use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, ReplayWindow, SessionCache};

use crate::support::{Server, cache, patient, redis_is_here};

fn cached(snapshot: usize) -> CachedSession {
    let (session, device, stamp, front_end) = (session(1), device(1), stamp(1), emitter());
    CachedSession { session, device, stamp, front_end, snapshot: vec![7; snapshot] }
}

fn short(url: String) -> RedisConfig {
    let ms = Duration::from_millis;
    RedisConfig { lives: Lives { session: ms(1000), device: ms(2000), nonce: ms(1500) }, ..patient(url) }
}

#[tokio::test]
async fn every_key_ends_by_itself_p19() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(short(server.url()));
    cache.begin(&cached(3)).await.unwrap();
    cache.hint_work(&device(1)).await.unwrap();
    cache.hint_work(&device(2)).await.unwrap();
    assert!(cache.first_use("nonce", 1).await.unwrap());
    let keys = server.ask(&["KEYS", "*"]);
    assert_eq!(keys.lines().count(), 6, "{keys}");
    for key in keys.lines() {
        let left: i64 = server.ask(&["PTTL", key]).parse().unwrap();
        assert!(left > 0 && left <= 2000, "{key} has {left} ms left");
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(cache.session(&session(1)).await.unwrap(), None);
    assert_eq!(cache.live_sessions().await.unwrap(), 0);
    assert_eq!(cache.last_stamp(&device(1)).await.unwrap(), stamp(1), "longer than the session");
    assert_eq!(cache.hint_work(&device(1)).await.unwrap(), None, "an expired session is nobody to ask");
    tokio::time::sleep(Duration::from_millis(2400)).await;
    assert_eq!(server.ask(&["DBSIZE"]), "0");
    assert!(cache.first_use("nonce", 1).await.unwrap());
}

#[tokio::test]
async fn a_session_that_goes_on_lives_on_with_its_device() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let lives = Lives { session: Duration::from_millis(1500), ..Lives::default() };
    let cache = cache(RedisConfig { lives, ..patient(server.url()) });
    cache.begin(&cached(3)).await.unwrap();
    for round in 0..6u8 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        match round % 2 {
            0 => assert!(cache.session(&session(1)).await.unwrap().is_some(), "round {round}"),
            _ => cache.put_snapshot(&session(1), vec![round]).await.unwrap(),
        }
        assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(1)), "round {round}");
        assert_eq!(cache.live_sessions().await.unwrap(), 1, "round {round}");
    }
    assert_eq!(cache.session(&session(1)).await.unwrap().unwrap().snapshot, [5]);
}

/// A touch of an older session must not bring it back as the current one.
#[tokio::test]
async fn an_older_session_that_is_touched_stays_older_p6() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let lives = Lives { session: Duration::from_millis(1000), ..Lives::default() };
    let cache = cache(RedisConfig { lives, ..patient(server.url()) });
    cache.begin(&cached(0)).await.unwrap();
    cache.begin(&CachedSession { session: session(2), ..cached(0) }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(cache.session(&session(1)).await.unwrap().is_some());
    assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(2)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(cache.current(&device(1)).await.unwrap(), None, "nobody touched the newer one");
}

#[tokio::test]
async fn a_snapshot_has_a_largest_size_p19() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let config = RedisConfig { snapshot_bytes_max: 100, ..patient(server.url()) };
    let cache = cache(config);
    let kept = async || cache.session(&session(1)).await.unwrap().unwrap().snapshot.len();
    cache.begin(&cached(100)).await.unwrap();
    assert_eq!(kept().await, 100);
    cache.put_snapshot(&session(1), vec![0; 101]).await.unwrap();
    assert_eq!(kept().await, 0, "an old snapshot in place of the new one would be wrong");
    cache.begin(&cached(101)).await.unwrap();
    assert_eq!(kept().await, 0);
}
