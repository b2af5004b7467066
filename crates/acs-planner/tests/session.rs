//! From tasks and a device to the requests of a session, in words.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

#[path = "support/cpe.rs"]
mod cpe;
mod support;

use acs_planner::life::Settings;
use acs_planner::{
    CallAnswer, CallOutcome, NAMES_HELD_MAX, NoAnswer, Planned, PlannedCall, SessionPlan, StepInput,
    TASK_READS_PER_SESSION, Then, View, evidence,
};
use acs_types::{Applied, Secret, Task, TaskFault, TaskResult, TaskSpec, TaskState};
use cpe::{Cpe, Reply, fault, values_fault};
use cwmp_codec::AcsRequest;
use cwmp_model::{Value, ValueType};
use expect_test::{Expect, expect};
use support::*;

/// A device, its tasks and what the service keeps between segments.
struct Bench {
    cpe: Cpe,
    open: Vec<Task>,
    ended: Vec<Task>,
    view: View,
    secrets: bool,
    session: u8,
    now: i64,
    /// Every segment in words, a line each.
    segments: Vec<String>,
    planned: Vec<Planned>,
}

impl Bench {
    fn new(cpe: Cpe, specs: Vec<TaskSpec>) -> Self {
        let view = View {
            root: path(&cpe.root),
            credential: Some(("cpe-1".into(), Secret::new("new-password"))),
            ..View::default()
        };
        let open = (1..).zip(specs).map(|(n, spec)| task(n, spec)).collect();
        Self {
            cpe,
            open,
            ended: Vec::new(),
            view,
            secrets: true,
            session: 0,
            now: 100,
            segments: Vec::new(),
            planned: Vec::new(),
        }
    }

    fn session(&mut self) {
        self.session += 1;
        let arrival = evidence::Arrival {
            session: session(self.session),
            at: at(self.now),
            parameter_key: Some(self.cpe.key.clone()),
            bootstrap: false,
            reboot_keys: Vec::new(),
            current: true,
        };
        for task in &mut self.open {
            if evidence::arrived(task, &arrival) {
                task.revision += 1;
            }
        }
        self.sort();
        let mut plan = SessionPlan::new(Some(self.cpe.key.clone()));
        let mut answers = Vec::new();
        for _ in 0..1000 {
            let planned = self.step(&mut plan, &answers, true);
            if planned.calls.is_empty() {
                self.step(&mut plan, &[], false);
                return;
            }
            let (next, alive) = self.send(&planned.calls);
            answers = next;
            if !alive {
                self.step(&mut plan, &answers, false);
                return;
            }
        }
        panic!("the session has no end");
    }

    fn step(&mut self, plan: &mut SessionPlan, answers: &[CallAnswer], more: bool) -> Planned {
        self.now += 1;
        let input = StepInput {
            session: session(self.session),
            resume: 0,
            at: at(self.now),
            now: at(self.now),
            deadline: at(self.now + 60),
            secrets: self.secrets,
            tasks: &self.open,
            view: &self.view,
            answers,
            salt: u64::try_from(self.now).unwrap(),
            then: if more { Then::Plan } else { Then::Leave },
        };
        let planned = plan.step(&input, &Settings::default());
        for change in &planned.tasks {
            let task = self.open.iter_mut().find(|task| task.id == change.task.id).unwrap();
            assert_eq!(change.expected_revision + 1, change.task.revision);
            *task = change.task.clone();
        }
        self.sort();
        if let Some(notes) = &planned.notes {
            self.view.notes = notes.clone();
        }
        self.check(&planned);
        self.planned.push(planned.clone());
        planned
    }

