//! Random histories never leave the graph of design §5.5, and the repeat rule of §5.6 is never broken (P2, P3, P4).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use acs_planner::evidence::{self, Arrival};
use acs_planner::life::{self, Follow, Intent, Settings, own_fault};
use acs_types::{
    Applied, AttemptOutcome, AttemptReason, Evidence, Task, TaskFault, TaskResult, TaskSpec, TaskState, TransferResult,
};
use proptest::prelude::*;
use support::*;

#[derive(Debug, Clone, Copy)]
enum Op {
    Claim { session: u8, key_known: bool },
    Answered,
    Stepped,
    Faulted,
    Unanswered,
    NotSent,
    ReadUnanswered { session: u8 },
    Lost { session: u8 },
    ReadDone,
    Fail,
    InformWithKey { session: u8, key: Key },
    InformWithReboot { session: u8, bootstrap: bool },
    Transfer { ok: bool },
    TimePasses,
    NeedsOperator,
    Cancel,
    Retry,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    OfAttempt,
    Before,
    Other,
}

fn ops() -> impl Strategy<Value = Op> {
    let key = prop_oneof![Just(Key::OfAttempt), Just(Key::Before), Just(Key::Other)];
    prop_oneof![
        4 => (1..4u8, any::<bool>()).prop_map(|(session, key_known)| Op::Claim { session, key_known }),
        2 => Just(Op::Answered),
        1 => Just(Op::Stepped),
        1 => Just(Op::Faulted),
        3 => Just(Op::Unanswered),
        1 => Just(Op::NotSent),
        2 => (1..4u8).prop_map(|session| Op::ReadUnanswered { session }),
        2 => (1..4u8).prop_map(|session| Op::Lost { session }),
        1 => Just(Op::ReadDone),
        1 => Just(Op::Fail),
        2 => (1..4u8, key).prop_map(|(session, key)| Op::InformWithKey { session, key }),
        1 => (1..4u8, any::<bool>()).prop_map(|(session, bootstrap)| Op::InformWithReboot { session, bootstrap }),
        1 => any::<bool>().prop_map(|ok| Op::Transfer { ok }),
        2 => Just(Op::TimePasses),
        1 => Just(Op::NeedsOperator),
        1 => Just(Op::Cancel),
        1 => Just(Op::Retry),
    ]
}

fn method(task: &Task) -> &'static str {
    match (&task.spec, life::instance_made(task)) {
        (TaskSpec::AddObject { .. }, None) => "AddObject",
        (TaskSpec::DeleteObject { .. }, _) => "DeleteObject",
        (TaskSpec::Download(_), _) => "Download",
        (TaskSpec::Reboot, _) => "Reboot",
        (TaskSpec::FactoryReset, _) => "FactoryReset",
        _ => "SetParameterValues",
    }
}

fn reads(task: &Task) -> bool {
    matches!(
        task.spec,
        TaskSpec::GetValues { .. } | TaskSpec::GetNames { .. } | TaskSpec::Refresh { .. } | TaskSpec::Discover
    )
}

