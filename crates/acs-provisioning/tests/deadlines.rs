//! Timers and wake-ups: what fails does not stop the rest, and no wake-up is lost (P1, P3, P20).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_proto::{BeginRequest, EnqueueRequest, Provisioning, WakeOutcome};
use acs_provisioning::{Dependencies, Metrics, ProvisioningService};
use acs_store::memory::MemorySessionCache;
use acs_store::{CachedSession, SessionCache};
use acs_types::{DeviceId, SessionId, SessionRef, SessionStamp, TaskId, TaskSpec, TaskState};
use async_trait::async_trait;
use cwmp_model::DeviceIdentity;
use support::*;

/// A session cache in which looking for some devices panics, as a bug does that stored input meets.
struct Poisoned {
    cache: MemorySessionCache,
    devices: Mutex<BTreeSet<DeviceId>>,
}

#[async_trait]
impl SessionCache for Poisoned {
    async fn hint_work(&self, device: &DeviceId) -> acs_store::Result<Option<SessionId>> {
        let poisoned = self.devices.lock().unwrap().contains(device);
        assert!(!poisoned, "{device} is poison");
        self.cache.hint_work(device).await
    }

    async fn begin(&self, session: &CachedSession) -> acs_store::Result<Option<SessionId>> {
        self.cache.begin(session).await
    }

    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> acs_store::Result<()> {
        self.cache.put_snapshot(session, snapshot).await
    }

    async fn session(&self, session: &SessionId) -> acs_store::Result<Option<CachedSession>> {
        self.cache.session(session).await
    }

    async fn current(&self, device: &DeviceId) -> acs_store::Result<Option<SessionId>> {
        self.cache.current(device).await
    }

    async fn last_stamp(&self, device: &DeviceId) -> acs_store::Result<SessionStamp> {
        self.cache.last_stamp(device).await
    }

    async fn end(&self, device: &DeviceId, session: &SessionId) -> acs_store::Result<bool> {
        self.cache.end(device, session).await
    }

    async fn has_ended(&self, session: &SessionId) -> acs_store::Result<bool> {
        self.cache.has_ended(session).await
    }

    async fn take_hint(&self, device: &DeviceId) -> acs_store::Result<bool> {
        self.cache.take_hint(device).await
    }

    async fn live_sessions(&self) -> acs_store::Result<u64> {
        self.cache.live_sessions().await
    }
}

fn numbered(n: usize) -> DeviceIdentity {
    DeviceIdentity { serial_number: format!("{n}"), ..identity() }
}

/// A device that has wanted-now work and is to be woken.
async fn waits(world: &World, n: usize) -> TaskId {
    let device = DeviceId::of(&numbered(n));
    let session = SessionRef { device: device.clone(), ..world.session_ref() };
    let mut request: BeginRequest = world.begin_request(&session, &new_cpe(), &[PERIODIC]);
    request.inform.device = numbered(n);
    world.service.begin(request).await.unwrap();
    let request = EnqueueRequest { device, ..enqueue_request("1", TaskSpec::Reboot) };
    world.service.enqueue(request).await.unwrap().task.id
}

/// A process whose session cache panics for the devices with these numbers.
fn poisoned(world: &World, numbers: impl Iterator<Item = usize>) -> (Dependencies, Arc<Poisoned>) {
    let devices = numbers.map(|n| DeviceId::of(&numbered(n))).collect();
    let cache = Arc::new(Poisoned { cache: MemorySessionCache::new(), devices: Mutex::new(devices) });
    (Dependencies { sessions: cache.clone(), ..world.deps() }, cache)
}

fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        if !info.to_string().contains("is poison") {
            eprintln!("{info}");
        }
    }));
}

fn woken(world: &World, n: usize) -> usize {
    let device = DeviceId::of(&numbered(n));
    world.wakes.asked.lock().unwrap().iter().filter(|request| request.device == device).count()
}

#[tokio::test]
async fn timers_that_always_fail_do_not_starve_later_ones_p3_p20() {
    const FAILING: usize = 300;
    let mut world = World::new(config());
    for n in 0..FAILING {
        waits(&world, n).await;
    }
    world.pass(1);
    waits(&world, FAILING).await;
    settle().await;
    let before = woken(&world, FAILING);
    // Rows that cannot be read, now and after any restart.
    for n in 0..FAILING {
        let damaged = acs_store::Error::Corrupt("a test".into());
        world.store.damage(&DeviceId::of(&numbered(n)), Some(damaged));
    }
    let deps = world.deps();
    let metrics = deps.metrics.clone();
    world.service = ProvisioningService::new(deps, world.config.clone());
    world.pass(30);
    for _ in 0..5 {
        world.fire().await;
        world.pass(1);
    }
    assert_eq!(woken(&world, FAILING), before + 1, "the good one has its turn within the first five seconds");
    let text = told(&metrics);
    let failures = r#"lastmile_provisioning_timer_failures_total{kind="wake",cause="error"}"#;
    assert!(text.contains(failures), "each is counted: {text}");
    // Nothing is forgotten meanwhile: once they can be read, they are handled.
    world.store.damage(&DeviceId::of(&numbered(0)), None);
    let before = woken(&world, 0);
    world.pass(300);
    for _ in 0..5 {
        world.fire().await;
        world.pass(1);
    }
    assert!(woken(&world, 0) > before);
}

