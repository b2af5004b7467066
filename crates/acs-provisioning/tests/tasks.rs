//! The life of tasks through the service: P1–P6, T4, T9, F4, F6.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::time::Duration;

use acs_proto::{AnswerOutcome, ErrorClass, Provisioning, UnansweredReason, VerifierRequest, WakeOutcome};
use acs_provisioning::FirstContact;
use acs_store::{Credentials, Devices, History, Objects, Tasks};
use acs_types::{
    Applied, CpeCredential, EventBody, EventRecord, PageRequest, ParameterFaultRecord, Secret, SessionOutcome,
    TaskFault, TaskId, TaskKind, TaskSpec, TaskState, TransferRecord, Wanted,
};
use cwmp_codec::AcsRequest;
use futures::StreamExt;
use support::cpe::{Reply, fault};
use support::*;

#[tokio::test]
async fn a_task_is_done_and_its_result_kept_p1() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let get = world.enqueue("1", get_values("Device.DeviceInfo.")).await;
    let set = world.enqueue("2", set_values("Device.X_Group0.P1", "a")).await;
    assert_eq!((get.created, get.wake), (true, Some(WakeOutcome::Accepted)));
    world.session(&mut cpe, &[PERIODIC]).await;
    let done = TaskState::Done { applied: Applied::Now };
    assert_eq!(world.task(&get.task.id).await.state, done);
    assert_eq!(world.task(&set.task.id).await.state, done);
    assert_eq!(cpe.value("Device.X_Group0.P1"), "a");
    let object = world.store.object(&device(), &path("Device.X_Group0.")).await.unwrap().unwrap();
    assert_eq!(object.parameters[0].value.as_ref().map(|v| &*v.text), Some("a"), "what was set is known");
    // Every transition is an event, once.
    let records = world.log.records();
    let to = |id: &TaskId| -> Vec<String> {
        let task = |r: &EventRecord| match &r.body {
            EventBody::Task(t) if t.task == *id => Some(format!("{}→{}", t.from, t.to)),
            _ => None,
        };
        records.iter().filter_map(task).collect()
    };
    assert_eq!(to(&set.task.id), ["→queued", "queued→sending", "sending→done"]);
}

#[tokio::test]
async fn the_same_key_is_the_same_task_p5() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let requests = (0..16).map(|_| world.service.enqueue(enqueue_request("k", TaskSpec::Reboot)));
    let replies = futures::future::join_all(requests).await;
    let created = replies.iter().filter(|reply| reply.as_ref().unwrap().created).count();
    assert_eq!(created, 1);
    assert_eq!(world.tasks().await.len(), 1);
    let mut other = enqueue_request("k", TaskSpec::FactoryReset);
    other.body_sha256 = [8; 32];
    let error = world.service.enqueue(other).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::Invalid, "idempotency_key_reused"));
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_once() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    let unknown = world.service.enqueue(enqueue_request("0", TaskSpec::Reboot)).await.unwrap_err();
    assert_eq!((unknown.class, &*unknown.code), (ErrorClass::NotFound, "device_not_found"));
    world.known_device(&mut cpe).await;
    let many = |n: usize| TaskSpec::GetValues { paths: (0..n).map(|i| path(&format!("Device.P{i}"))).collect() };
    let url = |url: &str| match download() {
        TaskSpec::Download(mut spec) => {
            spec.source = acs_types::DownloadSource::Url {
                url: url.into(),
                username: String::new(),
                password: Secret::default(),
                file_size: 0,
            };
            TaskSpec::Download(spec)
        }
        other => other,
    };
    let long = format!("http://h/{}", "a".repeat(248));
    for (spec, field) in [
        (
            set_values("Device.ManagementServer.PeriodicInformInterval", "0"),
            "Device.ManagementServer.PeriodicInformInterval",
        ),
        (set_values("Device.WiFi.", "0"), "Device.WiFi."),
        (TaskSpec::SetValues { values: vec![set("Device.A", "1"), set("Device.A", "2")] }, "Device.A"),
        (TaskSpec::SetValues { values: Vec::new() }, "values"),
        (many(0), "paths"),
        (many(1001), "paths"),
        (TaskSpec::AddObject { object: path("Device.T.1."), values: Vec::new() }, "object"),
        (TaskSpec::DeleteObject { object: path("Device.T.") }, "object"),
        (TaskSpec::GetNames { path: path("Device.A"), next_level: true }, "path"),
        (url("http://user:pass@host/file"), "url"),
        (url("nowhere"), "url"),
        (url(&long), "url"),
    ] {
        let error = world.service.enqueue(enqueue_request("k", spec.clone())).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Invalid, "invalid_task"), "{spec:?}");
        assert_eq!(error.fields[0].0, field, "{error:?}");
    }
    assert!(world.service.enqueue(enqueue_request("edge", many(1000))).await.is_ok());
    assert!(world.service.enqueue(enqueue_request("edge2", url(&long[..256]))).await.is_ok());
    for key in ["", &"k".repeat(129), "a\nb"] {
        assert_eq!(
            world.service.enqueue(enqueue_request(key, TaskSpec::Reboot)).await.unwrap_err().code,
            "invalid_key"
        );
    }
}

