//! The project's own commands: `cargo xtask test`, `faults`, `services`, `cluster`, `consumers`, `lint`, `tidy`, `openapi`,
//! `catalogue`.
//!
//! Everything that CI does is here, so that it is the same command on every machine.

mod catalogue;
mod cluster;
mod consumers;
mod faults;
mod lint;
mod process;
mod promises;
mod requirements;
mod services;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Passes all tests; installs and starts what they need, and says so.
    Test(test::Options),
    /// The tests that kill, stop and delay things under load, one after another; ends with a table of verdicts and figures.
    Faults(faults::Options),
    /// Kafka, Cassandra and Redis on loopback, for the tests.
    #[command(subcommand)]
    Services(services::Command),
    /// All roles as processes on this machine: three front-ends behind haproxy, simulated CPEs, real services.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Prepares the consumers in other languages for the tests (`tests/consumers`).
    Consumers,
    /// Format, clippy, tidy, documentation, licences and sources.
    Lint,
    /// Checks the rules of the repository: layers, purity, names, documents.
    Tidy,
    /// Writes `crates/acs-api/openapi.json` from the code.
    Openapi,
    /// Writes `docs/requirements.md` and `docs/promises.md` from what the tests cite.
    Requirements,
    /// Writes the data-model facts of `cwmp-model` from the published tables.
    Catalogue {
        /// The folder with the tables (`tr-181-….tsv`).
        source: PathBuf,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Faults(options) => faults::run(&options),
        Command::Services(command) => services::run(&command),
        Command::Cluster(command) => cluster::run(&command),
        Command::Consumers => consumers::prepare(),
        Command::Lint => lint::run(),
        Command::Tidy => tidy::run(),
        Command::Openapi => process::cargo(&["run", "--quiet", "--package", "acs-api", "--example", "openapi"]),
        Command::Requirements => requirements::write().and_then(|()| promises::write()),
        Command::Catalogue { source } => catalogue::generate(&source, &process::root().join("crates/cwmp-model/facts")),
    }
}
