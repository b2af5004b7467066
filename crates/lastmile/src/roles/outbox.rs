use std::sync::Arc;

use acs_events::{AppendError, EventSink};
use acs_proto::{ErrorClass, Provisioning, ServiceError};
use acs_types::EventRecord;
use async_trait::async_trait;

/// Where records are durable while Kafka is away: provisioning keeps them (`design.md` §3.5).
pub(super) struct Outbox(pub(super) Arc<dyn Provisioning>);

#[async_trait]
impl EventSink for Outbox {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.0.append(records).await.map_err(|error| refused(&error))
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.append(records).await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

fn refused(error: &ServiceError) -> AppendError {
    let why = format!("the outbox: {error}");
    if error.class == ErrorClass::Exhausted { AppendError::NoSpace(why) } else { AppendError::Unavailable(why) }
}
