//! History goes by its time to live.

use std::time::Duration;

use acs_store::contract::sample::{at, commit, device, fault, session, session_record, task, with_state};
use acs_store::{History, Tasks};
use acs_store_scylla::{Requests, Retention, ScyllaConfig};
use acs_types::{EventId, PageRequest, TaskState};

use crate::support::{config, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_goes_by_itself_and_open_tasks_stay() {
    let Some(config) = config() else { return };
    let retention = Retention { history: Some(Duration::from_secs(2)), audit: None };
    let store = open(&ScyllaConfig { retention, ..config }).await;
    store.put_sessions(vec![session_record(1, 1, 10)]).await.unwrap();
    store.put_faults(vec![(EventId::from_bytes([1; 16]), fault(1, 10, 9002))]).await.unwrap();
    let (done, open) = (with_state(&task(1, "done", 5), TaskState::Failed), task(1, "open", 6));
    let retried = with_state(&task(1, "retried", 7), TaskState::Failed);
    let writes = [done.clone(), open.clone(), retried.clone()].map(|task| (None, task));
    store.commit(&device(1), commit(writes)).await.unwrap();
    assert_eq!(store.list_tasks(&device(1), &Default::default(), &PageRequest::first(9)).await.unwrap().items.len(), 3);
    let again = with_state(&retried, TaskState::Queued);
    store.commit(&device(1), commit([(Some(1), again)])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let first = PageRequest::first(9);
    assert_eq!(store.session(&session(1)).await.unwrap(), None);
    assert_eq!(store.sessions(&device(1), &first).await.unwrap().items, []);
    assert_eq!(store.faults(None, &first).await.unwrap().items, []);
    assert_eq!(store.faults(Some(&device(1)), &first).await.unwrap().items, []);
    let left = store.list_tasks(&device(1), &Default::default(), &first).await.unwrap().items;
    let left: Vec<_> = left.into_iter().map(|task| task.id).collect();
    assert_eq!(left, [retried.id.clone(), open.id.clone()], "P1: what is open, or open again, does not go");
    assert_eq!(store.device_of_task(&done.id).await.unwrap(), None);
    assert_eq!(store.device_of_task(&retried.id).await.unwrap(), Some(device(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_what_goes_by_itself_costs_nothing() {
    let Some(config) = config() else { return };
    let store = open(&ScyllaConfig { retention: Retention::default(), ..config }).await;
    store.put_sessions(vec![session_record(1, 1, 10)]).await.unwrap();
    let before = store.requests();
    assert_eq!(store.drop_history(at(100)).await.unwrap(), 0, "nothing scans the fleet");
    assert_eq!(store.requests(), Requests { ..before });
}
