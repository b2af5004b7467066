//! Sessions that were lost with one of our front-ends: what had no answer there says nothing of the device (P7), and a task whose
//! answer stops our front-ends is put away all the same (P4).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::time::Duration;

use acs_proto::{Answer, Provisioning};
use acs_provisioning::FirstContact;
use acs_store::{Commit, Devices as _, HolderGuard, TaskWrite, Tasks as _, Timers as _};
use acs_types::{EventBody, Obligation, Origin, SessionOutcome, SessionRef, Task, TaskId, TaskSpec, TaskState, Tenant};
use cwmp_model::Timestamp;
use support::cpe::{Cpe, Reply};
use support::*;

/// A session that sends one segment; nothing comes back, and nobody tells its end.
async fn cut(world: &World, cpe: &Cpe) -> (SessionRef, Vec<Answer>) {
    let session = world.session_ref();
    assert!(world.begin(&session, cpe, &[PERIODIC]).await.work);
    let calls = world.next(&session, Vec::new()).await.unwrap().calls;
    let mut silent = new_cpe();
    silent.habit = Box::new(|_| Some(Reply::Silence));
    let (answers, _) = send(&mut silent, &calls, world.now());
    (session, answers)
}

/// The same, told to provisioning by a front-end that died before its end of the session was in the log.
async fn cut_and_told(world: &World, cpe: &Cpe) -> SessionRef {
    let (session, answers) = cut(world, cpe).await;
    world.end(&session, SessionOutcome::TimedOut, answers).await;
    session
}

async fn observe(world: &World, session: &SessionRef, outcome: SessionOutcome) {
    world.service.observe(vec![world.ended_record(session, outcome)]).await.unwrap();
    settle().await;
}

async fn with_task(spec: TaskSpec) -> (World, Cpe, TaskId) {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", spec).await.task.id;
    (world, cpe, id)
}

#[tokio::test]
async fn what_a_bootstrap_obliges_to_happens_though_three_front_ends_died_with_its_answers_p7() {
    let mut config = config();
    config.first_contact = FirstContact::Discover;
    let (world, mut cpe) = (World::new(config), new_cpe());
    let first = world.session_ref();
    world.begin(&first, &cpe, &[BOOTSTRAP]).await;
    let mut sessions = Vec::new();
    for _ in 0..Task::UNANSWERED_MAX {
        sessions.push(cut_and_told(&world, &cpe).await);
    }
    let is_discovery = |task: &Task| task.spec == TaskSpec::Discover;
    let discovery = world.tasks().await.into_iter().find(is_discovery).unwrap();
    assert_eq!(
        (&discovery.state, &discovery.origin),
        (&TaskState::Quarantined, &Origin::Obligation(Obligation::FirstContact))
    );
    let asked = world.wakes.count();
    for (n, session) in (1u32..).zip(&sessions) {
        observe(&world, session, SessionOutcome::Lost).await;
        let task = world.task(&discovery.id).await;
        assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Queued, 3 - n, n));
    }
    assert_eq!(world.wakes.count(), asked + 1, "the device is woken for it, once");
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.task(&discovery.id).await.state.is_success());
    // What was put away for so long is told like any other transition.
    let told = world.log.records().into_iter().any(|record| match record.body {
        EventBody::Task(it) => it.task == discovery.id && (&*it.from, &*it.to) == ("quarantined", "queued"),
        _ => false,
    });
    assert!(told);
}

/// The front-end that tells the end lives; the answers were with others, which died before they could say that they had the session.
#[tokio::test]
async fn a_quarantine_is_reviewed_when_a_front_end_died_p7() {
    let (world, mut cpe, id) = with_task(get_values("Device.DeviceInfo.")).await;
    for _ in 0..Task::UNANSWERED_MAX {
        cut_and_told(&world, &cpe).await;
    }
    assert_eq!(world.task(&id).await.state, TaskState::Quarantined);
    let review = Duration::from_secs(6 * 60);
    world.clock.advance(review);
    world.fire().await;
    assert_eq!(world.task(&id).await.state, TaskState::Quarantined, "P4: all of them live, as far as is known");
    // Ingest is behind; the session is another device's.
    observe(&world, &world.session_ref(), SessionOutcome::Lost).await;
    let asked = world.wakes.count();
    world.clock.advance(review);
    world.fire().await;
    settle().await;
    let task = world.task(&id).await;
    assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Queued, 2, 1));
    assert_eq!(world.wakes.count(), asked + 1);
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.task(&id).await.state.is_success());
}

#[tokio::test]
async fn a_quarantine_that_no_death_explains_stands_p4() {
    let (world, cpe, id) = with_task(get_values("Device.DeviceInfo.")).await;
    observe(&world, &world.session_ref(), SessionOutcome::Lost).await;
    world.clock.advance(Duration::from_secs(11 * 60));
    for _ in 0..Task::UNANSWERED_MAX {
        cut_and_told(&world, &cpe).await;
    }
    for _ in 0..30 {
        world.clock.advance(Duration::from_secs(6 * 60));
        world.fire().await;
    }
    assert_eq!(world.task(&id).await.state, TaskState::Quarantined);
    let left = world.store.due_timers(world.now().plus(Duration::from_secs(86_400)), 10).await.unwrap();
    assert!(left.is_empty(), "nobody looks at it for ever: {left:?}");
}