    /// P2, P6: at most one change, last, with a durable intent; ids unlike any other.
    fn check(&self, planned: &Planned) {
        for (n, call) in planned.calls.iter().enumerate() {
            let changes = call.request.changes_device();
            assert!(!changes || n + 1 == planned.calls.len(), "a change is the last call");
            assert_eq!(changes, call.attempt.is_some());
            if let Some(attempt) = &call.attempt {
                let task = self.open.iter().find(|task| task.id == call.task).unwrap();
                assert!(matches!(task.state, TaskState::Sending { .. }), "its intent is written");
                assert_eq!(task.attempts.last().map(|a| &a.id), Some(attempt));
            }
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
            assert!((1..=32).contains(&call.id.len()) && call.id.chars().all(valid), "{}", call.id);
            let twin = self.planned.iter().flat_map(|p| &p.calls).any(|other| other.id == call.id);
            assert!(!twin, "the id {} comes twice", call.id);
        }
    }

    fn send(&mut self, calls: &[PlannedCall]) -> (Vec<CallAnswer>, bool) {
        let mut answers = Vec::new();
        let mut alive = true;
        let mut words = Vec::new();
        for call in calls {
            let outcome = if alive {
                words.push(cpe::describe(&call.request));
                match self.cpe.handle(&call.request) {
                    Reply::Response(response) => CallOutcome::Response(response),
                    Reply::Fault(fault) => CallOutcome::Fault(fault),
                    Reply::Silence => {
                        alive = false;
                        CallOutcome::None(NoAnswer::Lost)
                    }
                }
            } else {
                CallOutcome::None(NoAnswer::NotSent)
            };
            let (id, attempt) = (call.id.clone(), call.attempt.clone());
            answers.push(CallAnswer { id, attempt, at: at(self.now), outcome });
        }
        self.segments.push(words.join(" | "));
        (answers, alive)
    }

    fn sort(&mut self) {
        let (ended, open): (Vec<_>, Vec<_>) = self.open.drain(..).partition(|task| task.state.is_final());
        self.open = open;
        self.ended.extend(ended);
    }

    fn the_task(&self) -> &Task {
        self.ended.first().or_else(|| self.open.first()).unwrap()
    }

    fn expect(&self, expected: &Expect) {
        expected.assert_eq(&self.segments.join("\n"));
    }
}

fn run(cpe: Cpe, specs: Vec<TaskSpec>) -> Bench {
    let mut bench = Bench::new(cpe, specs);
    bench.session();
    bench
}

