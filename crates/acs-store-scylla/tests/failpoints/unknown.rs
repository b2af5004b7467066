//! Conditional writes of unknown outcome: the answer is lost, or the request never came.

use acs_store::contract::sample::{
    commit, commit_of, device, first_patch, holder, object, path, stamp, task, with_state,
};
use acs_store::{CommitOutcome, Credentials, DeleteOutcome, Devices, Error, Leases, Objects, ObjectsPatch, Tasks};
use acs_types::{CpeCredential, TaskState};
use fail::FailScenario;

use crate::support::fresh;

const POINTS: [&str; 2] = ["scylla::conditional_answer_lost", "scylla::conditional_not_sent"];

/// P2, P5: what is told of a commit is what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_finds_out_what_became_of_it() {
    let scenario = FailScenario::setup();
    for point in POINTS {
        for times in [1, 3] {
            let Some((store, _)) = fresh().await else { return };
            store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
            let one = task(1, "a", 5);
            fail::cfg(point, &format!("{times}*return")).unwrap();
            let outcome = store.commit(&device(1), commit_of(holder(1, 10), [(None, one.clone())])).await.unwrap();
            assert_eq!(outcome, CommitOutcome::Applied, "{point} {times} times");
            fail::remove(point);
            let partition = store.partition(&device(1)).await.unwrap();
            assert_eq!((partition.holder, partition.tasks), (Some(holder(1, 10)), vec![one.clone()]), "{point}");

            fail::cfg(point, "1*return").unwrap();
            let sending = with_state(&one, TaskState::Sending { attempt: 1 });
            let outcome = store.commit(&device(1), commit([(Some(1), sending)])).await.unwrap();
            assert_eq!(outcome, CommitOutcome::Applied, "not a conflict with itself");
            assert_eq!(store.partition(&device(1)).await.unwrap().tasks[0].revision, 2, "and once");
            fail::remove(point);
        }
    }
    scenario.teardown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_finds_out_what_became_of_it() {
    let scenario = FailScenario::setup();
    for point in POINTS {
        let Some((store, _)) = fresh().await else { return };
        store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
        fail::cfg(point, "1*return").unwrap();
        assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Deleted, "{point}");
        fail::remove(point);
        assert_eq!(store.count_devices().await.unwrap(), 0);
    }
    scenario.teardown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_registers_and_leases_end_as_asked() {
    let scenario = FailScenario::setup();
    for point in POINTS {
        let Some((store, _)) = fresh().await else { return };
        let patch = |name: &str| ObjectsPatch {
            stamp: stamp(10),
            upsert: vec![object("Device.", &[(name, "1")], false)],
            ..ObjectsPatch::default()
        };
        store.patch_objects(&device(1), patch("A")).await.unwrap();
        let once = || fail::cfg(point, "1*return").unwrap();
        once();
        store.patch_objects(&device(1), patch("B")).await.unwrap();
        let object = store.object(&device(1), &path("Device.")).await.unwrap().unwrap();
        assert_eq!(object.parameters.len(), 2, "{point}");
        once();
        let credential = CpeCredential { username: "cpe".into(), ..CpeCredential::default() };
        store.put_credential(&device(1), Some(credential.clone())).await.unwrap();
        assert_eq!(store.credential(&device(1)).await.unwrap(), Some(credential));
        once();
        store.put_credential(&device(1), None).await.unwrap();
        assert_eq!(store.credential(&device(1)).await.unwrap(), None);
        once();
        let term = std::time::Duration::from_secs(3600);
        assert!(store.lease("a", "me", term).await.unwrap(), "{point}");
        assert!(!store.lease("a", "other", term).await.unwrap());
        fail::remove(point);
    }
    scenario.teardown();
}

/// Where nothing comes through for long the outcome stays unknown, and is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_unknown_is_unavailable_and_bounded() {
    let scenario = FailScenario::setup();
    let Some((store, _)) = fresh().await else { return };
    fail::cfg("scylla::conditional_not_sent", "return").unwrap();
    let started = std::time::Instant::now();
    let outcome = store.commit(&device(1), commit([(None, task(1, "a", 5))])).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    scenario.teardown();
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default());
    assert_eq!(store.commit(&device(1), commit([(None, task(1, "a", 5))])).await.unwrap(), CommitOutcome::Applied);
}