fn told(metrics: &Metrics) -> String {
    let registry = acs_telemetry::Metrics::new(acs_telemetry::BuildInfo { version: "test", revision: None });
    metrics.register(&registry);
    registry.exposition()
}

#[tokio::test]
async fn a_panic_in_one_deadline_leaves_the_others_and_the_loop_alive_p20() {
    quiet_panics();
    let mut config = config();
    config.timer_interval = Duration::from_millis(5);
    let mut world = World::new(config);
    for n in 0..3 {
        waits(&world, n).await;
    }
    settle().await;
    let before = woken(&world, 2);
    let (deps, cache) = poisoned(&world, 0..1);
    let metrics = deps.metrics.clone();
    world.service = ProvisioningService::new(deps, world.config.clone());
    world.pass(30);
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (service, stop) = (world.service.clone(), shutdown.clone());
    let running = tokio::spawn(async move { service.run(stop).await });
    let until = async |holds: &dyn Fn() -> bool| {
        for _ in 0..1000 {
            if holds() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    };
    assert!(until(&|| woken(&world, 2) > before).await, "the others run");
    let text = told(&metrics);
    assert!(text.contains(r#"lastmile_provisioning_timer_failures_total{kind="wake",cause="panic"} 1"#), "{text}");
    // What was poison is mended: the timer stands still, in this process or the next.
    let poison = woken(&world, 0);
    cache.devices.lock().unwrap().clear();
    world.pass(60);
    assert!(until(&|| woken(&world, 0) > poison).await, "and the loop goes on");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_wake_up_that_came_too_soon_takes_no_step() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let too_soon = WakeOutcome::NotSent { reason: "too soon after the last connection request".into() };
    *world.wakes.outcome.lock().unwrap() = too_soon.clone();
    assert_eq!(world.enqueue("1", TaskSpec::Reboot).await.wake, Some(too_soon.clone()));
    let mut at = Vec::new();
    for second in 1..=400 {
        world.pass(1);
        // From here to there the limit forbids it.
        let limited = second < 25 || (100..230).contains(&second);
        *world.wakes.outcome.lock().unwrap() = if limited { too_soon.clone() } else { WakeOutcome::Busy };
        let before = world.wakes.count();
        world.fire().await;
        if world.wakes.count() > before {
            at.push(second);
        }
    }
    // 10 s again and again until it goes at 30; 30 s later the next; 60 s again and again until it goes at 240.
    assert_eq!(at, [10, 20, 30, 60, 120, 180, 240]);
}

#[tokio::test]
async fn a_device_that_tells_no_url_is_tried_in_growing_steps() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    let url = path("Device.ManagementServer.ConnectionRequestURL");
    cpe.tree.set_value(&url, cwmp_model::Value::string("")).unwrap();
    world.known_device(&mut cpe).await;
    *world.wakes.outcome.lock().unwrap() = WakeOutcome::NotSent { reason: "no URL is known".into() };
    world.enqueue("1", TaskSpec::Reboot).await;
    let mut at = Vec::new();
    for second in 1..=110 {
        world.pass(1);
        let before = world.wakes.count();
        world.fire().await;
        if world.wakes.count() > before {
            at.push(second);
        }
    }
    assert_eq!(at, [10, 40, 100], "waiting changes nothing about it");
}

#[tokio::test]
async fn deadlines_hold_with_a_front_end_whose_clock_is_off_p3() {
    for ahead in [true, false] {
        let (world, mut cpe) = (World::new(config()), new_cpe());
        world.known_device(&mut cpe).await;
        let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
        let session = world.session_ref();
        world.begin(&session, &cpe, &[PERIODIC]).await;
        let mut request = world.next_request(&session, Vec::new());
        let off = |at: cwmp_model::Timestamp| {
            let minutes = Duration::from_secs(300);
            if ahead { at.plus(minutes) } else { at.minus(minutes) }
        };
        (request.at, request.deadline) = (off(request.at), off(request.deadline));
        assert_eq!(world.service.next(request).await.unwrap().calls.len(), 1);
        world.pass(58);
        world.fire().await;
        assert!(matches!(world.task(&id).await.state, TaskState::Sending { .. }), "ahead: {ahead}");
        world.pass(2);
        world.fire().await;
        assert!(matches!(world.task(&id).await.state, TaskState::Unknown { .. }), "ahead: {ahead}");
    }
}
