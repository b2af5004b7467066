//! `cargo xtask services`: Apache Kafka, Apache Cassandra and Redis on loopback, for the tests.
//!
//! There are two usual sets, which may run side by side: one node of each kind (the default), and three (`--nodes 3`, for
//! tests that kill some); `--set NAME` is a further one beside them. A set lies in a folder of `services` in the build
//! folder, `nodes-1`, `nodes-3` or `NAME-1`, with a folder for each server: its configuration, its data, `log`, `pid`. A
//! server that was killed goes on with its data at the next `up`; `down` ends the servers of a set and removes the set. The
//! jars in `services/jars` are kept. What the tests are told of a set stands in its folder, too: `variables.json`.
//!
//! The tests learn the addresses from these variables, which `cargo xtask test` sets and `services status` prints. Those
//! with a default are found without a variable, too, unless the port belonged to somebody else.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LASTMILE_TEST_KAFKA` | brokers, plain text, comma-separated | `127.0.0.1:19092` |
//! | `LASTMILE_TEST_KAFKA_TLS` | the same brokers by TLS and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) | |
//! | `LASTMILE_TEST_KAFKA_USER`, `LASTMILE_TEST_KAFKA_PASSWORD` | who may enter there | |
//! | `LASTMILE_TEST_CQL` | CQL servers, comma-separated; they take plain text and TLS on one port | `127.0.0.1:19042` |
//! | `LASTMILE_TEST_REDIS` | a single Redis, plain text | `127.0.0.1:16379` |
//! | `LASTMILE_TEST_REDIS_TLS` | the same by TLS; takes a client certificate, asks for none | |
//! | `LASTMILE_TEST_REDIS_SENTINEL` | three Sentinels, comma-separated; they watch a master with one replica | |
//! | `LASTMILE_TEST_REDIS_SENTINEL_NAME` | the name of that master | |
//! | `LASTMILE_TEST_REDIS_CLUSTER` | the three masters of a Redis Cluster, comma-separated | |
//! | `LASTMILE_TEST_CA` | file: the authority (PEM) that signed the certificate of every server here | |
//! | `LASTMILE_TEST_CLIENT_CERT`, `LASTMILE_TEST_CLIENT_KEY` | files: a client's certificate of that authority, its key | |
//! | `LASTMILE_TEST_SERVICES` | the folder of the set; `NAME/pid` is the process of a server (`kafka-1`, `cassandra-2`) | |
//!
//! The servers are shared by all tests that run: a test uses names of its own, and stops none of them (a test that has
//! to kill uses the set of three, or one of its own, as `cargo xtask faults` has).

mod cassandra;
mod kafka;
mod packages;
mod ports;
mod redis;
pub(crate) mod server;
mod set;
pub(crate) mod tls;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use crate::process;
use crate::services::set::Set;

/// A variable for the tests, and its value.
pub(crate) type Variable = (&'static str, String);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts what does not run; returns at once if all does.
    Up(Which),
    /// Ends the servers of a set and removes their data.
    Down(Which),
    /// Tells what runs, where, and the variables for the tests.
    Status(Which),
}

/// Which set.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Which {
    /// How many brokers and CQL servers.
    #[arg(long, value_enum, default_value_t)]
    nodes: Nodes,
    /// A further set of this size, with folder and ports of its own: small letters and digits.
    #[arg(long, value_name = "NAME", value_parser = set_name)]
    set: Option<String>,
}

impl Which {
    /// The set of three that needs no name.
    pub(crate) fn of_three() -> Self {
        Self { nodes: Nodes::Three, set: None }
    }

    /// A further set of one.
    pub(crate) fn named(name: &str) -> Self {
        Self { nodes: Nodes::One, set: Some(name.to_owned()) }
    }

    /// The name of its folder.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.set.as_deref().unwrap_or("nodes"), self.nodes.count())
    }
}

fn set_name(text: &str) -> Result<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    ensure!(fits && text != "nodes", "`{text}` names no set: use small letters and digits, and not `nodes`");
    Ok(text.to_owned())
}

/// The size of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nodes {
    #[default]
    #[value(name = "1")]
    One,
    #[value(name = "3")]
    Three,
}

impl Nodes {
    fn count(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Up(which) => up(which, &Cql::Cassandra).map(|_| ()),
        Command::Down(which) => down(which),
        Command::Status(which) => status(which),
    }
}

/// Which CQL server the tests use.
#[derive(Clone, Debug)]
pub(crate) enum Cql {
    /// Cassandra, started here.
    Cassandra,
    /// A server that runs already, by its address.
    Running(String),
}

