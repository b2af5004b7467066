//! The `lastmile` binary: one role per subcommand. Today `dev`, everything in one process; `ctl` asks and steers it.
//!
//! `main` reads settings, builds, tells what was bound, waits for a signal, drains. What a role does is its crate's.

mod cli;
mod config;
mod ctl;
mod failpoints;
mod keys;
mod roles;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Arguments, Command, ConfigCommand};
use config::DevConfig;

/// Every message makes short-lived memory, in several threads: the allocator of the C library took about an eighth of the
/// samples in a profile of idle sessions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration or the command line is wrong (EX_USAGE of sysexits).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    if let Err(problem) = failpoints::arm() {
        return refuse(&problem);
    }
    match Arguments::parse().command {
        Command::Dev(options) => match options.settings().map(DevConfig::from_settings) {
            Ok(Ok(config)) => finish(roles::dev::run(config)),
            Ok(Err(problems)) => refuse(&problems.to_string()),
            Err(error) => refuse(&format!("{error:#}")),
        },
        Command::Ctl(options) => ctl::run(*options),
        Command::Config { command: ConfigCommand::Default } => {
            print!("{}", settings::DEFAULTS);
            ExitCode::SUCCESS
        }
        Command::Config { command: ConfigCommand::Print(options) } => print_settings(&options),
        Command::Keys { command } => finish(keys::run(&command)),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "lastmile", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

/// Shows the settings even if they are wrong, and then what is wrong with them.
fn print_settings(options: &cli::DevOptions) -> ExitCode {
    match options.settings() {
        Ok(settings) => {
            print!("{settings}");
            match DevConfig::from_settings(settings) {
                Ok(_) => ExitCode::SUCCESS,
                Err(problems) => refuse(&problems.to_string()),
            }
        }
        Err(error) => refuse(&format!("{error:#}")),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lastmile: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("lastmile: {problem}");
    ExitCode::from(EXIT_USAGE)
}