#[tokio::test]
async fn read_only_is_refused_if_the_device_said_so() {
    for check in [true, false] {
        let mut config = config();
        config.settings.check_writable = check;
        let (world, mut cpe) = (World::new(config), new_cpe());
        let name = path("Device.X_Group0.P1");
        cpe.tree.parameter_mut(&name).unwrap().writable = false;
        world.known_device(&mut cpe).await;
        world.enqueue("1", TaskSpec::Refresh { path: path("Device.") }).await;
        world.session(&mut cpe, &[PERIODIC]).await;
        let set = world.service.enqueue(enqueue_request("2", set_values(name.as_str(), "a"))).await;
        assert_eq!(set.is_err(), check);
    }
}

#[tokio::test]
async fn tasks_per_day_are_limited() {
    let mut config = config();
    config.tasks_per_day = 3;
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.known_device(&mut cpe).await;
    for n in 0..3 {
        world.enqueue(&n.to_string(), TaskSpec::Reboot).await;
    }
    let error = world.service.enqueue(enqueue_request("3", TaskSpec::Reboot)).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::Exhausted, "too_many_tasks"));
    assert!(!world.enqueue("2", TaskSpec::Reboot).await.created, "a repeated call is no new task");
    world.pass(24 * 3600 + 1);
    assert!(world.enqueue("3", TaskSpec::Reboot).await.created);
}

#[tokio::test]
async fn creation_times_grow_strictly_p6() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let mut last = None;
    for n in 0..20 {
        let created = world.enqueue(&n.to_string(), TaskSpec::Reboot).await.task.created_at;
        assert!(Some(created) > last, "the clock stands still");
        last = Some(created);
    }
}

#[tokio::test]
async fn an_unknown_outcome_shows_when_its_deadline_passes_p3() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let reboot = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    assert_eq!(world.next(&session, Vec::new()).await.unwrap().calls.len(), 1);
    // The front-end and this process are never heard of again.
    world.restart();
    world.pass(59);
    world.fire().await;
    assert!(matches!(world.task(&reboot).await.state, TaskState::Sending { .. }));
    world.pass(1);
    world.fire().await;
    assert!(matches!(world.task(&reboot).await.state, TaskState::Unknown { .. }));
    // Time alone never sends it again.
    for _ in 0..5 {
        world.pass(600);
        world.fire().await;
        world.session(&mut cpe, &[PERIODIC]).await;
    }
    assert_eq!(cpe.seen, Vec::<String>::new());
    world.pass(3600);
    world.fire().await;
    assert_eq!(world.task(&reboot).await.state, TaskState::NeedsOperator);
    // A person's decision is the reason of the next one (P2).
    world.service.retry(&device(), &reboot, "alice").await.unwrap();
    world.session(&mut cpe, &[PERIODIC]).await;
    let reasons: Vec<_> = world.task(&reboot).await.attempts.iter().map(|a| a.reason.as_str()).collect();
    assert_eq!((reasons, cpe.seen.len()), (vec!["first", "operator"], 1));
}

