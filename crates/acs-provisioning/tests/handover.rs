//! Answers that reach provisioning another way than the request left it: a front-end that stopped, a session that was
//! overtaken (P2, P6, P12, P13).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use acs_proto::{Answer, AnswerOutcome, EndRequest, ErrorClass, Provisioning, UnansweredReason};
use acs_store::{History, Objects};
use acs_types::{
    AttemptOutcome, PageRequest, SessionOutcome, SessionRef, TaskId, TaskResult, TaskSpec, TaskState, Timer, TimerKind,
};
use cwmp_codec::AcsRequest;
use support::cpe::{Cpe, fault};
use support::*;

/// A device at which the request of a task is: the task, its session and what the device answers.
struct AtCpe {
    world: World,
    cpe: Cpe,
    task: TaskId,
    session: SessionRef,
    answers: Vec<Answer>,
}

async fn at_cpe(spec: TaskSpec, prepare: impl FnOnce(&mut Cpe)) -> AtCpe {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    prepare(&mut cpe);
    let task = world.enqueue("1", spec).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let mut answers = Vec::new();
    for _ in 0..10 {
        let calls = world.next(&session, answers).await.unwrap().calls;
        let changes = calls.last().is_some_and(|call| call.request.changes_device());
        answers = send(&mut cpe, &calls, world.now()).0;
        if changes {
            return AtCpe { world, cpe, task, session, answers };
        }
    }
    panic!("nothing was sent");
}

fn add_object() -> TaskSpec {
    TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() }
}

impl AtCpe {
    async fn state(&self) -> TaskState {
        self.world.task(&self.task).await.state
    }

    async fn drain(&self, answers: Vec<Answer>) {
        let wakes = self.world.wakes.count();
        self.world.end(&self.session, SessionOutcome::Drained, answers).await;
        assert_eq!(self.world.wakes.count(), wakes, "a session that goes on is not woken");
    }

    /// The session at the front-end that goes on with the cookie.
    fn elsewhere(&self) -> SessionRef {
        SessionRef { resume: 1, ..self.session.clone() }
    }
}

#[tokio::test]
async fn a_request_at_the_cpe_is_not_unanswered_when_its_front_end_stops_p12_p13() {
    for spec in [TaskSpec::Reboot, set_values("Device.X_Group0.P1", "a"), add_object(), download()] {
        for restarted in [false, true] {
            let what = format!("{:?}, provisioning restarted: {restarted}", spec.kind());
            let mut at = at_cpe(spec.clone(), |_| {}).await;
            at.drain(Vec::new()).await;
            assert!(matches!(at.state().await, TaskState::Sending { attempt: 1 }), "{what}");
            if restarted {
                at.world.restart();
            }
            // The next front-end knows neither the request nor its task.
            let answers = at.answers.iter().map(|a| Answer { task: None, attempt: None, ..a.clone() }).collect();
            let session = at.elsewhere();
            at.world.go_on(&session, &mut at.cpe, answers).await;
            let task = at.world.task(&at.task).await;
            let ended = task.state.is_success() || matches!(task.state, TaskState::Awaiting { .. });
            assert!(ended && task.attempts.len() == 1, "{what}: {task:?}");
        }
    }
}

#[tokio::test]
async fn silence_told_by_a_front_end_that_stops_is_not_the_end_of_the_wait_p12() {
    let at = at_cpe(TaskSpec::Reboot, |_| {}).await;
    let mut silent = at.answers.clone();
    silent[0].outcome = AnswerOutcome::Unanswered(UnansweredReason::Silence);
    at.drain(silent).await;
    assert!(matches!(at.state().await, TaskState::Sending { .. }));
    at.world.next(&at.elsewhere(), at.answers.clone()).await.unwrap();
    assert!(matches!(at.state().await, TaskState::Awaiting { .. }));
}

#[tokio::test]
async fn a_drained_session_that_does_not_go_on_shows_at_its_deadline_p3() {
    let at = at_cpe(TaskSpec::Reboot, |_| {}).await;
    at.drain(Vec::new()).await;
    at.world.pass(58);
    at.world.fire().await;
    assert!(matches!(at.state().await, TaskState::Sending { .. }), "its deadline is not over");
    at.world.pass(2);
    at.world.fire().await;
    assert!(matches!(at.state().await, TaskState::Unknown { .. }));
    // Late at another front-end, it is evidence still (F4).
    at.world.next(&at.elsewhere(), at.answers.clone()).await.unwrap();
    let task = at.world.task(&at.task).await;
    assert_eq!(task.attempts[0].outcome, Some(AttemptOutcome::Answered));
}