fn apply(task: &mut Task, op: Op, now: i64) {
    let last = task.attempts.last().cloned();
    let number = last.as_ref().map_or(0, |a| a.number);
    match op {
        Op::Claim { session: n, key_known } if !reads(task) => {
            let intent = Intent {
                session: session(n),
                method: method(task),
                at: at(now),
                deadline: at(now + 30),
                key_before: key_known.then(|| "before".to_owned()),
                instances_before: Vec::new(),
            };
            let _ = life::claim(task, intent);
        }
        Op::Answered => {
            let follow = match last.as_ref().map(|a| a.method.as_str()) {
                Some("Reboot") => Follow::Await(Evidence::Reboot, at(now + 60)),
                Some("FactoryReset") => Follow::Await(Evidence::Bootstrap, at(now + 60)),
                Some("Download") => Follow::Await(Evidence::TransferComplete, at(now + 60)),
                _ => Follow::Done(Applied::Now, None),
            };
            life::answered(task, number, at(now), follow);
        }
        Op::Stepped if last.as_ref().is_some_and(|a| a.method == "AddObject") => {
            let result = TaskResult::Instance { object: path("Device.T.7.") };
            life::answered(task, number, at(now), Follow::Step(result));
        }
        Op::Faulted => {
            life::faulted(task, number, at(now), TaskFault { code: 9002, ..own_fault("no") });
        }
        Op::Unanswered => {
            life::unanswered(task, number);
        }
        Op::NotSent => {
            life::not_sent(task, number);
        }
        Op::ReadUnanswered { session: n } => {
            life::read_unanswered(task, session(n));
        }
        Op::Lost { session: n } => {
            life::lost_with_session(task, &session(n));
        }
        Op::ReadDone if reads(task) => {
            life::read_done(task, TaskResult::Counts { names: 1, values: 1 }, None);
        }
        Op::Fail => {
            life::fail(task, own_fault("impossible"));
        }
        Op::InformWithKey { session: n, key } => {
            let key = match (key, &last) {
                (Key::OfAttempt, Some(a)) => a.id.to_string(),
                (Key::Before, Some(a)) => a.key_before.clone(),
                _ => "other".to_owned(),
            };
            evidence::arrived(task, &arrival(n, now, Some(key), false, Vec::new()));
        }
        Op::InformWithReboot { session: n, bootstrap } => {
            let keys = last.iter().map(|a| a.id.to_string()).collect();
            evidence::arrived(task, &arrival(n, now, None, bootstrap, keys));
        }
        Op::Transfer { ok } => {
            let fault = TaskFault { code: if ok { 0 } else { 9010 }, ..own_fault("") };
            let key = last.map(|a| a.id.to_string()).unwrap_or_default();
            if matches!(task.spec, TaskSpec::Download(_)) {
                evidence::transferred(task, &key, &fault, &TransferResult::default());
            }
        }
        Op::TimePasses => {
            life::time_passed(task, at(now), &Settings::default());
        }
        Op::NeedsOperator => {
            life::needs_operator(task, "nothing tells");
        }
        Op::Cancel => {
            let _ = life::cancel(task);
        }
        Op::Retry => {
            let _ = life::retry(task);
        }
        Op::Claim { .. } | Op::Stepped | Op::ReadDone => {}
    }
}

fn arrival(n: u8, now: i64, parameter_key: Option<String>, bootstrap: bool, reboot_keys: Vec<String>) -> Arrival {
    Arrival { session: session(n), at: at(now), parameter_key, bootstrap, reboot_keys, current: true }
}

/// The graph: where a task may go from a state, by itself and by a person.
fn may_go(from: &str, to: &str, op: Op) -> bool {
    let by_itself: &[&str] = match from {
        "queued" => &["sending", "done", "failed", "expired", "quarantined", "cancelled", "resolved_applied"],
        "sending" => &[
            "awaiting",
            "done",
            "failed",
            "unknown",
            "queued",
            "quarantined",
            "cancelled",
            "resolved_applied",
            "resolved_not_applied",
        ],
        "awaiting" => &["done", "failed", "unknown"],
        "unknown" => {
            &["resolved_applied", "resolved_not_applied", "needs_operator", "queued", "cancelled", "quarantined"]
        }
        _ => &[],
    };
    let by_person = matches!(op, Op::Retry)
        && to == "queued"
        && ["failed", "resolved_not_applied", "needs_operator", "quarantined", "expired", "unknown"].contains(&from);
    // What was put away for its count alone goes on when an answer was lost with one of our front-ends.
    let excused = matches!(op, Op::Lost { .. })
        && [("quarantined", "queued"), ("needs_operator", "unknown")].contains(&(from, to));
    from == to || by_itself.contains(&to) || by_person || excused
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn histories_stay_within_the_graph(kind in 0..13usize, expires in any::<bool>(), history in prop::collection::vec((ops(), -20..100i64), 1..60)) {
        let mut task = task(1, every_spec().swap_remove(kind));
        task.expires_at = expires.then(|| at(900));
        let mut now = 0;
        for (op, step) in history {
            now += step;
            let before = task.clone();
            apply(&mut task, op, now);
            if task != before {
                task.updated_at = at(now);
            }
            check_edge(&before, &task, op)?;
            check_attempts(&before, &task, op)?;
            if matches!(op, Op::Lost { .. }) {
                let once = task.clone();
                apply(&mut task, op, now);
                prop_assert_eq!(&task, &once, "the same session is lost once");
            }
        }
    }

    /// P4: whatever becomes of the sessions that gave no answer, and in whatever order that is known.
    #[test]
    fn no_task_is_sent_more_than_three_times_and_twelve_excused_p4_p7(
        read in any::<bool>(),
        history in prop::collection::vec((any::<bool>(), any::<bool>(), 0..4u8), 1..60),
    ) {
        let mut task = task(1, if read { TaskSpec::Discover } else { set_values("Device.X", "1") });
        let (mut sent, mut known_late) = (0, Vec::new());
        for (n, (lost, at_once, told)) in (0u8..).zip(history) {
            if task.state == TaskState::Queued {
                sent += 1;
                apply(&mut task, Op::Claim { session: n, key_known: true }, 0);
                if lost && at_once {
                    life::lost_with_session(&mut task, &session(n));
                }
                let op = if read { Op::ReadUnanswered { session: n } } else { Op::Unanswered };
                apply(&mut task, op, 1);
                known_late.extend(lost.then_some(session(n)));
            }
            if told == 0 {
                for session in known_late.drain(..) {
                    life::lost_with_session(&mut task, &session);
                    prop_assert!(!life::lost_with_session(&mut task, &session), "twice is as once");
                }
            }
            let counted = sent - task.excused;
            prop_assert!(counted <= Task::UNANSWERED_MAX, "{counted} counted");
            prop_assert_eq!(task.state == TaskState::Quarantined, counted == Task::UNANSWERED_MAX, "{:?}", task);
        }
        prop_assert!(sent <= Task::UNANSWERED_MAX + Task::EXCUSED_MAX, "{sent} sent");
    }
}

