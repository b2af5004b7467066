//! `events tail`

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::time::Duration;

use acs_events::{EventLog, LoggedEvent, Partition, Positions, ReadError};
use acs_events_kafka::KafkaLog;
use anyhow::Context;
use serde_json::{Value, json};

use super::reading::{self, Reading};
use super::{Common, Failure, Filter, print};
use crate::ctl;

/// What `--last` takes at most: so many are kept in memory for each partition.
const LAST_MAX: u64 = 10_000;
/// Places of each partition that are looked at first; if that is not enough, many more.
const WINDOW: u64 = 100;
const WINDOW_GROWTH: u64 = 16;
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

pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let log = KafkaLog::new(options.common.kafka()?.client).map_err(anyhow::Error::from)?;
    let ends = reading::ends(&log).await.map_err(anyhow::Error::from)?;
    for event in newest(&log, &options, &ends).await? {
        show(&options, event)?;
    }
    if options.follow {
        follow(&log, &options, &ends).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest events that the filter takes, oldest first.
async fn newest(log: &KafkaLog, options: &Options, ends: &Positions) -> anyhow::Result<Vec<LoggedEvent>> {
    let last = options.last as usize;
    let mut window = options.last.max(WINDOW);
    loop {
        let after: Positions = ends.iter().map(|(partition, end)| (partition, end.saturating_sub(window))).collect();
        let mut reading = Reading::between(log, &after, ends.clone()).await?;
        // Retention may have taken what is before already.
        let is_all = ends.iter().all(|(of, _)| after.get(of) == 0 || reading.from().get(of) > after.get(of));
        let found = last_of_each(&mut reading, options).await?;
        let count: usize = found.values().map(VecDeque::len).sum();
        if count >= last || is_all {
            let mut events: Vec<_> = found.into_values().flatten().collect();
            events.sort_by_key(|event| (event.record.occurred_at, event.partition, event.position));
            return Ok(events.split_off(events.len().saturating_sub(last)));
        }
        window = window.saturating_mul(WINDOW_GROWTH);
    }
}

/// The newest of each partition: of those, the newest of all are some.
async fn last_of_each(
    reading: &mut Reading,
    options: &Options,
) -> anyhow::Result<BTreeMap<Partition, VecDeque<LoggedEvent>>> {
    let mut found: BTreeMap<Partition, VecDeque<LoggedEvent>> = BTreeMap::new();
    while let Some(page) = reading.next().await? {
        for event in page.events.into_iter().filter(|event| options.filter.takes(event)) {
            let of_partition = found.entry(event.partition).or_default();
            of_partition.push_back(event);
            if of_partition.len() as u64 > options.last {
                of_partition.pop_front();
            }
        }
    }
    Ok(found)
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
    let mut document = acs_api::event_document(event);
    if options.common.is_json() {
        return print(&document.to_string());
    }
    // A place says little without its partition.
    let place = format!("{}@{}", document["partition"].as_str().unwrap_or_default(), document["position"]);
    if let Value::Object(fields) = &mut document {
        fields.insert("position".to_owned(), json!(place));
    }
    print(&ctl::event_line(&document))
}