#[tokio::test]
async fn a_timer_loop_finds_deadlines_by_itself_p3() {
    let mut config = config();
    config.timer_interval = Duration::from_millis(5);
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.known_device(&mut cpe).await;
    let task = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    world.next(&session, Vec::new()).await.unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (service, stop) = (world.service.clone(), shutdown.clone());
    let running = tokio::spawn(async move { service.run(stop).await });
    let mut states = world.service.watch(&device(), &task).await.unwrap();
    assert!(matches!(states.next().await.unwrap().unwrap().state, TaskState::Sending { .. }));
    world.pass(61);
    let changed = tokio::time::timeout(Duration::from_secs(5), states.next()).await.expect("within 5 s");
    assert!(matches!(changed.unwrap().unwrap().state, TaskState::Unknown { .. }));
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_session_that_breaks_off_shows_at_once_p3() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.hangs_up_after = Some("Reboot");
    let reboot = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    let task = world.task(&reboot).await;
    assert!(matches!(task.state, TaskState::Unknown { .. }));
    // The device did it, and says so (CWMP-247).
    let key = task.attempts[0].id.to_string();
    world.session(&mut cpe, &[BOOT, ("M Reboot", &key)]).await;
    assert_eq!(world.task(&reboot).await.state, TaskState::ResolvedApplied);
}

#[tokio::test]
async fn reboot_and_factory_reset_wait_for_their_event() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let reboot = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(matches!(world.task(&reboot).await.state, TaskState::Awaiting { .. }));
    world.session(&mut cpe, &[BOOT]).await;
    assert!(matches!(world.task(&reboot).await.state, TaskState::Awaiting { .. }), "another reboot is not ours");
    let key = world.task(&reboot).await.attempts[0].id.to_string();
    world.session(&mut cpe, &[BOOT, ("M Reboot", &key)]).await;
    assert!(world.task(&reboot).await.state.is_success());
    let reset = world.enqueue("2", TaskSpec::FactoryReset).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    world.session(&mut cpe, &[BOOTSTRAP, BOOT]).await;
    assert_eq!(world.task(&reset).await.state, TaskState::Done { applied: Applied::Now });
}

#[tokio::test]
async fn a_transfer_ends_by_its_completion_cwmp_338() {
    for (code, state) in [(0, "done"), (9010, "failed")] {
        let (world, mut cpe) = (World::new(config()), new_cpe());
        world.known_device(&mut cpe).await;
        let id = world.enqueue("1", download()).await.task.id;
        world.session(&mut cpe, &[PERIODIC]).await;
        let task = world.task(&id).await;
        assert!(matches!(task.state, TaskState::Awaiting { .. }));
        let session = world.session_ref();
        let mut record = world.inform_record(&session, &cpe, &[("7 TRANSFER COMPLETE", "")]);
        record.body = EventBody::Transfer(TransferRecord {
            command_key: task.attempts[0].id.to_string(),
            fault: TaskFault { code, text: "said so".into(), parameters: Vec::<ParameterFaultRecord>::new() },
            start_time: "s".into(),
            complete_time: "c".into(),
            dedup_key: String::new(),
        });
        world.service.observe(vec![record.clone()]).await.unwrap();
        let ended = world.task(&id).await;
        assert_eq!(ended.state.as_str(), state);
        // A repeated one is the same one (CWMP-340).
        world.service.observe(vec![record]).await.unwrap();
        assert_eq!(world.task(&id).await, ended);
    }
}

#[tokio::test]
async fn a_poison_task_is_quarantined_p4() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.habit = Box::new(|request| matches!(request, AcsRequest::SetParameterValues(_)).then_some(Reply::Silence));
    let poison = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    let other = world.enqueue("2", get_values("Device.DeviceInfo.")).await.task.id;
    for _ in 0..6 {
        world.session(&mut cpe, &[BOOT]).await;
    }
    assert_eq!(world.task(&poison).await.state, TaskState::Quarantined);
    assert_eq!(cpe.seen.iter().filter(|seen| seen.starts_with("Set")).count(), 3);
    assert!(world.task(&other).await.state.is_success(), "the device goes on");
}

