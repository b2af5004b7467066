use std::sync::Arc;
use std::time::Duration;

use acs_events::{EventLog, EventTail, LogPosition, LoggedEvent, Partition, Positions, ReadError};

/// How long one look at the log waits for records that are there.
const WAIT: Duration = Duration::from_secs(5);
/// How often the log is asked again, and the pause between.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(2);

/// A part of the log that is read once, from its beginning.
pub(crate) struct Range {
    log: Arc<dyn EventLog>,
    tail: Option<Box<dyn EventTail>>,
    at: Positions,
    until: Positions,
    read: u64,
    len: u64,
}

impl Range {
    /// From the oldest record that is kept in each partition to the place that `until` gives, told the partition and its end;
    /// 0: nothing of it.
    pub(crate) async fn open(
        log: Arc<dyn EventLog>,
        until: impl Fn(Partition, LogPosition) -> LogPosition,
    ) -> Result<Self, ReadError> {
        let (starts, ends) = (log.starts().await?, log.ends().await?);
        let until: Positions =
            ends.iter().map(|(partition, end)| (partition, until(partition, end).min(end))).collect();
        let from = |(partition, end)| match until.get(partition) {
            // Its records are not fetched at all.
            0 => (partition, end),
            _ => (partition, starts.get(partition)),
        };
        let at: Positions = ends.iter().map(from).collect();
        let len = until.iter().map(|(partition, until)| until.saturating_sub(at.get(partition))).sum();
        Ok(Self { log, tail: None, at, until, read: 0, len })
    }

    /// Up to `limit` records; `None`: all are read. What retention takes away meanwhile is passed over.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Option<Vec<LoggedEvent>>, ReadError> {
        let mut tries = 0;
        while !self.at.covers(&self.until) {
            match self.look(limit).await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Ok(Some(events)),
                Err(ReadError::Gone { partition, start }) => {
                    self.tail = None;
                    self.at.set(partition, start.max(self.at.get(partition)));
                }
                Err(error) if tries < TRIES => {
                    tries += 1;
                    self.tail = None;
                    tracing::warn!(%error, "the event log cannot be read, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Records read so far, those that are passed over included.
    pub(crate) fn read(&self) -> u64 {
        self.read.min(self.len)
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    async fn look(&mut self, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        let tail = match &mut self.tail {
            Some(tail) => tail,
            closed => closed.insert(self.log.tail(&self.at).await?),
        };
        let mut events = tail.next(limit, WAIT).await?;
        events.iter().for_each(|event| self.at.advance(event));
        events.retain(|event| event.position <= self.until.get(event.partition));
        self.read += events.len() as u64;
        Ok(events)
    }
}
