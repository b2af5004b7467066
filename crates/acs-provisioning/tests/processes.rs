//! Several provisioning processes over one store at once, with clocks minutes apart: sessions whose calls go now here, now
//! there, front-ends that die, devices that open a newer session, deadlines fired by all, and the same keys from several
//! callers. Judged by what reached the devices (P1–P6, F2, F4, F6).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use acs_proto::{
    Answer, AnswerOutcome, BeginRequest, Call, EndRequest, EnqueueRequest, ErrorClass, Provisioning, ServiceError,
    UnansweredReason,
};
use acs_provisioning::{Dependencies, Metrics, ProvisioningService};
use acs_store::memory::MemoryLeases;
use acs_store::{Leases, TaskFilter, Tasks, Timers};
use acs_types::{
    AttemptOutcome, DeviceId, EventBody, PageRequest, SessionId, SessionOutcome, SessionRef, Task, TaskId, TaskSpec,
    TaskState,
};
use cwmp_model::DeviceIdentity;
use support::cpe::{Cpe, Reply};
use support::*;
use tokio::sync::Mutex;

/// Clocks of the processes, in seconds beside the right time.
const CLOCKS: [i64; 3] = [0, 300, -300];
const DEVICES: usize = 4;
const TASKS: usize = 10;
const SEEDS: u64 = 40;

/// A device and what it knows.
struct Device {
    identity: DeviceIdentity,
    cpe: Cpe,
    /// It answers its newest session only.
    session: Option<SessionId>,
    /// What its next Inform tells of its own doing.
    events: Vec<(String, String)>,
    /// The id of every change that reached it, with its task.
    ledger: Vec<(String, TaskId)>,
}

/// What one key gave.
#[derive(Clone, Default)]
struct Given {
    tasks: BTreeSet<TaskId>,
    /// How often it was said to be new.
    created: usize,
}

struct Fleet {
    world: World,
    services: Vec<ProvisioningService>,
    devices: Vec<Mutex<Device>>,
    /// What the keys of each device gave.
    keys: StdMutex<BTreeMap<(usize, usize), Given>>,
    /// Sessions that went through two processes or more.
    wandered: AtomicUsize,
}

/// A small generator: each run with the same seed draws the same.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn fork(&mut self) -> Self {
        self.roll(2);
        Self(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
}

fn spec(n: usize) -> TaskSpec {
    match n % 5 {
        0 => get_values("Device.DeviceInfo."),
        1 | 2 => set_values("Device.X_Group0.P1", &format!("{n:02}")),
        3 => TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() },
        _ => TaskSpec::Reboot,
    }
}

impl Fleet {
    async fn new() -> Arc<Self> {
        let mut config = config();
        config.clock_skew = Duration::from_secs(900);
        let world = World::new(config);
        let leases = Arc::new(MemoryLeases::new());
        let service = |seconds: &i64| {
            let deps = Dependencies { clock: world.skewed(*seconds), ..world.deps() };
            let mut config = world.config.clone();
            config.emitter = format!("process{seconds}").parse().unwrap();
            config.timer_shards_max = 24;
            ProvisioningService::sharing(deps, config, leases.clone())
        };
        let services = CLOCKS.iter().map(service).collect();
        let device = |n: usize| {
            let identity = DeviceIdentity { serial_number: n.to_string(), ..identity() };
            Mutex::new(Device { identity, cpe: new_cpe(), session: None, events: Vec::new(), ledger: Vec::new() })
        };
        let devices = (0..DEVICES).map(device).collect();
        let fleet = Self { world, services, devices, keys: StdMutex::default(), wandered: AtomicUsize::new(0) };
        let fleet = Arc::new(fleet);
        for n in 0..DEVICES {
            fleet.clone().session(n, Dice(1), false).await;
        }
        fleet
    }

    fn any(&self, dice: &mut Dice) -> &ProvisioningService {
        &self.services[dice.roll(self.services.len())]
    }

