//! `lastmile events`: the event log in Kafka from an operator's chair. `tail` shows it, `verify` says whether it is complete,
//! `replay` sends a part of it again.
//!
//! It needs the `[kafka]` section of the configuration and nothing else: no server, no store. It joins no consumer group and
//! commits nothing; only `replay` writes, and never to the topics that it reads.
//!
//! Where to start: [`Command`]; what `verify` proves is in [`ledger`].

mod ledger;
mod numbers;
mod progress;
mod reading;
mod replay;
mod tail;
mod verify;
mod when;

use std::io::{self, Write};
use std::process::ExitCode;

use acs_events::LoggedEvent;
use acs_telemetry::LogConfig;
use acs_types::{DeviceId, EventType};
use anyhow::Context;

use crate::EXIT_USAGE;
use crate::cli::Sources;
use crate::config::cluster::Kafka;
use crate::config::{self, ConfigErrors};
use crate::ctl;
use crate::settings::Settings;

/// The log could not be read or written.
const EXIT_FAILED: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0   done, and nothing is missing
  1   verify: something is missing
  2   the event log could not be read or written
  64  the configuration or the command line is wrong";

/// What `lastmile events` does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Shows the newest events, and with --follow what comes.
    #[command(after_help = EXIT_CODES)]
    Tail(tail::Options),
    /// Checks that the log is complete: topics, control totals, copies, sessions.
    #[command(after_help = EXIT_CODES)]
    Verify(verify::Options),
    /// Sends a part of the log again, to other topics or another cluster.
    #[command(after_help = EXIT_CODES)]
    Replay(replay::Options),
}

/// Where the log is, and how results are shown.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    sources: Sources,
    /// Text for people, or JSON for programs.
    #[arg(long, short, value_enum, default_value_t)]
    output: ctl::OutputFormat,
}

impl Common {
    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::defaults();
        self.sources.add_to(&mut settings).map_err(|error| Failure::Usage(format!("{error:#}")))?;
        Ok(settings)
    }

    fn is_json(&self) -> bool {
        self.output == ctl::OutputFormat::Json
    }
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only these types, such as inform or task_transition.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = ctl::event_type)]
    types: Vec<EventType>,
    /// Only events of this device, by its whole id.
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceId>,
    /// Only events of this subscriber.
    #[arg(long, value_name = "SUBSCRIBER")]
    subscriber: Option<String>,
}

impl Filter {
    fn takes(&self, event: &LoggedEvent) -> bool {
        let record = &event.record;
        (self.types.is_empty() || self.types.contains(&record.event_type()))
            && (self.device.is_none() || self.device == record.device)
            && self.subscriber.as_ref().is_none_or(|subscriber| *subscriber == record.subscriber_id)
    }
}

/// How a command ended that did not end well.
enum Failure {
    /// What it was told is wrong.
    Usage(String),
    /// What happened.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(problems: ConfigErrors) -> Self {
        Self::Usage(problems.to_string())
    }
}

pub(crate) fn run(command: Command) -> ExitCode {
    match begin(command) {
        Ok(code) => code,
        Err(Failure::Usage(problem)) => told(&problem, EXIT_USAGE),
        Err(Failure::Failed(error)) if is_closed(&error) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => told(&format!("{error:#}"), EXIT_FAILED),
    }
}

fn begin(command: Command) -> Result<ExitCode, Failure> {
    let common = match &command {
        Command::Tail(options) => options.common(),
        Command::Verify(options) => options.common(),
        Command::Replay(options) => options.common(),
    };
    let (log, kafka) = read(common.settings()?)?;
    acs_telemetry::logging::init(&log).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("threads")?;
    runtime.block_on(async {
        match command {
            Command::Tail(options) => tail::run(options, kafka.client).await,
            Command::Verify(options) => verify::run(options, kafka.client).await,
            Command::Replay(options) => replay::run(options, kafka.client).await,
        }
    })
}

fn read(settings: Settings) -> Result<(LogConfig, Kafka), ConfigErrors> {
    config::read(settings, |s| (config::sections::log(s), Kafka::read(s)))
}

fn told(problem: &str, code: u8) -> ExitCode {
    eprintln!("lastmile: {problem}");
    ExitCode::from(code)
}

/// Whether who reads our output has seen enough, as `head` does.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}