#[tokio::test]
async fn faults_are_kept_for_support() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.habit = Box::new(|_| Some(fault(9001)));
    let id = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    let faults = world.store.faults(Some(&device()), &PageRequest::first(10)).await.unwrap().items;
    assert_eq!((faults.len(), faults[0].fault.code, faults[0].task.as_ref()), (1, 9001, Some(&id)));
    assert_eq!(faults[0].method, "SetParameterValues");
    assert_eq!(world.task(&id).await.state, TaskState::Failed);
}

#[tokio::test]
async fn late_and_double_answers_are_evidence_only_f4() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let calls = world.next(&session, Vec::new()).await.unwrap().calls;
    let (answers, _) = send(&mut cpe, &calls, world.now());
    // The deadline passes before the answer is handed over, at another process.
    world.pass(61);
    world.fire().await;
    assert_eq!(world.task(&id).await.state, TaskState::Queued);
    world.restart();
    assert!(world.next(&session, answers.clone()).await.unwrap().calls.is_empty(), "it is not sent again");
    let resolved = world.task(&id).await;
    assert_eq!(resolved.state, TaskState::ResolvedApplied);
    world.next(&session, answers.clone()).await.unwrap();
    world.end(&session, SessionOutcome::Completed, answers).await;
    assert_eq!(world.task(&id).await, resolved, "twice is as once");
    assert_eq!(cpe.seen.len(), 1);
}

#[tokio::test]
async fn an_answer_whose_context_was_lost_still_names_its_attempt() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let mut session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let calls = world.next(&session, Vec::new()).await.unwrap().calls;
    let (mut answers, _) = send(&mut cpe, &calls, world.now());
    session.resume = 1;
    (answers[0].task, answers[0].attempt) = (None, None);
    world.restart();
    assert!(world.next(&session, answers).await.unwrap().calls.is_empty());
    assert!(matches!(world.task(&id).await.state, TaskState::Awaiting { .. }));
}

#[tokio::test]
async fn a_newer_session_takes_the_device_over_p6() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    let old = world.session_ref();
    world.begin(&old, &cpe, &[PERIODIC]).await;
    let calls = world.next(&old, Vec::new()).await.unwrap().calls;
    let new = world.session_ref();
    world.begin(&new, &cpe, &[PERIODIC]).await;
    let again = world.next(&new, Vec::new()).await.unwrap().calls;
    assert_eq!((calls.len(), again.len()), (1, 1));
    assert_eq!(world.task(&id).await.attempts[1].reason.as_str(), "unanswered");
    let (answers, _) = send(&mut cpe, &calls, world.now());
    let error = world.next(&old, answers).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Superseded);
    let ended = world.end(&old, SessionOutcome::Superseded, Vec::new()).await;
    assert!(!ended.wakes);
    let begun = world.service.begin(world.begin_request(&old, &cpe, &[PERIODIC])).await.unwrap();
    assert!(begun.stale, "its records are late");
    assert_eq!(begun.last_stamp, new.stamp, "its front-end may go on from there");
    world.go_on(&new, &mut cpe, Vec::new()).await;
    assert!(world.task(&id).await.state.is_success());
}

#[tokio::test]
async fn what_was_never_sent_is_no_attempt() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let calls = world.next(&session, Vec::new()).await.unwrap().calls;
    let (mut answers, _) = send(&mut new_cpe(), &calls, world.now());
    answers[0].outcome = AnswerOutcome::Unanswered(UnansweredReason::NotSent);
    world.end(&session, SessionOutcome::Drained, answers).await;
    let task = world.task(&id).await;
    assert_eq!((task.state, task.attempts.len(), task.unanswered), (TaskState::Queued, 0, 0));
}