    /// The same call until it is answered: a process that is too busy is asked again.
    async fn tries<T, F>(call: impl Fn() -> F) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        loop {
            match call().await {
                Err(error) if error.class == ErrorClass::Unavailable => tokio::task::yield_now().await,
                other => return other,
            }
        }
    }

    /// P5: the same key from every process at once.
    async fn enqueue(self: Arc<Self>, device: usize, task: usize) {
        let id = DeviceId::of(&self.devices[device].lock().await.identity);
        let calls = self.services.iter().map(|service| {
            let request = EnqueueRequest { device: id.clone(), ..enqueue_request(&task.to_string(), spec(task)) };
            async move { Self::tries(|| service.enqueue(request.clone())).await.unwrap() }
        });
        for reply in futures::future::join_all(calls).await {
            let mut keys = self.keys.lock().unwrap();
            let of_key = keys.entry((device, task)).or_default();
            of_key.tasks.insert(reply.task.id);
            of_key.created += usize::from(reply.created);
        }
    }

    /// One session. With `faults` its front-end may die anywhere, and the device may have opened a newer one.
    async fn session(self: Arc<Self>, device: usize, mut dice: Dice, faults: bool) {
        let mut at = self.world.session_ref();
        let mut request: BeginRequest = {
            let mut it = self.devices[device].lock().await;
            at.device = DeviceId::of(&it.identity);
            it.session = Some(at.session);
            let mut events = std::mem::take(&mut it.events);
            if events.is_empty() {
                events.push(("2 PERIODIC".into(), String::new()));
            }
            let events: Vec<_> = events.iter().map(|(code, key)| (code.as_str(), key.as_str())).collect();
            self.world.begin_request(&at, &it.cpe, &events)
        };
        request.inform.device.serial_number = device.to_string();
        let service = self.any(&mut dice).clone();
        if !Self::tries(|| service.begin(request.clone())).await.unwrap().work {
            return self.end(at, SessionOutcome::Completed, Vec::new(), &mut dice).await;
        }
        let mut answers = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..60 {
            let turn = dice.roll(self.services.len());
            seen.insert(turn);
            self.wandered.fetch_add(usize::from(seen.len() == 2), Ordering::Relaxed);
            let mut request = self.world.next_request(&at, answers.clone());
            request.session = at.clone();
            let calls = match Self::tries(|| self.services[turn].next(request.clone())).await {
                Ok(reply) => reply.calls,
                Err(error) => {
                    assert_eq!(error.class, ErrorClass::Superseded, "{error}");
                    return self.end(at, SessionOutcome::Superseded, answers, &mut dice).await;
                }
            };
            if calls.is_empty() {
                return self.end(at, SessionOutcome::Completed, Vec::new(), &mut dice).await;
            }
            if faults && dice.roll(12) == 0 {
                return;
            }
            let alive;
            (answers, alive) = self.send(device, &at, &calls).await;
            if faults && dice.roll(12) == 0 {
                return;
            }
            if faults && alive && dice.roll(12) == 0 {
                // The front-end stops with the answer on its way; another one goes on.
                self.end(at.clone(), SessionOutcome::Drained, Vec::new(), &mut dice).await;
                at.resume += 1;
            }
            if !alive {
                return self.end(at, SessionOutcome::Superseded, answers, &mut dice).await;
            }
        }
    }

    async fn end(&self, session: SessionRef, outcome: SessionOutcome, answers: Vec<Answer>, dice: &mut Dice) {
        let request = EndRequest { session, at: self.world.now(), outcome, answers };
        let service = self.any(dice).clone();
        Self::tries(|| service.end(request.clone())).await.unwrap();
    }

    /// What the device makes of a segment; a session that is not its newest gets nothing through to it.
    async fn send(&self, device: usize, session: &SessionRef, calls: &[Call]) -> (Vec<Answer>, bool) {
        let mut answers = Vec::new();
        let mut alive = true;
        for call in calls {
            tokio::task::yield_now().await;
            let mut it = self.devices[device].lock().await;
            alive &= it.session == Some(session.session);
            let outcome = if alive {
                self.reaches(&mut it, session, call).await
            } else {
                AnswerOutcome::Unanswered(UnansweredReason::NotSent)
            };
            let task = Some(call.task.clone());
            let (id, attempt) = (call.id.clone(), call.attempt.clone());
            answers.push(Answer { id, task, attempt, at: self.world.now(), outcome });
        }
        (answers, alive)
    }

    async fn reaches(&self, it: &mut Device, session: &SessionRef, call: &Call) -> AnswerOutcome {
        if call.request.changes_device() {
            let id = call.attempt.as_ref().expect("P2: a change has an attempt").to_string();
            let task = self.world.store.task(&session.device, &call.task).await.unwrap().unwrap();
            let intent = task.attempts.iter().find(|a| a.id.as_str() == id).expect("P2: its intent is durable");
            assert_eq!(intent.session, session.session, "P6: the session that sends is the one that wrote it");
            it.ledger.push((id.clone(), call.task.clone()));
            if task.spec == TaskSpec::Reboot {
                it.events = vec![("1 BOOT".into(), String::new()), ("M Reboot".into(), id)];
            }
        }
        match it.cpe.handle(&call.request) {
            Reply::Response(response) => AnswerOutcome::Response(response),
            Reply::Fault(fault) => AnswerOutcome::Fault(fault),
            Reply::Silence => AnswerOutcome::Unanswered(UnansweredReason::Silence),
        }
    }

    async fn fire(self: Arc<Self>, process: usize) {
        // A deadline that could not be handled is put off, and the others go on.
        let _ = self.services[process].fire_due_timers().await;
    }

    async fn open(&self) -> usize {
        let open = self.world.store.list_open_tasks(&TaskFilter::default(), &PageRequest::first(1000)).await;
        open.unwrap().items.len()
    }

    async fn tasks(&self, device: usize) -> Vec<Task> {
        let id = DeviceId::of(&self.devices[device].lock().await.identity);
        let page = PageRequest::first(1000);
        self.world.store.list_tasks(&id, &TaskFilter::default(), &page).await.unwrap().items
    }
}

