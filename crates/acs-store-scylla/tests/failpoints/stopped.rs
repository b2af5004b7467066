//! One failpoint after another, with an error where a kill would be.

use std::fmt::Debug;

use acs_store::contract::sample::{
    at, commit, commit_of, device, fault, first_patch, holder, object, path, session, session_record, stamp, task,
    with_state,
};
use acs_store::{
    AccessRecords, AuditLog, CommitOutcome, Credentials, DeleteOutcome, DeviceFilter, Devices, Error, Files as _,
    History, Objects, ObjectsPatch, Result, TaskFilter, Tasks, Timers,
};
use acs_store_scylla::ScyllaStore;
use acs_types::{
    ApiToken, AuditRecord, CpeCredential, EventId, PageRequest, Scope, SummaryPatch, TaskState, Tenant, Timer,
    TimerKind,
};
use fail::FailScenario;

use crate::support::{fresh, open};

/// Runs `work` stopped at each point by a process of its own, checks `between`, runs it again at another process, and gives the
/// last outcome.
async fn stopped_at<T: Debug>(
    point: &str,
    work: impl AsyncFn(&ScyllaStore) -> Result<T>,
    prepare: impl AsyncFn(&ScyllaStore),
    between: impl AsyncFn(&ScyllaStore),
) -> Option<(ScyllaStore, T)> {
    let scenario = FailScenario::setup();
    let (store, config) = fresh().await?;
    prepare(&store).await;
    fail::cfg(point, "1*return").unwrap();
    let stopped = work(&store).await;
    assert!(matches!(stopped, Err(Error::Unavailable(_))), "{point} was not passed: {stopped:?}");
    fail::remove(point);
    let next = open(&config).await;
    between(&next).await;
    let outcome = work(&next).await.unwrap();
    scenario.teardown();
    Some((next, outcome))
}

async fn nothing(_: &ScyllaStore) {}