fn check_edge(before: &Task, after: &Task, op: Op) -> Result<(), TestCaseError> {
    let (from, to) = (before.state.as_str(), after.state.as_str());
    prop_assert!(may_go(from, to, op), "{from} to {to} by {op:?}");
    // Final is final, but for a person, and what was put away for its count alone.
    let put_away = matches!(before.state, TaskState::Quarantined | TaskState::NeedsOperator);
    if before.state.is_final() && !matches!(op, Op::Retry) && !(put_away && matches!(op, Op::Lost { .. })) {
        prop_assert_eq!(before, after, "a final task changed by {:?}", op);
    }
    // P4
    let poisoned = after.state == TaskState::Queued && after.unanswered >= Task::UNANSWERED_MAX;
    prop_assert!(!poisoned, "queued after {} unanswered", after.unanswered);
    prop_assert!(after.excused <= Task::EXCUSED_MAX);
    prop_assert!(after.unanswered_in.len() <= (after.unanswered.min(Task::UNANSWERED_MAX)) as usize, "{after:?}");
    // A state names an attempt that is there, and it is the last.
    if let TaskState::Sending { attempt } | TaskState::Awaiting { attempt, .. } | TaskState::Unknown { attempt } =
        after.state
    {
        prop_assert_eq!(after.attempts.last().map(|a| a.number), Some(attempt));
    }
    Ok(())
}

fn check_attempts(before: &Task, after: &Task, op: Op) -> Result<(), TestCaseError> {
    prop_assert!(after.attempts.len() <= Task::ATTEMPTS_MAX);
    for (n, attempt) in (1u32..).zip(&after.attempts) {
        prop_assert_eq!(attempt.number, n, "numbers are dense");
    }
    prop_assert!(after.attempts.is_sorted_by_key(|attempt| attempt.started_at), "also where a clock goes back");
    if after.attempts.len() <= before.attempts.len() {
        return Ok(());
    }
    let claimed = matches!(op, Op::Claim { .. }) && before.state == TaskState::Queued;
    prop_assert!(claimed, "{:?}", op);
    let new = after.attempts.last().unwrap();
    let Some(last) = before.attempts.last() else {
        prop_assert!(matches!(new.reason, AttemptReason::First | AttemptReason::Operator));
        return Ok(());
    };
    // P2: each transmission after the first says why. P3: what may not repeat goes again only on proof or by a person.
    let repeatable = last.method == "SetParameterValues"
        && !matches!(&before.spec,
        TaskSpec::SetValues { values } if values.iter().any(|v| v.path.leaf() == "DiagnosticsState"));
    let allowed = match new.reason {
        AttemptReason::Operator => true,
        AttemptReason::NotApplied => last.outcome == Some(AttemptOutcome::ProvedNotApplied),
        AttemptReason::Unanswered => repeatable && last.outcome == Some(AttemptOutcome::Unanswered),
        // The next step of an AddObject with values.
        AttemptReason::First => last.method == "AddObject" && new.method == "SetParameterValues",
        AttemptReason::Split => false,
    };
    prop_assert!(allowed, "{:?} after {:?}", new, last);
    Ok(())
}

#[test]
fn what_may_not_repeat_waits_as_unknown_p3() {
    for spec in every_spec() {
        let mut task = task(1, spec.clone());
        if reads(&task) {
            continue;
        }
        apply(&mut task, Op::Claim { session: 1, key_known: true }, 0);
        apply(&mut task, Op::Unanswered, 1);
        let repeats = matches!(&spec, TaskSpec::SetCredentials)
            || matches!(&spec, TaskSpec::SetValues { values } if values[0].path.leaf() == "X");
        let expected = if repeats { "queued" } else { "unknown" };
        assert_eq!(task.state.as_str(), expected, "{spec:?}");
    }
}

