//! Redis four times over: a single one (plain text and TLS), a master with a replica under three Sentinels, a Cluster of
//! three masters. They take milliseconds and a few megabytes each. None keeps anything on disk: it is a cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::{self, Server};
use super::set::Set;
use super::{Variable, tls};

/// The master's name at the Sentinels.
const MASTER: &str = "lastmile";
/// Sentinels, and masters of the Cluster.
const THREE: std::ops::RangeInclusive<u16> = 1..=3;
const SLOTS: u16 = 16_384;
/// How long the nodes of a Cluster may take to agree; they begin no sooner than two seconds after their start.
const AGREE: Duration = Duration::from_secs(60);

/// Starts those that do not run.
pub(super) fn start(set: &Set) -> Result<bool> {
    let cluster_nodes = THREE.map(|node| cluster_node(set, node));
    let mut servers = vec![single(set)?, master(set)?, replica(set)?];
    servers.extend(cluster_nodes.collect::<Result<Vec<_>>>()?);
    let servers = server::start(servers)?;
    // After the replica: a Sentinel that comes first sees it ten seconds later.
    let sentinels = server::start(THREE.map(|number| sentinel(set, number)).collect::<Result<_>>()?)?;
    join(set)?;
    Ok(servers || sentinels)
}

pub(super) fn variables(set: &Set) -> Vec<Variable> {
    let three = |kind: &str| {
        let addresses: Vec<String> = THREE.map(|number| set.address(&format!("redis-{kind}-{number}"))).collect();
        addresses.join(",")
    };
    vec![
        ("LASTMILE_TEST_REDIS", set.address("redis")),
        ("LASTMILE_TEST_REDIS_TLS", set.address("redis-tls")),
        ("LASTMILE_TEST_REDIS_SENTINEL", three("sentinel")),
        ("LASTMILE_TEST_REDIS_SENTINEL_NAME", MASTER.to_owned()),
        ("LASTMILE_TEST_REDIS_CLUSTER", three("cluster")),
    ]
}

fn single(set: &Set) -> Result<Server> {
    let certificates = set.folder().join("tls");
    let path = |name: &str| certificates.join(name).display().to_string();
    let tls = format!(
        "tls-port {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients optional\n",
        set.port("redis-tls"),
        path(tls::SERVER),
        path(tls::SERVER_KEY),
        path(tls::CA),
    );
    redis(set, "redis", &tls, &["PING"], "PONG")
}

fn master(set: &Set) -> Result<Server> {
    redis(set, "redis-master", "repl-diskless-sync-delay 0\n", &["PING"], "PONG")
}

fn replica(set: &Set) -> Result<Server> {
    let of = format!("repl-diskless-sync-delay 0\nreplicaof 127.0.0.1 {}\n", set.port("redis-master"));
    redis(set, "redis-replica", &of, &["PING"], "PONG")
}

fn cluster_node(set: &Set, node: u16) -> Result<Server> {
    let name = format!("redis-cluster-{node}");
    let bus = set.port(&format!("{name}-bus"));
    let cluster = format!("cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 2000\n");
    redis(set, &name, &cluster, &["PING"], "PONG")
}

fn sentinel(set: &Set, number: u16) -> Result<Server> {
    let watch = format!(
        "sentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {MASTER} 1000\n\
         sentinel failover-timeout {MASTER} 5000\n",
        set.port("redis-master")
    );
    let mut server =
        server(set, &format!("redis-sentinel-{number}"), &watch, &["SENTINEL", "CKQUORUM", MASTER], "OK 3")?;
    server.command.arg("--sentinel");
    Ok(server)
}

fn redis(set: &Set, name: &str, more: &str, question: &[&str], answer: &'static str) -> Result<Server> {
    server(set, name, &format!("save \"\"\nappendonly no\n{more}"), question, answer)
}

/// A Redis that serves when it gives `answer` to `question`.
fn server(set: &Set, name: &str, more: &str, question: &[&str], answer: &'static str) -> Result<Server> {
    let folder = set.server(name);
    let port = set.port(name);
    let configuration = configure(&folder, port, more)?;
    let mut command = Command::new("redis-server");
    command.arg(configuration);
    let question: Vec<String> = question.iter().map(|&word| word.to_owned()).collect();
    Ok(Server {
        name: name.to_owned(),
        folder,
        address: set.address(name),
        command,
        serves: Box::new(move |_| ask(port, &question).is_some_and(|told| told.starts_with(answer))),
    })
}

/// Writes the configuration, unless it is there: Sentinels write into theirs and into those of the Redis they watch.
fn configure(folder: &Path, port: u16, more: &str) -> Result<PathBuf> {
    let file = folder.join("redis.conf");
    if !file.exists() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // The title of the process stays its command line, by which it is known.
        let text = format!("bind 127.0.0.1\nport {port}\ndir {}\nset-proc-title no\n{more}", folder.display());
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(file)
}

/// Makes the nodes of the Cluster one, and waits until they agree. The slots are shared once.
fn join(set: &Set) -> Result<()> {
    let ports: Vec<u16> = THREE.map(|node| set.port(&format!("redis-cluster-{node}"))).collect();
    let begin = Instant::now();
    if !ports.iter().all(|&port| agrees(port)) {
        for node in THREE {
            share(set, node)?;
        }
    }
    while !ports.iter().all(|&port| agrees(port)) {
        ensure!(
            begin.elapsed() < AGREE,
            "the Redis Cluster does not come together; ask `redis-cli -p {} cluster info`",
            ports[0]
        );
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn agrees(port: u16) -> bool {
    ask(port, &["CLUSTER", "INFO"])
        .is_some_and(|told| told.contains("cluster_state:ok") && told.contains("cluster_known_nodes:3"))
}

/// Gives a new node its third of the slots and introduces it to the first node.
fn share(set: &Set, node: u16) -> Result<()> {
    let port = set.port(&format!("redis-cluster-{node}"));
    let told = ask(port, &["CLUSTER", "INFO"]).context("a node of the Redis Cluster does not answer")?;
    if told.contains("cluster_slots_assigned:0") {
        let (first, last) = slots(node);
        must(port, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
        must(port, &["CLUSTER", "SET-CONFIG-EPOCH", &node.to_string()])?;
    }
    let (meet, bus) = (set.port("redis-cluster-1"), set.port("redis-cluster-1-bus"));
    must(port, &["CLUSTER", "MEET", "127.0.0.1", &meet.to_string(), &bus.to_string()])
}

/// First and last slot of a node.
fn slots(node: u16) -> (u16, u16) {
    let third = SLOTS / 3;
    let last = if node == 3 { SLOTS - 1 } else { node * third - 1 };
    ((node - 1) * third, last)
}

fn must(port: u16, words: &[&str]) -> Result<()> {
    let told = ask(port, words).unwrap_or_default();
    ensure!(told.starts_with("OK"), "Redis at port {port} refused `{}`: {told}", words.join(" "));
    Ok(())
}

/// What the Redis at `port` says to a command, if it answers.
fn ask(port: u16, words: &[impl AsRef<std::ffi::OsStr>]) -> Option<String> {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_are_shared_without_gap() {
        assert_eq!([1, 2, 3].map(slots), [(0, 5460), (5461, 10_921), (10_922, 16_383)]);
    }
}
