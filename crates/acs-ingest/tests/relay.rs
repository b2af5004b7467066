//! From the outbox to the event log: nothing is lost and nothing stays, whatever stops it (P7, P8).

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use acs_events::{AppendError, EventSink, MemoryEventLog};
use acs_ingest::{Metrics, Relay};
use acs_store::memory::{MemoryLeases, MemoryOutbox};
use acs_store::{Leases, Outbox};
use acs_types::{EventId, EventRecord};
use async_trait::async_trait;
use support::*;

struct Place {
    outbox: Arc<MemoryOutbox>,
    leases: Arc<MemoryLeases>,
    log: Arc<MemoryEventLog>,
}

impl Place {
    /// Records of 30 devices, two each, in the outbox.
    async fn with_records() -> (Self, Vec<EventId>) {
        let place = Self { outbox: Arc::default(), leases: Arc::default(), log: Arc::new(MemoryEventLog::new()) };
        let records: Vec<EventRecord> =
            (1..=30).flat_map(|device| [inform(device, 1, &["2 PERIODIC"], "1.0", "up"), ended(device, 1)]).collect();
        let mut ids: Vec<_> = records.iter().map(|record| record.event_id).collect();
        ids.sort_unstable();
        place.outbox.put_outbox(records).await.unwrap();
        (place, ids)
    }

    fn relay(&self, holder: &str) -> Relay {
        self.relay_to(self.log.clone(), holder)
    }

    fn relay_to(&self, sink: Arc<dyn EventSink>, holder: &str) -> Relay {
        Relay::new(self.outbox.clone(), self.leases.clone(), sink, holder.into(), Metrics::default())
    }

    fn in_the_log(&self) -> Vec<EventId> {
        let mut ids: Vec<_> = self.log.records().iter().map(|record| record.event_id).collect();
        ids.sort_unstable();
        ids
    }
}

#[tokio::test]
async fn everything_comes_in_the_order_of_each_device_p7_p9() {
    let (place, ids) = Place::with_records().await;
    assert_eq!(place.relay("one").relay().await.unwrap(), 60);
    assert_eq!(place.in_the_log(), ids);
    assert_eq!(place.outbox.outbox_shards().await.unwrap(), Vec::<u16>::new());
    for device in 1..=30 {
        let id = id(device);
        let of_device = place.log.records().into_iter().filter(|record| record.device.as_ref() == Some(&id));
        let positions: Vec<_> = of_device.map(|record| record.position).collect();
        assert!(positions.is_sorted() && positions.len() == 2, "P9: {positions:?}");
    }
    assert_eq!(place.relay("one").relay().await.unwrap(), 0);
}

#[tokio::test]
async fn while_the_log_takes_nothing_everything_stays_p7() {
    let (place, ids) = Place::with_records().await;
    place.log.fail_with(Some(AppendError::Unavailable("Kafka is away".into())));
    place.relay("one").relay().await.unwrap_err();
    assert!(place.in_the_log().is_empty());
    place.log.fail_with(None);
    assert_eq!(place.relay("one").relay().await.unwrap(), 60);
    assert_eq!(place.in_the_log(), ids);
}

/// Takes records, and the process dies before it hears of it.
struct Deaf(Arc<MemoryEventLog>);

#[async_trait]
impl EventSink for Deaf {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.0.append(records).await?;
        Err(AppendError::Unavailable("killed".into()))
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.append(records).await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        self.0.flush().await
    }
}

#[tokio::test]
async fn killed_between_the_log_and_the_outbox_a_record_comes_twice_under_one_id_p8() {
    let (place, ids) = Place::with_records().await;
    place.relay_to(Arc::new(Deaf(place.log.clone())), "one").relay().await.unwrap_err();
    assert!(!place.in_the_log().is_empty());
    place.relay("one").relay().await.unwrap();
    let mut seen = place.in_the_log();
    assert!(seen.len() > ids.len(), "some came twice");
    seen.dedup();
    assert_eq!(seen, ids, "P8");
}

#[tokio::test]
async fn two_processes_share_the_work() {
    let (place, ids) = Place::with_records().await;
    let shard = place.outbox.outbox_shards().await.unwrap()[0];
    let lease = format!("outbox/{shard}");
    assert!(place.leases.lease(&lease, "other", std::time::Duration::from_secs(60)).await.unwrap());
    place.relay("one").relay().await.unwrap();
    assert_eq!(place.outbox.outbox_shards().await.unwrap(), [shard], "another one is at work there");
    place.leases.release(&lease, "other").await.unwrap();
    let (one, two) = (place.relay("one"), place.relay("two"));
    let (one, two) = tokio::join!(one.relay(), two.relay());
    one.unwrap();
    two.unwrap();
    let mut seen = place.in_the_log();
    seen.dedup();
    assert_eq!(seen, ids);
}