#[tokio::test]
async fn cancel_and_retry() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    assert_eq!(world.service.cancel(&device(), &id, "alice").await.unwrap().task.state, TaskState::Cancelled);
    assert_eq!(world.service.cancel(&device(), &id, "alice").await.unwrap().task.state, TaskState::Cancelled);
    let error = world.service.retry(&device(), &id, "alice").await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::Conflict, "task_state"));
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(cpe.seen.is_empty());
    let missing = TaskId::of("nobody", &device(), "x");
    assert_eq!(world.service.cancel(&device(), &missing, "alice").await.unwrap_err().class, ErrorClass::NotFound);
    // One on its way stays visible.
    let sent = world.enqueue("2", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    world.next(&session, Vec::new()).await.unwrap();
    let task = world.service.cancel(&device(), &sent, "alice").await.unwrap().task;
    assert!(matches!(task.state, TaskState::Sending { .. }) && task.cancel_requested);
}

#[tokio::test]
async fn a_task_expires_by_its_timer() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let mut request = enqueue_request("1", TaskSpec::Reboot);
    request.expires_at = Some(world.now().plus(Duration::from_secs(5)));
    let id = world.service.enqueue(request).await.unwrap().task.id;
    world.pass(6);
    world.fire().await;
    assert_eq!(world.task(&id).await.state, TaskState::Expired);
}

#[tokio::test]
async fn wanted_now_work_wakes_again_in_growing_steps() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    *world.wakes.outcome.lock().unwrap() = WakeOutcome::Busy;
    assert_eq!(world.enqueue("1", TaskSpec::Reboot).await.wake, Some(WakeOutcome::Busy));
    world.enqueue("2", TaskSpec::Reboot).await;
    assert_eq!(world.wakes.count(), 2, "each asked for at once");
    let mut at = Vec::new();
    for second in 1..=500 {
        world.pass(1);
        // Timers are durable, steps go on over a restart.
        if second == 100 {
            world.restart();
        }
        let before = world.wakes.count();
        world.fire().await;
        if world.wakes.count() > before {
            at.push(second);
        }
    }
    assert_eq!(at, [10, 40, 100, 400], "after 10, 30, 60, 300 seconds");
    world.session(&mut cpe, &[PERIODIC]).await;
    let key = world.tasks().await.iter().find_map(|t| t.attempts.first().map(|a| a.id.to_string())).unwrap();
    world.session(&mut cpe, &[BOOT, ("M Reboot", &key)]).await;
    let count = world.wakes.count();
    world.pass(4000);
    world.fire().await;
    assert_eq!(world.wakes.count(), count, "nothing is left to wake it for");
}

#[tokio::test]
async fn a_session_that_only_the_cache_believes_in_keeps_nobody_from_being_woken_p14() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    // Its front-end died: nobody ends it.
    world.begin(&world.session_ref(), &cpe, &[PERIODIC]).await;
    assert_eq!(world.enqueue("1", TaskSpec::Reboot).await.wake, None, "the session is told");
    world.pass(11);
    world.fire().await;
    assert_eq!(world.wakes.count(), 0, "it may be on its way to the work");
    world.pass(31);
    world.fire().await;
    assert_eq!(world.wakes.count(), 1, "it did not come for it");
}

#[tokio::test]
async fn a_live_session_is_told_in_place_of_a_wake_up() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let reply = world.enqueue("1", get_values("Device.DeviceInfo.")).await;
    assert_eq!((reply.wake, world.wakes.count()), (None, 0));
    world.go_on(&session, &mut cpe, Vec::new()).await;
    assert!(world.task(&reply.task.id).await.state.is_success());
    // Not wanted now: nobody is woken.
    let mut later = enqueue_request("2", get_values("Device.DeviceInfo."));
    later.wanted = Wanted::NextSession;
    assert_eq!(world.service.enqueue(later).await.unwrap().wake, None);
    assert_eq!(world.wakes.count(), 0);
}

#[tokio::test]
async fn an_idle_session_writes_nothing() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let before = world.store.partition(&device()).await.unwrap();
    let records = world.log.records().len();
    world.session(&mut cpe, &[PERIODIC]).await;
    assert_eq!(world.store.partition(&device()).await.unwrap(), before, "not even a holder");
    assert_eq!(world.log.records().len(), records);
}

