//! [`crate::History`].

use acs_types::{EventId, PageRequest, RefusedInform, RefusedReason, SessionOutcome, TaskState};

use super::sample::{at, commit, device, fault, identity, session, session_record, task, with_state};
use crate::{CommitOutcome, REFUSED_MAX, Store};

fn event(n: u32) -> EventId {
    EventId::from_bytes(u128::from(n).to_be_bytes())
}

pub async fn session_replaces_itself(store: &impl Store) {
    store.put_sessions(vec![session_record(1, 1, 10)]).await.unwrap();
    let mut again = session_record(1, 1, 10);
    again.outcome = SessionOutcome::Lost;
    again.at.resume = 1;
    store.put_sessions(vec![again.clone()]).await.unwrap();
    assert_eq!(store.session(&session(1)).await.unwrap(), Some(again.clone()));
    assert_eq!(store.sessions(&device(1), &PageRequest::first(9)).await.unwrap().items, [again]);
    assert_eq!(store.session(&session(2)).await.unwrap(), None);
}

pub async fn sessions_are_newest_first(store: &impl Store) {
    let records = [(1, 1, 20), (1, 2, 40), (1, 3, 30), (2, 4, 50)].map(|(n, id, at)| session_record(n, id, at));
    store.put_sessions(records.to_vec()).await.unwrap();
    let found = store.sessions(&device(1), &PageRequest::first(9)).await.unwrap();
    assert_eq!(found.items, [records[1].clone(), records[2].clone(), records[0].clone()]);
    assert_eq!(found.next, None);
}

pub async fn session_pages(store: &impl Store) {
    store.put_sessions((1..=9).map(|i| session_record(1, i, i64::from(i) * 10)).collect()).await.unwrap();
    let (mut found, mut request) = (Vec::new(), PageRequest::first(2));
    loop {
        let page = store.sessions(&device(1), &request).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|s| s.at.stamp.as_micros()));
        let newer = found.len() as u8;
        store.put_sessions(vec![session_record(1, 100 + newer, 1000 + i64::from(newer))]).await.unwrap();
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, [90, 80, 70, 60, 50, 40, 30, 20, 10], "none missed, none twice while newer ones come");
}

pub async fn a_fault_twice_is_one(store: &impl Store) {
    store.put_faults(vec![(event(1), fault(1, 10, 9002)), (event(1), fault(1, 10, 9002))]).await.unwrap();
    store.put_faults(vec![(event(1), fault(1, 11, 9002))]).await.unwrap();
    for of in [None, Some(&device(1))] {
        assert_eq!(store.faults(of, &PageRequest::first(9)).await.unwrap().items, [fault(1, 11, 9002)]);
    }
}

pub async fn faults_of_one_and_of_all(store: &impl Store) {
    let faults = [(1, 10), (2, 30), (1, 20), (1, 25)].into_iter().enumerate();
    let faults: Vec<_> = faults.map(|(i, (n, micros))| (event(i as u32), fault(n, micros, 9000 + i as u32))).collect();
    store.put_faults(faults).await.unwrap();
    for limit in [1, 2, 9] {
        for (of, wanted) in [(None, vec![9001, 9003, 9002, 9000]), (Some(&device(1)), vec![9003, 9002, 9000])] {
            let (mut found, mut request) = (Vec::new(), PageRequest::first(limit));
            loop {
                let page = store.faults(of, &request).await.unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.into_iter().map(|f| f.fault.code));
                match page.next {
                    Some(next) => request.after = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, wanted, "newest first, of {of:?}, {limit} a page");
        }
    }
}

fn refused(micros: i64) -> RefusedInform {
    RefusedInform {
        at: at(micros),
        remote: None,
        identity: identity(1),
        username: "cpe".into(),
        reason: RefusedReason::WrongPassword,
    }
}