#[test]
fn three_unanswered_transmissions_quarantine_p4() {
    let mut task = task(1, set_values("Device.X", "1"));
    for n in 0..3 {
        assert_eq!(task.state, TaskState::Queued, "after {n}");
        apply(&mut task, Op::Claim { session: n, key_known: true }, 0);
        apply(&mut task, Op::Unanswered, 1);
    }
    assert_eq!(task.state, TaskState::Quarantined);
    assert_eq!(
        task.attempts.iter().map(|a| a.reason.as_str()).collect::<Vec<_>>(),
        ["first", "unanswered", "unanswered"]
    );
}

/// Three transmissions without an answer, in sessions 1 to 3.
fn put_away(spec: TaskSpec) -> Task {
    let mut task = task(1, spec);
    for n in 1..=3 {
        match reads(&task) {
            true => apply(&mut task, Op::ReadUnanswered { session: n }, 1),
            false => {
                apply(&mut task, Op::Claim { session: n, key_known: true }, 0);
                apply(&mut task, Op::Unanswered, 1);
            }
        }
    }
    assert_eq!(task.state, TaskState::Quarantined);
    task
}

#[test]
fn an_answer_lost_with_a_front_end_takes_a_task_out_of_quarantine_p7_p4() {
    for spec in [TaskSpec::Discover, set_values("Device.X", "1")] {
        let mut task = put_away(spec);
        let reason = task.next_reason;
        assert!(!life::lost_with_session(&mut task, &session(9)), "a session that it had no part in");
        assert!(life::lost_with_session(&mut task, &session(2)));
        assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Queued, 2, 1));
        assert_eq!((task.next_reason, task.fault.is_none()), (reason, true));
        assert_eq!(task.unanswered_in, [session(1), session(3)]);
        assert!(!life::lost_with_session(&mut task, &session(2)), "once");
        // One more, and it is put away again.
        apply(&mut task, Op::Claim { session: 4, key_known: true }, 2);
        let op = if reads(&task) { Op::ReadUnanswered { session: 4 } } else { Op::Unanswered };
        apply(&mut task, op, 3);
        assert_eq!((&task.state, task.unanswered), (&TaskState::Quarantined, 3));
    }
}

#[test]
fn excuses_end_after_twelve_p4() {
    let mut task = put_away(TaskSpec::Discover);
    for n in 0..Task::EXCUSED_MAX {
        assert!(life::lost_with_session(&mut task, &session(3 + u8::try_from(n).unwrap())), "{n}");
        apply(&mut task, Op::ReadUnanswered { session: 4 + u8::try_from(n).unwrap() }, 1);
        assert_eq!(task.state, TaskState::Quarantined);
    }
    let last = task.unanswered_in[2];
    assert!(!life::lost_with_session(&mut task, &last), "the answer itself may be what stops our front-ends");
    assert_eq!((&task.state, task.excused), (&TaskState::Quarantined, Task::EXCUSED_MAX));
    // A person may look at it and send it again, then all of this counts anew.
    life::retry(&mut task).unwrap();
    assert_eq!((task.unanswered, task.unanswered_in.len(), task.excused), (0, 0, 0));
}

#[test]
fn what_may_not_repeat_is_not_sent_again_for_a_lost_session_p3() {
    let mut sent = task(1, TaskSpec::Reboot);
    apply(&mut sent, Op::Claim { session: 1, key_known: true }, 0);
    // It is known before the deadline of what the session had on its way, or after.
    let mut counted = sent.clone();
    apply(&mut counted, Op::Unanswered, 1);
    for (mut task, count) in [(sent, 0), (counted, 1)] {
        assert_eq!(task.unanswered, count);
        assert!(life::lost_with_session(&mut task, &session(1)));
        assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Unknown { attempt: 1 }, 0, 1));
        assert_eq!(task.attempts[0].outcome, Some(AttemptOutcome::Unanswered), "visible as what it was (P2)");
        assert!(!life::lost_with_session(&mut task, &session(1)));
    }
}

#[test]
fn read_backs_lost_with_a_front_end_leave_the_outcome_unknown_p4() {
    let mut deleted = task(1, TaskSpec::DeleteObject { object: path("Device.T.1.") });
    apply(&mut deleted, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut deleted, Op::Unanswered, 1);
    apply(&mut deleted, Op::ReadUnanswered { session: 2 }, 2);
    apply(&mut deleted, Op::ReadUnanswered { session: 3 }, 3);
    assert_eq!(deleted.state, TaskState::NeedsOperator);
    assert!(life::lost_with_session(&mut deleted, &session(3)));
    assert_eq!((&deleted.state, deleted.unanswered), (&TaskState::Unknown { attempt: 1 }, 2), "it is read back again");
    // A person who was asked for another reason is not asked again.
    life::needs_operator(&mut deleted, "which instance was added cannot be told");
    assert!(!life::lost_with_session(&mut deleted, &session(2)));
    assert_eq!(deleted.state, TaskState::NeedsOperator);
}

