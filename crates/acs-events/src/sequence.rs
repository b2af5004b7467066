use std::time::Duration;

use async_trait::async_trait;

use crate::{EventLog, EventTail, LogPosition, LoggedEvent, Partition, Positions, ReadError};

/// A log that is one sequence: its only partition is [`Partition::WHOLE`]. It is an [`EventLog`] by that.
#[async_trait]
pub trait SequenceLog: Clone + Send + Sync + 'static {
    /// Up to `limit` records after `after`, in order. Waits for nothing; empty at the end. Only durable records show.
    async fn read(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError>;

    /// The last durable position; 0: empty.
    async fn end(&self) -> Result<LogPosition, ReadError>;

    /// The oldest position kept is this + 1.
    async fn start(&self) -> Result<LogPosition, ReadError>;

    /// Returns as soon as the log reaches beyond `after` (at once if it does already).
    async fn changed(&self, after: LogPosition);
}

#[async_trait]
impl<L: SequenceLog> EventLog for L {
    async fn ends(&self) -> Result<Positions, ReadError> {
        Ok(Positions::from_iter([(Partition::WHOLE, self.end().await?)]))
    }

    async fn starts(&self) -> Result<Positions, ReadError> {
        Ok(Positions::from_iter([(Partition::WHOLE, self.start().await?)]))
    }

    async fn tail(&self, after: &Positions) -> Result<Box<dyn EventTail>, ReadError> {
        let (after, start) = (after.get(Partition::WHOLE), self.start().await?);
        if after < start {
            return Err(ReadError::Gone { partition: Partition::WHOLE, start });
        }
        Ok(Box::new(SequenceTail { log: self.clone(), at: Positions::from_iter([(Partition::WHOLE, after)]) }))
    }
}

struct SequenceTail<L> {
    log: L,
    at: Positions,
}

#[async_trait]
impl<L: SequenceLog> EventTail for SequenceTail<L> {
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<LoggedEvent>, ReadError> {
        let after = self.at.get(Partition::WHOLE);
        let mut events = self.log.read(after, limit).await?;
        if events.is_empty() && tokio::time::timeout(wait, self.log.changed(after)).await.is_ok() {
            events = self.log.read(after, limit).await?;
        }
        if let Some(last) = events.last() {
            self.at.advance(last);
        }
        Ok(events)
    }

    fn at(&self) -> &Positions {
        &self.at
    }
}
