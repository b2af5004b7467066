use acs_events::{AppendError, EventSink, LogPosition, LoggedEvent, Partition, ReadError, SequenceLog};
use acs_proto::records::Record;
use acs_store::Error;
use acs_types::EventRecord;
use async_trait::async_trait;
use fjall::Slice;

use crate::Embedded;
use crate::keys::{self, Space};
use crate::{decode, engine_error};

/// Bytes of one event record (`design.md` §7: larger ones are split before they come here).
pub const RECORD_MAX: usize = 512 << 10;
/// Bytes that one call of read returns, beside its last record.
const READ_MAX: usize = 16 << 20;

#[async_trait]
impl EventSink for Embedded {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let records = self.to_append(&records)?;
        if records.is_empty() {
            return Ok(());
        }
        self.queue().append(records).await
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let records = self.to_append(&records)?;
        if records.is_empty() {
            return Ok(());
        }
        self.queue().append_unawaited(records)
    }

    async fn flush(&self) -> Result<(), AppendError> {
        // The queue is one: what is behind all that it took is durable after it.
        self.queue().append(Vec::new()).await
    }
}

#[async_trait]
impl SequenceLog for Embedded {
    async fn read(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        let read = self.scan(move |store| Ok(store.read_events(after, limit)));
        read.await.map_err(|e| ReadError::Unavailable(e.to_string()))?
    }

    async fn end(&self) -> Result<LogPosition, ReadError> {
        Ok(*self.shared.end.borrow())
    }

    async fn start(&self) -> Result<LogPosition, ReadError> {
        Ok(self.shared.events().start)
    }

    async fn changed(&self, after: LogPosition) {
        let mut end = self.shared.end.subscribe();
        // The sender lives as long as this store, so waiting cannot fail.
        let _ = end.wait_for(|end| *end > after).await;
    }
}

impl Embedded {
    fn to_append(&self, records: &[EventRecord]) -> Result<Vec<Slice>, AppendError> {
        records.iter().map(|record| within_limit(record.to_bytes(self.seal()))).collect()
    }

    fn read_events(&self, after: LogPosition, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        let unavailable = |e: Error| ReadError::Unavailable(e.to_string());
        let engine = self.engine().map_err(unavailable)?;
        let gone = || {
            let start = self.shared.events().start;
            (after < start).then_some(ReadError::Gone { partition: Partition::WHOLE, start })
        };
        let mut events = Vec::new();
        let mut bytes = 0;
        if let Some(gone) = gone() {
            return Err(gone);
        }
        for row in engine.scan(Space::Events, &[], Some(&keys::event(after))).take(limit) {
            let (key, value) = row.map_err(|e| unavailable(engine_error(e)))?;
            let position =
                keys::event_position(&key).ok_or_else(|| ReadError::Corrupt("an event has no position".into()))?;
            let record =
                decode(&value, self.seal()).map_err(|e| ReadError::Corrupt(format!("position {position}: {e}")))?;
            events.push(LoggedEvent { partition: Partition::WHOLE, position, record });
            bytes += value.len();
            if bytes > READ_MAX {
                break;
            }
        }
        // What was trimmed while this read must not look like a gap.
        match events.first() {
            Some(first) if first.position != after + 1 => Err(gone().unwrap_or_else(|| {
                ReadError::Corrupt(format!("positions {} to {} are missing", after + 1, first.position - 1))
            })),
            _ => Ok(events),
        }
    }
}

fn within_limit(bytes: Vec<u8>) -> Result<Slice, AppendError> {
    if bytes.len() > RECORD_MAX {
        return Err(AppendError::TooLarge { bytes: bytes.len(), limit: RECORD_MAX });
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p19_a_record_has_a_limit() {
        assert!(within_limit(vec![0; RECORD_MAX]).is_ok());
        let over = within_limit(vec![0; RECORD_MAX + 1]);
        assert!(
            matches!(over, Err(AppendError::TooLarge { bytes, limit }) if (bytes, limit) == (RECORD_MAX + 1, RECORD_MAX))
        );
    }
}
