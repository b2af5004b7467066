use std::sync::Arc;
use std::time::Duration;

use acs_events::{EventLog, LogPosition, LogRange, LoggedEvent, Partition, Positions, ReadError};

/// How long one look at the log waits for records that are there.
const WAIT: Duration = Duration::from_secs(5);
/// How often the log is asked again, and the pause between.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(2);

/// A part of the log, and the patience to read it.
pub(crate) struct Range {
    log: Arc<dyn EventLog>,
    open: Option<LogRange>,
    /// Where it is opened.
    at: Positions,
    until: Positions,
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
        Ok(Self { log, open: None, len: at.left_to(&until), at, until })
    }

    /// Up to `limit` records; `None`: all are read. What retention takes away meanwhile is passed over, and so is what is no
    /// record (P20).
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Option<Vec<LoggedEvent>>, ReadError> {
        let mut tries = 0;
        loop {
            match self.look(limit).await {
                Ok(Some(events)) if events.is_empty() => {}
                Ok(events) => return Ok(events),
                Err(error @ ReadError::Corrupt(_)) => tracing::warn!(%error, "it is no record and is passed over"),
                Err(ReadError::Gone { partition, start }) => {
                    self.close();
                    self.at.set(partition, start.max(self.at.get(partition)));
                }
                Err(error) if tries < TRIES => {
                    tries += 1;
                    self.close();
                    tracing::warn!(%error, "the event log cannot be read, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Records read so far, those that are passed over included.
    pub(crate) fn read(&self) -> u64 {
        self.len - self.open.as_ref().map_or_else(|| self.at.left_to(&self.until), LogRange::left)
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    async fn look(&mut self, limit: usize) -> Result<Option<Vec<LoggedEvent>>, ReadError> {
        let range = match &mut self.open {
            Some(range) => range,
            closed => closed.insert(LogRange::open(&*self.log, &self.at, self.until.clone()).await?),
        };
        range.next(limit, WAIT).await
    }

    /// The next look goes on from here.
    fn close(&mut self) {
        if let Some(range) = self.open.take() {
            self.at = range.at().clone();
        }
    }
}
