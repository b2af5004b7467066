//! P14: Redis slow, stopped, killed. Calls keep their time, and it is used again as soon as it is back.

use std::time::{Duration, Instant};

use acs_session_redis::{BreakerConfig, Metrics, RedisConfig, RedisSessionCache};
use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, Error, ReplayWindow, SessionCache};

use crate::support::{Server, cache, free_port, patient, redis_is_here, until};

/// What a busy machine may add to a time.
const SLACK: Duration = Duration::from_millis(250);
const BUDGET: Duration = Duration::from_millis(30);

fn strict(url: String) -> RedisConfig {
    let breaker = BreakerConfig { failures: 5, pause: Duration::from_millis(300) };
    RedisConfig { time_budget: BUDGET, connect_timeout: Duration::from_secs(1), breaker, ..patient(url) }
}

fn cached() -> CachedSession {
    let (session, device, stamp, front_end) = (session(1), device(1), stamp(1), emitter());
    CachedSession { session, device, stamp, front_end, snapshot: Vec::new() }
}

async fn answers(cache: &RedisSessionCache) {
    until("redis answers", async || cache.ping().await.is_ok()).await;
}

/// Each kind of call, in turn, is unavailable within the budget. (A machine that stands still for a moment excuses one.)
async fn keeps_its_time(cache: &RedisSessionCache) {
    let times = all_kinds(cache).await;
    let late = times.iter().filter(|time| **time > BUDGET + SLACK).count();
    assert!(late <= 1, "P14: {times:?}");
}

async fn all_kinds(cache: &RedisSessionCache) -> Vec<Duration> {
    let mut times = Vec::new();
    for kind in 0..10 {
        let (session, device, cached) = (session(1), device(1), cached());
        let began = Instant::now();
        let told = match kind {
            0 => cache.begin(&cached).await.map(|_| ()),
            1 => cache.put_snapshot(&session, vec![1]).await,
            2 => cache.session(&session).await.map(|_| ()),
            3 => cache.current(&device).await.map(|_| ()),
            4 => cache.last_stamp(&device).await.map(|_| ()),
            5 => cache.end(&device, &session).await.map(|_| ()),
            6 => cache.hint_work(&device).await.map(|_| ()),
            7 => cache.take_hint(&device).await.map(|_| ()),
            8 => cache.live_sessions().await.map(|_| ()),
            _ => cache.first_use("nonce", 1).await.map(|_| ()),
        };
        times.push(began.elapsed());
        assert!(matches!(told, Err(Error::Unavailable(_))), "kind {kind}: {told:?}");
    }
    times
}

#[tokio::test]
async fn a_stopped_redis_costs_the_time_budget_and_then_nothing_p14() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let metrics = acs_telemetry::Metrics::default();
    let cache = RedisSessionCache::new(strict(server.url()), Metrics::registered(&metrics)).unwrap();
    answers(&cache).await;
    server.stop();
    keeps_its_time(&cache).await;
    // The breaker lets a call try from time to time; the rest end at once.
    let began = Instant::now();
    let mut quick = 0;
    for _ in 0..1000 {
        let asked = Instant::now();
        assert!(cache.current(&device(1)).await.is_err());
        quick += u32::from(asked.elapsed() < Duration::from_millis(5));
    }
    assert!(quick >= 900, "only {quick} of 1000 ended at once, all in {:?}", began.elapsed());
    let shown = metrics.exposition();
    assert!(shown.contains("lastmile_session_cache_breaker_open 1"), "{shown}");
    assert!(shown.contains(r#"calls_total{operation="current",outcome="refused"}"#), "{shown}");
    assert!(shown.contains(r#"outcome="slow"}"#), "{shown}");

    server.go_on();
    until("it is used again", async || cache.begin(&cached()).await.is_ok()).await;
    assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(1)));
    let shown = metrics.exposition();
    assert!(shown.contains("lastmile_session_cache_breaker_open 0"), "{shown}");
    assert!(shown.contains("lastmile_session_cache_breaker_opened_total"), "{shown}");
}

#[tokio::test]
async fn a_killed_and_restarted_redis_is_found_again_p14() {
    if !redis_is_here() {
        return;
    }
    let mut server = Server::start("");
    let cache = cache(strict(server.url()));
    answers(&cache).await;
    until("a session begins", async || cache.begin(&cached()).await.is_ok()).await;
    server.restart();
    until("it answers again", async || cache.current(&device(1)).await.is_ok()).await;
    assert_eq!(cache.current(&device(1)).await.unwrap(), None, "it came back empty");
    // It knows no script any more.
    assert_eq!(cache.begin(&cached()).await.unwrap(), None);
    assert_eq!(cache.hint_work(&device(1)).await.unwrap(), Some(session(1)));
    assert!(cache.end(&device(1), &session(1)).await.unwrap());

    server.kill();
    until("the loss is seen", async || cache.ping().await.is_err()).await;
    keeps_its_time(&cache).await;
}

#[tokio::test]
async fn a_process_starts_without_redis_and_finds_it_later_p14() {
    if !redis_is_here() {
        return;
    }
    let port = free_port();
    let cache = cache(strict(format!("redis://127.0.0.1:{port}")));
    keeps_its_time(&cache).await;
    let _server = Server::start_at(port, "");
    answers(&cache).await;
}

/// A front-end has a budget of its own, and may be quicker to give up.
#[tokio::test]
async fn callers_that_give_up_first_open_the_breaker_too_p14() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(RedisConfig { time_budget: Duration::from_millis(60), ..strict(server.url()) });
    answers(&cache).await;
    server.stop();
    for _ in 0..5 {
        let given_up = tokio::time::timeout(Duration::from_millis(40), cache.current(&device(1))).await;
        assert!(given_up.is_err());
    }
    let began = Instant::now();
    let told = cache.current(&device(1)).await;
    assert!(told.is_err_and(|error| error.to_string().contains("left alone")), "it should be open");
    assert!(began.elapsed() < Duration::from_millis(30));
    server.go_on();
    // A probe that is given up at once must not leave the breaker half-open.
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::ZERO, cache.ping()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answers(&cache).await;
}
