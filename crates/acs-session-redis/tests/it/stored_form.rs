//! What lies in Redis is read by front-ends of the versions before and after: an old sample of each key.

use acs_session_redis::RedisConfig;
use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, END_KEPT, Error, ReplayWindow, SessionCache};
use acs_types::EmitterId;

use crate::support::{Server, cache, patient, redis_is_here};

const CURRENT: &str = "lm:1:{default/00AABB-IGD-000007}:current";
const DEVICE: &str = "lm:1:{default/00AABB-IGD-000007}:device";
const LIVE: &str = "lm:1:{live-05}";
const SESSION: &str = "lm:1:{live-05}:05050505050505050505050505050505";
const ENDED: &str = "lm:1:{live-05}:05050505050505050505050505050505:ended";
const NONCE: &str = "lm:1:nonce:AbC-_9:3";
const ID: &str = "05050505050505050505050505050505";

fn config(server: &Server) -> RedisConfig {
    RedisConfig { key_prefix: "lm".to_owned(), ..patient(server.url()) }
}

#[tokio::test]
async fn the_old_sample_is_read() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(config(&server));
    let snapshot = "1:snapshot";
    server.ask(&["SET", CURRENT, ID]);
    server.ask(&["HSET", DEVICE, "stamp", "1764000000000001", "hint", "1"]);
    let (stamp_text, front_end) = ("1764000000000001", "pod-1.3");
    let fields = ["device", "00AABB-IGD-000007", "stamp", stamp_text, "front_end", front_end, "snapshot", snapshot];
    server.ask(&[&["HSET", SESSION][..], &fields].concat());
    server.ask(&["ZADD", LIVE, "32503680000000", ID]);
    server.ask(&["SET", NONCE, "1"]);

    let wanted = CachedSession {
        session: session(5),
        device: device(7),
        stamp: stamp(1_764_000_000_000_001),
        front_end: "pod-1.3".parse::<EmitterId>().unwrap(),
        snapshot: snapshot.as_bytes().to_vec(),
    };
    assert_eq!(cache.session(&session(5)).await.unwrap(), Some(wanted));
    assert_eq!(cache.current(&device(7)).await.unwrap(), Some(session(5)));
    assert_eq!(cache.last_stamp(&device(7)).await.unwrap(), stamp(1_764_000_000_000_001));
    assert_eq!(cache.live_sessions().await.unwrap(), 1);
    assert!(!cache.first_use("AbC-_9", 3).await.unwrap());
    assert!(cache.end(&device(7), &session(5)).await.unwrap(), "the hint");
    assert_eq!(server.ask(&["EXISTS", CURRENT, SESSION, LIVE]), "0");
    assert_eq!(server.ask(&["GET", ENDED]), "1", "written and read by this name");
    assert!(cache.has_ended(&session(5)).await.unwrap());
    let life: u128 = server.ask(&["PTTL", ENDED]).parse().unwrap();
    assert!((1..=END_KEPT.as_millis()).contains(&life), "{life} ms: it does not stay for ever");
}

#[tokio::test]
async fn the_same_is_written() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(config(&server));
    let new = CachedSession {
        session: session(5),
        device: device(7),
        stamp: stamp(i64::from(u32::MAX) * 1_000_000),
        front_end: emitter(),
        snapshot: vec![0, 255, 10, 13],
    };
    cache.begin(&new).await.unwrap();
    cache.hint_work(&device(7)).await.unwrap();
    cache.first_use("AbC-_9", 3).await.unwrap();
    let mut keys: Vec<String> = server.ask(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.sort();
    let mut wanted = [CURRENT, DEVICE, LIVE, SESSION, NONCE];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(server.ask(&["GET", CURRENT]), ID);
    assert_eq!(server.ask(&["HGETALL", DEVICE]), "stamp\n4294967295000000\nhint\n1");
    assert_eq!(server.ask(&["HKEYS", SESSION]), "device\nstamp\nfront_end\nsnapshot");
    assert_eq!(server.ask(&["HGET", SESSION, "device"]), "00AABB-IGD-000007");
    assert_eq!(server.ask(&["HGET", SESSION, "stamp"]), "4294967295000000");
    assert_eq!(server.ask(&["ZRANGE", LIVE, "0", "-1"]), ID);
    assert_eq!(cache.session(&session(5)).await.unwrap(), Some(new), "bytes of a snapshot are any bytes");
}

/// P20: what cannot be read is an error of that call alone; Redis goes on being used.
#[tokio::test]
async fn what_cannot_be_read_is_said_and_costs_nothing_else_p20() {
    if !redis_is_here() {
        return;
    }
    let server = Server::start("");
    let cache = cache(config(&server));
    server.ask(&["SET", CURRENT, "no session"]);
    server.ask(&["SET", DEVICE, "no hash"]);
    server.ask(&["HSET", SESSION, "device", "nodash", "stamp", "1", "front_end", "f", "snapshot", ""]);
    for _ in 0..20 {
        assert!(matches!(cache.current(&device(7)).await, Err(Error::Corrupt(_))));
        assert!(matches!(cache.last_stamp(&device(7)).await, Err(Error::Corrupt(_))));
        assert!(matches!(cache.session(&session(5)).await, Err(Error::Corrupt(_))));
    }
    server.ask(&["HSET", SESSION, "stamp", "x"]);
    assert!(matches!(cache.session(&session(5)).await, Err(Error::Corrupt(_))));
    assert_eq!(cache.current(&device(8)).await.unwrap(), None, "the breaker is closed");
}