pub async fn refused_are_bounded(store: &impl Store) {
    let count = REFUSED_MAX as i64 + 5;
    let mut next = 0;
    while next < count {
        let many = (next..count.min(next + 500)).map(|i| store.put_refused(event(i as u32), refused(i)));
        next += 500;
        for outcome in futures::future::join_all(many).await {
            outcome.unwrap();
        }
    }
    let (mut found, mut request) = (Vec::new(), PageRequest::first(1000));
    loop {
        let page = store.refused(&request).await.unwrap();
        found.extend(page.items.into_iter().map(|r| r.at.as_micros()));
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    let wanted: Vec<i64> = (5..count).rev().collect();
    assert_eq!(found, wanted, "P24: the newest {REFUSED_MAX}, newest first");
}

async fn drop_all(store: &impl Store, before: i64) -> u64 {
    let mut dropped = 0;
    loop {
        match store.drop_history(at(before)).await.unwrap() {
            0 => return dropped,
            some => dropped += some,
        }
    }
}

pub async fn drop_takes_the_old_only(store: &impl Store) {
    let second = 1_000_000;
    let sessions = [(1, 1, 10), (1, 2, 20), (2, 3, 10), (3, 4, 30)];
    store.put_sessions(sessions.iter().map(|&(n, id, s)| session_record(n, id, s * second)).collect()).await.unwrap();
    let faults = [(0, 1, 10), (1, 2, 20), (2, 1, 30)];
    store
        .put_faults(faults.iter().map(|&(i, n, s)| (event(i), fault(n, s * second, 9000 + i))).collect())
        .await
        .unwrap();
    store.put_refused(event(1), refused(10 * second)).await.unwrap();
    store.put_refused(event(2), refused(20 * second)).await.unwrap();
    // Created early and finished late: the age of a final task counts from its end (P1).
    let mut long = with_state(&task(1, "long", 5 * second), TaskState::Failed);
    long.updated_at = at(25 * second);
    let short = with_state(&task(1, "short", 6 * second), TaskState::Failed);
    let open = task(1, "open", second);
    let writes = [long.clone(), short.clone(), open.clone()].map(|t| (None, t));
    assert_eq!(store.commit(&device(1), commit(writes)).await.unwrap(), CommitOutcome::Applied);

    // Sessions 1 and 3 ended at 11 s; a fault, a refused Inform and the short task are older than 15 s.
    assert_eq!(drop_all(store, 15 * second).await, 5);
    assert_eq!(drop_all(store, 15 * second).await, 0);
    let first = PageRequest::first(9);
    for (id, is_there) in [(1, false), (2, true), (3, false), (4, true)] {
        assert_eq!(store.session(&session(id)).await.unwrap().is_some(), is_there, "session {id}");
    }
    assert_eq!(store.sessions(&device(1), &first).await.unwrap().items.len(), 1);
    let codes: Vec<_> = store.faults(None, &first).await.unwrap().items.into_iter().map(|f| f.fault.code).collect();
    assert_eq!(codes, [9002, 9001]);
    assert_eq!(store.faults(Some(&device(1)), &first).await.unwrap().items.len(), 1);
    assert_eq!(store.refused(&first).await.unwrap().items, [refused(20 * second)]);
    let tasks = store.list_tasks(&device(1), &Default::default(), &first).await.unwrap().items;
    assert_eq!(tasks, [long, open], "open tasks are never dropped");
}

pub async fn drop_frees_the_task_id(store: &impl Store) {
    let old = with_state(&task(1, "a", 5), TaskState::Failed);
    store.commit(&device(1), commit([(None, old.clone())])).await.unwrap();
    assert_eq!(drop_all(store, 6).await, 1);
    assert_eq!(store.task(&device(1), &old.id).await.unwrap(), None);
    assert_eq!(store.device_of_task(&old.id).await.unwrap(), None);
    assert_eq!(store.commit(&device(1), commit([(None, old)])).await.unwrap(), CommitOutcome::Applied);
}

pub async fn cursor_is_kept(store: &impl Store) {
    assert_eq!(store.cursor("ingest").await.unwrap(), 0);
    store.put_cursor("ingest", 7).await.unwrap();
    store.put_cursor("billing", 3).await.unwrap();
    store.put_cursor("ingest", u64::MAX).await.unwrap();
    assert_eq!(store.cursor("ingest").await.unwrap(), u64::MAX);
    assert_eq!(store.cursor("billing").await.unwrap(), 3);
}
