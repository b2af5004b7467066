//! The `lastmile` binary: one role per subcommand, or `dev`, all of them in one process; `ctl` asks and steers a server.
//!
//! `main` reads settings, builds, tells what was bound, waits for a signal, drains. What a role does is its crate's.

mod cli;
mod config;
mod ctl;
#[cfg(feature = "distributed")]
mod events;
mod failpoints;
mod keys;
mod roles;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Arguments, Command, ConfigCommand, RoleOptions};
use config::dev::DevConfig;
use roles::Role;

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
        Command::Dev(options) => match options.settings().map(|settings| config::read(settings, DevConfig::read)) {
            Ok(Ok(config)) => finish(roles::dev::run(config)),
            Ok(Err(problems)) => refuse(&problems.to_string()),
            Err(error) => refuse(&format!("{error:#}")),
        },
        Command::Cwmp(options) => run_role(Role::Cwmp, &options),
        Command::Provisioning(options) => run_role(Role::Provisioning, &options),
        Command::Ingest(options) if options.rebuild => run_with(&options.role, roles::rebuild),
        Command::Ingest(options) => run_role(Role::Ingest, &options.role),
        Command::Connreq(options) => run_role(Role::Connreq, &options),
        Command::Files(options) => run_role(Role::Files, &options),
        Command::Api(options) => run_role(Role::Api, &options),
        Command::Migrate(options) => run_role(Role::Migrate, &options),
        Command::Ctl(options) => ctl::run(*options),
        #[cfg(feature = "distributed")]
        Command::Events { command } => events::run(command),
        #[cfg(not(feature = "distributed"))]
        Command::Events { .. } => refuse(
            "this build cannot read Kafka: it needs the feature `distributed`; what a server has, `lastmile dev` too, \
             `lastmile ctl events` shows",
        ),
        Command::Config { command: ConfigCommand::Default } => {
            print!("{}", settings::DEFAULTS);
            ExitCode::SUCCESS
        }
        Command::Config { command: ConfigCommand::Print { role: None, options } } => print_settings(&options),
        Command::Config { command: ConfigCommand::Print { role: Some(role), options } } => print_role(role, &options),
        Command::Keys { command } => finish(keys::run(&command)),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "lastmile", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn run_role(role: Role, options: &RoleOptions) -> ExitCode {
    run_with(options, |settings| roles::run(role, settings))
}

fn run_with(options: &RoleOptions, run: impl FnOnce(settings::Settings) -> Result<(), roles::Failure>) -> ExitCode {
    match options.settings() {
        Ok(settings) => exit_code(run(settings)),
        Err(error) => refuse(&format!("{error:#}")),
    }
}

fn exit_code(result: Result<(), roles::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(roles::Failure::Usage(problem)) => refuse(&problem),
        Err(roles::Failure::Failed(error)) => finish(Err(error)),
    }
}

/// Shows the settings even if they are wrong, and then what is wrong with them.
fn print_settings(options: &cli::DevOptions) -> ExitCode {
    match options.settings() {
        Ok(settings) => {
            print!("{settings}");
            match config::read(settings, DevConfig::read) {
                Ok(_) => ExitCode::SUCCESS,
                Err(problems) => refuse(&problems.to_string()),
            }
        }
        Err(error) => refuse(&format!("{error:#}")),
    }
}

fn print_role(role: Role, options: &cli::DevOptions) -> ExitCode {
    let mut settings = settings::Settings::defaults();
    if let Err(error) = options.sources.add_to(&mut settings) {
        return refuse(&format!("{error:#}"));
    }
    print!("{settings}");
    exit_code(roles::check(role, settings))
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
