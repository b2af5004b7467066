//! A set of servers: its folder and its ports.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Nodes;
use super::ports::Ports;
use super::server::log;

/// Remembers the ports.
const PORTS: &str = "ports.json";

/// One of the two sets.
pub(super) struct Set {
    nodes: Nodes,
    /// `services` of the build folder.
    kept: PathBuf,
    folder: PathBuf,
    ports: Ports,
}

impl Set {
    /// The set below `services`, as it is or as it would be.
    pub(super) fn open(services: &Path, nodes: Nodes) -> Result<Self> {
        let folder = services.join(format!("nodes-{}", nodes.count()));
        let exists = !servers(&folder).is_empty();
        let ports = if exists { Ports::read(&folder.join(PORTS), nodes)? } else { Ports::choose(nodes)? };
        Ok(Self { nodes, kept: services.to_owned(), folder, ports })
    }

    /// Makes the folder and writes down the ports. Tells those that a test does not find without its variable.
    pub(super) fn create(&self) -> Result<()> {
        for (of, usual, port) in self.ports.moved(self.nodes) {
            println!("port {usual} belongs to somebody else: {of} has {port}");
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        self.ports.write(&self.folder.join(PORTS))
    }

    /// Brokers and CQL servers: 1 to `count`.
    pub(super) fn nodes(&self) -> std::ops::RangeInclusive<u16> {
        1..=self.nodes.count()
    }

    pub(super) fn count(&self) -> u16 {
        self.nodes.count()
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
