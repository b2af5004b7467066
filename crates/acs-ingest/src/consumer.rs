use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use acs_events::{CommitError, Cursor, Delivery, EventConsumer, EventLog, EventTail, Partition, Positions, ReadError};
use acs_store::Store;
use async_trait::async_trait;

/// The names of its cursors: up to where all is projected, and before the first record of an open session.
const CURSOR: &str = "ingest";
const OPEN_CURSOR: &str = "ingest-open-sessions";
/// With nothing unfinished the mark follows now and then only: reading a little more again is cheap.
const MARK_STEP: u64 = 500;

/// The only consumer of a log: it works on every partition, and its cursors are in the store.
pub struct LogConsumer {
    log: Arc<dyn EventLog>,
    store: Arc<dyn Store>,
    state: Option<State>,
    lag: u64,
}

struct State {
    tail: Box<dyn EventTail>,
    read: Positions,
    kept: HashMap<Partition, Cursor>,
}

impl LogConsumer {
    /// Follows `log`; keeps its cursors in `store`.
    pub fn new(log: Arc<dyn EventLog>, store: Arc<dyn Store>) -> Self {
        Self { log, store, state: None, lag: 0 }
    }

    /// The cursors it keeps for a log that is one sequence: that must not be trimmed beyond any of them.
    pub fn cursors() -> Vec<String> {
        vec![name(CURSOR, Partition::WHOLE), name(OPEN_CURSOR, Partition::WHOLE)]
    }

    /// Where it stood. What is not kept any more is passed over, and said.
    async fn open(log: &dyn EventLog, store: &dyn Store) -> Result<State, ReadError> {
        let unavailable = |e: acs_store::Error| ReadError::Unavailable(format!("its cursors: {e}"));
        let (mut kept, mut read) = (HashMap::new(), Positions::default());
        for (partition, start) in log.starts().await?.iter() {
            let mut done = store.cursor(&name(CURSOR, partition)).await.map_err(unavailable)?;
            if done < start {
                tracing::error!(%partition, from = done, to = start, "events are gone before they were projected");
                done = start;
            }
            let mark = store.cursor(&name(OPEN_CURSOR, partition)).await.map_err(unavailable)?;
            let mark = mark.max(start).min(done);
            read.set(partition, mark);
            kept.insert(partition, Cursor { done, mark });
        }
        let tail = log.tail(&read).await?;
        Ok(State { tail, read, kept })
    }
}

#[async_trait]
impl EventConsumer for LogConsumer {
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Delivery, ReadError> {
        let Some(state) = &mut self.state else {
            let state = Self::open(&*self.log, &*self.store).await?;
            let share = state.kept.iter().map(|(partition, cursor)| (*partition, *cursor)).collect();
            self.state = Some(state);
            return Ok(Delivery::Assigned(share));
        };
        // Asked before, so that nothing is awaited between taking records and giving them.
        let ends = self.log.ends().await?;
        match state.tail.next(limit, wait).await {
            Ok(events) => {
                events.iter().for_each(|event| state.read.advance(event));
                self.lag = ends.iter().map(|(partition, end)| end.saturating_sub(state.read.get(partition))).sum();
                Ok(Delivery::Events(events))
            }
            // It begins again where the log does.
            Err(ReadError::Gone { .. }) => {
                let gone = state.kept.keys().copied().collect();
                self.state = None;
                Ok(Delivery::Revoked(gone))
            }
            Err(error) => Err(error),
        }
    }

    async fn commit(&mut self, cursors: &[(Partition, Cursor)]) -> Result<(), CommitError> {
        let failed = |e: acs_store::Error| CommitError(e.to_string());
        for (partition, cursor) in cursors {
            let kept = self.state.as_ref().and_then(|state| state.kept.get(partition)).copied().unwrap_or_default();
            let is_unfinished = cursor.mark < cursor.done;
            let mark =
                if is_unfinished || cursor.mark.abs_diff(kept.mark) > MARK_STEP { cursor.mark } else { kept.mark };
            if mark != kept.mark {
                self.store.put_cursor(&name(OPEN_CURSOR, *partition), mark).await.map_err(failed)?;
            }
            if cursor.done != kept.done {
                self.store.put_cursor(&name(CURSOR, *partition), cursor.done).await.map_err(failed)?;
            }
            if let Some(state) = &mut self.state {
                state.kept.insert(*partition, Cursor { done: cursor.done, mark });
            }
        }
        Ok(())
    }

    fn lag(&self) -> u64 {
        self.lag
    }
}

fn name(cursor: &str, partition: Partition) -> String {
    if partition == Partition::WHOLE { cursor.to_owned() } else { format!("{cursor}/{partition}") }
}
