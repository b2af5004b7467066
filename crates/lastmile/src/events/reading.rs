//! The log from one place to another.

use std::time::{Duration, Instant};

use acs_events::{EventLog, LogRange, LoggedEvent, Positions, ReadError, Topic};
use acs_events_kafka::KafkaLog;
use anyhow::bail;

use super::progress::Progress;

/// How long Kafka may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause after a failed look.
const PAUSE: Duration = Duration::from_millis(500);
/// Records asked for at a time.
const PAGE: usize = 1000;
/// How often a start is looked for that retention has not taken in the meantime.
const STARTS_MAX: usize = 3;

/// Reads what is in the log when it is opened, and no more.
pub(super) struct Reading {
    range: LogRange,
    from: Positions,
    progress: Progress,
    alive: Instant,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) events: Vec<LoggedEvent>,
    /// A message that is no event, and why.
    pub(super) unreadable: Option<String>,
    /// Messages of types that are newer than this version.
    pub(super) skipped: u64,
}

/// The end of the log, so that everything a control total accounts for is before it.
pub(super) async fn ends(log: &KafkaLog) -> Result<Positions, ReadError> {
    // A total that comes between two partitions asked may account for records behind the end of the first.
    let first = log.ends().await?;
    let mut ends = log.ends().await?;
    for (partition, end) in first.iter().filter(|(partition, _)| partition.topic == Some(Topic::Session)) {
        ends.set(partition, end);
    }
    Ok(ends)
}

impl Reading {
    /// Everything that the log keeps.
    pub(super) async fn all(log: &KafkaLog) -> Result<Self, ReadError> {
        let ends = ends(log).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let from = log.starts().await?;
            match LogRange::open(log, &from, ends.clone()).await {
                Err(ReadError::Gone { .. }) if tries < STARTS_MAX => {}
                range => {
                    let range = range?;
                    let progress = Progress::new(range.left());
                    return Ok(Self { range, from, progress, alive: Instant::now() });
                }
            }
        }
    }

    /// After which places it began.
    pub(super) fn from(&self) -> &Positions {
        &self.from
    }

    /// What comes next; `None`: all was given.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Page>> {
        loop {
            let before = self.range.left();
            let mut page = match self.range.next(PAGE, Duration::from_secs(1)).await {
                Ok(Some(events)) => Page { events, ..Page::default() },
                Ok(None) => return Ok(None),
                Err(ReadError::Corrupt(why)) => Page { unreadable: Some(why), ..Page::default() },
                Err(error @ ReadError::Gone { .. }) => bail!(error),
                Err(ReadError::Unavailable(why)) => {
                    if self.alive.elapsed() > PATIENCE {
                        bail!(ReadError::Unavailable(why));
                    }
                    tokio::time::sleep(PAUSE).await;
                    Page::default()
                }
            };
            let passed = before - self.range.left();
            if passed > 0 {
                let found = page.events.len() as u64 + u64::from(page.unreadable.is_some());
                page.skipped = passed.saturating_sub(found);
                self.progress.advance(passed);
                self.alive = Instant::now();
                return Ok(Some(page));
            }
            if self.alive.elapsed() > PATIENCE {
                bail!("nothing came from Kafka for {PATIENCE:?}; {before} records are not read yet");
            }
        }
    }
}
