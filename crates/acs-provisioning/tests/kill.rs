//! The process is killed between any two steps (F1, F3, F5): a panic at each failpoint, then another process over the same
//! stores.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::collections::BTreeSet;
use std::future::Future;

use acs_proto::{Answer, EndRequest, Provisioning};
use acs_provisioning::FirstContact;
use acs_store::SessionCache;
use acs_types::{SessionOutcome, SessionRef, Task, TaskSpec, TaskState};
use cwmp_codec::AcsRequest;
use fail::FailScenario;
use support::cpe::Cpe;
use support::*;

const POINTS: [&str; 9] = [
    "begin::before_commit",
    "begin::after_commit",
    "provisioning::before_answers",
    "provisioning::before_intent",
    "step::before_commit",
    "step::after_commit",
    "provisioning::after_intent",
    "end::before_answers",
    "end::after_answers",
];

/// Who dies with the process.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Front {
    /// The front-end lives and asks again.
    Lives,
    /// The front-end dies too, and the session is never heard of again.
    Dies,
}

/// Runs a call in a task of its own; `None`: the process was killed in it.
async fn survives<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> Option<T> {
    match tokio::spawn(call).await {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.is_panic(), "{error}");
            None
        }
    }
}

fn specs() -> Vec<TaskSpec> {
    vec![
        get_values("Device.DeviceInfo."),
        set_values("Device.X_Group0.P1", "a"),
        set_values("Device.X_Group0.DiagnosticsState", "Requested"),
        TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() },
        TaskSpec::AddObject { object: path("Device.X_Table."), values: vec![set("Name", "guest")] },
        TaskSpec::DeleteObject { object: path("Device.X_Table.1.") },
        download(),
        TaskSpec::Reboot,
        TaskSpec::FactoryReset,
        TaskSpec::SetCredentials,
        TaskSpec::Discover,
    ]
}

/// A front-end whose provisioning is killed once.
struct Bench {
    world: World,
    cpe: Cpe,
    front: Front,
    /// The key of every change that reached the device.
    keys: Vec<String>,
    killed: bool,
}

impl Bench {
    async fn new(front: Front) -> Self {
        let mut cpe = new_cpe();
        let parameter = cwmp_model::Parameter { writable: true, value: Some(cwmp_model::Value::string("None")) };
        cpe.tree.insert_parameter(&path("Device.X_Group0.DiagnosticsState"), parameter).unwrap();
        cpe.tree.add_instance(&path("Device.X_Table."), []).unwrap();
        cpe.take_key("before");
        let world = World::new(config());
        world.known_device(&mut cpe).await;
        Self { world, cpe, front, keys: Vec::new(), killed: false }
    }

    /// Whether the front-end goes on after a kill.
    fn killed(&mut self) -> bool {
        self.killed = true;
        self.world.restart();
        self.front == Front::Lives
    }

    async fn session(&mut self, events: &[(&str, &str)]) {
        let session = self.world.session_ref();
        let cached = acs_store::CachedSession {
            session: session.session,
            device: session.device.clone(),
            stamp: session.stamp,
            front_end: self.world.config.emitter.clone(),
            snapshot: Vec::new(),
        };
        self.world.sessions.begin(&cached).await.unwrap();
        let request = self.world.begin_request(&session, &self.cpe, events);
        let begun = loop {
            let (service, request) = (self.world.service.clone(), request.clone());
            match survives(async move { service.begin(request).await.unwrap() }).await {
                Some(begun) => break begun,
                None if self.killed() => {}
                None => return self.gone(&session).await,
            }
        };
        if begun.work {
            self.segments(&session).await;
        } else {
            self.end(&session, Vec::new()).await;
        }
    }

    async fn segments(&mut self, session: &SessionRef) {
        let mut answers = Vec::new();
        for _ in 0..100 {
            let reply = loop {
                let request = self.world.next_request(session, answers.clone());
                let service = self.world.service.clone();
                match survives(async move { service.next(request).await.unwrap() }).await {
                    Some(reply) => break reply,
                    None if self.killed() => {}
                    None => return self.gone(session).await,
                }
            };
            if reply.calls.is_empty() {
                return self.end(session, Vec::new()).await;
            }
            for call in &reply.calls {
                self.reaches(&call.request, &call.task).await;
            }
            let (next, alive) = send(&mut self.cpe, &reply.calls, self.world.now());
            answers = next;
            if !alive {
                return self.end(session, answers).await;
            }
        }
        panic!("the session has no end");
    }

    /// P2: a change that reaches the device has a durable intent, and each attempt reaches it once.
    async fn reaches(&mut self, request: &AcsRequest, task: &acs_types::TaskId) {
        if !request.changes_device() {
            return;
        }
        let task = self.world.task(task).await;
        let attempt = task.attempts.last().expect("an intent");
        assert!(matches!(task.state, TaskState::Sending { .. }), "{:?}", task.state);
        assert_eq!(attempt.method, request.method());
        self.keys.push(attempt.id.to_string());
    }

