//! A Redis Cluster of three masters: the contract, and one of three away.

use std::time::Duration;

use acs_session_redis::{RedisConfig, RedisMode, RedisSessionCache, RedisTls};
use acs_store::contract::sample::{device, emitter, stamp};
use acs_store::contract::{replay_window, session_cache};
use acs_store::{CachedSession, SessionCache};
use acs_types::SessionId;

use crate::support::{Authority, Server, cache, free_port, patient, redis_is_here, until};

struct Cluster(Vec<Server>);

/// A node that is starting.
struct Node {
    server: Server,
    /// By which the others call it: that of TLS, if there is TLS.
    port: u16,
    bus: u16,
}

impl Cluster {
    async fn start() -> Self {
        Self::join((0..3).map(|_| Node::start()).collect()).await
    }

    async fn join(nodes: Vec<Node>) -> Self {
        let slots = [(0, 5460), (5461, 10_921), (10_922, 16_383)];
        for (i, (Node { server, .. }, (from, to))) in nodes.iter().zip(slots).enumerate() {
            let range = [from.to_string(), to.to_string()];
            assert_eq!(server.ask(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]), "OK");
            assert_eq!(server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()]), "OK");
            let (port, bus) = (nodes[0].port.to_string(), nodes[0].bus.to_string());
            assert_eq!(server.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "OK");
        }
        let cluster = Self(nodes.into_iter().map(|node| node.server).collect());
        let agrees = |node: &Server| {
            let told = node.ask(&["CLUSTER", "INFO"]);
            told.contains("cluster_state:ok") && told.contains("cluster_known_nodes:3")
        };
        until("the nodes agree", async || cluster.0.iter().all(agrees)).await;
        cluster
    }

    fn config(&self) -> RedisConfig {
        let urls = self.0.iter().map(Server::url).collect();
        RedisConfig { urls, mode: RedisMode::Cluster, ..patient(String::new()) }
    }

    /// Keys of its own each time.
    fn cache(&self) -> RedisSessionCache {
        cache(self.config())
    }
}

impl Node {
    /// One that serves what it has while others are away.
    fn start() -> Self {
        let bus = free_port();
        let server = Server::start(&configuration(bus));
        Self { port: server.port, server, bus }
    }

    /// The same, with TLS also between the nodes.
    fn start_tls(authority: &Authority) -> Self {
        let (bus, port) = (free_port(), free_port());
        let tls = authority.configuration(port);
        Self { server: Server::start(&format!("{}{tls}tls-cluster yes\n", configuration(bus))), port, bus }
    }
}

fn configuration(bus: u16) -> String {
    format!("cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 2000\ncluster-require-full-coverage no\n")
}

fn cached(n: u32) -> CachedSession {
    let session = SessionId::from_bytes((u128::from(n) << 96).to_be_bytes());
    CachedSession { session, device: device(n), stamp: stamp(1), front_end: emitter(), snapshot: vec![1] }
}

macro_rules! each {
    ($cluster:ident, $area:ident: $($case:ident),+) => {
        $($area::$case(&$cluster.cache()).await;)+
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_on_a_cluster() {
    if !redis_is_here() {
        return;
    }
    let cluster = Cluster::start().await;
    each!(cluster, session_cache: begin_names_the_one_before, snapshot_is_kept, ended_is_gone, an_end_is_remembered,
        stamps_only_grow,
        hint_is_found_at_the_end, hint_waits_for_the_current_one, hint_is_taken_once, nobody_is_there,
        every_order_of_hint_and_end, no_wake_up_is_lost);
    each!(cluster, replay_window: a_pair_serves_once, nonces_do_not_mix, exactly_one_of_many_is_first,
        what_is_no_nonce_is_refused);
    for node in &cluster.0 {
        assert_ne!(node.ask(&["DBSIZE"]), "0", "the keys lie on all nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_by_tls() {
    if !redis_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    authority.sign("server");
    authority.sign("client");
    let nodes: Vec<Node> = (0..3).map(|_| Node::start_tls(&authority)).collect();
    // One is enough to find the others.
    let urls = vec![format!("rediss://127.0.0.1:{}", nodes[0].port)];
    let cluster = Cluster::join(nodes).await;
    let path = |name: &str| folder.path().join(name);
    let tls = RedisTls { ca: Some(path("ca.pem")), client: Some((path("client.pem"), path("client.key"))) };
    let cache = cache(RedisConfig { urls, tls, ..cluster.config() });
    for n in 0..30 {
        assert_eq!(cache.begin(&cached(n)).await.unwrap(), None);
        assert_eq!(cache.session(&cached(n).session).await.unwrap(), Some(cached(n)));
    }
    assert!(cluster.0.iter().all(|node| node.ask(&["DBSIZE"]) != "0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_away_costs_its_devices_only_p14() {
    if !redis_is_here() {
        return;
    }
    const DEVICES: u32 = 300;
    let mut cluster = Cluster::start().await;
    let budget = Duration::from_millis(300);
    let cache = cache(RedisConfig { time_budget: budget, connect_timeout: budget, ..cluster.config() });
    until("the cluster answers", async || cache.ping().await.is_ok()).await;
    for n in 0..DEVICES {
        until("a session begins", async || cache.begin(&cached(n)).await.is_ok()).await;
    }
    assert_eq!(cache.live_sessions().await.unwrap(), u64::from(DEVICES));

    cluster.0[2].kill();
    let served = async || {
        let mut served = 0;
        for n in 0..DEVICES {
            served += u32::from(matches!(cache.current(&device(n)).await, Ok(Some(_))));
        }
        served
    };
    // Two of three masters have two thirds of the slots.
    let mut seen = 0;
    until("the others go on serving", async || {
        seen = served().await;
        seen > DEVICES / 2
    })
    .await;
    assert!(seen < DEVICES, "all {seen} devices served: the node that was killed had none");
}
