//! Caches for tests, and Redis servers of a test's own.

mod authority;
mod server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use acs_session_redis::{Lives, Metrics, RedisConfig, RedisSessionCache};

pub(crate) use authority::Authority;
pub(crate) use server::{Server, free_port, redis_is_here};

/// The Redis that all tests share; `None`, with a word about it, if there is none and none is asked for.
pub(crate) fn shared_redis() -> Option<String> {
    let named = std::env::var("LASTMILE_TEST_REDIS").ok();
    let address = named.clone().unwrap_or_else(|| "127.0.0.1:16379".to_owned());
    let parsed = address.parse().expect("LASTMILE_TEST_REDIS is IP:PORT");
    if std::net::TcpStream::connect_timeout(&parsed, Duration::from_secs(2)).is_ok() {
        return Some(format!("redis://{address}"));
    }
    let wanted = named.is_some() || std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!wanted, "no Redis at {address}; `cargo xtask services up` starts one");
    eprintln!("skipped: no Redis at {address}; `cargo xtask services up` starts one");
    None
}

/// A configuration with keys of its own, and patience: a machine that is busy fails no test about something else.
pub(crate) fn patient(url: String) -> RedisConfig {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let lives = Lives { session: Duration::from_secs(60), device: Duration::from_secs(120), ..Lives::default() };
    RedisConfig {
        urls: vec![url],
        key_prefix: format!("test-{}-{number}-{}", std::process::id(), since.as_nanos()),
        time_budget: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(10),
        lives,
        ..RedisConfig::default()
    }
}

pub(crate) fn cache(config: RedisConfig) -> RedisSessionCache {
    RedisSessionCache::new(config, Metrics::default()).expect("the configuration of a test is right")
}

/// Asks until it is so, for a minute at most.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
