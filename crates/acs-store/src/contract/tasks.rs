//! [`crate::Tasks`].

use std::collections::BTreeSet;

use acs_types::{Applied, PageRequest, SummaryPatch, Task, TaskSpec, TaskState};
use futures::future::join_all;

use super::sample::{at, commit, commit_of, device, first_patch, holder, task, with_state};
use crate::{Commit, CommitOutcome, Error, Store, TaskFilter};

const DONE: TaskState = TaskState::Done { applied: Applied::Now };

async fn apply(store: &impl Store, n: u32, commit: Commit) {
    let outcome = store.commit(&device(n), commit).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
}

async fn insert(store: &impl Store, task: &Task) {
    let outcome = store.commit(&task.device, commit([(None, task.clone())])).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
}

fn conflict(current: Task) -> CommitOutcome {
    CommitOutcome::Conflict { current: Some(Box::new(current)) }
}

async fn open(store: &impl Store, n: u32) -> Vec<Task> {
    store.partition(&device(n)).await.unwrap().tasks
}

async fn listed(store: &impl Store, n: u32) -> Vec<Task> {
    store.list_tasks(&device(n), &TaskFilter::default(), &PageRequest::first(1000)).await.unwrap().items
}

pub async fn insert_only_if_absent(store: &impl Store) {
    let first = task(1, "a", 5);
    insert(store, &first).await;
    let again = Task { body_sha256: [9; 32], ..first.clone() };
    let outcome = store.commit(&device(1), commit([(None, again)])).await.unwrap();
    assert_eq!(outcome, conflict(first.clone()), "P5: the same key gives the task that is there");
    assert_eq!(store.task(&device(1), &first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.device_of_task(&first.id).await.unwrap(), Some(device(1)));
    assert_eq!(store.task(&device(2), &first.id).await.unwrap(), None);
    assert_eq!(store.device_of_task(&task(1, "other", 5).id).await.unwrap(), None);
}

pub async fn only_for_a_known_device_if_asked(store: &impl Store) {
    let known = |commit: Commit| Commit { device_known: true, ..commit };
    let first = task(1, "a", 5);
    let insert = known(commit_of(holder(1, 10), [(None, first.clone())]));
    let outcome = store.commit(&device(1), insert.clone()).await.unwrap();
    assert_eq!(outcome, CommitOutcome::DeviceUnknown);
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default(), "nor has it a holder");
    assert_eq!(store.device_of_task(&first.id).await.unwrap(), None);

    // A patch without identity does not make it known, a task does not either.
    store.patch_summary(&device(1), SummaryPatch { identity: None, ..first_patch(1, 10) }).await.unwrap();
    apply(store, 1, commit([(None, task(1, "b", 6))])).await;
    assert_eq!(store.commit(&device(1), insert.clone()).await.unwrap(), CommitOutcome::DeviceUnknown);

    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    apply(store, 1, insert).await;
    let outcome = store.commit(&device(1), known(commit([(None, first.clone())]))).await.unwrap();
    assert_eq!(outcome, conflict(first), "the other conditions hold as well");
}

pub async fn insert_only_if_not_final(store: &impl Store) {
    let first = task(1, "a", 5);
    insert(store, &first).await;
    apply(store, 1, commit([(Some(1), with_state(&first, TaskState::Cancelled))])).await;
    let outcome = store.commit(&device(1), commit([(None, first.clone())])).await.unwrap();
    let is = Task { revision: 2, ..with_state(&first, TaskState::Cancelled) };
    assert_eq!(outcome, conflict(is), "P5: also when it is final by now");
    assert_eq!(open(store, 1).await, []);
}

