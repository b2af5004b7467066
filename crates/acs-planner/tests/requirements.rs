//! Requirements of the CWMP list that are the planner's, each by its number.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

#[path = "support/cpe.rs"]
mod cpe;
mod support;

use std::collections::BTreeSet;

use acs_planner::life::Settings;
use acs_planner::{CallAnswer, CallOutcome, SessionPlan, SignedFile, StepInput, Then, View};
use acs_types::{DownloadSource, FileId, Task, TaskResult, TaskSpec, TaskState};
use cpe::{Cpe, Reply, fault};
use cwmp_codec::{AcsRequest, CpeResponse, Download, GetParameterValuesResponse};
use cwmp_model::{ParameterValue, Value, ValueType};
use support::*;

/// Leads one session over `tasks`; gives back what was sent.
fn session_of(cpe: &mut Cpe, tasks: &mut [Task], view: &mut View, number: u8) -> Vec<AcsRequest> {
    let mut plan = SessionPlan::new(Some(cpe.key.clone()));
    let (mut answers, mut sent) = (Vec::new(), Vec::new());
    for round in 0..200 {
        let open: Vec<Task> = tasks.iter().filter(|task| !task.state.is_final()).cloned().collect();
        let now = i64::from(number) * 1000 + round;
        let input = StepInput {
            session: session(number),
            resume: 0,
            at: at(now),
            now: at(now),
            deadline: at(now + 60),
            secrets: true,
            tasks: &open,
            view,
            answers: &answers,
            salt: u64::try_from(now).unwrap(),
            then: Then::Plan,
        };
        let planned = plan.step(&input, &Settings::default());
        for change in planned.tasks {
            let id = change.task.id.clone();
            *tasks.iter_mut().find(|task| task.id == id).unwrap() = change.task;
        }
        if let Some(notes) = planned.notes {
            view.notes = notes;
        }
        if planned.calls.is_empty() {
            return sent;
        }
        answers.clear();
        for call in planned.calls {
            let outcome = match cpe.handle(&call.request) {
                Reply::Response(response) => CallOutcome::Response(response),
                Reply::Fault(fault) => CallOutcome::Fault(fault),
                Reply::Silence => panic!("no answer in this test"),
            };
            answers.push(CallAnswer { id: call.id, attempt: call.attempt, at: at(now), outcome });
            sent.push(call.request);
        }
    }
    panic!("the session has no end");
}

fn view(cpe: &Cpe) -> View {
    View { root: path(&cpe.root), ..View::default() }
}

fn methods(sent: &[AcsRequest]) -> Vec<&'static str> {
    sent.iter().map(AcsRequest::method).collect()
}

/// Says 9000 to one method.
fn without(method: &'static str) -> Cpe {
    let mut cpe = Cpe::new("Device.", 30);
    cpe.habit = Box::new(move |request| (request.method() == method).then(|| fault(9000)));
    cpe
}

#[test]
fn cwmp_223_a_method_that_the_firmware_lacks_is_not_called_again() {
    let cases = [
        ("FactoryReset", TaskSpec::FactoryReset),
        ("Reboot", TaskSpec::Reboot),
        ("Download", download()),
        ("SetParameterValues", set_values("Device.X_Group0.P1", "a")),
        ("AddObject", TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() }),
        ("DeleteObject", TaskSpec::DeleteObject { object: path("Device.X_Table.1.") }),
        ("GetParameterNames", TaskSpec::Refresh { path: path("Device.") }),
        ("GetParameterValues", get_values(&["Device.X_Group0.P1", "Device.X_Group0.P2"])),
    ];
    for (method, spec) in cases {
        let mut cpe = without(method);
        let mut view = view(&cpe);
        // Reads go out together, before the first answer.
        let count = if method.starts_with("Get") { 1 } else { 2 };
        let mut tasks: Vec<Task> = (1..=count).map(|n| task(n, spec.clone())).collect();
        let sent = session_of(&mut cpe, &mut tasks, &mut view, 1);
        assert_eq!(methods(&sent).iter().filter(|sent| **sent == method).count(), 1, "CWMP-223: {method}");
        for task in &tasks {
            let fault = task.fault.as_ref().unwrap_or_else(|| panic!("CWMP-223: {method} {task:?}"));
            assert_eq!((&task.state, fault.code), (&TaskState::Failed, 9000), "CWMP-223: {method}");
        }
        assert_eq!(view.notes.unsupported_methods, [method], "CWMP-223");
        // Another session of the same firmware, or of another device with it.
        let mut again = vec![task(3, spec.clone()), task(4, get_values(&["Device.DeviceInfo.SoftwareVersion"]))];
        let sent = session_of(&mut cpe, &mut again, &mut view, 2);
        assert!(!methods(&sent).contains(&method), "CWMP-223: {method}");
        assert_eq!(again[0].state, TaskState::Failed, "CWMP-223: {method}");
        assert!(again[0].fault.as_ref().unwrap().text.contains(method), "it says why nothing was sent: {:?}", again[0]);
        if method != "GetParameterValues" {
            assert!(again[1].state.is_success(), "CWMP-223: other methods go on: {:?}", again[1]);
        }
        // New firmware has notes of its own.
        view.notes = acs_types::ModelNotes::default();
        let mut updated = Cpe::new("Device.", 30);
        updated.tree.add_instance(&path("Device.X_Table."), []).unwrap();
        let mut after = vec![task(5, spec)];
        let sent = session_of(&mut updated, &mut after, &mut view, 3);
        assert!(methods(&sent).contains(&method), "CWMP-223: {method}");
    }
}

