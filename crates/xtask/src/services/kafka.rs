//! Apache Kafka without ZooKeeper: each node is broker and controller.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::packages::Tools;
use super::server::{self, Server};
use super::set::Set;
use super::{Variable, tls};

/// Any UUID, the same on each node.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";
/// Who may enter by SASL; there is nothing to protect.
const USER: &str = "lastmile";
const PASSWORD: &str = "lastmile-test";
/// Its last line of a start.
const SERVES: &str = "Kafka Server started";

const LOGGING: &str = "\
rootLogger.level=INFO
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %-5p %c{1} - %m%n
rootLogger.appenderRef.out.ref=OUT
";

/// Starts the brokers that do not run.
pub(super) fn start(set: &Set, tools: &Tools) -> Result<bool> {
    for node in set.nodes() {
        configure(set, node)?;
    }
    format(set, tools)?;
    server::start(set.nodes().map(|node| broker(set, tools, node)).collect())
}

pub(super) fn variables(set: &Set) -> Vec<Variable> {
    let all = |listener: &str| {
        let addresses: Vec<_> = set.nodes().map(|node| set.address(&format!("kafka-{node}-{listener}"))).collect();
        addresses.join(",")
    };
    vec![
        ("LASTMILE_TEST_KAFKA", all("plain")),
        ("LASTMILE_TEST_KAFKA_TLS", all("tls")),
        ("LASTMILE_TEST_KAFKA_USER", USER.to_owned()),
        ("LASTMILE_TEST_KAFKA_PASSWORD", PASSWORD.to_owned()),
    ]
}

fn name(node: u16) -> String {
    format!("kafka-{node}")
}

fn broker(set: &Set, tools: &Tools, node: u16) -> Server {
    let folder = set.server(&name(node));
    let mut command = Command::new(&tools.java);
    command
        .arg("-Xmx512m")
        .arg(format!("-Djava.io.tmpdir={}", folder.join("tmp").display()))
        .arg(format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.properties").display()))
        .args(["-cp", &format!("{}/*", tools.kafka.display()), "kafka.Kafka"])
        .arg(folder.join("server.properties"));
    Server {
        name: name(node),
        folder,
        address: set.address(&format!("kafka-{node}-plain")),
        command,
        serves: Box::new(|log| fs::read_to_string(log).is_ok_and(|text| text.contains(SERVES))),
    }
}

fn configure(set: &Set, node: u16) -> Result<()> {
    let folder = set.server(&name(node));
    fs::create_dir_all(folder.join("tmp")).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("server.properties"), properties(set, node))?;
    fs::write(folder.join("log4j2.properties"), LOGGING)?;
    Ok(())
}

fn properties(set: &Set, node: u16) -> String {
    let address = |node: u16, listener: &str| set.address(&format!("kafka-{node}-{listener}"));
    let voters: Vec<String> = set.nodes().map(|node| format!("{node}@{}", address(node, "controller"))).collect();
    let (plain, tls, controller) = (address(node, "plain"), address(node, "tls"), address(node, "controller"));
    let replicas = set.count();
    let in_sync = if replicas > 1 { 2 } else { 1 };
    let data = set.server(&name(node)).join("data");
    let certificates = set.folder().join("tls");
    format!(
        "process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listeners=PLAIN://{plain},TLS://{tls},CONTROLLER://{controller}
advertised.listeners=PLAIN://{plain},TLS://{tls}
listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs={data}

default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
# The usual 50 partitions each take seconds to make.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8

auto.create.topics.enable=false
# A lone consumer of a test does not wait for others, and a killed one is missed soon.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

listener.name.tls.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.tls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
listener.name.tls.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keys}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
",
        voters = voters.join(","),
        data = data.display(),
        keys = certificates.join(tls::SERVER_BOTH).display(),
        authority = certificates.join(tls::CA).display(),
    )
}

/// Writes the cluster's id and the users into the data folders that are new.
fn format(set: &Set, tools: &Tools) -> Result<()> {
    let folders = set.nodes().map(|node| set.server(&name(node)));
    let new = folders.filter(|folder| !folder.join("data/meta.properties").exists());
    let running: Vec<_> = new.map(|folder| storage_tool(tools, &folder)).collect::<Result<_>>()?;
    for child in running {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("Kafka's storage could not be formatted: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

fn storage_tool(tools: &Tools, folder: &Path) -> Result<std::process::Child> {
    let mut command = Command::new(&tools.java);
    command
        // It lives for a second.
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(["-cp", &format!("{}/*", tools.kafka.display()), "kafka.tools.StorageTool", "format"])
        .args(["--cluster-id", CLUSTER, "--config"])
        .arg(folder.join("server.properties"));
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        command.args(["--add-scram", &format!("{mechanism}=[name={USER},password={PASSWORD}]")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().context("Kafka's storage tool could not be started")
}
