//! Several processes over one cluster: nothing may rest on what one of them remembers.

use acs_store::contract::sample::{
    at, commit, commit_of, device, first_patch, holder, object, path, stamp, task, with_state,
};
use acs_store::{
    Commit, CommitOutcome, Credentials, DeleteOutcome, DeviceFilter, Devices, Leases, Objects, ObjectsPatch,
    TaskFilter, Tasks,
};
use acs_store_scylla::ScyllaStore;
use acs_types::{PageRequest, SessionStamp, Task, TaskState};
use futures::future::join_all;

use crate::support::{fresh, open};

/// Three stores of one tenant.
async fn three() -> Option<[ScyllaStore; 3]> {
    let (store, config) = fresh().await?;
    Some([store, open(&config).await, open(&config).await])
}

/// P5, P6: a task that several processes insert at once is one, and each revision is written by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_insert_and_one_revision_win_across_processes() {
    let Some(stores) = three().await else { return };
    for round in 0..20 {
        let key = format!("round-{round}");
        let attempts = (0..9_u8).map(|i| {
            let (store, task) = (&stores[usize::from(i % 3)], Task { body_sha256: [i; 32], ..task(1, &key, 5) });
            async move { store.commit(&device(1), commit([(None, task)])).await.unwrap() == CommitOutcome::Applied }
        });
        assert_eq!(join_all(attempts).await.into_iter().filter(|won| *won).count(), 1, "P5, round {round}");
        let writes = (0..9_u32).map(|i| {
            let (store, task) = (&stores[i as usize % 3], Task { unanswered: i, ..task(1, &key, 5) });
            async move { store.commit(&device(1), commit([(Some(1), task)])).await.unwrap() == CommitOutcome::Applied }
        });
        assert_eq!(join_all(writes).await.into_iter().filter(|won| *won).count(), 1, "P6, round {round}");
    }
    let tasks = stores[0].partition(&device(1)).await.unwrap().tasks;
    assert!(tasks.len() == 20 && tasks.iter().all(|task| task.revision == 2), "{tasks:?}");
}

/// P6: of sessions in different processes the newest ends as the holder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_session_ends_as_the_holder_across_processes() {
    let Some(stores) = three().await else { return };
    let take = |n: u8| {
        let store = &stores[usize::from(n % 3)];
        async move { store.commit(&device(1), commit_of(holder(n, i64::from(n)), [])).await.unwrap() }
    };
    join_all((1..=30).rev().map(take)).await;
    assert_eq!(stores[0].partition(&device(1)).await.unwrap().holder, Some(holder(30, 30)));
}

/// P1: a task is not lost to a deletion by another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_lost_to_a_deletion_across_processes() {
    let Some([one, other, _]) = three().await else { return };
    for n in 0..30 {
        one.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
        let insert = Commit { device_known: true, ..commit([(None, task(n, "new", 1))]) };
        let device = device(n);
        let (deleted, inserted) = futures::join!(one.delete_device(&device), other.commit(&device, insert));
        let left = one.partition(&device).await.unwrap();
        match (deleted.unwrap(), inserted.unwrap()) {
            (DeleteOutcome::Deleted, CommitOutcome::DeviceUnknown) => assert_eq!(left, Default::default()),
            (DeleteOutcome::TasksOpen, CommitOutcome::Applied) => assert_eq!(left.tasks, [task(n, "new", 1)]),
            both => panic!("device {n}: {both:?}"),
        }
    }
}

/// A device that was deleted by one process and comes back at another is listed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_elsewhere_is_listed() {
    let Some([one, other, ingest]) = three().await else { return };
    for store in [&one, &other, &ingest] {
        store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    }
    assert_eq!(one.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Deleted);
    ingest.patch_summary(&device(1), first_patch(1, 9)).await.unwrap();
    assert_eq!(
        one.summary(&device(1)).await.unwrap(),
        None,
        "what was told before its deletion does not bring it back"
    );
    // As `Begin` does: it reads, and makes known what is not.
    assert_eq!(other.partition(&device(1)).await.unwrap().summary, None);
    other.patch_summary(&device(1), first_patch(1, 20)).await.unwrap();
    ingest.patch_summary(&device(1), first_patch(1, 20)).await.unwrap();
    for store in [&one, &other, &ingest] {
        let listed = store.list_devices(&DeviceFilter::default(), &PageRequest::first(9)).await.unwrap();
        assert_eq!(listed.items.len(), 1);
        assert_eq!(store.count_devices().await.unwrap(), 1);
        assert!(listed.items[0].first_seen > at(20), "it was not seen before its deletion");
    }
}

