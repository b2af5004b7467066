//! What operations cost in requests (`design.md` §4.9).

use acs_store::contract::sample::{commit, commit_of, device, first_patch, holder, session_record, task, with_state};
use acs_store::{Devices, History, Tasks};
use acs_store_scylla::{Requests, ScyllaStore};
use acs_types::TaskState;

use crate::support::fresh;

/// What `work` costs.
async fn cost(store: &ScyllaStore, work: impl AsyncFnOnce(&ScyllaStore)) -> (u64, u64, u64) {
    let before = store.requests();
    work(store).await;
    let Requests { reads, writes, conditional } = store.requests();
    (reads - before.reads, writes - before.writes, conditional - before.conditional)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_session_costs_one_read_and_two_writes() {
    let Some((store, _)) = fresh().await else { return };
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    store.commit(&device(1), commit([(None, task(1, "later", 5))])).await.unwrap();
    store.put_sessions(vec![session_record(1, 1, 10)]).await.unwrap();
    let begin = cost(&store, async |store| {
        let partition = store.partition(&device(1)).await.unwrap();
        assert_eq!((partition.summary.is_some(), partition.tasks.len()), (true, 1), "all that Begin needs");
    });
    assert_eq!(begin.await, (1, 0, 0), "Begin is one read and writes nothing");
    let device_write = cost(&store, async |store| store.patch_summary(&device(1), first_patch(1, 20)).await.unwrap());
    assert_eq!(device_write.await, (0, 1, 0), "of a device that is known");
    let session = cost(&store, async |store| store.put_sessions(vec![session_record(1, 2, 20)]).await.unwrap());
    assert_eq!(session.await, (0, 2, 0), "the session, and where it is found by its id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_task_costs_one_read_and_one_conditional_write() {
    let Some((store, _)) = fresh().await else { return };
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let first = task(1, "a", 5);
    let new = cost(&store, async |store| {
        store.commit(&device(1), commit([(None, first.clone())])).await.unwrap();
    });
    assert_eq!(new.await, (2, 2, 1), "a new task: is there one with this id? and its two hints");
    let sending = with_state(&first, TaskState::Sending { attempt: 1 });
    let step = cost(&store, async |store| {
        store.commit(&device(1), commit_of(holder(1, 10), [(Some(1), sending)])).await.unwrap();
    });
    assert_eq!(step.await, (1, 0, 1), "an intent (P2)");
    let again = cost(&store, async |store| {
        store.commit(&device(1), commit_of(holder(1, 10), [])).await.unwrap();
    });
    assert_eq!(again.await, (1, 0, 0), "a holder that is it already writes nothing");
}
