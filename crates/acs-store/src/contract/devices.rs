//! [`crate::Devices`] beyond the patches.

use std::collections::BTreeSet;

use acs_types::{CpeCredential, DeviceSummary, PageRequest, SummaryPatch, TaskState, Timer, TimerKind};

use super::sample::{
    at, commit, commit_of, device, fault, first_patch, holder, identity, object, path, presence, session,
    session_record, stamp, task, with_state,
};
use crate::{Commit, CommitOutcome, DeleteOutcome, DeviceFilter, Error, ObjectsPatch, Store};

pub async fn partition_is_one_view(store: &impl Store) {
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default());
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let write = (None, task(1, "a", 5));
    assert_eq!(store.commit(&device(1), commit_of(holder(1, 10), [write])).await.unwrap(), CommitOutcome::Applied);
    let partition = store.partition(&device(1)).await.unwrap();
    assert_eq!(partition.summary, store.summary(&device(1)).await.unwrap());
    assert!(partition.summary.is_some());
    assert_eq!(partition.holder, Some(holder(1, 10)));
    assert_eq!(partition.tasks, [task(1, "a", 5)]);
}

async fn all_pages(store: &impl Store, filter: &DeviceFilter, limit: usize) -> Vec<DeviceSummary> {
    let mut found = Vec::new();
    let mut request = PageRequest::first(limit);
    loop {
        let page = store.list_devices(filter, &request).await.unwrap();
        assert!(page.items.len() <= limit, "a page has at most as many items as asked for");
        found.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return found,
        }
    }
}

pub async fn list_pages_in_order(store: &impl Store) {
    for n in (0..25).rev() {
        store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
    }
    let wanted: Vec<_> = (0..25).map(device).collect();
    for limit in [1, 7, 25, 26, PageRequest::LIMIT_MAX] {
        let found: Vec<_> = all_pages(store, &DeviceFilter::default(), limit).await.into_iter().map(|d| d.id).collect();
        assert_eq!(found, wanted, "limit {limit}");
    }
}

pub async fn list_misses_nothing_while_devices_come(store: &impl Store) {
    for n in (0..40).step_by(2) {
        store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
    }
    let mut found = Vec::new();
    let mut request = PageRequest::first(3);
    let mut coming = (1..40).step_by(2);
    loop {
        let page = store.list_devices(&DeviceFilter::default(), &request).await.unwrap();
        found.extend(page.items.into_iter().map(|d| d.id));
        for n in coming.by_ref().take(3) {
            store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
        }
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    let unique: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(unique.len(), found.len(), "no device twice");
    for n in (0..40).step_by(2) {
        assert!(unique.contains(&device(n)), "device {n} was there all the time");
    }
}

pub async fn filters_hold_together(store: &impl Store) {
    for n in 0..4 {
        let mut patch = first_patch(n, 10 + i64::from(n));
        patch.software_version = Some(if n < 2 { "1.0".into() } else { "2.0".into() });
        patch.subscriber_id = Some(format!("sub-{}", n % 2));
        patch.presence =
            Some(acs_types::Presence { remote: Some([192, 0, 2, n as u8].into()), ..presence(10 + i64::from(n)) });
        store.patch_summary(&device(n), patch).await.unwrap();
    }
    let base = DeviceFilter::default;
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (base(), vec![0, 1, 2, 3]),
        (DeviceFilter { serial_number: some("000002"), ..base() }, vec![2]),
        (DeviceFilter { serial_number: some("00000"), ..base() }, vec![]),
        (DeviceFilter { oui: some("00AABB"), product_class: some("IGD"), ..base() }, vec![0, 1, 2, 3]),
        (DeviceFilter { oui: some("00aabb"), ..base() }, vec![]),
        (DeviceFilter { product_class: some("IG"), ..base() }, vec![]),
        (DeviceFilter { software_version: some("2.0"), ..base() }, vec![2, 3]),
        (DeviceFilter { software_version: some("2.0"), subscriber_id: some("sub-1"), ..base() }, vec![3]),
        (DeviceFilter { text: some("aCmE"), ..base() }, vec![0, 1, 2, 3]),
        (DeviceFilter { text: some("192.0.2.1"), ..base() }, vec![1]),
        (DeviceFilter { text: some("0003"), ..base() }, vec![3]),
        (DeviceFilter { informed_since: Some(at(11)), informed_before: Some(at(13)), ..base() }, vec![1, 2]),
    ];
    for (filter, wanted) in cases {
        let found: Vec<_> = all_pages(store, &filter, 2).await.into_iter().map(|d| d.id).collect();
        assert_eq!(found, wanted.into_iter().map(device).collect::<Vec<_>>(), "{filter:?}");
    }
}