#[test]
fn what_a_person_decided_since_stands_p4() {
    let mut retried = put_away(set_values("Device.X", "1"));
    apply(&mut retried, Op::Retry, 2);
    let before = retried.clone();
    assert!(!life::lost_with_session(&mut retried, &session(1)));
    assert_eq!(retried, before);
    let mut cancelled = task(1, set_values("Device.X", "1"));
    apply(&mut cancelled, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut cancelled, Op::Unanswered, 1);
    apply(&mut cancelled, Op::Cancel, 2);
    assert!(!life::lost_with_session(&mut cancelled, &session(1)));
    assert_eq!(cancelled.state, TaskState::Cancelled);
}

#[test]
fn a_task_that_has_used_its_transmissions_stays_in_quarantine() {
    let mut task = put_away(set_values("Device.X", "1"));
    while task.attempts.len() < Task::ATTEMPTS_MAX {
        let next = acs_types::Attempt { number: task.attempts.len() as u32 + 1, ..task.attempts[0].clone() };
        task.attempts.push(next);
    }
    let before = task.clone();
    assert!(!life::lost_with_session(&mut task, &session(1)));
    assert_eq!(task, before);
}

#[test]
fn a_late_answer_is_evidence() {
    let mut late = task(1, set_values("Device.X", "1"));
    apply(&mut late, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut late, Op::Unanswered, 1);
    apply(&mut late, Op::Answered, 2);
    assert_eq!(late.state, TaskState::ResolvedApplied, "in place of a second transmission");
    let mut refused = task(1, TaskSpec::Reboot);
    apply(&mut refused, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut refused, Op::Unanswered, 1);
    apply(&mut refused, Op::Faulted, 2);
    assert_eq!(refused.state, TaskState::ResolvedNotApplied);
}

#[test]
fn a_wish_to_cancel_waits_for_the_outcome() {
    let mut sent = task(1, TaskSpec::DeleteObject { object: path("Device.T.1.") });
    apply(&mut sent, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut sent, Op::Cancel, 1);
    assert!(matches!(sent.state, TaskState::Sending { .. }), "it may be on its way");
    apply(&mut sent, Op::Unanswered, 2);
    apply(&mut sent, Op::InformWithKey { session: 2, key: Key::Before }, 3);
    assert_eq!(sent.state, TaskState::Cancelled, "proved not applied, so it is not sent again");
}

#[test]
fn an_old_key_proves_nothing_after_a_bootstrap_cwmp_185() {
    let mut task = task(1, TaskSpec::DeleteObject { object: path("Device.T.1.") });
    apply(&mut task, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut task, Op::Unanswered, 1);
    assert!(!evidence::arrived(&mut task, &arrival(2, 2, Some("before".into()), true, Vec::new())));
    assert!(matches!(task.state, TaskState::Unknown { .. }));
}

#[test]
fn another_reboot_is_not_ours_cwmp_247() {
    let mut task = task(1, TaskSpec::Reboot);
    apply(&mut task, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut task, Op::Answered, 1);
    assert!(!evidence::arrived(&mut task, &arrival(2, 2, None, false, vec!["someone's".into()])));
    let key = task.attempts[0].id.to_string();
    assert!(evidence::arrived(&mut task, &arrival(2, 2, None, false, vec![key])));
    assert_eq!(task.state, TaskState::Done { applied: Applied::Now });
}

#[test]
fn waiting_ends_with_a_person_cwmp_342() {
    let settings = Settings::default();
    let mut task = task(1, download());
    apply(&mut task, Op::Claim { session: 1, key_known: true }, 0);
    apply(&mut task, Op::Answered, 1);
    let TaskState::Awaiting { until, .. } = task.state else { panic!("{:?}", task.state) };
    assert!(!life::time_passed(&mut task, until.minus(std::time::Duration::from_micros(1)), &settings));
    assert!(life::time_passed(&mut task, until, &settings));
    task.updated_at = until;
    assert!(matches!(task.state, TaskState::Unknown { .. }));
    assert!(life::time_passed(&mut task, until.plus(settings.unknown_wait), &settings));
    assert_eq!(task.state, TaskState::NeedsOperator);
}
