//! `cargo xtask test`: the one test command.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;

use crate::services::{self, Cql, Variable, Which};
use crate::{consumers, process};

/// The crates whose tests, and whose dependents' tests, want real servers.
const ADAPTERS: [&str; 3] = ["acs-store-scylla", "acs-session-redis", "acs-events-kafka"];

/// The crate whose tests run the consumers in other languages.
const READS_OTHERS: &str = "acs-events-kafka";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the tests of this package.
    #[arg(short, long)]
    package: Option<String>,
    /// Use the ScyllaDB at this `HOST:PORT` (comma-separated) instead of Cassandra.
    #[arg(long, value_name = "ADDR")]
    scylla: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    process::need_package("xmllint", "--version", "libxml2-utils")?;
    let package = options.package.as_deref();
    if let Some(package) = package
        && !needs_services(package, &members()?)?
    {
        return tests(Some(package), &[]);
    }
    with_services(options)
}

fn with_services(options: &Options) -> anyhow::Result<()> {
    if options.package.as_deref().is_none_or(|package| package == READS_OTHERS) {
        consumers::prepare()?;
    }
    let cql = options.scylla.clone().map_or(Cql::Cassandra, Cql::Running);
    match &cql {
        Cql::Cassandra => println!("the tests use real servers: Kafka, Cassandra and Redis on loopback"),
        Cql::Running(address) => println!("the tests use real servers: Kafka and Redis on loopback, CQL at {address}"),
    }
    let up = services::up(&Which::default(), &cql)?;
    let result = tests(options.package.as_deref(), &up.variables);
    if !up.is_new {
        return result;
    }
    // What the tests say is more important than what the end of the services says.
    let ended = services::down(&Which::default());
    result.and(ended)
}

/// All features: the adapters are behind one, and so are the failpoints.
fn tests(package: Option<&str>, variables: &[Variable]) -> anyhow::Result<()> {
    let mut arguments = vec!["test", "--locked", "--no-fail-fast", "--all-features"];
    arguments.extend(package.map_or_else(|| vec!["--workspace"], |name| vec!["--package", name]));
    process::cargo_with(&arguments, variables)
}

/// Member → the packages it depends on, in whatever way.
type Members = BTreeMap<String, Vec<String>>;

fn members() -> anyhow::Result<Members> {
    let manifest = process::root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("the members")?;
    let member = |package: cargo_metadata::Package| {
        let dependencies = package.dependencies.into_iter().map(|dependency| dependency.name).collect();
        (package.name.to_string(), dependencies)
    };
    Ok(metadata.packages.into_iter().map(member).collect())
}

/// Whether a member is one of the adapters or depends on one.
fn needs_services(package: &str, members: &Members) -> anyhow::Result<bool> {
    ensure!(members.contains_key(package), "`{package}` is no package of this repository");
    let mut seen = BTreeSet::new();
    let mut open = vec![package];
    while let Some(name) = open.pop() {
        if ADAPTERS.contains(&name) {
            return Ok(true);
        }
        if seen.insert(name) {
            open.extend(members.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dependents_of_adapters_need_services() {
        let members = [
            ("cwmp-codec", vec!["cwmp-model", "bytes"]),
            ("cwmp-model", vec![]),
            ("acs-session-redis", vec!["redis"]),
            ("acs-shape", vec!["acs-session-redis"]),
            ("lastmile", vec!["cwmp-codec", "acs-shape"]),
        ];
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let members: Members = members.into_iter().map(|(name, on)| (name.to_owned(), owned(on))).collect();
        let need = |name: &str| needs_services(name, &members).unwrap();
        assert_eq!(["cwmp-codec", "acs-session-redis", "lastmile"].map(need), [false, true, true]);
        assert!(needs_services("nothing", &members).is_err());
    }
}