pub async fn delete_forgets_all_but_history(store: &impl Store) {
    for n in [1, 2] {
        store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
        let upsert = vec![object("Device.", &[("A", "1")], true)];
        let patch = ObjectsPatch { stamp: stamp(10), forget: true, upsert, ..ObjectsPatch::default() };
        store.patch_objects(&device(n), patch).await.unwrap();
        let done = with_state(&task(n, "done", 2), TaskState::Failed);
        store.commit(&device(n), commit_of(holder(1, 10), [(None, done)])).await.unwrap();
        let username = format!("cpe-{n}");
        let credential = CpeCredential { username, ..CpeCredential::default() };
        store.put_credential(&device(n), Some(credential)).await.unwrap();
        store.put_timers(vec![timer(n)]).await.unwrap();
        store.put_sessions(vec![session_record(n, n as u8, 10)]).await.unwrap();
        let id = acs_types::EventId::from_bytes([n as u8; 16]);
        store.put_faults(vec![(id, fault(n, 10, 9002))]).await.unwrap();
    }
    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default());
    assert_eq!(store.count_devices().await.unwrap(), 1);
    assert_eq!(store.objects(&device(1), &path("")).await.unwrap(), []);
    assert_eq!(store.credential(&device(1)).await.unwrap(), None);
    assert_eq!(store.credential_by_username("cpe-1").await.unwrap(), None);
    assert_eq!(store.due_timers(at(100), 10).await.unwrap(), [timer(2)]);
    assert_eq!(store.device_of_task(&task(1, "done", 2).id).await.unwrap(), Some(device(1)));
    assert!(store.session(&session(1)).await.unwrap().is_some(), "history stays");
    assert_eq!(store.faults(Some(&device(1)), &PageRequest::first(9)).await.unwrap().items, [fault(1, 10, 9002)]);
    let other = store.partition(&device(2)).await.unwrap();
    assert_eq!((other.holder, other.summary.is_some()), (Some(holder(1, 10)), true), "another device is not touched");
    assert_eq!(store.objects(&device(2), &path("")).await.unwrap().len(), 1);

    // It may come back, with an older stamp than it had, and begins anew.
    store.patch_summary(&device(1), SummaryPatch { identity: Some(identity(1)), ..first_patch(1, 5) }).await.unwrap();
    let upsert = vec![object("Device.", &[("B", "2")], true)];
    let patch = ObjectsPatch { stamp: stamp(5), upsert, ..ObjectsPatch::default() };
    store.patch_objects(&device(1), patch).await.unwrap();
    assert_eq!(store.objects(&device(1), &path("")).await.unwrap().len(), 1);
    let again = commit([(None, task(1, "open", 3))]);
    assert_eq!(store.commit(&device(1), again).await.unwrap(), CommitOutcome::Applied);
}

fn timer(n: u32) -> Timer {
    Timer { due: at(50), device: device(n), kind: TimerKind::Wake, reference: "r".into() }
}

pub async fn delete_of_an_unknown_device(store: &impl Store) {
    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Unknown);
    // What came without an identity goes with it.
    store.patch_summary(&device(1), SummaryPatch { identity: None, ..first_patch(1, 10) }).await.unwrap();
    store.commit(&device(1), commit_of(holder(1, 10), [])).await.unwrap();
    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Unknown);
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default());
    assert_eq!(store.count_devices().await.unwrap(), 0);
}

