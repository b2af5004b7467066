//! The consumer of a log that keeps its cursors in the store passes the suite of every consumer.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

use std::sync::Arc;

use acs_events::contract::ConsumerBench;
use acs_events::{EventConsumer, EventSink, MemoryEventLog};
use acs_ingest::LogConsumer;
use acs_store::memory::MemoryStore;
use async_trait::async_trait;

struct Bench {
    log: Arc<MemoryEventLog>,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl ConsumerBench for Bench {
    fn sink(&self) -> &dyn EventSink {
        &*self.log
    }

    async fn consumer(&self) -> Box<dyn EventConsumer> {
        Box::new(LogConsumer::new(self.log.clone(), self.store.clone()))
    }
}

acs_events::event_consumer_contract!(cursor_in_the_store, async {
    Bench { log: Arc::new(MemoryEventLog::new()), store: Arc::new(MemoryStore::new()) }
});