    async fn end(&mut self, session: &SessionRef, answers: Vec<Answer>) {
        self.world.sessions.end(&session.device, &session.session).await.unwrap();
        let outcome = SessionOutcome::Completed;
        let request = EndRequest { session: session.clone(), at: self.world.now(), outcome, answers };
        loop {
            let (service, request) = (self.world.service.clone(), request.clone());
            match survives(async move { service.end(request).await.unwrap() }).await {
                Some(_) => return,
                None if self.killed() => {}
                None => return,
            }
        }
    }

    async fn gone(&mut self, session: &SessionRef) {
        self.world.sessions.end(&session.device, &session.session).await.unwrap();
    }

    /// What the device tells in its next Inform about what it did.
    fn events(&self, task: &Task) -> Vec<(String, String)> {
        let last = task.attempts.last().map(|a| a.id.to_string()).filter(|id| self.keys.contains(id));
        match (&task.spec, last) {
            (TaskSpec::Reboot, Some(key)) => vec![("1 BOOT".into(), String::new()), ("M Reboot".into(), key)],
            (TaskSpec::FactoryReset, Some(_)) => vec![("0 BOOTSTRAP".into(), String::new())],
            _ => vec![("2 PERIODIC".into(), String::new())],
        }
    }
}

async fn kill(spec: TaskSpec, point: &str, nth: usize, front: Front) -> bool {
    let what = format!("{:?} at {point} #{nth}, the front-end {front:?}", spec.kind());
    let mut bench = Bench::new(front).await;
    let id = bench.world.enqueue("1", spec.clone()).await.task.id;
    fail::cfg(point, &format!("{nth}*off->1*panic->off")).unwrap();
    for round in 0..6 {
        let task = bench.world.task(&id).await;
        if task.state.is_final() {
            break;
        }
        let events = bench.events(&task);
        let events: Vec<_> = events.iter().map(|(code, key)| (code.as_str(), key.as_str())).collect();
        bench.session(&events).await;
        bench.world.pass(if round == 0 { 61 } else { 1 });
        bench.world.fire().await;
    }
    fail::remove(point);
    let task = bench.world.task(&id).await;
    // P2: each attempt reached the device at most once.
    let distinct: BTreeSet<_> = bench.keys.iter().collect();
    assert_eq!(distinct.len(), bench.keys.len(), "{what}: {:?}", bench.keys);
    let again = task.attempts.iter().skip(1).any(|a| a.reason.as_str() == "first");
    assert!(!again || matches!(spec, TaskSpec::AddObject { .. }), "{what}: each says why");
    // P3: what may not repeat reached it once, unless it is proved that it did not before.
    let once = matches!(spec, TaskSpec::Download(_) | TaskSpec::Reboot | TaskSpec::FactoryReset);
    assert!(!once || bench.keys.len() <= 1, "{what}: {:?}", task.attempts);
    if matches!(spec, TaskSpec::AddObject { .. }) {
        assert_eq!(bench.cpe.tree.instances(&path("Device.X_Table.")), [1, 2], "{what}: added once");
    }
    // P1: an end, or a state that says what is missing.
    match task.state {
        _ if task.state.is_success() => {}
        // This device never tells of its download; of the others it does.
        TaskState::Unknown { .. } if matches!(spec, TaskSpec::Download(_)) => {}
        TaskState::Unknown { .. } if once => assert!(bench.keys.is_empty(), "{what}: it told what it did"),
        TaskState::Awaiting { .. } => assert!(matches!(spec, TaskSpec::Download(_)), "{what}"),
        _ => panic!("{what}: {task:?}"),
    }
    bench.killed
}

#[test]
fn a_kill_between_any_two_steps_loses_and_repeats_nothing_p1_p2_p3_f3() {
    let scenario = FailScenario::setup();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut kills = 0;
    // The output of so many panics helps nobody.
    std::panic::set_hook(Box::new(|info| {
        if !info.to_string().contains("failpoint") {
            eprintln!("{info}");
        }
    }));
    for spec in specs() {
        for point in POINTS {
            for nth in 0..4 {
                for front in [Front::Lives, Front::Dies] {
                    kills += usize::from(runtime.block_on(kill(spec.clone(), point, nth, front)));
                }
            }
        }
    }
    assert!(kills > 300, "only {kills} kills happened");
    enqueue_is_killed(&runtime);
    first_contact_is_killed(&runtime);
    timers_are_killed(&runtime);
    lost_sessions_are_killed(&runtime);
    let _ = std::panic::take_hook();
    scenario.teardown();
}