#[tokio::test]
async fn what_waits_at_a_drained_session_is_woken_for_when_it_does_not_go_on_p1() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    world.enqueue("1", TaskSpec::Reboot).await;
    assert!(world.end(&session, SessionOutcome::Drained, Vec::new()).await.wakes);
    assert_eq!(world.wakes.count(), 0, "it may go on");
    world.pass(10);
    world.fire().await;
    assert_eq!(world.wakes.count(), 1);
}

/// A newer session of the device, in which provisioning has given what it had on its way for lost.
async fn overtaken(at: &AtCpe, events: &[(&str, &str)]) -> SessionRef {
    let newer = at.world.session_ref();
    at.world.begin(&newer, &at.cpe, events).await;
    newer
}

/// The answers come once more; with nothing left to write the session may not notice that it was overtaken.
async fn hand_in_again(at: &AtCpe, in_next: bool, answers: Vec<Answer>) {
    match in_next {
        true => drop(at.world.next(&at.session, answers).await),
        false => hand_in(at, false, answers).await,
    }
}

/// The answers come in `next` (`true`) or at the end.
async fn hand_in(at: &AtCpe, in_next: bool, answers: Vec<Answer>) {
    if in_next {
        let error = at.world.next(&at.session, answers).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Superseded);
        return;
    }
    let (session, at_time) = (at.session.clone(), at.world.now());
    let request = EndRequest { session, at: at_time, outcome: SessionOutcome::Superseded, answers };
    assert!(!at.world.service.end(request).await.unwrap().wakes);
}

