//! A master that goes away is replaced by its replica; the cache follows.

use std::time::Duration;

use acs_session_redis::{RedisConfig, RedisCredentials, RedisMode, RedisSessionCache};
use acs_store::contract::sample::{device, emitter, session, stamp};
use acs_store::{CachedSession, SessionCache};
use acs_types::Secret;

use crate::support::{Server, cache, patient, redis_is_here, until};

const MASTER: &str = "cache";
const PASSWORD: &str = "correct-horse";
const SENTINEL_PASSWORD: &str = "battery-staple";

struct Watched {
    master: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Watched {
    /// A master, its replica, three Sentinels that know both; all with passwords of their own.
    async fn start() -> Self {
        let quick = &format!("repl-diskless-sync-delay 0\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\n");
        let master = Server::start(quick).with_password(PASSWORD);
        let replica = Server::start(&format!("{quick}replicaof 127.0.0.1 {}\n", master.port));
        let replica = replica.with_password(PASSWORD);
        until("the replica follows", async || replica.ask(&["INFO", "replication"]).contains("link_status:up")).await;
        let configuration = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 3000\nsentinel auth-pass {MASTER} {PASSWORD}\n\
             requirepass {SENTINEL_PASSWORD}\nsentinel sentinel-pass {SENTINEL_PASSWORD}\n",
            master.port
        );
        let sentinel = |_| Server::start_sentinel(&configuration).with_password(SENTINEL_PASSWORD);
        let sentinels: Vec<Server> = (0..3).map(sentinel).collect();
        let watched = Self { master, replica, sentinels };
        until("the Sentinels know all", async || watched.sentinels.iter().all(knows_all)).await;
        watched
    }

    fn cache(&self) -> RedisSessionCache {
        let urls = self.sentinels.iter().map(Server::url).collect();
        let mode = RedisMode::Sentinel { master: MASTER.to_owned() };
        let time = Duration::from_secs(1);
        let login = |password| Some(RedisCredentials { username: None, password: Secret::new(password) });
        cache(RedisConfig {
            urls,
            mode,
            credentials: login(PASSWORD),
            sentinel_credentials: login(SENTINEL_PASSWORD),
            time_budget: time,
            connect_timeout: time,
            ..patient(String::new())
        })
    }
}

fn knows_all(sentinel: &Server) -> bool {
    let quorum = sentinel.ask(&["SENTINEL", "CKQUORUM", MASTER]).starts_with("OK 3");
    quorum && sentinel.ask(&["SENTINEL", "REPLICAS", MASTER]).contains("link-refcount")
}

fn cached() -> CachedSession {
    let (session, device, stamp, front_end) = (session(1), device(1), stamp(1), emitter());
    CachedSession { session, device, stamp, front_end, snapshot: vec![1] }
}

#[tokio::test]
async fn the_cache_follows_a_failover_and_the_way_back_p14() {
    if !redis_is_here() {
        return;
    }
    let mut watched = Watched::start().await;
    let cache = watched.cache();
    until("the master is found", async || cache.begin(&cached()).await.is_ok()).await;
    until("the replica has it", async || watched.replica.ask(&["DBSIZE"]) != "0").await;

    watched.master.kill();
    until("the replica took over", async || watched.replica.ask(&["ROLE"]).starts_with("master")).await;
    until("the cache found it", async || cache.begin(&cached()).await.is_ok()).await;
    assert_eq!(cache.current(&device(1)).await.unwrap(), Some(session(1)));
    assert_ne!(watched.replica.ask(&["DBSIZE"]), "0");

    // One that hangs breaks no connection: the Sentinels say that it is none any more.
    watched.master.restart();
    until("the old one follows", async || {
        watched.master.ask(&["INFO", "replication"]).contains("link_status:up")
            && watched.sentinels.iter().all(knows_all)
    })
    .await;
    watched.replica.stop();
    until("the old one took over", async || watched.master.ask(&["ROLE"]).starts_with("master")).await;
    until("the cache found it", async || cache.begin(&cached()).await.is_ok()).await;
    assert_ne!(watched.master.ask(&["DBSIZE"]), "0");
}