pub async fn delete_is_refused_while_tasks_are_open(store: &impl Store) {
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let upsert = vec![object("Device.", &[("A", "1")], true)];
    store.patch_objects(&device(1), ObjectsPatch { stamp: stamp(10), upsert, ..Default::default() }).await.unwrap();
    let credential = CpeCredential { username: "cpe-1".into(), ..CpeCredential::default() };
    store.put_credential(&device(1), Some(credential.clone())).await.unwrap();
    store.put_timers(vec![timer(1)]).await.unwrap();
    let open = task(1, "open", 1);
    store.commit(&device(1), commit_of(holder(1, 10), [(None, open.clone())])).await.unwrap();
    let before = store.partition(&device(1)).await.unwrap();

    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::TasksOpen, "P1");
    assert_eq!(store.partition(&device(1)).await.unwrap(), before, "nothing changed");
    assert_eq!(store.objects(&device(1), &path("")).await.unwrap().len(), 1);
    assert_eq!(store.credential(&device(1)).await.unwrap(), Some(credential));
    assert_eq!(store.due_timers(at(100), 10).await.unwrap(), [timer(1)]);
    assert_eq!(store.count_devices().await.unwrap(), 1);

    let cancelled = with_state(&open, TaskState::Cancelled);
    store.commit(&device(1), commit([(Some(1), cancelled)])).await.unwrap();
    assert_eq!(store.delete_device(&device(1)).await.unwrap(), DeleteOutcome::Deleted, "the last is final by now");
    assert_eq!(store.due_timers(at(100), 10).await.unwrap(), []);

    // Also of a device that is not known yet: a session that begins writes its work first.
    store.commit(&device(2), commit([(None, task(2, "first", 1))])).await.unwrap();
    assert_eq!(store.delete_device(&device(2)).await.unwrap(), DeleteOutcome::TasksOpen);
    assert_eq!(store.partition(&device(2)).await.unwrap().tasks, [task(2, "first", 1)]);
}

/// P1: of a deletion and an insert at the same time one comes first, and the other sees it.
pub async fn no_task_is_lost_to_a_deletion(store: &impl Store) {
    for n in 0..50 {
        store.patch_summary(&device(n), first_patch(n, 10)).await.unwrap();
        let new = task(n, "new", 1);
        let insert = Commit { device_known: true, ..commit([(None, new.clone())]) };
        let device = device(n);
        let (deleted, inserted) = match n % 2 {
            0 => futures::join!(store.delete_device(&device), store.commit(&device, insert)),
            _ => {
                let (inserted, deleted) = futures::join!(store.commit(&device, insert), store.delete_device(&device));
                (deleted, inserted)
            }
        };
        let left = store.partition(&device).await.unwrap();
        match (deleted.unwrap(), inserted.unwrap()) {
            (DeleteOutcome::Deleted, CommitOutcome::DeviceUnknown) => {
                assert_eq!(left, Default::default());
                assert_eq!(store.task(&device, &new.id).await.unwrap(), None);
            }
            (DeleteOutcome::TasksOpen, CommitOutcome::Applied) => {
                assert_eq!((left.summary.is_some(), left.tasks), (true, vec![new]));
            }
            both => panic!("device {n}: {both:?}"),
        }
    }
}

pub async fn a_bad_place_is_refused(store: &impl Store) {
    let request = PageRequest { after: Some("\u{1}no such place".into()), limit: 10 };
    let refused = [
        store.list_devices(&DeviceFilter::default(), &request).await.err(),
        store.list_tasks(&device(1), &Default::default(), &request).await.err(),
        store.list_open_tasks(&Default::default(), &request).await.err(),
        store.sessions(&device(1), &request).await.err(),
        store.faults(None, &request).await.err(),
        store.faults(Some(&device(1)), &request).await.err(),
        store.refused(&request).await.err(),
        store.files(&request).await.err(),
        store.audit(&request).await.err(),
    ];
    for (i, error) in refused.iter().enumerate() {
        assert!(matches!(error, Some(Error::Invalid(_))), "list {i}: {error:?}"); // P22
    }
}
