//! A set of servers: its folder and its ports.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ports::Ports;
use super::server::log;
use super::{Variable, Which};

/// Remembers the ports.
const PORTS: &str = "ports.json";
/// What the tests are told of the set.
const VARIABLES: &str = "variables.json";

/// One of the sets.
pub(super) struct Set {
    which: Which,
    /// `services` of the build folder.
    kept: PathBuf,
    folder: PathBuf,
    ports: Ports,
}

impl Set {
    /// The set below `services`, as it is or as it would be.
    pub(super) fn open(services: &Path, which: &Which) -> Result<Self> {
        let folder = services.join(which.folder());
        let exists = !servers(&folder).is_empty();
        let ports = if exists { Ports::read(&folder.join(PORTS), which)? } else { Ports::choose(which)? };
        Ok(Self { which: which.clone(), kept: services.to_owned(), folder, ports })
    }

    /// Makes the folder and writes down the ports. Tells those that a test does not find without its variable.
    pub(super) fn create(&self) -> Result<()> {
        for (of, usual, port) in self.ports.moved(&self.which) {
            println!("port {usual} belongs to somebody else: {of} has {port}");
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        self.ports.write(&self.folder.join(PORTS))
    }

    /// Writes down what the tests are told, for those that look for this set by its folder.
    pub(super) fn tell(&self, variables: &[Variable]) -> Result<()> {
        let file = self.folder.join(VARIABLES);
        let told: BTreeMap<_, _> = variables.iter().map(|(name, value)| (*name, value)).collect();
        fs::write(&file, serde_json::to_string_pretty(&told)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Brokers and CQL servers: 1 to `count`.
    pub(super) fn nodes(&self) -> std::ops::RangeInclusive<u16> {
        1..=self.count()
    }

    pub(super) fn count(&self) -> u16 {
        self.which.nodes.count()
    }

    /// What outlives the set.
    pub(super) fn kept(&self) -> &Path {
        &self.kept
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a server.
    pub(super) fn server(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The servers that were ever started, sorted.
    pub(super) fn servers(&self) -> Vec<String> {
        servers(&self.folder)
    }

    /// The port of a use, such as `kafka-1-plain`.
    pub(super) fn port(&self, of: &str) -> u16 {
        self.ports.get(of)
    }

    /// `127.0.0.1:PORT` of a use.
    pub(super) fn address(&self, of: &str) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port(of))
    }

    /// Removes what `create` and the servers made.
    pub(super) fn remove(&self) -> Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

/// A server has a log from its first start on.
fn servers(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let servers = entries.filter(|entry| log(&entry.path()).exists());
    let mut names: Vec<String> = servers.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