#[test]
fn first_contact_with_300_parameters_takes_five_requests() {
    // Inform, the empty POST and five answers: seven POSTs, ten are allowed.
    let bench = run(Cpe::new("Device.", 300), vec![TaskSpec::Discover, TaskSpec::SetCredentials]);
    bench.expect(&expect![[r#"
        GetParameterNames Device. all
        GetParameterValues 100 names | GetParameterValues 100 names | GetParameterValues 100 names
        SetParameterValues Device.ManagementServer.ConnectionRequestUsername=string:cpe-1 Device.ManagementServer.ConnectionRequestPassword=(secret)"#]]);
    assert!(bench.open.is_empty() && bench.ended.iter().all(|task| task.state.is_success()));
    assert!(
        matches!(bench.ended[0].result, Some(TaskResult::Counts { values: 300, .. })),
        "{:?}",
        bench.ended[0].result
    );
    assert!(bench.planned.iter().any(|p| p.summary.discovered_at.is_some()));
    assert!(bench.planned.iter().any(|p| p.credential_proved));
}

/// The trees of the session's steps: objects told in each, and the parameters of a group with and without value.
fn told(bench: &Bench) -> Vec<(usize, Option<(usize, usize)>)> {
    let group = |p: &Planned| {
        let read = p.tree.upsert.get(&path("Device.X_Group0."))?;
        let with = read.object.parameters.iter().filter(|p| p.value.is_some()).count();
        Some((with, read.object.parameters.len() - with))
    };
    bench.planned.iter().map(|p| (p.tree.upsert.len(), group(p))).collect()
}

#[test]
fn an_object_is_told_once_with_its_names_and_values() {
    let bench = run(Cpe::new("Device.", 26), vec![TaskSpec::Discover]);
    // To begin with; its names; its values; the end.
    assert_eq!(told(&bench), [(0, None), (0, None), (5, Some((20, 0))), (0, None)]);
    let values = &bench.planned[2].tree;
    assert_eq!(values.listed.len(), 1, "what is not there any more is told, too");
    assert!(values.upsert[&path("Device.X_Group0.")].complete);
}

#[test]
fn names_do_not_wait_for_values_that_never_come() {
    let mut cpe = Cpe::new("Device.", 26);
    cpe.habit = Box::new(|request| matches!(request, AcsRequest::GetParameterValues(_)).then_some(Reply::Silence));
    let bench = run(cpe, vec![TaskSpec::Discover]);
    assert_eq!(told(&bench), [(0, None), (0, None), (5, Some((0, 20)))], "the session ended");
}

#[test]
fn names_that_a_task_asked_for_are_told_before_it_is_done() {
    // The other task reads on.
    let names = TaskSpec::GetNames { path: path("Device.X_Group0."), next_level: false };
    let bench = run(Cpe::new("Device.", 46), vec![names, TaskSpec::Refresh { path: path("Device.X_Group1.") }]);
    let done = bench.planned.iter().position(|p| p.tasks.iter().any(|change| change.task.state.is_final())).unwrap();
    assert_eq!(bench.planned[done].tasks.len(), 1, "the other one is not done");
    assert_eq!(told(&bench)[..=done], [(0, None), (2, Some((0, 20)))]);
}

#[test]
fn a_plan_holds_so_many_names_and_no_more_p19() {
    // Beside its parameters it has the root, two objects, an empty table, and an object for each twenty.
    let names = |count: usize| 4 + count + (count - 6).div_ceil(20);
    let most = (1..).take_while(|count| *count < 6 || names(*count) <= NAMES_HELD_MAX).last().unwrap();
    for (count, listed) in [(most, 0), (most + 1, 1)] {
        let bench = run(Cpe::new("Device.", count), vec![TaskSpec::Discover]);
        assert_eq!(bench.planned[1].tree.listed.len(), listed, "{count} parameters");
        assert!(bench.planned.iter().map(|p| p.tree.listed.len()).sum::<usize>() == 1, "told once in any case");
    }
}

#[test]
fn a_device_that_refuses_all_names_at_once_is_asked_by_object_cwmp_237() {
    let mut cpe = Cpe::new("Device.", 30);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::GetParameterNames(ask) if ask.path.as_str() == "Device." && !ask.next_level => Some(fault(9002)),
        AcsRequest::GetParameterNames(ask) if ask.path.as_str() == "Device.X_Group0." && !ask.next_level => {
            Some(fault(9004))
        }
        _ => None,
    });
    let mut bench = run(cpe, vec![TaskSpec::Discover]);
    bench.expect(&expect![[r#"
        GetParameterNames Device. all
        GetParameterNames Device. next level
        GetParameterNames Device.DeviceInfo. all | GetParameterNames Device.ManagementServer. all | GetParameterNames Device.X_Group0. all | GetParameterNames Device.X_Group1. all | GetParameterNames Device.X_Table. all
        GetParameterNames Device.X_Group0. next level
        GetParameterValues 30 names"#]]);
    assert!(bench.the_task().state.is_success() && bench.the_task().fault.is_none(), "{:?}", bench.the_task());
    // What worked is remembered for the model.
    assert!(bench.view.notes.names_per_object);
    assert_eq!(bench.view.notes.fragile_objects, vec![path("Device.X_Group0.")]);
    bench.segments.clear();
    bench.open = vec![task(2, TaskSpec::Discover)];
    bench.session();
    assert_eq!(bench.segments[0], "GetParameterNames Device. next level");
    assert!(bench.segments[1].contains("Device.X_Group0. next level"));
}

#[test]
fn a_device_that_crashes_on_all_names_is_read_in_its_next_session() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::GetParameterNames(ask) if ask.path.as_str() == "Device." && !ask.next_level => Some(Reply::Silence),
        _ => None,
    });
    let mut bench = run(cpe, vec![TaskSpec::Discover]);
    assert_eq!((bench.open.len(), bench.open[0].unanswered), (1, 1));
    bench.session();
    assert!(bench.the_task().state.is_success(), "{:?}", bench.the_task());
}

#[test]
fn a_poison_read_is_quarantined_after_three_sessions_p4() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.habit = Box::new(|_| Some(Reply::Silence));
    let mut bench = run(cpe, vec![get_values(&["Device.DeviceInfo.SoftwareVersion"])]);
    bench.session();
    bench.session();
    bench.session();
    assert_eq!(bench.the_task().state, TaskState::Quarantined);
    assert_eq!(bench.cpe.seen.len(), 3, "it reaches the device three times");
}