#[tokio::test]
async fn a_change_whose_session_was_lost_goes_on_whenever_that_is_known_p4_p7() {
    for known_first in [true, false] {
        let (world, mut cpe, id) = with_task(set_values("Device.X_Group0.P1", "a")).await;
        for round in 1..=5 {
            let (session, _) = cut(&world, &cpe).await;
            if known_first {
                observe(&world, &session, SessionOutcome::Lost).await;
            }
            world.begin(&world.session_ref(), &cpe, &[PERIODIC]).await;
            observe(&world, &session, SessionOutcome::Lost).await;
            let task = world.task(&id).await;
            assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Queued, 0, round), "{known_first}");
            let said: Vec<_> = task.attempts.iter().map(|attempt| attempt.reason.as_str()).collect();
            assert!(said[0] == "first" && said[1..].iter().all(|reason| *reason == "unanswered"), "P2: {said:?}");
            assert_eq!(said.len(), round as usize);
        }
        world.session(&mut cpe, &[PERIODIC]).await;
        assert!(world.task(&id).await.state.is_success());
    }
}

#[tokio::test]
async fn a_task_whose_answer_stops_our_front_ends_is_put_away_p4() {
    let (world, cpe, id) = with_task(set_values("Device.X_Group0.P1", "a")).await;
    for _ in 0..Task::UNANSWERED_MAX + Task::EXCUSED_MAX {
        let (session, _) = cut(&world, &cpe).await;
        observe(&world, &session, SessionOutcome::Lost).await;
        world.begin(&world.session_ref(), &cpe, &[PERIODIC]).await;
        observe(&world, &session, SessionOutcome::Lost).await;
    }
    let task = world.task(&id).await;
    assert_eq!((&task.state, task.attempts.len()), (&TaskState::Quarantined, 15));
    assert!(!world.begin(&world.session_ref(), &cpe, &[PERIODIC]).await.work);
}

#[tokio::test]
async fn the_same_end_again_changes_nothing_and_no_other_end_does_p4() {
    let (world, cpe, id) = with_task(get_values("Device.DeviceInfo.")).await;
    let mut last = world.session_ref();
    for _ in 0..Task::UNANSWERED_MAX {
        last = cut_and_told(&world, &cpe).await;
    }
    let quarantined = world.task(&id).await;
    assert_eq!(quarantined.state, TaskState::Quarantined);
    for outcome in SessionOutcome::ALL.into_iter().filter(|outcome| *outcome != SessionOutcome::Lost) {
        observe(&world, &last, outcome).await;
        assert_eq!(world.task(&id).await, quarantined, "{outcome:?}: the front-end lives, the device was silent");
    }
    observe(&world, &last, SessionOutcome::Lost).await;
    let (queued, told) = (world.task(&id).await, world.log.records().len());
    assert_eq!(queued.state, TaskState::Queued);
    observe(&world, &last, SessionOutcome::Lost).await;
    assert_eq!((world.task(&id).await, world.log.records().len()), (queued, told));
}

#[tokio::test]
async fn what_may_not_repeat_stays_unknown_when_its_session_was_lost_p3() {
    let (world, mut cpe, id) = with_task(TaskSpec::Reboot).await;
    let (session, _) = cut(&world, &cpe).await;
    observe(&world, &session, SessionOutcome::Lost).await;
    assert_eq!(world.task(&id).await.state, TaskState::Unknown { attempt: 1 }, "visible before its deadline");
    cpe.seen.clear();
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(!cpe.seen.iter().any(|seen| seen.starts_with("Reboot")), "{:?}", cpe.seen);
    assert_eq!(world.task(&id).await.attempts.len(), 1);
}

#[tokio::test]
async fn what_a_person_decided_since_stands() {
    let (world, cpe, id) = with_task(get_values("Device.DeviceInfo.")).await;
    let mut sessions = Vec::new();
    for _ in 0..Task::UNANSWERED_MAX {
        sessions.push(cut_and_told(&world, &cpe).await);
    }
    world.service.retry(&device(), &id, "alice").await.unwrap();
    world.service.cancel(&device(), &id, "alice").await.unwrap();
    let cancelled = world.task(&id).await;
    assert_eq!(cancelled.state, TaskState::Cancelled);
    for session in &sessions {
        observe(&world, session, SessionOutcome::Lost).await;
    }
    assert_eq!(world.task(&id).await, cancelled);
}

/// So many tasks that were put away are looked at (P19).
const LOOKED_AT: i64 = 500;

#[tokio::test]
async fn so_many_tasks_that_were_put_away_are_looked_at_p19() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let session = world.session_ref();
    let put_away = |n: i64| {
        let id = TaskId::of("alice", &device(), &n.to_string());
        let origin = Origin::Request { principal: "alice".into() };
        let created_at = Timestamp::from_seconds(1_600_000_000 + n);
        let mut task = Task::queued(id, Tenant::default(), device(), TaskSpec::Discover, origin, created_at);
        (task.state, task.unanswered, task.unanswered_in) = (TaskState::Quarantined, 3, vec![session.session]);
        task
    };
    let tasks: Vec<Task> = (0..=LOOKED_AT).map(put_away).collect();
    for part in tasks.chunks(Commit::WRITES_MAX) {
        let write = |task: &Task| TaskWrite { expected_revision: None, task: task.clone() };
        let writes = part.iter().map(write).collect();
        let commit = Commit { holder: HolderGuard::Any, device_known: false, writes };
        let _ = world.store.commit(&device(), commit).await.unwrap();
    }
    observe(&world, &session, SessionOutcome::Lost).await;
    let state = async |n: usize| world.task(&tasks[n].id).await.state;
    assert_eq!((state(0).await, state(1).await), (TaskState::Quarantined, TaskState::Queued), "the oldest one is left");
    assert_eq!(world.store.partition(&device()).await.unwrap().tasks.len(), 500);
}