fn first() -> PageRequest {
    PageRequest::first(9)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p5_a_commit_is_all_or_nothing_at_each_point() {
    for (point, happened) in
        [("scylla::after_task_device", false), ("scylla::before_commit", false), ("scylla::after_commit", true)]
    {
        let (old, new) = (task(1, "old", 4), task(1, "new", 5));
        let writes = || [(Some(1), with_state(&old, TaskState::Failed)), (None, new.clone())];
        let work = async |store: &ScyllaStore| store.commit(&device(1), commit_of(holder(1, 10), writes())).await;
        let prepare = async |store: &ScyllaStore| {
            store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
            store.commit(&device(1), commit([(None, old.clone())])).await.unwrap();
        };
        let between = async |store: &ScyllaStore| {
            let partition = store.partition(&device(1)).await.unwrap();
            let open = if happened { &new } else { &old };
            assert_eq!(partition.tasks, std::slice::from_ref(open), "{point}");
            assert_eq!(partition.holder, happened.then(|| holder(1, 10)), "{point}");
            let listed = store.list_open_tasks(&TaskFilter::default(), &first()).await.unwrap().items;
            assert_eq!(listed, std::slice::from_ref(open), "{point}");
            assert_eq!(store.device_of_task(&new.id).await.unwrap(), happened.then(|| device(1)), "{point}");
            assert_eq!(store.device_of_task(&old.id).await.unwrap(), Some(device(1)), "{point}");
            let all = store.list_tasks(&device(1), &TaskFilter::default(), &first()).await.unwrap().items;
            assert_eq!(all.len(), 1 + usize::from(happened), "{point}");
        };
        let Some((store, outcome)) = stopped_at(point, work, prepare, between).await else { return };
        assert_eq!(outcome == CommitOutcome::Applied, !happened, "P5: it is found to be done, {point}: {outcome:?}");
        let all = store.list_tasks(&device(1), &TaskFilter::default(), &first()).await.unwrap().items;
        let states: Vec<_> = all.iter().map(|task| (task.state.as_str(), task.revision)).collect();
        assert_eq!(states, [("queued", 1), ("failed", 2)], "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_task_may_end_with_its_hint_left_behind() {
    let one = task(1, "a", 5);
    let end = || commit([(Some(1), with_state(&one, TaskState::Cancelled))]);
    let prepare = async |store: &ScyllaStore| {
        store.commit(&device(1), commit([(None, one.clone())])).await.unwrap();
    };
    let work = async |store: &ScyllaStore| store.commit(&device(1), end()).await;
    let between = async |store: &ScyllaStore| {
        assert_eq!(store.list_open_tasks(&TaskFilter::default(), &first()).await.unwrap().items, []);
        let again = task(1, "b", 6);
        store.commit(&device(1), commit([(None, again.clone())])).await.unwrap();
        assert_eq!(store.list_open_tasks(&TaskFilter::default(), &first()).await.unwrap().items, [again]);
    };
    stopped_at("scylla::after_commit", work, prepare, between).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_becomes_known_in_index_and_partition() {
    let work = async |store: &ScyllaStore| store.patch_summary(&device(1), first_patch(1, 10)).await;
    let between = async |store: &ScyllaStore| {
        assert_eq!(store.summary(&device(1)).await.unwrap(), None);
        assert_eq!(store.list_devices(&DeviceFilter::default(), &first()).await.unwrap().items, []);
    };
    let stopped = stopped_at("scylla::between_index_and_summary", work, nothing, between).await;
    let Some((store, ())) = stopped else { return };
    assert_eq!(store.list_devices(&DeviceFilter::default(), &first()).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_deletion_goes_on_from_each_point() {
    let timer = || Timer { due: at(50), device: device(1), kind: TimerKind::Wake, reference: "r".into() };
    let prepare = async |store: &ScyllaStore| {
        store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
        let upsert = vec![object("Device.", &[("A", "1")], true)];
        let patch = ObjectsPatch { stamp: stamp(10), forget: true, upsert, ..ObjectsPatch::default() };
        store.patch_objects(&device(1), patch).await.unwrap();
        let credential = CpeCredential { username: "cpe".into(), ..CpeCredential::default() };
        store.put_credential(&device(1), Some(credential)).await.unwrap();
        store.put_timers(vec![timer()]).await.unwrap();
        let done = with_state(&task(1, "done", 2), TaskState::Failed);
        store.commit(&device(1), commit_of(holder(1, 10), [(None, done)])).await.unwrap();
    };
    let between = async |store: &ScyllaStore| {
        assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default(), "from the first write on");
        assert_eq!(store.list_devices(&DeviceFilter::default(), &first()).await.unwrap().items, []);
        let history = store.list_tasks(&device(1), &TaskFilter::default(), &first()).await.unwrap();
        assert_eq!(history.items.len(), 1, "history stays");
    };
    for point in [
        "scylla::after_deletion",
        "scylla::after_timers_deletion",
        "scylla::after_index_deletion",
        "scylla::after_objects_deletion",
        "scylla::after_credential_deletion",
        "scylla::between_credential_and_old_username",
    ] {
        let work = async |store: &ScyllaStore| store.delete_device(&device(1)).await;
        let Some((store, outcome)) = stopped_at(point, work, prepare, between).await else { return };
        assert_eq!(outcome, DeleteOutcome::Unknown, "{point}: the rest goes");
        assert_eq!(store.count_devices().await.unwrap(), 0, "{point}");
        assert_eq!(store.objects(&device(1), &path("")).await.unwrap(), [], "{point}");
        assert_eq!(store.credential(&device(1)).await.unwrap(), None, "{point}");
        assert_eq!(store.credential_by_username("cpe").await.unwrap(), None, "{point}");
        assert_eq!(store.due_timers(at(100), 9).await.unwrap(), [], "{point}");
        // And begins anew.
        store.patch_summary(&device(1), first_patch(1, 20)).await.unwrap();
        let upsert = vec![object("Device.New.", &[], true)];
        let patch = ObjectsPatch { stamp: stamp(5), upsert, ..ObjectsPatch::default() };
        store.patch_objects(&device(1), patch).await.unwrap();
        assert_eq!(store.objects(&device(1), &path("")).await.unwrap().len(), 1, "{point}");
        assert_eq!(store.count_devices().await.unwrap(), 1, "{point}");
    }
}

/// Nobody repeats the deletion, and the device comes back to another customer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_deletion_is_ended_before_the_device_comes_back() {
    for point in ["scylla::after_deletion", "scylla::after_objects_deletion", "scylla::after_timers_deletion"] {
        let scenario = FailScenario::setup();
        let Some((store, config)) = fresh().await else { return };
        let before = SummaryPatch { subscriber_id: Some("first".into()), ..first_patch(1, 10) };
        store.patch_summary(&device(1), before).await.unwrap();
        let upsert = vec![object("Device.", &[("A", "1")], true)];
        store.patch_objects(&device(1), ObjectsPatch { stamp: stamp(10), upsert, ..Default::default() }).await.unwrap();
        let credential = CpeCredential { username: "cpe".into(), ..CpeCredential::default() };
        store.put_credential(&device(1), Some(credential)).await.unwrap();
        fail::cfg(point, "1*return").unwrap();
        store.delete_device(&device(1)).await.expect_err("stopped");
        scenario.teardown();
        // As `Begin` does, at another process.
        let next = open(&config).await;
        assert_eq!(next.partition(&device(1)).await.unwrap(), Default::default(), "{point}");
        next.patch_summary(&device(1), first_patch(1, 20)).await.unwrap();
        let summary = next.partition(&device(1)).await.unwrap().summary.unwrap();
        assert_eq!(summary.subscriber_id, "", "{point}: nothing of the first customer");
        assert_eq!(next.objects(&device(1), &path("")).await.unwrap(), [], "{point}");
        assert_eq!(next.credential_by_username("cpe").await.unwrap(), None, "{point}");
        assert_eq!(next.count_devices().await.unwrap(), 1, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_patch_goes_on_from_each_portion() {
    let objects = |name: &str, count: usize| {
        (1..=count).map(|i| object(&format!("Device.{name}.{i}."), &[("A", "1")], true)).collect::<Vec<_>>()
    };
    let prepare = async |store: &ScyllaStore| {
        let patch = ObjectsPatch { stamp: stamp(10), upsert: objects("Old", 1100), ..ObjectsPatch::default() };
        store.patch_objects(&device(1), patch).await.unwrap();
    };
    for point in ["scylla::between_deletions", "scylla::between_portions"] {
        let work = async |store: &ScyllaStore| {
            let upsert = objects("New", 150);
            let patch = ObjectsPatch { stamp: stamp(20), forget: true, upsert, ..ObjectsPatch::default() };
            store.patch_objects(&device(1), patch).await
        };
        let Some((store, ())) = stopped_at(point, work, prepare, nothing).await else { return };
        let left = store.objects(&device(1), &path("")).await.unwrap();
        assert_eq!(left.len(), 150, "{point}: all that was old is forgotten, all that is new is there");
        assert!(left.iter().all(|object| object.path.as_str().starts_with("Device.New.")), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_kept_once() {
    for point in
        ["scylla::between_list_and_window", "scylla::between_window_and_row", "scylla::between_session_and_place"]
    {
        let work = async |store: &ScyllaStore| store.put_sessions(vec![session_record(1, 1, 10)]).await;
        let Some((store, ())) = stopped_at(point, work, nothing, nothing).await else { return };
        assert_eq!(store.sessions(&device(1), &first()).await.unwrap().items, [session_record(1, 1, 10)], "{point}");
        assert_eq!(store.session(&session(1)).await.unwrap(), Some(session_record(1, 1, 10)), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_kept_once() {
    let id = EventId::from_bytes([1; 16]);
    let prepare = async |store: &ScyllaStore| store.put_faults(vec![(id, fault(1, 10, 9002))]).await.unwrap();
    for point in ["scylla::between_faults", "scylla::between_faults_and_place"] {
        let work = async |store: &ScyllaStore| store.put_faults(vec![(id, fault(1, 11, 9002))]).await;
        let between = async |store: &ScyllaStore| {
            assert!(!store.faults(Some(&device(1)), &first()).await.unwrap().items.is_empty(), "{point}: not lost");
        };
        let Some((store, ())) = stopped_at(point, work, prepare, between).await else { return };
        for of in [None, Some(&device(1))] {
            assert_eq!(store.faults(of, &first()).await.unwrap().items, [fault(1, 11, 9002)], "{point}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p27_an_audit_record_is_acknowledged_only_when_it_is_there() {
    let record = || AuditRecord {
        at: at(5),
        tenant: Tenant::default(),
        principal: "alice".into(),
        token: None,
        action: "task.create".into(),
        object: "o".into(),
        detail: String::new(),
    };
    let work = async |store: &ScyllaStore| store.append_audit(record()).await;
    let between = async |store: &ScyllaStore| assert_eq!(store.audit(&first()).await.unwrap().items, []);
    let Some((store, ())) = stopped_at("scylla::between_window_and_row", work, nothing, between).await else { return };
    assert_eq!(store.audit(&first()).await.unwrap().items, [record()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_goes_on_from_each_point() {
    let prepare = async |store: &ScyllaStore| {
        store.put_sessions(vec![session_record(1, 1, 10), session_record(1, 2, 90_000_000)]).await.unwrap();
    };
    let work = async |store: &ScyllaStore| store.drop_history(at(50_000_000)).await;
    let Some((store, dropped)) = stopped_at("scylla::between_place_and_row", work, prepare, nothing).await else {
        return;
    };
    assert_eq!(dropped, 1);
    assert_eq!(store.sessions(&device(1), &first()).await.unwrap().items, [session_record(1, 2, 90_000_000)]);
    assert_eq!(store.session(&session(1)).await.unwrap(), None);
    assert!(store.session(&session(2)).await.unwrap().is_some());
}

fn token(hash: u8) -> ApiToken {
    ApiToken {
        id: "t".parse().unwrap(),
        principal: "alice".into(),
        sha256: [hash; 32],
        scopes: vec![Scope::Read],
        created_at: at(5),
        expires_at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_no_point_opens_with_a_token_that_is_not_there() {
    let prepare = async |store: &ScyllaStore| store.put_token(token(1)).await.unwrap();
    let replace = async |store: &ScyllaStore| store.put_token(token(2)).await;
    let between = async |store: &ScyllaStore| {
        assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), Some(token(1)), "not replaced yet");
        assert_eq!(store.token_by_hash(&[2; 32]).await.unwrap(), None);
    };
    let stopped = stopped_at("scylla::between_hash_and_token", replace, prepare, between).await;
    let Some((store, ())) = stopped else { return };
    assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), None);
    assert_eq!(store.token_by_hash(&[2; 32]).await.unwrap(), Some(token(2)));

    let delete = async |store: &ScyllaStore| store.delete_token(&token(1).id).await;
    let between = async |store: &ScyllaStore| assert_eq!(store.token_by_hash(&[1; 32]).await.unwrap(), None);
    let Some((store, found)) = stopped_at("scylla::between_token_and_hash", delete, prepare, between).await else {
        return;
    };
    assert!(!found, "it is gone already");
    assert_eq!((store.tokens().await.unwrap(), store.files(&first()).await.unwrap().items.len()), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p24_no_point_opens_with_a_user_name_that_is_not_there() {
    let credential = |name: &str| CpeCredential { username: name.into(), ..CpeCredential::default() };
    let prepare = async |store: &ScyllaStore| {
        store.put_credential(&device(1), Some(credential("old"))).await.unwrap();
    };
    for (point, moved) in
        [("scylla::between_username_and_credential", false), ("scylla::between_credential_and_old_username", true)]
    {
        let work = async |store: &ScyllaStore| store.put_credential(&device(1), Some(credential("new"))).await;
        let between = async |store: &ScyllaStore| {
            let by = async |name: &str| store.credential_by_username(name).await.unwrap().is_some();
            assert_eq!((by("old").await, by("new").await), (!moved, moved), "{point}");
        };
        let Some((store, ())) = stopped_at(point, work, prepare, between).await else { return };
        assert_eq!(store.credential_by_username("old").await.unwrap(), None, "{point}");
        assert_eq!(store.credential_by_username("new").await.unwrap(), Some((device(1), credential("new"))), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_timer_is_acknowledged_only_when_it_is_found() {
    let due = cwmp_model::Timestamp::from_micros(4_000_000_000_000_000);
    let timer = || Timer { due, device: device(1), kind: TimerKind::Wake, reference: "r".into() };
    let work = async |store: &ScyllaStore| store.put_timers(vec![timer()]).await;
    let between = async |store: &ScyllaStore| assert_eq!(store.due_timers(due, 9).await.unwrap(), []);
    let Some((store, ())) = stopped_at("scylla::between_window_and_timer", work, nothing, between).await else {
        return;
    };
    assert_eq!(store.due_timers(due, 9).await.unwrap(), [timer()]);
}
