//! Apache Cassandra, node `n` at 127.0.0.n: clients find the nodes by address and expect one port on all.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::packages::Tools;
use super::server::{self, Server};
use super::set::Set;
use super::tls;

/// The last line of a start.
const SERVES: &str = "Startup complete";
/// What a node says of another that it sees, after the other's address.
const SEES: &str = "is now UP";

/// What Cassandra 5.0 wants opened in Java 17, from its `jvm17-server.options`.
const EXPORTS: [&str; 9] = [
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.attach/sun.tools.attach",
];
const OPENS: [&str; 17] = [
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "jdk.compiler/com.sun.tools.javac",
];

const LOGGING: &str = "\
<configuration>
  <appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\">
    <encoder><pattern>%d{ISO8601} %-5level %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <root level=\"INFO\"><appender-ref ref=\"OUT\"/></root>
</configuration>
";

/// Starts the nodes that do not run.
pub(super) fn start(set: &Set, tools: &Tools) -> Result<bool> {
    for node in set.nodes() {
        configure(set, node)?;
    }
    let agent = agent(&tools.cassandra)?;
    server::start(set.nodes().map(|node| daemon(set, tools, &agent, node)).collect())
}

/// `HOST:PORT` of each node, comma-separated.
pub(super) fn addresses(set: &Set) -> String {
    let addresses: Vec<String> = set.nodes().map(|node| address(set, node)).collect();
    addresses.join(",")
}

fn name(node: u16) -> String {
    format!("cassandra-{node}")
}

fn host(node: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::from(node) - 1)
}

fn address(set: &Set, node: u16) -> String {
    format!("{}:{}", host(node), set.port("cassandra-cql"))
}

fn daemon(set: &Set, tools: &Tools, agent: &Path, node: u16) -> Server {
    let folder = set.server(&name(node));
    let within = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(&tools.java);
    for package in EXPORTS {
        command.args(["--add-exports", &format!("{package}=ALL-UNNAMED")]);
    }
    for package in OPENS {
        command.args(["--add-opens", &format!("{package}=ALL-UNNAMED")]);
    }
    command
        .arg(format!("-javaagent:{}", agent.display()))
        .arg(if set.count() > 1 { "-Xmx512m" } else { "-Xmx1g" })
        .args(["-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"])
        .args(["-Djdk.attach.allowAttachSelf=true", "-Dio.netty.tryReflectionSetAccessible=true"])
        .arg(format!("-Djava.io.tmpdir={}", within("tmp")))
        .arg(format!("-Dcassandra.config=file://{}", within("cassandra.yaml")))
        .arg(format!("-Dcassandra.storagedir={}", within("data")))
        .arg(format!("-Dcassandra.logdir={}", folder.display()))
        .arg(format!("-Dlogback.configurationFile={}", within("logback.xml")))
        // Else it closes its output, and with it the log.
        .arg("-Dcassandra-foreground=yes")
        // Nobody has to be waited for: the nodes know each other and their tokens.
        .args(["-Dcassandra.ring_delay_ms=1", "-Dcassandra.skip_wait_for_gossip_to_settle=0"])
        .args(["-cp", &format!("{}/*", tools.cassandra.display())])
        .arg("org.apache.cassandra.service.CassandraDaemon");
    Server { name: name(node), folder, address: address(set, node), command, serves: serves(set, node) }
}

/// It serves when it has started and sees the others: before, a quorum may fail.
fn serves(set: &Set, node: u16) -> Box<dyn Fn(&Path) -> bool + Send> {
    let storage = set.port("cassandra-storage");
    let others = set.nodes().filter(|other| *other != node);
    let mut lines: Vec<String> = others.map(|other| format!("/{}:{storage} {SEES}", host(other))).collect();
    lines.push(SERVES.to_owned());
    Box::new(move |log| fs::read_to_string(log).is_ok_and(|text| lines.iter().all(|line| text.contains(line))))
}

/// The agent by which Cassandra measures objects.
fn agent(jars: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(jars).with_context(|| format!("cannot read {}", jars.display()))?;
    let mut files = files.filter_map(Result::ok);
    let agent = files.find(|file| file.file_name().to_string_lossy().starts_with("jamm-"));
    agent.map(|file| file.path()).with_context(|| format!("no jamm-….jar in {}: remove that folder", jars.display()))
}

fn configure(set: &Set, node: u16) -> Result<()> {
    let folder = set.server(&name(node));
    fs::create_dir_all(folder.join("tmp")).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("cassandra.yaml"), yaml(set, node))?;
    fs::write(folder.join("logback.xml"), LOGGING)?;
    Ok(())
}

fn yaml(set: &Set, node: u16) -> String {
    let data = set.server(&name(node)).join("data");
    let certificates = set.folder().join("tls");
    let storage = set.port("cassandra-storage");
    let seeds: Vec<String> = set.nodes().map(|node| format!("{}:{storage}", host(node))).collect();
    format!(
        "cluster_name: lastmile-test
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
# One even share of the ring each, known from the start, and each its own seed: they start at once, in any order.
num_tokens: 1
initial_token: {token}
auto_bootstrap: false
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
listen_address: {host}
rpc_address: {host}
storage_port: {storage}
native_transport_port: {cql}
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer

data_file_directories: [{data}/data]
commitlog_directory: {data}/commitlog
saved_caches_directory: {data}/saved_caches
hints_directory: {data}/hints
cdc_raw_directory: {data}/cdc_raw
# What was acknowledged is there after a kill.
commitlog_sync: batch
commitlog_segment_size: 16MiB
commitlog_total_space: 256MiB
# A dropped keyspace leaves nothing behind.
auto_snapshot: false
memtable_heap_space: 128MiB
memtable_offheap_space: 128MiB
concurrent_compactors: 1
hinted_handoff_enabled: true

client_encryption_options:
  enabled: true
  optional: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: {keys}
  truststore: {authority}
",
        token = token(node, set.count()),
        host = host(node),
        seeds = seeds.join(","),
        cql = set.port("cassandra-cql"),
        data = data.display(),
        keys = certificates.join(tls::SERVER_BOTH).display(),
        authority = certificates.join(tls::CA).display(),
    )
}

/// The first token of the share of `node` (1 to `count`).
fn token(node: u16, count: u16) -> i64 {
    i64::MIN.wrapping_add_unsigned(u64::MAX / u64::from(count) * u64::from(node - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_the_ring_evenly() {
        assert_eq!(token(1, 1), i64::MIN);
        assert_eq!(
            [1, 2, 3].map(|node| token(node, 3)),
            [i64::MIN, -3_074_457_345_618_258_603, 3_074_457_345_618_258_602]
        );
    }

    #[test]
    fn each_node_has_an_address_of_its_own() {
        assert_eq!([1, 2, 3].map(|node| host(node).to_string()), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    }
}
