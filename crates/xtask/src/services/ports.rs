//! Which port serves what: the usual one, or a free one if that belongs to somebody else; then kept while the set exists.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Nodes, Which};

/// Added for the set of three, so that both sets can run.
const SET_OF_THREE: u16 = 10_000;
/// Added for a set with a name; several of them look for free ports from there on.
const NAMED_SET: u16 = 5_000;
/// Added for each further broker.
const NODE: u16 = 100;
/// Above it the kernel takes ports for outgoing connections.
const HIGHEST: u16 = 32_000;

/// Uses of one Redis each, all in both sets.
const REDIS: [(&str, u16); 13] = [
    ("redis-tls", 16_378),
    ("redis", 16_379),
    ("redis-master", 16_381),
    ("redis-replica", 16_382),
    ("redis-sentinel-1", 16_385),
    ("redis-sentinel-2", 16_386),
    ("redis-sentinel-3", 16_387),
    ("redis-cluster-1", 16_391),
    ("redis-cluster-2", 16_392),
    ("redis-cluster-3", 16_393),
    ("redis-cluster-1-bus", 16_396),
    ("redis-cluster-2-bus", 16_397),
    ("redis-cluster-3-bus", 16_398),
];

/// Port by use.
pub(super) struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// For a new set.
    pub(super) fn choose(which: &Which) -> Result<Self> {
        choose(&usual(which), is_free).map(Self)
    }

    /// Those of a set that exists; for uses that it did not know, new ones.
    pub(super) fn read(file: &Path, which: &Which) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let known: BTreeMap<String, u16> = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: end the processes of its folder and remove it", file.display()))?;
        let mut ports = Self::choose(which)?;
        ports.0.extend(known);
        Ok(ports)
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Those that are not the usual ones, as (use, usual port, port).
    pub(super) fn moved(&self, which: &Which) -> Vec<(String, u16, u16)> {
        let all = usual(which).into_iter().map(|(of, usual)| (self.get(&of), of, usual));
        all.filter(|(port, _, usual)| port != usual).map(|(port, of, usual)| (of, usual, port)).collect()
    }

    /// The port of a use.
    pub(super) fn get(&self, of: &str) -> u16 {
        *self.0.get(of).unwrap_or_else(|| panic!("`{of}` is not among the uses listed in ports.rs"))
    }
}

fn usual(which: &Which) -> Vec<(String, u16)> {
    let base = match which {
        Which { set: Some(_), .. } => NAMED_SET,
        Which { nodes: Nodes::Three, .. } => SET_OF_THREE,
        Which { nodes: Nodes::One, .. } => 0,
    };
    let mut usual: Vec<(String, u16)> = REDIS.iter().map(|(of, port)| ((*of).to_owned(), port + base)).collect();
    usual.push(("cassandra-storage".to_owned(), 17_000 + base));
    usual.push(("cassandra-cql".to_owned(), 19_042 + base));
    for node in 1..=which.nodes.count() {
        let base = base + (node - 1) * NODE;
        usual.push((format!("kafka-{node}-plain"), 19_092 + base));
        usual.push((format!("kafka-{node}-tls"), 19_093 + base));
        usual.push((format!("kafka-{node}-controller"), 19_094 + base));
    }
    usual
}

/// The usual port of each use, or the next one above it that is free and no other use's.
fn choose(usual: &[(String, u16)], is_free: impl Fn(u16) -> bool) -> Result<BTreeMap<String, u16>> {
    let mut chosen = BTreeMap::new();
    for (of, port) in usual {
        let is_other = |candidate: u16| usual.iter().any(|(other, port)| other != of && *port == candidate);
        let is_chosen = |candidate: u16| chosen.values().any(|taken| *taken == candidate);
        let free = (*port..HIGHEST).find(|&port| !is_other(port) && !is_chosen(port) && is_free(port));
        ensure!(free.is_some(), "no free port from {port} to {HIGHEST} for {of}");
        chosen.extend(free.map(|port| (of.clone(), port)));
    }
    Ok(chosen)
}

/// Free on each address that a set uses.
fn is_free(port: u16) -> bool {
    (1..=3).all(|host| TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_and_no_port_serves_twice() {
        let usual = [("a".to_owned(), 100), ("b".to_owned(), 101), ("c".to_owned(), 200)];
        let chosen = choose(&usual, |port| port != 100).unwrap();
        assert_eq!(chosen, BTreeMap::from([("a".to_owned(), 102), ("b".to_owned(), 101), ("c".to_owned(), 200)]));
        assert!(choose(&usual, |_| false).is_err());
    }

    #[test]
    fn the_sets_share_no_usual_port() {
        let sets = [Which::default(), Which::of_three(), Which::named("faults")];
        let mut all: Vec<u16> = sets.iter().flat_map(usual).map(|(_, port)| port).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|port| *port < HIGHEST));
    }

    #[test]
    fn a_port_that_moved_is_told() {
        let mut ports = Ports(usual(&Which::default()).into_iter().collect());
        assert_eq!(ports.moved(&Which::default()), []);
        ports.0.insert("redis".to_owned(), 17_777);
        assert_eq!(ports.moved(&Which::default()), [("redis".to_owned(), 16_379, 17_777)]);
    }

    #[test]
    fn ports_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports.json");
        let ports = Ports::choose(&Which::of_three()).unwrap();
        ports.write(&file).unwrap();
        assert_eq!(Ports::read(&file, &Which::of_three()).unwrap().0, ports.0);
        fs::write(&file, "{\"redis\": 17777}").unwrap();
        let read = Ports::read(&file, &Which::default()).unwrap();
        assert_eq!(read.get("redis"), 17_777);
        assert!(read.get("kafka-1-tls") > 0, "a use from after the file was written");
        fs::write(&file, "{").unwrap();
        assert!(Ports::read(&file, &Which::default()).is_err());
    }
}