#[test]
fn cwmp_234_more_fewer_and_other_values_than_asked_for_are_taken() {
    let mut cpe = Cpe::new("Device.", 30);
    let told = [
        ("Device.X_Group0.P1", Value::new(ValueType::UnsignedInt, "7")),
        ("Device.X_Unasked.Y", Value::string("more")),
    ];
    let parameters: Vec<_> =
        told.iter().map(|(name, value)| ParameterValue { name: path(name), value: value.clone() }).collect();
    let answer = parameters.clone();
    cpe.habit = Box::new(move |request| {
        matches!(request, AcsRequest::GetParameterValues(_)).then(|| {
            let parameters = answer.clone();
            Reply::Response(CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters }))
        })
    });
    let mut view = view(&cpe);
    let mut tasks = vec![task(1, get_values(&["Device.X_Group0.P1", "Device.X_Group0.P2"]))];
    let sent = session_of(&mut cpe, &mut tasks, &mut view, 1);
    assert_eq!(methods(&sent), ["GetParameterValues"], "CWMP-234: what is missing is not asked for for ever");
    assert!(tasks[0].state.is_success(), "CWMP-234: {:?}", tasks[0]);
    let Some(TaskResult::Values(values)) = &tasks[0].result else { panic!("{:?}", tasks[0].result) };
    assert_eq!(*values, parameters, "CWMP-234: with the type that it has now");
}

#[test]
fn cwmp_330_334_a_download_has_a_key_of_its_own_and_no_urls_for_a_browser() {
    let mut cpe = Cpe::new("Device.", 30);
    let mut view = view(&cpe);
    let mut tasks: Vec<Task> = (1..=20).map(|n| task(n, download())).collect();
    let sent = session_of(&mut cpe, &mut tasks, &mut view, 1);
    let downloads: Vec<&Download> =
        sent.iter().map(|r| if let AcsRequest::Download(d) = r { d } else { panic!("{r:?}") }).collect();
    let keys: BTreeSet<&str> = downloads.iter().map(|d| d.command_key.as_str()).collect();
    assert_eq!(keys.len(), 20, "CWMP-330: all of them can still report");
    assert!(keys.iter().all(|key| (1..=32).contains(&key.len())), "CWMP-330");
    assert!(downloads.iter().all(|d| d.success_url.is_empty() && d.failure_url.is_empty()), "CWMP-334");
}

#[test]
fn cwmp_333_the_size_is_that_of_the_file_or_zero() {
    let file: FileId = "fw".parse().unwrap();
    let size_sent = |size: u64| {
        let mut spec = download();
        if let TaskSpec::Download(download) = &mut spec {
            download.source = DownloadSource::File(file.clone());
        }
        let mut cpe = Cpe::new("Device.", 30);
        let mut tasks = vec![task(1, spec)];
        let mut view = view(&cpe);
        view.files = [(tasks[0].id.clone(), Ok(SignedFile { url: "http://files.example/fw".into(), size }))].into();
        match &session_of(&mut cpe, &mut tasks, &mut view, 1)[..] {
            [AcsRequest::Download(download)] => download.file_size,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(size_sent(7), 7, "CWMP-333: bytes");
    assert_eq!(size_sent(u64::from(u32::MAX)), u32::MAX, "CWMP-333");
    assert_eq!(size_sent(u64::from(u32::MAX) + 1), 0, "CWMP-333: what the field cannot hold is unknown");
}