pub async fn revision_must_match(store: &impl Store) {
    let first = task(1, "a", 5);
    insert(store, &Task { revision: 77, ..first.clone() }).await;
    let sending = with_state(&first, TaskState::Sending { attempt: 1 });
    for wrong in [0, 2, u64::MAX] {
        let outcome = store.commit(&device(1), commit([(Some(wrong), sending.clone())])).await.unwrap();
        assert_eq!(outcome, conflict(first.clone()), "a new task has revision 1 whatever it said");
    }
    apply(store, 1, commit([(Some(1), sending.clone())])).await;
    assert_eq!(open(store, 1).await, [Task { revision: 2, ..sending.clone() }]);
    let outcome = store.commit(&device(1), commit([(Some(1), sending)])).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Conflict { current: Some(t) } if t.revision == 2));
    let outcome = store.commit(&device(1), commit([(Some(1), task(1, "unknown", 5))])).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { current: None });
}

pub async fn all_or_nothing(store: &impl Store) {
    insert(store, &task(1, "there", 1)).await;
    let writes = [(None, task(1, "a", 2)), (None, task(1, "there", 1)), (None, task(1, "b", 3))];
    let outcome = store.commit(&device(1), commit_of(holder(1, 10), writes)).await.unwrap();
    assert_eq!(outcome, conflict(task(1, "there", 1)));
    assert_eq!(open(store, 1).await, [task(1, "there", 1)]);
    assert_eq!(store.device_of_task(&task(1, "a", 2).id).await.unwrap(), None);
    assert_eq!(store.partition(&device(1)).await.unwrap().holder, None);
}

pub async fn final_moves_to_history_and_back(store: &impl Store) {
    let first = task(1, "a", 5);
    insert(store, &first).await;
    apply(store, 1, commit([(Some(1), with_state(&first, TaskState::NeedsOperator))])).await;
    assert_eq!(open(store, 1).await, [], "a final task is not in the partition");
    let is = Task { revision: 2, ..with_state(&first, TaskState::NeedsOperator) };
    assert_eq!(store.task(&device(1), &first.id).await.unwrap(), Some(is.clone()));
    assert_eq!(listed(store, 1).await, [is]);
    assert_eq!(store.device_of_task(&first.id).await.unwrap(), Some(device(1)));

    apply(store, 1, commit([(Some(2), first.clone())])).await;
    let retried = Task { revision: 3, ..first.clone() };
    assert_eq!(open(store, 1).await, std::slice::from_ref(&retried), "retried by a person");
    assert_eq!(listed(store, 1).await, [retried], "and not twice in the list");

    let born_final = with_state(&task(1, "b", 6), TaskState::Failed);
    insert(store, &born_final).await;
    assert_eq!(store.task(&device(1), &born_final.id).await.unwrap(), Some(born_final));
    assert_eq!(open(store, 1).await.len(), 1);
}

pub async fn holder_is_taken_by_the_newer(store: &impl Store) {
    apply(store, 1, commit_of(holder(1, 10), [])).await;
    assert_eq!(store.partition(&device(1)).await.unwrap().holder, Some(holder(1, 10)));
    apply(store, 1, commit_of(holder(2, 20), [])).await;
    let lost = store.commit(&device(1), commit_of(holder(1, 10), [(None, task(1, "a", 5))])).await.unwrap();
    assert_eq!(lost, CommitOutcome::HolderLost { holder: holder(2, 20) }, "P6: a newer session takes over at once");
    assert_eq!(open(store, 1).await, []);
    apply(store, 1, commit_of(holder(2, 20), [(None, task(1, "a", 5))])).await;
    apply(store, 1, commit([(None, task(1, "outside", 6))])).await;
    let partition = store.partition(&device(1)).await.unwrap();
    assert_eq!((partition.holder, partition.tasks.len()), (Some(holder(2, 20)), 2));
}

pub async fn equal_stamps_have_one_holder(store: &impl Store) {
    apply(store, 1, commit_of(holder(1, 10), [])).await;
    apply(store, 1, commit_of(holder(2, 10), [])).await;
    let lost = store.commit(&device(1), commit_of(holder(1, 10), [])).await.unwrap();
    assert_eq!(lost, CommitOutcome::HolderLost { holder: holder(2, 10) });
}