/// F1: the API call is repeated with its key.
fn enqueue_is_killed(runtime: &tokio::runtime::Runtime) {
    for point in ["enqueue::before_insert", "enqueue::after_insert"] {
        runtime.block_on(async {
            let mut bench = Bench::new(Front::Lives).await;
            fail::cfg(point, "1*panic->off").unwrap();
            let service = bench.world.service.clone();
            let first = survives(async move { service.enqueue(enqueue_request("k", TaskSpec::Reboot)).await }).await;
            assert!(first.is_none(), "{point}");
            bench.world.restart();
            let again = bench.world.enqueue("k", TaskSpec::Reboot).await;
            assert_eq!(again.created, point == "enqueue::before_insert");
            assert_eq!(bench.world.tasks().await.len(), 1, "{point}: one task");
            assert!(again.wake.is_some(), "{point}: a repeated call wakes the device, too");
            fail::remove(point);
        });
    }
}

/// F5: what a BOOTSTRAP obliges to happens, by the record alone.
fn first_contact_is_killed(runtime: &tokio::runtime::Runtime) {
    for point in ["begin::before_commit", "step::before_commit", "step::after_commit", "begin::after_commit"] {
        runtime.block_on(async {
            let mut config = config();
            config.first_contact = FirstContact::Discover;
            let (mut world, mut cpe) = (World::new(config), new_cpe());
            let session = world.session_ref();
            let (request, record) =
                (world.begin_request(&session, &cpe, &[BOOTSTRAP]), world.inform_record(&session, &cpe, &[BOOTSTRAP]));
            fail::cfg(point, "1*panic->off").unwrap();
            let service = world.service.clone();
            assert!(survives(async move { service.begin(request).await }).await.is_none());
            fail::remove(point);
            world.restart();
            world.service.observe(vec![record]).await.unwrap();
            world.session(&mut cpe, &[PERIODIC]).await;
            let tasks = world.tasks().await;
            assert!(tasks.len() == 2 && tasks.iter().all(|task| task.state.is_success()), "{point}: {tasks:?}");
        });
    }
}

fn timers_are_killed(runtime: &tokio::runtime::Runtime) {
    for point in ["timer::before", "timer::after"] {
        runtime.block_on(async {
            let mut bench = Bench::new(Front::Dies).await;
            let id = bench.world.enqueue("1", TaskSpec::Reboot).await.task.id;
            let session = bench.world.session_ref();
            bench.world.begin(&session, &bench.cpe, &[PERIODIC]).await;
            bench.world.next(&session, Vec::new()).await.unwrap();
            bench.world.pass(61);
            fail::cfg(point, "1*panic->off").unwrap();
            let service = bench.world.service.clone();
            assert!(survives(async move { service.fire_due_timers().await }).await.is_none());
            fail::remove(point);
            bench.world.restart();
            bench.world.fire().await;
            assert!(matches!(bench.world.task(&id).await.state, TaskState::Unknown { .. }), "{point}");
        });
    }
}

/// A task that was put away because its answers were lost with our front-ends is told of again by ingest, until it is through.
fn lost_sessions_are_killed(runtime: &tokio::runtime::Runtime) {
    for (point, written) in [("observe::before_excuse", false), ("observe::after_excuse", true)] {
        runtime.block_on(async {
            let mut bench = Bench::new(Front::Dies).await;
            let id = bench.world.enqueue("1", get_values("Device.DeviceInfo.")).await.task.id;
            let mut session = bench.world.session_ref();
            for _ in 0..Task::UNANSWERED_MAX {
                session = bench.world.session_ref();
                bench.world.begin(&session, &bench.cpe, &[PERIODIC]).await;
                let calls = bench.world.next(&session, Vec::new()).await.unwrap().calls;
                bench.cpe.habit = Box::new(|_| Some(cpe::Reply::Silence));
                let (answers, _) = send(&mut bench.cpe, &calls, bench.world.now());
                bench.world.end(&session, SessionOutcome::TimedOut, answers).await;
            }
            assert_eq!(bench.world.task(&id).await.state, TaskState::Quarantined);
            bench.world.pass(3600);
            bench.world.fire().await;
            let asked = bench.world.wakes.count();
            let record = bench.world.ended_record(&session, SessionOutcome::Lost);
            fail::cfg(point, "1*panic->off").unwrap();
            let (service, again) = (bench.world.service.clone(), record.clone());
            assert!(survives(async move { service.observe(vec![again]).await }).await.is_none(), "{point}");
            fail::remove(point);
            let expected = if written { TaskState::Queued } else { TaskState::Quarantined };
            assert_eq!(bench.world.task(&id).await.state, expected, "{point}");
            bench.world.restart();
            bench.world.service.observe(vec![record]).await.unwrap();
            let task = bench.world.task(&id).await;
            assert_eq!((&task.state, task.unanswered, task.excused), (&TaskState::Queued, 2, 1), "{point}: P7, P4");
            for _ in 0..15 {
                bench.world.pass(1);
                bench.world.fire().await;
            }
            assert!(bench.world.wakes.count() > asked, "{point}: the device is woken for it");
        });
    }
}