#[tokio::test]
async fn an_answer_in_a_session_that_was_overtaken_is_evidence_p2_p6_f4() {
    for in_next in [true, false] {
        // A Reboot that was accepted is not known to have happened, and not sent again.
        let at = at_cpe(TaskSpec::Reboot, |_| {}).await;
        overtaken(&at, &[PERIODIC]).await;
        assert!(matches!(at.state().await, TaskState::Unknown { .. }));
        hand_in(&at, in_next, at.answers.clone()).await;
        let task = at.world.task(&at.task).await;
        assert!(matches!(task.state, TaskState::Unknown { .. }), "{task:?}");
        assert_eq!(task.attempts[0].outcome, Some(AttemptOutcome::Answered), "the answer is seen");
        hand_in_again(&at, in_next, at.answers.clone()).await;
        assert_eq!(at.world.task(&at.task).await.attempts, task.attempts, "twice is as once");

        // A refusal is an outcome.
        let refuses = |cpe: &mut Cpe| {
            cpe.habit = Box::new(|request| matches!(request, AcsRequest::Reboot { .. }).then(|| fault(9001)));
        };
        let at = at_cpe(TaskSpec::Reboot, refuses).await;
        overtaken(&at, &[PERIODIC]).await;
        hand_in(&at, in_next, at.answers.clone()).await;
        let task = at.world.task(&at.task).await;
        assert_eq!((task.state, task.fault.map(|f| f.code)), (TaskState::ResolvedNotApplied, Some(9001)));
        let faults = at.world.store.faults(Some(&device()), &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(faults.len(), 1, "kept once for support");

        // The instance that was made is named by the answer alone, if the Inform tells no ParameterKey.
        let at = at_cpe(add_object(), |cpe| cpe.take_key("other")).await;
        let newer = at.world.session_ref();
        let mut request = at.world.begin_request(&newer, &at.cpe, &[PERIODIC]);
        request.inform.parameters.retain(|p| p.name.leaf() != "ParameterKey");
        at.world.service.begin(request).await.unwrap();
        assert!(matches!(at.state().await, TaskState::Unknown { .. }));
        hand_in(&at, in_next, at.answers.clone()).await;
        let task = at.world.task(&at.task).await;
        let made = TaskResult::Instance { object: path("Device.X_Table.1.") };
        assert_eq!((task.state, task.result), (TaskState::ResolvedApplied, Some(made)));
        assert!(at.world.store.object(&device(), &path("Device.X_Table.1.")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_an_overtaken_session_never_sent_goes_back_into_the_queue_p1() {
    for in_next in [true, false] {
        let at = at_cpe(TaskSpec::Reboot, |_| {}).await;
        overtaken(&at, &[PERIODIC]).await;
        assert!(matches!(at.state().await, TaskState::Unknown { .. }));
        let mut answers = at.answers.clone();
        answers[0].outcome = AnswerOutcome::Unanswered(UnansweredReason::NotSent);
        hand_in(&at, in_next, answers.clone()).await;
        let task = at.world.task(&at.task).await;
        assert_eq!(task.state, TaskState::Queued);
        assert_eq!(task.attempts[0].outcome, Some(AttemptOutcome::ProvedNotApplied), "visible as what it was");
        hand_in(&at, false, answers).await;
        assert_eq!(at.world.task(&at.task).await, task, "twice is as once");
        let armed = acs_store::Timers::due_timers(&*at.world.store, at.world.now().plus(DAY), 100).await.unwrap();
        let wakes = |timer: &Timer| timer.kind == TimerKind::Wake && timer.device == device();
        assert!(armed.iter().any(wakes), "wanted now, it is woken for");
    }
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

#[tokio::test]
async fn what_was_never_sent_is_no_transmission_without_an_answer_p4() {
    let at = at_cpe(set_values("Device.X_Group0.P1", "a"), |_| {}).await;
    let newer = at.world.session_ref();
    let mut request = at.world.begin_request(&newer, &at.cpe, &[PERIODIC]);
    request.inform.parameters.retain(|p| p.name.leaf() != "ParameterKey");
    at.world.service.begin(request).await.unwrap();
    assert_eq!(at.world.task(&at.task).await.unanswered, 1);
    let mut answers = at.answers.clone();
    answers[0].outcome = AnswerOutcome::Unanswered(UnansweredReason::NotSent);
    for _ in 0..2 {
        hand_in(&at, false, answers.clone()).await;
        let task = at.world.task(&at.task).await;
        assert_eq!((&task.state, task.unanswered, task.attempts.len()), (&TaskState::Queued, 0, 1));
        assert_eq!(task.attempts[0].outcome, Some(AttemptOutcome::ProvedNotApplied));
    }
}

#[tokio::test]
async fn what_is_never_sent_again_and_again_is_no_poison_p4() {
    let at = at_cpe(TaskSpec::Reboot, |_| {}).await;
    let (mut session, mut answers) = (at.session.clone(), at.answers.clone());
    for round in 1..=5 {
        let newer = overtaken(&at, &[PERIODIC]).await;
        for answer in &mut answers {
            answer.outcome = AnswerOutcome::Unanswered(UnansweredReason::NotSent);
        }
        at.world.end(&session, SessionOutcome::Superseded, answers).await;
        let task = at.world.task(&at.task).await;
        assert_eq!((&task.state, task.attempts.len()), (&TaskState::Queued, round), "{task:?}");
        let calls = at.world.next(&newer, Vec::new()).await.unwrap().calls;
        assert_eq!(calls.len(), 1, "it has its turn in the newer session");
        (answers, _) = send(&mut new_cpe(), &calls, at.world.now());
        session = newer;
    }
}

#[tokio::test]
async fn an_older_answer_changes_nothing_that_the_newer_session_decides_p6() {
    for in_next in [true, false] {
        // It is sent again: the older answer says nothing of the second transmission.
        let mut at = at_cpe(set_values("Device.X_Group0.P1", "a"), |_| {}).await;
        at.cpe.take_key("taken back");
        let newer = overtaken(&at, &[PERIODIC]).await;
        assert_eq!(at.state().await, TaskState::Queued);
        let queued = at.world.task(&at.task).await;
        hand_in_done(&at, in_next).await;
        let told = at.world.task(&at.task).await;
        assert_eq!(told.state, TaskState::Queued, "it repeats by itself; the newer Inform tells another key");
        assert_eq!((queued.unanswered, told.unanswered), (1, 0), "but it was answered (P4)");
        let calls = at.world.next(&newer, Vec::new()).await.unwrap().calls;
        assert_eq!(calls.len(), 1);
        let sending = at.world.task(&at.task).await;
        assert!(matches!(sending.state, TaskState::Sending { attempt: 2 }));
        hand_in_done(&at, in_next).await;
        assert_eq!(at.world.task(&at.task).await, sending);
        // The newer session has the device still.
        let (answers, _) = send(&mut at.cpe, &calls, at.world.now());
        at.world.go_on(&newer, &mut at.cpe, answers).await;
        assert!(at.state().await.is_success());
    }
}

/// The device did it, it says.
async fn hand_in_done(at: &AtCpe, in_next: bool) {
    let mut answers = at.answers.clone();
    answers[0].outcome = AnswerOutcome::Response(cwmp_codec::CpeResponse::SetParameterValues(Default::default()));
    hand_in_again(at, in_next, answers).await;
}