/// A set that is up.
pub(crate) struct Up {
    /// Whether none of it ran before: who started it ends it, too.
    pub(crate) is_new: bool,
    /// For the tests.
    pub(crate) variables: Vec<Variable>,
}

/// Starts the servers that do not run and waits until all take connections.
pub(crate) fn up(which: &Which, cql: &Cql) -> Result<Up> {
    let folder = folder()?;
    let _lock = lock(&folder)?;
    let set = Set::open(&folder, which)?;
    let is_new = !folders(&set).iter().any(|folder| server::running(folder).is_some());
    set.create()?;
    let started = start(&set, cql);
    if started.is_err() && is_new {
        // Half a set is of no use; the logs stay.
        server::stop(&folders(&set))?;
    }
    if !started? {
        println!("services: already up ({})", set.folder().display());
    }
    let variables = variables(&set, cql);
    set.tell(&variables)?;
    Ok(Up { is_new, variables })
}

/// Ends the servers of a set and removes their data.
pub(crate) fn down(which: &Which) -> Result<()> {
    let folder = folder()?;
    let _lock = lock(&folder)?;
    let set = Set::open(&folder, which)?;
    let ended = server::stop(&folders(&set))?;
    set.remove()?;
    println!("services: {ended} ended");
    Ok(())
}

fn status(which: &Which) -> Result<()> {
    let set = Set::open(&folder()?, which)?;
    let names = set.servers();
    if names.is_empty() {
        println!("services: none up in {}", set.folder().display());
        return Ok(());
    }
    let mut text = String::new();
    for name in names {
        let folder = set.server(&name);
        match server::running(&folder) {
            Some(pid) => writeln!(text, "{name:<18} up, process {pid}")?,
            None => writeln!(text, "{name:<18} NOT RUNNING; its log: {}", server::log(&folder).display())?,
        }
    }
    text.push('\n');
    for (name, value) in variables(&set, &Cql::Cassandra) {
        writeln!(text, "{name}={value}")?;
    }
    io::stdout().write_all(text.as_bytes()).context("the status could not be written")
}

/// Starts the servers that do not run; tells whether there were any. Each kind starts beside the others: all of them
/// wait most of the time.
fn start(set: &Set, cql: &Cql) -> Result<bool> {
    let tools = packages::install(&set.kept().join("jars"), matches!(cql, Cql::Cassandra))?;
    tls::write(&set.folder().join("tls"))?;
    thread::scope(|scope| {
        let kafka = scope.spawn(|| kafka::start(set, &tools));
        let redis = scope.spawn(|| redis::start(set));
        let cassandra = match cql {
            Cql::Cassandra => cassandra::start(set, &tools)?,
            Cql::Running(_) => false,
        };
        let join = |thread: thread::ScopedJoinHandle<'_, Result<bool>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("starting a service panicked")))
        };
        let (kafka, redis) = (join(kafka)?, join(redis)?);
        Ok(kafka || redis || cassandra)
    })
}

/// Of each server that was ever started.
fn folders(set: &Set) -> Vec<PathBuf> {
    set.servers().iter().map(|name| set.server(name)).collect()
}

fn variables(set: &Set, cql: &Cql) -> Vec<Variable> {
    let mut variables = kafka::variables(set);
    variables.push((
        "LASTMILE_TEST_CQL",
        match cql {
            Cql::Cassandra => cassandra::addresses(set),
            Cql::Running(address) => address.clone(),
        },
    ));
    variables.extend(redis::variables(set));
    variables.extend(tls::variables(&set.folder().join("tls")));
    variables.push(("LASTMILE_TEST_SERVICES", set.folder().display().to_string()));
    variables
}

/// `services` of the build folder.
pub(crate) fn folder() -> Result<PathBuf> {
    process::build_folder("services")
}

/// Two commands at once would start everything twice: the second waits.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("services: another command is at work on them, waiting for it");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_a_folder_of_its_own() {
        let folders = [Which::default(), Which::of_three(), Which::named("faults")].map(|which| which.folder());
        assert_eq!(folders, ["nodes-1", "nodes-3", "faults-1"]);
    }

    #[test]
    fn a_name_is_no_path_and_not_that_of_the_usual_sets() {
        assert!(set_name("faults2").is_ok());
        for name in ["", "nodes", "../x", "Faults", "a-b"] {
            assert!(set_name(name).is_err(), "{name}");
        }
    }
}