pub async fn a_conflict_leaves_the_holder(store: &impl Store) {
    apply(store, 1, commit_of(holder(1, 10), [])).await;
    let outcome = store.commit(&device(1), commit_of(holder(2, 20), [(Some(4), task(1, "a", 5))])).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { current: None });
    assert_eq!(store.partition(&device(1)).await.unwrap().holder, Some(holder(1, 10)));
}

pub async fn limits_of_a_commit(store: &impl Store) {
    let writes = |count: usize| commit((0..count).map(|i| (None, task(1, &i.to_string(), i as i64))));
    let refused = store.commit(&device(1), writes(Commit::WRITES_MAX + 1)).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    apply(store, 1, writes(Commit::WRITES_MAX)).await;
    assert_eq!(open(store, 1).await.len(), Commit::WRITES_MAX);
    let twice = commit([(None, task(1, "x", 1)), (None, task(1, "x", 2))]);
    let refused = store.commit(&device(1), twice).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

pub async fn task_of_another_device(store: &impl Store) {
    let refused = store.commit(&device(1), commit([(None, task(2, "a", 5))])).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(store.device_of_task(&task(2, "a", 5).id).await.unwrap(), None);
}

pub async fn open_tasks_run_in_order(store: &impl Store) {
    let with = |key, micros, priority| Task { priority, ..task(1, key, micros) };
    for task in [with("late", 9, 10), with("early", 3, 10), with("first", 7, 0)] {
        insert(store, &task).await;
    }
    let order: Vec<_> = open(store, 1).await.into_iter().map(|t| (t.priority, t.created_at)).collect();
    assert_eq!(order, [(0, at(7)), (10, at(3)), (10, at(9))], "P6");
}

pub async fn list_is_newest_first(store: &impl Store) {
    for micros in [3, 1, 2, 4] {
        insert(store, &task(1, &micros.to_string(), micros)).await;
    }
    let done = with_state(&task(1, "3", 3), DONE);
    apply(store, 1, commit([(Some(1), done)])).await;
    insert(store, &task(2, "other", 9)).await;
    let times: Vec<_> = listed(store, 1).await.into_iter().map(|t| t.created_at.as_micros()).collect();
    assert_eq!(times, [4, 3, 2, 1], "open and final ones in one order");
}

pub async fn list_misses_nothing_while_tasks_come(store: &impl Store) {
    for i in 0..20 {
        insert(store, &task(1, &i.to_string(), 100 + i)).await;
    }
    let (mut found, mut request, mut moved) = (Vec::new(), PageRequest::first(3), 0);
    loop {
        let page = store.list_tasks(&device(1), &TaskFilter::default(), &request).await.unwrap();
        assert!(page.items.len() <= 3);
        found.extend(page.items.into_iter().map(|t| t.id));
        // One comes and one becomes final between two pages.
        insert(store, &task(1, &format!("new-{moved}"), 200 + moved)).await;
        apply(store, 1, commit([(Some(1), with_state(&task(1, &moved.to_string(), 100 + moved), DONE))])).await;
        moved += 1;
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    let unique: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(unique.len(), found.len(), "no task twice");
    for i in 0..20 {
        assert!(unique.contains(&task(1, &i.to_string(), 0).id), "task {i} was there all the time");
    }
}

pub async fn open_tasks_of_all(store: &impl Store) {
    for (n, micros) in [(2, 5), (1, 9), (1, 4), (3, 1)] {
        insert(store, &task(n, &micros.to_string(), micros)).await;
    }
    insert(store, &with_state(&task(1, "final", 2), TaskState::Expired)).await;
    for limit in [1, 3, 4, 100] {
        let (mut found, mut request) = (Vec::new(), PageRequest::first(limit));
        loop {
            let page = store.list_open_tasks(&TaskFilter::default(), &request).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items.into_iter().map(|t| (t.device, t.created_at.as_micros())));
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, [(device(1), 4), (device(1), 9), (device(2), 5), (device(3), 1)], "limit {limit}");
    }
}

pub async fn filters_of_tasks(store: &impl Store) {
    let refresh = Task { spec: TaskSpec::FactoryReset, ..task(1, "a", 1) };
    for task in [refresh, task(1, "b", 2), with_state(&task(1, "c", 3), TaskState::Failed)] {
        insert(store, &task).await;
    }
    let filter = |states: &[&str], kinds: &[&str]| TaskFilter {
        states: states.iter().map(|s| (*s).to_owned()).collect(),
        kinds: kinds.iter().map(|s| (*s).to_owned()).collect(),
    };
    let cases = [
        (filter(&[], &[]), vec![3, 2, 1], vec![1, 2]),
        (filter(&["queued"], &[]), vec![2, 1], vec![1, 2]),
        (filter(&["queued", "failed"], &["reboot"]), vec![3, 2], vec![2]),
        (filter(&[], &["factory_reset"]), vec![1], vec![1]),
        (filter(&["done"], &[]), vec![], vec![]),
    ];
    for (filter, all, only_open) in cases {
        let micros = |tasks: Vec<Task>| tasks.into_iter().map(|t| t.created_at.as_micros()).collect::<Vec<_>>();
        let page = store.list_tasks(&device(1), &filter, &PageRequest::first(100)).await.unwrap();
        assert_eq!(micros(page.items), all, "{filter:?}");
        let page = store.list_open_tasks(&filter, &PageRequest::first(100)).await.unwrap();
        assert_eq!(micros(page.items), only_open, "{filter:?}");
    }
}

pub async fn count_since(store: &impl Store) {
    for micros in 1..=4 {
        insert(store, &task(1, &micros.to_string(), micros)).await;
    }
    apply(store, 1, commit([(Some(1), with_state(&task(1, "4", 4), DONE))])).await;
    insert(store, &task(2, "other", 9)).await;
    for (since, count) in [(i64::MIN, 4), (1, 4), (3, 2), (4, 1), (5, 0)] {
        assert_eq!(store.count_tasks_since(&device(1), since).await.unwrap(), count, "since {since}");
    }
}

pub async fn exactly_one_insert_wins(store: &impl Store) {
    for round in 0..10 {
        let key = format!("round-{round}");
        let attempts = (0..16_u8).map(|i| {
            let task = Task { body_sha256: [i; 32], ..task(1, &key, 5) };
            async move { (i, store.commit(&device(1), commit([(None, task)])).await.unwrap()) }
        });
        let outcomes = join_all(attempts).await;
        let winners: Vec<u8> =
            outcomes.iter().filter(|(_, o)| *o == CommitOutcome::Applied).map(|(winner, _)| *winner).collect();
        let [winner] = winners[..] else { panic!("P5: one wins, not {winners:?}") };
        for (_, outcome) in outcomes {
            if let CommitOutcome::Conflict { current } = outcome {
                assert_eq!(current.expect("it exists").body_sha256, [winner; 32]);
            }
        }
    }
}

pub async fn exactly_one_revision_wins(store: &impl Store) {
    insert(store, &task(1, "a", 5)).await;
    let rounds = 20;
    for round in 1..=rounds {
        let write = |i: u32| {
            let task = Task { unanswered: i, ..task(1, "a", 5) };
            async move { store.commit(&device(1), commit([(Some(round), task)])).await.unwrap() == CommitOutcome::Applied }
        };
        let won = join_all((0..8).map(write)).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
    }
    assert_eq!(open(store, 1).await[0].revision, rounds + 1);
}

pub async fn concurrent_holders_end_with_the_newest(store: &impl Store) {
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let take = |n: u8| async move { store.commit(&device(1), commit_of(holder(n, i64::from(n)), [])).await.unwrap() };
    let outcomes = join_all((1..=32).rev().map(take)).await;
    assert!(outcomes.contains(&CommitOutcome::Applied));
    assert_eq!(store.partition(&device(1)).await.unwrap().holder, Some(holder(32, 32)), "P6");
}