/// A session that nobody knows a device of leaves a holder behind, and that goes, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_alone_is_deleted() {
    let Some([one, other, _]) = three().await else { return };
    one.commit(&device(1), commit_of(holder(1, 10), [])).await.unwrap();
    assert_eq!(other.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Unknown);
    assert_eq!(one.partition(&device(1)).await.unwrap(), Default::default());
    other.patch_summary(&device(1), first_patch(1, 1)).await.unwrap();
    assert!(one.summary(&device(1)).await.unwrap().is_some(), "there was nothing that could hide it");
}

/// Who stops waiting for a commit does not stop it; the next read tells what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_nobody_waits_for_is_read_back() {
    let Some([store, ..]) = three().await else { return };
    for round in 0..30_u32 {
        let device = device(round);
        let insert = commit([(None, task(round, "a", 5))]);
        let wait = std::time::Duration::from_micros(u64::from(round) * 400);
        let told = tokio::time::timeout(wait, store.commit(&device, insert.clone())).await;
        let seen = store.partition(&device).await.unwrap().tasks.len();
        if told.is_ok() {
            assert_eq!(seen, 1, "P1, round {round}");
        }
        let again = store.commit(&device, insert).await.unwrap();
        assert!(seen == 0 || again != CommitOutcome::Applied, "P5: what was seen is there, round {round}");
        assert_eq!(store.partition(&device).await.unwrap().tasks, [task(round, "a", 5)], "round {round}");
    }
}

/// The list of open tasks holds what the partitions hold, whoever wrote it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_tasks_are_listed_across_processes() {
    let Some(stores) = three().await else { return };
    for round in 0..15_u32 {
        let (a, b) = (&stores[round as usize % 3], &stores[(round as usize + 1) % 3]);
        let (device, key) = (device(round % 2), round.to_string());
        let new = task(round % 2, &key, i64::from(round));
        a.commit(&device, commit([(None, new.clone())])).await.unwrap();
        let finish = with_state(&new, TaskState::Cancelled);
        let (ended, another) =
            (commit([(Some(1), finish)]), task(round % 2, &format!("{key}-b"), 100 + i64::from(round)));
        let insert = commit([(None, another.clone())]);
        let (first, second) = futures::join!(b.commit(&device, ended), a.commit(&device, insert));
        assert_eq!((first.unwrap(), second.unwrap()), (CommitOutcome::Applied, CommitOutcome::Applied));
        let listed = b.list_open_tasks(&TaskFilter::default(), &PageRequest::first(100)).await.unwrap().items;
        assert!(listed.contains(&another) && !listed.iter().any(|task| task.id == new.id), "round {round}: {listed:?}");
        let end = commit([(Some(1), with_state(&another, TaskState::Cancelled))]);
        a.commit(&device, end).await.unwrap();
        let listed = b.list_open_tasks(&TaskFilter::default(), &PageRequest::first(100)).await.unwrap().items;
        assert_eq!(listed, [], "round {round}");
    }
}

/// What one process reads from the device is not lost to what another one writes at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_is_lost_between_processes() {
    let Some(stores) = three().await else { return };
    let names: Vec<String> = (0..24).map(|i| format!("P{i:02}")).collect();
    let patch = |i: usize| {
        let upsert = vec![object("Device.", &[(names[i].as_str(), "1")], false)];
        let (store, patch) = (&stores[i % 3], ObjectsPatch { stamp: stamp(10), upsert, ..ObjectsPatch::default() });
        async move { store.patch_objects(&device(1), patch).await.unwrap() }
    };
    join_all((0..names.len()).map(patch)).await;
    let object = stores[0].object(&device(1), &path("Device.")).await.unwrap().unwrap();
    assert_eq!(object.parameters.into_iter().map(|p| p.name).collect::<Vec<_>>(), names);
}

/// P23: what one process replaces or takes away opens nothing at another, whatever their clocks say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_gone_everywhere() {
    let Some(stores) = three().await else { return };
    for round in 0..9 {
        let credential = acs_types::CpeCredential {
            username: format!("cpe-{round}"),
            connection_request_stamp: SessionStamp::from_micros(round),
            ..Default::default()
        };
        let (one, other) = (&stores[round as usize % 3], &stores[(round as usize + 1) % 3]);
        one.put_credential(&device(1), Some(credential.clone())).await.unwrap();
        assert_eq!(other.credential(&device(1)).await.unwrap(), Some(credential.clone()));
        if round > 0 {
            let before = format!("cpe-{}", round - 1);
            assert_eq!(other.credential_by_username(&before).await.unwrap(), None);
        }
    }
    stores[1].put_credential(&device(1), None).await.unwrap();
    assert_eq!(stores[2].credential_by_username("cpe-8").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_has_one_holder_across_processes() {
    let Some(stores) = three().await else { return };
    let term = std::time::Duration::from_secs(3600);
    let asked = (0..9_usize).map(|n| {
        let store = &stores[n % 3];
        async move { store.lease("timers-1", &n.to_string(), term).await.unwrap() }
    });
    assert_eq!(join_all(asked).await.into_iter().filter(|taken| *taken).count(), 1);
}
