//! Old events go by themselves, but none that a consumer still has to read.

use std::sync::Arc;
use std::time::Duration;

use acs_events::contract::record;
use acs_events::{EventSink, ReadError, SequenceLog};
use acs_proto::records::Unsealed;
use acs_store::History;
use acs_store_embedded::{Embedded, EventRetention, Options};
use acs_types::EventRecord;

fn open(folder: &std::path::Path, bytes: u64, age: Duration) -> Embedded {
    let event_retention = EventRetention { bytes, age, ..EventRetention::default() };
    let options = Options { disk_reserve_bytes: 0, event_retention, ..Options::new(Arc::new(Unsealed)) };
    Embedded::open(folder, options).unwrap()
}

fn records(count: u64) -> Vec<EventRecord> {
    (1..=count).map(|seq| record(1, seq)).collect()
}

/// Waits until trimming comes to rest.
async fn start_at_rest(store: &Embedded) -> u64 {
    let mut start = store.start().await.unwrap();
    loop {
        tokio::time::sleep(Duration::from_millis(2200)).await;
        let now = store.start().await.unwrap();
        if now == start {
            return start;
        }
        start = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_go_up_to_the_cursor_of_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), u64::MAX, Duration::from_secs(3600));
    store.append(records(50)).await.unwrap();
    assert_eq!(start_at_rest(&store).await, 0, "ingest has read nothing, so nothing goes");
    store.put_cursor("ingest", 30).await.unwrap();
    assert_eq!(start_at_rest(&store).await, 30, "P7: what ingest still has to read stays, however old");
    assert!(matches!(store.read(29, 10).await, Err(ReadError::Gone { start: 30, .. })));
    assert_eq!(store.read(30, 100).await.unwrap().len(), 20);
    drop(store);
    let store = open(folder.path(), u64::MAX, Duration::from_secs(3600));
    assert_eq!((store.start().await.unwrap(), store.end().await.unwrap()), (30, 50), "also after a restart");
    store.append(records(1)).await.unwrap();
    assert_eq!(store.end().await.unwrap(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_the_log_is_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = 20_000;
    let store = open(folder.path(), bytes, Duration::from_secs(u64::MAX / 2_000_000));
    store.append(records(1000)).await.unwrap();
    store.put_cursor("ingest", 1000).await.unwrap();
    let start = start_at_rest(&store).await;
    let kept = 1000 - start;
    let size = acs_proto::records::Record::to_bytes(&record(1, 1000), &Unsealed).len() as u64;
    assert!(kept * size <= bytes + size && kept * size > bytes / 2, "{kept} records of about {size} bytes are kept");
}
