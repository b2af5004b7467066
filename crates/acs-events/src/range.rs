use std::time::Duration;

use crate::{EventLog, EventTail, LoggedEvent, Positions, ReadError};

/// A part of the log that is read once: from places in it to others, and nothing behind them.
pub struct LogRange {
    tail: Box<dyn EventTail>,
    end: Positions,
}

impl LogRange {
    /// What stands after `after`, up to `end`.
    pub async fn open(log: &dyn EventLog, after: &Positions, end: Positions) -> Result<Self, ReadError> {
        Ok(Self { tail: log.tail(after).await?, end })
    }

    /// What comes next, as [`EventTail::next`] gives it; `None`: all was given. After an error it goes on where it is, with
    /// what cannot be read behind it.
    pub async fn next(&mut self, limit: usize, wait: Duration) -> Result<Option<Vec<LoggedEvent>>, ReadError> {
        if self.left() == 0 {
            return Ok(None);
        }
        let mut events = self.tail.next(limit, wait).await?;
        events.retain(|event| event.position <= self.end.get(event.partition));
        Ok(Some(events))
    }

    /// How far it came, as [`EventTail::at`] tells; partitions may be read beyond the end.
    pub fn at(&self) -> &Positions {
        self.tail.at()
    }

    /// Places of it that were not looked at yet.
    pub fn left(&self) -> u64 {
        self.at().left_to(&self.end)
    }
}