#[test]
fn too_many_values_at_once_are_halved_and_remembered_cwmp_233() {
    let mut cpe = Cpe::new("Device.", 120);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::GetParameterValues(ask) if ask.names.len() > 30 => Some(fault(9004)),
        _ => None,
    });
    let bench = run(cpe, vec![TaskSpec::Refresh { path: path("Device.") }]);
    bench.expect(&expect![[r#"
        GetParameterNames Device. all
        GetParameterValues 100 names | GetParameterValues 20 names
        GetParameterValues 50 names | GetParameterValues 50 names
        GetParameterValues 25 names | GetParameterValues 25 names | GetParameterValues 25 names | GetParameterValues 25 names"#]]);
    assert_eq!(bench.view.notes.values_per_request, 25);
    assert!(bench.the_task().fault.is_none());
}

#[test]
fn a_bad_name_is_found_and_left_out_cwmp_232() {
    let names: Vec<String> = (0..8).map(|n| format!("Device.X_Group0.P{n}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names[5] = "Device.X_Group0.Gone";
    let bench = run(Cpe::new("Device.", 26), vec![get_values(&names)]);
    let task = bench.the_task();
    assert_eq!(task.state, TaskState::Done { applied: Applied::Now });
    let Some(TaskResult::Values(values)) = &task.result else { panic!("{:?}", task.result) };
    assert_eq!(values.len(), 7);
    let fault = task.fault.as_ref().unwrap();
    assert_eq!((fault.code, fault.parameters.len(), fault.parameters[0].name.as_str()), (9005, 1, names[5]));
    let alone = run(Cpe::new("Device.", 26), vec![get_values(&["Device.Nothing"])]);
    assert_eq!(
        (&alone.the_task().state, alone.the_task().fault.as_ref().map(|f| f.code)),
        (&TaskState::Failed, Some(9005))
    );
}

#[test]
fn an_unknown_root_is_found_cwmp_239() {
    let mut cpe = Cpe::new("InternetGatewayDevice.", 8);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::GetParameterNames(ask) if ask.path.as_str().is_empty() => Some(fault(9003)),
        _ => None,
    });
    let mut bench = Bench::new(cpe, vec![TaskSpec::Discover]);
    bench.view.root = cwmp_model::ParameterPath::root();
    bench.session();
    assert!(bench.the_task().state.is_success() && bench.the_task().fault.is_none(), "{:?}", bench.the_task());
    let root = bench.planned.iter().find_map(|p| p.summary.root.clone());
    assert_eq!(root, Some(path("InternetGatewayDevice.")));
}

#[test]
fn tasks_run_in_order_and_changes_end_their_segment_p6() {
    let bench = run(
        Cpe::new("Device.", 30),
        vec![
            get_values(&["Device.X_Group0.P1"]),
            set_values("Device.X_Group0.P1", "a"),
            get_values(&["Device.X_Group0.P1"]),
            get_values(&["Device.X_Group0.P2"]),
            set_values("Device.X_Group0.P2", "b"),
        ],
    );
    bench.expect(&expect![[r#"
        GetParameterValues Device.X_Group0.P1
        SetParameterValues Device.X_Group0.P1=string:a
        GetParameterValues Device.X_Group0.P1 | GetParameterValues Device.X_Group0.P2
        SetParameterValues Device.X_Group0.P2=string:b"#]]);
    let Some(TaskResult::Values(read)) =
        &bench.ended.iter().find(|t| t.id == task(3, TaskSpec::Reboot).id).unwrap().result
    else {
        panic!()
    };
    assert_eq!(read[0].value.text, "a", "a read after a change sees it");
}

#[test]
fn nothing_follows_a_reboot_cwmp_139() {
    for (spec, evidence) in [(TaskSpec::Reboot, "reboot"), (TaskSpec::FactoryReset, "bootstrap")] {
        let mut bench = run(Cpe::new("Device.", 10), vec![spec.clone(), set_values("Device.X_Group0.P1", "a")]);
        assert_eq!(bench.segments.len(), 1, "{:?}", bench.segments);
        let TaskState::Awaiting { evidence: awaited, .. } = bench.open[0].state else { panic!("{:?}", bench.open[0]) };
        assert_eq!(awaited.as_str(), evidence);
        bench.session();
        assert!(bench.segments[1].starts_with("SetParameterValues"), "the rest comes in the next session");
    }
}

#[test]
fn a_lost_plan_still_closes_after_a_reboot_cwmp_139() {
    let mut bench = run(Cpe::new("Device.", 10), vec![TaskSpec::Reboot, set_values("Device.X_Group0.P1", "a")]);
    let planned = bench.step(&mut SessionPlan::default(), &[], true);
    assert_eq!(planned.calls, Vec::new());
}

#[test]
fn add_object_with_values_takes_its_new_instance_cwmp_243() {
    let add = TaskSpec::AddObject { object: path("Device.X_Table."), values: vec![set("Name", "guest")] };
    let bench = run(Cpe::new("Device.", 10), vec![add]);
    bench.expect(&expect![[r#"
        GetParameterNames Device.X_Table. next level
        AddObject Device.X_Table.
        SetParameterValues Device.X_Table.1.Name=string:guest"#]]);
    let task = bench.the_task();
    assert_eq!(task.result, Some(TaskResult::Instance { object: path("Device.X_Table.1.") }));
    assert_eq!(task.attempts.len(), 2);
}

#[test]
fn an_add_object_without_answer_is_found_by_key_and_table() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.hangs_up_after = Some("AddObject");
    let add = TaskSpec::AddObject { object: path("Device.X_Table."), values: vec![set("Name", "guest")] };
    let mut bench = run(cpe, vec![add]);
    assert!(matches!(bench.open[0].state, TaskState::Unknown { .. }), "P3");
    bench.session();
    bench.expect(&expect![[r#"
        GetParameterNames Device.X_Table. next level
        AddObject Device.X_Table.
        GetParameterNames Device.X_Table. next level
        SetParameterValues Device.X_Table.1.Name=string:guest"#]]);
    assert_eq!(bench.cpe.tree.instances(&path("Device.X_Table.")), vec![1], "added once");
    assert_eq!(bench.cpe.value("Device.X_Table.1.Name"), "guest");
    assert!(bench.the_task().state.is_success());
}

#[test]
fn an_add_object_that_was_not_applied_goes_again_with_its_reason_p2() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.key = "before".into();
    let mut lost = 1;
    cpe.habit = Box::new(move |request| match request {
        AcsRequest::AddObject(_) if lost > 0 => {
            lost -= 1;
            Some(Reply::Silence)
        }
        _ => None,
    });
    let mut bench = run(cpe, vec![TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() }]);
    bench.session();
    let task = bench.the_task();
    assert_eq!(task.state, TaskState::Done { applied: Applied::Now });
    assert_eq!(task.attempts.iter().map(|a| a.reason.as_str()).collect::<Vec<_>>(), ["first", "not_applied"]);
}

#[test]
fn delete_object_without_key_evidence_is_read_back() {
    for (applied, state) in [(true, "resolved_applied"), (false, "done")] {
        let mut cpe = Cpe::new("Device.", 10);
        cpe.tree.add_instance(&path("Device.X_Table."), []).unwrap();
        let mut lost = 1;
        if applied {
            cpe.hangs_up_after = Some("DeleteObject");
        } else {
            cpe.habit = Box::new(move |request| match request {
                AcsRequest::DeleteObject(_) if lost > 0 => {
                    lost -= 1;
                    Some(Reply::Silence)
                }
                _ => None,
            });
        }
        let mut bench = run(cpe, vec![TaskSpec::DeleteObject { object: path("Device.X_Table.1.") }]);
        bench.cpe.take_key("someone else's");
        bench.session();
        assert_eq!(bench.segments[1], "GetParameterNames Device.X_Table. next level");
        assert_eq!(bench.the_task().state.as_str(), state);
        assert!(bench.cpe.tree.instances(&path("Device.X_Table.")).is_empty());
    }
}

#[test]
fn no_second_key_while_one_is_unknown() {
    let mut cpe = Cpe::new("Device.", 10);
    let mut lost = 1;
    cpe.habit = Box::new(move |request| match request {
        AcsRequest::AddObject(_) if lost > 0 => {
            lost -= 1;
            Some(Reply::Silence)
        }
        // Reading it back fails too.
        AcsRequest::GetParameterNames(_) if lost == 0 => Some(fault(9002)),
        _ => None,
    });
    let add = TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() };
    let set = set_values("Device.X_Group0.P1", "a");
    let mut bench = run(cpe, vec![add, set, get_values(&["Device.X_Group0.P2"])]);
    bench.cpe.take_key("someone else's");
    bench.session();
    assert!(matches!(bench.open[0].state, TaskState::Unknown { .. }));
    assert_eq!(bench.open[1].state, TaskState::Queued, "it waits");
    assert!(!bench.cpe.seen.iter().any(|seen| seen.starts_with("SetParameterValues")));
    assert!(bench.segments.iter().any(|s| s.contains("GetParameterValues Device.X_Group0.P2")), "reads go on");
}

#[test]
fn a_command_whose_outcome_nothing_tells_needs_a_person_p3() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::SetParameterValues(_) => Some(Reply::Silence),
        _ => None,
    });
    let mut bench = run(cpe, vec![set_values("Device.IP.Diagnostics.IPPing.DiagnosticsState", "Requested")]);
    bench.cpe.take_key("someone else's");
    bench.session();
    assert_eq!(bench.the_task().state, TaskState::NeedsOperator);
    assert_eq!(bench.cpe.seen.iter().filter(|seen| seen.starts_with("Set")).count(), 1, "sent once");
}

#[test]
fn a_read_back_without_answer_is_tried_in_the_next_session_p3() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.habit = Box::new(|_| Some(Reply::Silence));
    let mut bench = run(cpe, vec![set_values("Device.IP.Diagnostics.IPPing.DiagnosticsState", "Requested")]);
    bench.cpe.take_key("someone else's");
    bench.session();
    assert!(matches!(bench.the_task().state, TaskState::Unknown { .. }), "{:?}", bench.the_task().state);
    bench.session();
    assert_eq!(bench.the_task().state, TaskState::NeedsOperator, "but not for ever (P4)");
    let fault = bench.the_task().fault.clone().unwrap();
    assert!(fault.text.contains("went unanswered"), "{}", fault.text);
    assert_eq!(bench.cpe.seen.iter().filter(|seen| seen.starts_with("Set")).count(), 1, "sent once");
}

#[test]
fn values_have_the_type_that_the_device_reported_cwmp_076() {
    let mut bench = Bench::new(Cpe::new("Device.", 10), vec![set_values("Device.X_Group0.P1", "7")]);
    let known = acs_planner::Known { kind: Some(ValueType::Int), writable: Some(true) };
    bench.view.known.insert(path("Device.X_Group0.P1"), known);
    bench.session();
    assert_eq!(bench.segments, ["SetParameterValues Device.X_Group0.P1=int:7"]);
    let mut wrong = Bench::new(Cpe::new("Device.", 10), vec![set_values("Device.X_Group0.P1", "seven")]);
    wrong.view.known.insert(path("Device.X_Group0.P1"), known);
    wrong.session();
    assert!(wrong.segments.is_empty());
    assert_eq!(wrong.the_task().state, TaskState::Failed);
}

#[test]
fn what_was_set_is_known_only_when_applied_cwmp_226() {
    for (status, applied) in [(0, Applied::Now), (1, Applied::AfterReboot)] {
        let mut cpe = Cpe::new("Device.", 10);
        cpe.status = status;
        let bench = run(cpe, vec![set_values("Device.X_Group0.P1", "a")]);
        assert_eq!(bench.the_task().state, TaskState::Done { applied });
        let known = bench.planned.iter().any(|p| p.tree.upsert.contains_key(&path("Device.X_Group0.")));
        assert_eq!(known, status == 0);
    }
}

#[test]
fn every_refused_value_is_kept_cwmp_227() {
    let mut cpe = Cpe::new("Device.", 10);
    cpe.habit = Box::new(|_| Some(values_fault(&[("Device.A", 9007), ("Device.B", 9008)])));
    let bench = run(cpe, vec![set_values("Device.A", "x")]);
    let fault = bench.the_task().fault.as_ref().unwrap();
    assert_eq!(fault.code, 9003);
    let kept: Vec<_> = fault.parameters.iter().map(|p| (p.name.as_str(), p.code)).collect();
    assert_eq!(kept, [("Device.A", 9007), ("Device.B", 9008)]);
    assert_eq!(bench.planned.iter().map(|p| p.faults.len()).sum::<usize>(), 1);
}

#[test]
fn secrets_go_only_to_a_device_that_proved_itself_p24() {
    let secret = || set_values("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", "canary-1");
    for (secrets, sent) in [(false, false), (true, true)] {
        for spec in [secret(), TaskSpec::SetCredentials] {
            let mut bench = Bench::new(Cpe::new("Device.", 10), vec![spec]);
            bench.secrets = secrets;
            bench.session();
            assert_eq!(!bench.cpe.seen.is_empty(), sent, "{secrets}");
            if !sent {
                let fault = bench.the_task().fault.as_ref().unwrap();
                assert_eq!(bench.the_task().state, TaskState::Failed);
                assert!(fault.text.contains("proved who it is") && !fault.text.contains("canary"), "{}", fault.text);
            }
        }
    }
}

#[test]
fn secret_values_are_marked_and_not_told_p26() {
    let mut cpe = Cpe::new("Device.", 10);
    let name = path("Device.ManagementServer.ConnectionRequestPassword");
    cpe.tree.set_value(&name, Value::string("canary-2")).unwrap();
    let bench = run(cpe, vec![get_values(&[name.as_str()])]);
    let Some(TaskResult::Values(values)) = &bench.the_task().result else { panic!() };
    assert_eq!(values[0].value.text, "");
    let object = bench.planned.iter().find_map(|p| p.tree.upsert.get(&path("Device.ManagementServer."))).unwrap();
    assert!(object.object.parameters[0].secret);
}

#[test]
fn a_long_reading_task_leaves_room_for_others() {
    let mut cpe = Cpe::new("Device.", 4000);
    cpe.habit = Box::new(|request| match request {
        AcsRequest::GetParameterValues(ask) if ask.names.len() > 1 => Some(fault(9004)),
        _ => None,
    });
    let mut bench = Bench::new(cpe, vec![TaskSpec::Discover, set_values("Device.X_Group0.P1", "a")]);
    bench.view.notes.values_per_request = 1;
    bench.session();
    let set_at = bench.cpe.seen.iter().position(|seen| seen.starts_with("Set")).unwrap();
    let share = usize::try_from(TASK_READS_PER_SESSION).unwrap();
    assert!(set_at <= share + 8, "the change came after {set_at} reads");
    assert!(bench.ended.iter().all(|task| task.state.is_success()) && bench.open.is_empty());
}

#[test]
fn the_same_step_again_sends_nothing_new_p2() {
    let mut bench = Bench::new(Cpe::new("Device.", 10), vec![TaskSpec::Reboot]);
    bench.session = 1;
    let mut plan = SessionPlan::new(None);
    let first = bench.step(&mut plan, &[], true);
    bench.planned.clear();
    let again = bench.step(&mut plan, &[], true);
    assert_eq!(first.calls, again.calls);
    assert!(again.tasks.is_empty(), "one intent for one request");
}

#[test]
fn a_resumed_session_sends_no_change_again_p2() {
    let mut bench = Bench::new(Cpe::new("Device.", 10), vec![TaskSpec::Reboot]);
    bench.session = 1;
    let mut plan = SessionPlan::new(None);
    assert_eq!(bench.step(&mut plan, &[], true).calls.len(), 1);
    let input = StepInput {
        session: session(1),
        resume: 1,
        at: at(bench.now),
        now: at(bench.now),
        deadline: at(bench.now + 60),
        secrets: true,
        tasks: &bench.open,
        view: &bench.view,
        answers: &[],
        salt: 7,
        then: Then::Plan,
    };
    assert_eq!(plan.step(&input, &Settings::default()).calls, Vec::new());
}

#[test]
fn every_fault_code_leaves_a_visible_task_p1() {
    let codes = [0, 8000, 8005].into_iter().chain(9000..=9033).chain([9500, 9799, 9800, 9899, 42_000]);
    for code in codes {
        for spec in every_spec() {
            let mut cpe = Cpe::new("Device.", 10);
            cpe.habit = Box::new(move |_| Some(fault(code)));
            let bench = run(cpe, vec![spec.clone()]);
            let task = bench.the_task();
            assert_eq!(task.state, TaskState::Failed, "{code} {spec:?}");
            let TaskFault { code: kept, .. } = task.fault.as_ref().unwrap();
            assert_eq!(*kept, code, "{spec:?}");
        }
    }
}

#[test]
fn a_task_that_expired_is_not_sent() {
    let mut bench = Bench::new(Cpe::new("Device.", 10), vec![TaskSpec::Reboot]);
    bench.open[0].expires_at = Some(at(50));
    bench.session();
    assert!(bench.segments.is_empty());
    assert_eq!(bench.the_task().state, TaskState::Expired);
}

#[test]
fn transmissions_are_bounded() {
    let mut bench = Bench::new(Cpe::new("Device.", 10), vec![TaskSpec::Reboot]);
    let mut used = task(1, TaskSpec::Reboot);
    for n in 1..=Task::ATTEMPTS_MAX {
        let intent = acs_planner::life::Intent {
            session: session(9),
            method: "Reboot",
            at: at(0),
            deadline: at(1),
            key_before: None,
            instances_before: Vec::new(),
        };
        acs_planner::life::claim(&mut used, intent).unwrap();
        assert_eq!(used.attempts.len(), n);
        used.state = TaskState::Queued;
    }
    bench.open = vec![used];
    bench.session();
    assert_eq!((bench.the_task().state.as_str(), bench.segments.len()), ("failed", 0));
}