#[tokio::test]
async fn a_credential_drawn_in_a_session_outlives_the_late_record_of_its_bootstrap_p7() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (world, mut cpe) = (World::new(config), new_cpe());
    let session = world.session_ref();
    world.begin(&session, &cpe, &[BOOTSTRAP, BOOT]).await;
    let calls = world.next(&session, Vec::new()).await.unwrap().calls;
    // Ingest comes to the Inform's record while the password is on its way.
    world.service.observe(vec![world.inform_record(&session, &cpe, &[BOOTSTRAP, BOOT])]).await.unwrap();
    let (answers, _) = send(&mut cpe, &calls, world.now());
    world.go_on(&session, &mut cpe, answers).await;
    let credential = world.store.credential(&device()).await.unwrap().unwrap();
    let password = cpe.value("Device.ManagementServer.ConnectionRequestPassword");
    assert!(!password.is_empty());
    assert_eq!(credential.connection_request_password.reveal(), password, "the ACS forgot what it sent");
    // The next factory reset does forget it.
    let later = world.session_ref();
    world.begin(&later, &cpe, &[BOOTSTRAP, BOOT]).await;
    let credential = world.store.credential(&device()).await.unwrap().unwrap();
    assert!(credential.connection_request_password.is_empty());
}

#[tokio::test]
async fn first_contact_gives_credentials_and_reads_all_cwmp_419() {
    let mut config = config();
    config.first_contact = FirstContact::Discover;
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.session(&mut cpe, &[BOOTSTRAP, BOOT]).await;
    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().all(|task| task.state.is_success()), "{tasks:?}");
    assert!(cpe.seen.len() <= 8, "ten POSTs are allowed: {:?}", cpe.seen);
    let credential = world.store.credential(&device()).await.unwrap().unwrap();
    assert_eq!(cpe.value("Device.ManagementServer.ConnectionRequestUsername"), device().as_str());
    let password = cpe.value("Device.ManagementServer.ConnectionRequestPassword");
    assert!(password.len() >= 24 && credential.connection_request_password.reveal() == password);
    assert!(credential.pending_connection_request_password.is_empty());
    // Wake-ups use them.
    world.enqueue("1", TaskSpec::Reboot).await;
    let asked = world.wakes.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!((asked.username, asked.password.reveal()), (device().to_string(), &*password));
    let summary = world.store.summary(&device()).await.unwrap().unwrap();
    assert!(summary.discovered_at.is_some());
}

#[tokio::test]
async fn a_bootstrap_is_served_once_per_event_cwmp_186() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (world, mut cpe) = (World::new(config), new_cpe());
    let session = world.session_ref();
    let record = world.inform_record(&session, &cpe, &[BOOTSTRAP]);
    world.begin(&session, &cpe, &[BOOTSTRAP]).await;
    world.begin(&session, &cpe, &[BOOTSTRAP]).await;
    world.service.observe(vec![record.clone()]).await.unwrap();
    assert_eq!(world.tasks().await.len(), 1);
    world.go_on(&session, &mut cpe, Vec::new()).await;
    let credential = world.store.credential(&device()).await.unwrap();
    world.service.observe(vec![record]).await.unwrap();
    assert_eq!(world.tasks().await.len(), 1, "the record comes later, too");
    assert_eq!(world.store.credential(&device()).await.unwrap(), credential, "and forgets nothing new");
    world.session(&mut cpe, &[BOOTSTRAP]).await;
    assert_eq!(world.tasks().await.len(), 2, "another bootstrap is another first contact");
    assert_ne!(world.store.credential(&device()).await.unwrap(), credential);
}

#[tokio::test]
async fn a_bootstrap_of_a_session_never_heard_of_again_is_served_p7_f5() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (world, mut cpe) = (World::new(config), new_cpe());
    let session = world.session_ref();
    // Only the record is left: ingest projects it, then tells provisioning.
    let record = world.inform_record(&session, &cpe, &[BOOTSTRAP]);
    world.service.observe(vec![record]).await.unwrap();
    settle().await;
    assert_eq!(world.wakes.count(), 1, "an obligation without a session wakes the device");
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.tasks().await.iter().all(|task| task.state.is_success()));
}