async fn run(seed: u64) -> usize {
    let fleet = Fleet::new().await;
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
    for task in 0..TASKS {
        let mut at_once = Vec::new();
        for device in 0..DEVICES {
            at_once.push(tokio::spawn(fleet.clone().enqueue(device, task)));
            for _ in 0..=dice.roll(3) {
                at_once.push(tokio::spawn(fleet.clone().session(device, dice.fork(), true)));
            }
        }
        for process in 0..CLOCKS.len() {
            at_once.push(tokio::spawn(fleet.clone().fire(process)));
        }
        fleet.world.pass(dice.roll(40) as u64);
        for one in at_once {
            one.await.unwrap();
        }
    }
    // Everything has an end once nothing fails any more.
    for _ in 0..40 {
        if fleet.open().await == 0 {
            break;
        }
        for device in 0..DEVICES {
            fleet.clone().session(device, dice.fork(), false).await;
        }
        fleet.world.pass(400);
        for process in 0..CLOCKS.len() {
            fleet.clone().fire(process).await;
        }
    }
    judge(&fleet, seed).await;
    fleet.wandered.load(Ordering::Relaxed)
}

async fn judge(fleet: &Fleet, seed: u64) {
    let keys = fleet.keys.lock().unwrap().clone();
    for ((device, task), given) in &keys {
        assert_eq!((given.tasks.len(), given.created), (1, 1), "P5, seed {seed}: key {task} of device {device}");
    }
    for device in 0..DEVICES {
        let tasks = fleet.tasks(device).await;
        assert_eq!(tasks.len(), TASKS, "P1, seed {seed}");
        let it = fleet.devices[device].lock().await;
        let distinct: BTreeSet<_> = it.ledger.iter().map(|(id, _)| id).collect();
        assert_eq!(distinct.len(), it.ledger.len(), "P2, seed {seed}: each attempt reached it once: {:?}", it.ledger);
        for task in &tasks {
            let what = format!("seed {seed}, device {device}: {task:?}");
            assert!(task.state.is_final(), "P1, P3: {what}");
            let sent = it.ledger.iter().filter(|(_, id)| *id == task.id).count();
            let refuted = |a: &&acs_types::Attempt| a.outcome == Some(AttemptOutcome::ProvedNotApplied);
            let refuted = task.attempts.iter().filter(refuted).count();
            let repeats = matches!(task.spec, TaskSpec::SetValues { .. });
            assert!(repeats || sent <= 1, "P3: reached it {sent} times: {what}");
            assert!(repeats || task.attempts.len() <= 1 + refuted, "P3: no evidence to repeat: {what}");
            let unexplained = task.attempts.iter().skip(1).any(|a| a.reason.as_str() == "first");
            assert!(!unexplained, "P2: {what}");
            assert!(
                !task.state.is_success() || task.attempts.is_empty() || sent > 0,
                "done without being sent: {what}"
            );
            // Front-ends die after three transmissions of one task, too.
            assert!(task.state != TaskState::Quarantined || task.attempts.len() >= 3, "P4: {what}");
        }
        // P6: what sets the same parameter ran in the order it was created.
        let mut sets: Vec<&Task> = tasks.iter().filter(|t| matches!(t.spec, TaskSpec::SetValues { .. })).collect();
        sets.sort_by_key(|task| task.created_at);
        let first = |task: &&Task| it.ledger.iter().position(|(_, id)| *id == task.id);
        let firsts: Vec<usize> = sets.iter().filter_map(first).collect();
        assert!(firsts.is_sorted(), "P6, seed {seed}: {firsts:?}");
    }
    // Every transition once, whoever made it.
    let records = fleet.world.log.records();
    let transitions = records.iter().filter(|r| matches!(r.body, EventBody::Task(_)));
    let ids: Vec<_> = transitions.map(|record| record.event_id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_over_one_store_keep_the_promises_p1_p2_p3_p4_p5_p6() {
    let mut wandered = 0;
    for seed in 1..=SEEDS {
        wandered += run(seed).await;
    }
    assert!(wandered > 50, "only {wandered} sessions went through several processes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_deadline_fires_with_two_processes_and_changes_its_task_once_p3() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let other = ProvisioningService::new(world.deps(), world.config.clone());
    let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    world.next(&session, Vec::new()).await.unwrap();
    world.pass(61);
    let (one, two) = tokio::join!(world.service.fire_due_timers(), other.fire_due_timers());
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(world.task(&id).await.state, TaskState::Unknown { .. }));
    let records = world.log.records();
    let unknown = |r: &&acs_types::EventRecord| matches!(&r.body, EventBody::Task(t) if t.to == "unknown");
    assert_eq!(records.iter().filter(unknown).count(), 1);
    assert_eq!(world.store.due_timers(world.now(), 10).await.unwrap(), []);
    // One of them is gone: the other one does it all.
    drop(other);
    world.pass(3600);
    world.service.fire_due_timers().await.unwrap();
    assert_eq!(world.task(&id).await.state, TaskState::NeedsOperator);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wake_ups_do_not_multiply_with_the_processes_p19() {
    let mut config = config();
    config.clock_skew = Duration::from_secs(900);
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.known_device(&mut cpe).await;
    *world.wakes.outcome.lock().unwrap() = acs_proto::WakeOutcome::Busy;
    let services: Vec<_> = (0..3).map(|_| ProvisioningService::new(world.deps(), world.config.clone())).collect();
    for (n, service) in services.iter().enumerate() {
        service.enqueue(enqueue_request(&n.to_string(), TaskSpec::Reboot)).await.unwrap();
    }
    let at_once = world.wakes.count();
    let mut most = 0;
    for _ in 0..1000 {
        world.pass(1);
        let firing =
            services.iter().cloned().map(|service| tokio::spawn(async move { service.fire_due_timers().await }));
        for fired in futures::future::join_all(firing).await {
            fired.unwrap().unwrap();
        }
        let timers = world.store.due_timers(world.now().plus(Duration::from_secs(7200)), 1000).await.unwrap();
        most = most.max(timers.len());
    }
    settle().await;
    // One chain for each process and each way it began, and one look.
    assert!(most <= 3 * services.len() + 1, "{most} timers of one device");
    let woken = world.wakes.count() - at_once;
    assert!((4..=4 * 2 * services.len()).contains(&woken), "woken {woken} times in four steps of 400 s and after");
}

/// What each of several sharing processes counts as handled.
fn handled(metrics: &[Metrics]) -> Vec<u64> {
    let count = |metrics: &Metrics| {
        let registry = acs_telemetry::Metrics::new(acs_telemetry::BuildInfo { version: "test", revision: None });
        metrics.register(&registry);
        let text = registry.exposition();
        let of_kind = |line: &&str| line.starts_with("lastmile_provisioning_timers_total");
        text.lines().filter(of_kind).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    metrics.iter().map(count).collect()
}

async fn waiting(world: &World, device: usize) {
    let identity = DeviceIdentity { serial_number: device.to_string(), ..identity() };
    let session = SessionRef { device: DeviceId::of(&identity), ..world.session_ref() };
    let mut request = world.begin_request(&session, &new_cpe(), &[PERIODIC]);
    request.inform.device = identity;
    world.service.begin(request).await.unwrap();
    let expires_at = Some(world.now().plus(Duration::from_secs(1000)));
    let wanted = acs_types::Wanted::NextSession;
    let spec = TaskSpec::Reboot;
    let request = EnqueueRequest { device: session.device, expires_at, wanted, ..enqueue_request("1", spec) };
    world.service.enqueue(request).await.unwrap();
}

#[tokio::test]
async fn processes_share_the_deadlines_and_see_to_those_of_a_dead_one_p3() {
    const TASKS: usize = 200;
    let world = World::new(config());
    for device in 0..TASKS {
        waiting(&world, device).await;
    }
    let leases = Arc::new(MemoryLeases::new());
    let metrics: Vec<Metrics> = (0..3).map(|_| Metrics::default()).collect();
    let process = |(n, metrics): (usize, &Metrics)| {
        let mut config = world.config.clone();
        config.emitter = format!("process-{n}").parse().unwrap();
        config.timer_shards_max = 24;
        let deps = Dependencies { metrics: metrics.clone(), ..world.deps() };
        ProvisioningService::sharing(deps, config, leases.clone())
    };
    let services: Vec<_> = metrics.iter().enumerate().map(process).collect();
    for service in &services {
        assert_eq!(service.fire_due_timers().await.unwrap(), 0, "nothing is due, and the shards are shared out");
    }
    world.pass(1001);
    for service in &services {
        service.fire_due_timers().await.unwrap();
    }
    let counts = handled(&metrics);
    assert_eq!(counts.iter().sum::<u64>(), TASKS as u64, "each once: {counts:?}");
    assert!(counts.iter().all(|count| *count > 10), "all have a share: {counts:?}");
    assert_eq!(world.store.list_open_tasks(&TaskFilter::default(), &PageRequest::first(1)).await.unwrap().items, []);

    // One is killed, and its leases are not over.
    for device in TASKS..2 * TASKS {
        waiting(&world, device).await;
    }
    world.pass(1000);
    for _ in 0..5 {
        for service in &services[..2] {
            service.fire_due_timers().await.unwrap();
        }
        world.pass(1);
    }
    let open = world.store.list_open_tasks(&TaskFilter::default(), &PageRequest::first(1000)).await.unwrap().items;
    assert_eq!(open.len(), 0, "within five seconds");
}

#[tokio::test]
async fn a_process_that_stops_gives_its_shards_back() {
    let (world, leases) = (World::new(config()), Arc::new(MemoryLeases::new()));
    let service = ProvisioningService::sharing(world.deps(), world.config.clone(), leases.clone());
    let (service, shutdown) = (service.clone(), tokio_util::sync::CancellationToken::new());
    let stop = shutdown.clone();
    let running = tokio::spawn(async move { service.run(stop).await });
    let free = async || leases.lease("timers/0", "another", Duration::from_millis(1)).await.unwrap();
    settle().await;
    assert!(!free().await, "one that is alone in taking them takes all");
    shutdown.cancel();
    running.await.unwrap();
    assert!(free().await);
}
