//! `events tail`

use std::process::ExitCode;
use std::time::Duration;

use acs_events::{EventLog, LoggedEvent, Positions, ReadError, newest};
use acs_events_kafka::{KafkaConfig, KafkaLog};
use anyhow::Context;

use super::{Common, Failure, Filter, print, reading};
use crate::ctl;

/// What `--last` takes at most: so many are kept in memory.
const LAST_MAX: u64 = 10_000;
/// The pause before Kafka is asked again that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// `tail`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: Filter,
    /// How many of the newest events, by the time they happened; 0: none.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=LAST_MAX))]
    last: u64,
    /// Goes on with what comes, until it is interrupted.
    #[arg(long, short)]
    follow: bool,
}

impl Options {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }
}

pub(super) async fn run(options: Options, kafka: KafkaConfig) -> Result<ExitCode, Failure> {
    let log = KafkaLog::new(kafka).map_err(anyhow::Error::from)?;
    let ends = reading::ends(&log).await.map_err(anyhow::Error::from)?;
    let last = options.last as usize;
    let takes = |event: &LoggedEvent| options.filter.takes(event);
    let found = newest(&log, &ends, last, u64::MAX, &takes).await.map_err(anyhow::Error::from)?;
    for event in found.events {
        show(&options, event)?;
    }
    if options.follow {
        follow(&log, &options, &ends).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(log: &KafkaLog, options: &Options, ends: &Positions) -> anyhow::Result<()> {
    let mut tail = log.tail(ends).await.context("the events that come")?;
    loop {
        match tail.next(100, Duration::from_secs(5)).await {
            Ok(events) => {
                for event in events.into_iter().filter(|event| options.filter.takes(event)) {
                    show(options, event)?;
                }
            }
            Err(ReadError::Unavailable(why)) => {
                eprintln!("Kafka does not answer: {why}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(ReadError::Corrupt(why)) => eprintln!("passed over: {why}"),
            Err(error @ ReadError::Gone { .. }) => return Err(error.into()),
        }
    }
}

fn show(options: &Options, event: LoggedEvent) -> anyhow::Result<()> {
    let document = acs_api::event_document(event);
    print(&if options.common.is_json() { document.to_string() } else { ctl::event_line(&document) })
}