#[tokio::test]
async fn a_bootstrap_whose_session_died_with_its_process_is_served_p7_f5() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (mut world, mut cpe) = (World::new(config), new_cpe());
    let session = world.session_ref();
    let record = world.inform_record(&session, &cpe, &[BOOTSTRAP]);
    // The tasks are there, and the process that would have woken the device at the end of the session is not.
    world.begin(&session, &cpe, &[BOOTSTRAP]).await;
    world.restart();
    world.sessions.clear();
    world.service.observe(vec![record]).await.unwrap();
    assert_eq!(world.tasks().await.len(), 1);
    world.pass(10);
    world.fire().await;
    assert_eq!(world.wakes.count(), 1, "an obligation without a live session wakes the device");
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.tasks().await.iter().all(|task| task.state.is_success()));
}

#[tokio::test]
async fn a_first_contact_without_bootstrap_is_one_too() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.session(&mut cpe, &[PERIODIC]).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    let kinds: Vec<_> = world.tasks().await.iter().map(|task| task.spec.kind()).collect();
    assert_eq!(kinds, [TaskKind::SetCredentials]);
}

#[tokio::test]
async fn a_boot_reads_again_what_its_inform_does_not_tell_cwmp_187() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.session(&mut cpe, &[BOOT]).await;
    assert!(world.tasks().await.is_empty(), "it told all");
    let session = world.session_ref();
    let mut request = world.begin_request(&session, &cpe, &[BOOT]);
    request.inform.parameters.retain(|p| p.name.leaf() == "ParameterKey");
    assert!(world.service.begin(request).await.unwrap().work);
    world.go_on(&session, &mut cpe, Vec::new()).await;
    assert_eq!(
        cpe.seen,
        ["GetParameterValues Device.DeviceInfo.SoftwareVersion Device.ManagementServer.ConnectionRequestURL"]
    );
}

#[tokio::test]
async fn a_bootstrap_forgets_the_tree_cwmp_185() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.enqueue("1", TaskSpec::Refresh { path: path("Device.") }).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.store.objects(&device(), &path("")).await.unwrap().len() > 3);
    world.session(&mut cpe, &[BOOTSTRAP]).await;
    assert!(world.store.objects(&device(), &path("")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refresh_drops_what_is_gone() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.tree.add_instance(&path("Device.X_Table."), []).unwrap();
    world.enqueue("1", TaskSpec::Refresh { path: path("") }).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.store.object(&device(), &path("Device.X_Table.1.")).await.unwrap().is_some());
    cpe.tree.delete_instance(&path("Device.X_Table.1.")).unwrap();
    world.enqueue("2", TaskSpec::Refresh { path: path("") }).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.store.object(&device(), &path("Device.X_Table.1.")).await.unwrap().is_none());
    assert!(world.store.object(&device(), &path("Device.X_Table.")).await.unwrap().is_some());
}

#[tokio::test]
async fn credentials_of_unknown_fate_are_both_tried() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.session(&mut cpe, &[BOOTSTRAP]).await;
    let old = world.store.credential(&device()).await.unwrap().unwrap().connection_request_password;
    // The next ones are sent, and no answer comes.
    cpe.habit = Box::new(|request| matches!(request, AcsRequest::SetParameterValues(_)).then_some(Reply::Silence));
    world.enqueue("1", TaskSpec::SetCredentials).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    let kept = world.store.credential(&device()).await.unwrap().unwrap();
    assert_eq!(kept.connection_request_password, old, "the proved one stays in use");
    assert!(!kept.pending_connection_request_password.is_empty());
    *world.wakes.outcome.lock().unwrap() = WakeOutcome::WrongCredentials;
    world.service.wake(&device()).await.unwrap();
    world.service.wake(&device()).await.unwrap();
    let asked = world.wakes.asked.lock().unwrap();
    let used: Vec<_> = asked.iter().rev().take(2).map(|request| request.password.clone()).collect();
    assert_eq!(used, [kept.pending_connection_request_password, old]);
}

