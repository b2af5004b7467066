//! `lastmile-fleet`: simulated CPEs for an ACS, and load.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use lastmile_fleet::{Fleet, load};

use crate::cli::{Cli, Command, LoadArguments, RunArguments};

fn main() -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        Command::Run(arguments) => runtime.block_on(run(arguments)),
        Command::Load(arguments) => runtime.block_on(make_load(arguments)),
    }
}

/// Devices in service, until the time is over or the process is told to stop.
async fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let config = arguments.fleet.config(arguments.within())?;
    let fleet = Fleet::start(arguments.apply(config)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{} devices, connection requests at {}", fleet.len(), fleet.listen_address())?;
    tokio::select! {
        () = arguments.over() => {}
        stop = stopped() => stop.context("no signal can be waited for")?,
    }
    let (completed, failed) = fleet.devices().fold((0, 0), |(completed, failed), device| {
        let counts = device.sessions();
        (completed + counts.completed, failed + counts.failed)
    });
    fleet.shutdown(cli::GRACE).await;
    writeln!(out, "{completed} sessions completed, {failed} failed")?;
    Ok(ExitCode::SUCCESS)
}

/// SIGINT or SIGTERM.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            stop = tokio::signal::ctrl_c() => stop,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Load, and a verdict.
async fn make_load(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    let config = arguments.fleet.config(std::time::Duration::ZERO)?;
    let report = load::run(config, arguments.load(), |progress| {
        // A closed pipe does not stop a load.
        let _ = writeln!(std::io::stderr(), "{progress}");
    })
    .await?;
    let json = serde_json::to_string_pretty(&report)?;
    match &arguments.json {
        Some(path) => std::fs::write(path, &json).with_context(|| format!("{} cannot be written", path.display()))?,
        None => writeln!(std::io::stdout(), "{json}")?,
    }
    let share = report.failure_share();
    if share <= arguments.failures_max {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(std::io::stderr(), "{:.3} % of the sessions failed", share * 100.0)?;
    Ok(ExitCode::FAILURE)
}