#[tokio::test]
async fn credentials_are_proved_by_the_key_of_the_next_inform() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.hangs_up_after = Some("SetParameterValues");
    let id = world.enqueue("1", TaskSpec::SetCredentials).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert_eq!(world.task(&id).await.state, TaskState::Queued);
    world.session(&mut cpe, &[PERIODIC]).await;
    assert_eq!(world.task(&id).await.state, TaskState::ResolvedApplied);
    let kept = world.store.credential(&device()).await.unwrap().unwrap();
    let password = cpe.value("Device.ManagementServer.ConnectionRequestPassword");
    assert_eq!(kept.connection_request_password.reveal(), password);
    assert_eq!(cpe.seen.iter().filter(|seen| seen.starts_with("Set")).count(), 1, "not sent again");
}

#[tokio::test]
async fn files_are_signed_when_they_are_sent() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let spec = |file: &str| match download() {
        TaskSpec::Download(mut spec) => {
            spec.source = acs_types::DownloadSource::File(file.parse().unwrap());
            TaskSpec::Download(spec)
        }
        other => other,
    };
    let error = world.service.enqueue(enqueue_request("0", spec("fw"))).await.unwrap_err();
    assert_eq!(error.fields[0].0, "file");
    for file in ["fw", "gone"] {
        let record = acs_types::FileRecord {
            id: file.parse().unwrap(),
            tenant: acs_types::Tenant::default(),
            name: file.into(),
            file_type: acs_types::FileType::Firmware,
            version: String::new(),
            size: 7,
            sha256: [0; 32],
            created_at: world.now(),
            created_by: "alice".into(),
        };
        acs_store::Files::put_file(&*world.store, record).await.unwrap();
    }
    let sent = world.enqueue("1", spec("fw")).await.task.id;
    let gone = world.enqueue("2", spec("gone")).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert_eq!(cpe.seen, [format!("Download 1 Firmware Upgrade Image http://files/{}/fw", device())]);
    assert!(matches!(world.task(&sent).await.state, TaskState::Awaiting { .. }));
    let failed = world.task(&gone).await;
    assert_eq!((failed.state, failed.fault.unwrap().text), (TaskState::Failed, "the file is gone".to_owned()));
}

#[tokio::test]
async fn who_logs_in() {
    let mut config = config();
    config.shared_credentials = Some(("everyone".into(), Secret::new("shared")));
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.known_device(&mut cpe).await;
    let own = CpeCredential { username: "cpe-1".into(), password: Secret::new("own"), ..CpeCredential::default() };
    world.store.put_credential(&device(), Some(own)).await.unwrap();
    let who = async |name: &str| {
        let request = VerifierRequest { username: name.into() };
        world.service.verifier(request).await.unwrap().verifier.map(|v| (v.device, v.password.reveal().to_owned()))
    };
    assert_eq!(who("cpe-1").await, Some((Some(device()), "own".into())));
    assert_eq!(who("everyone").await, Some((None, "shared".into())));
    assert_eq!(who("nobody").await, None);
    assert_eq!(who("").await, None);
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing_p1() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let away = acs_store::Error::Unavailable("test".into());
    world.store.fail_with(Some(away));
    let error = world.service.enqueue(enqueue_request("1", TaskSpec::Reboot)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unavailable);
    world.store.fail_with(None);
    assert!(world.enqueue("1", TaskSpec::Reboot).await.created, "the same call again");
}

#[tokio::test]
async fn a_watcher_sees_every_state_to_the_end() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    let states = world.service.watch(&device(), &id).await.unwrap();
    world.session(&mut cpe, &[PERIODIC]).await;
    let names: Vec<_> = states.map(|task| task.unwrap().state.as_str()).collect().await;
    assert_eq!(names, ["queued", "sending", "done"]);
    let after = world.service.watch(&device(), &id).await.unwrap();
    assert_eq!(after.count().await, 1, "a final task is told once");
}

#[tokio::test]
async fn history_is_dropped_after_its_time() {
    let mut config = config();
    config.retention = Duration::from_secs(100);
    config.timer_interval = Duration::from_millis(1);
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", get_values("Device.DeviceInfo.")).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    world.pass(101);
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (service, stop) = (world.service.clone(), shutdown.clone());
    let running = tokio::spawn(async move { service.run(stop).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    shutdown.cancel();
    running.await.unwrap();
    assert!(world.store.task(&device(), &id).await.unwrap().is_none());
}
