//! A process stands still between two steps, or its clock is behind, and meanwhile others go on.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::time::Duration;

use acs_proto::{Provisioning, WakeOutcome};
use acs_provisioning::{Config, Dependencies, ProvisioningService};
use acs_types::{TaskSpec, TaskState};
use fail::FailScenario;
use support::*;

const MINUTE: u64 = 60;

fn of_several() -> Config {
    let mut config = config();
    config.clock_skew = Duration::from_secs(15 * MINUTE);
    config
}

/// Another process over the same stores, whose clock is ahead by so much.
fn ahead(world: &World, seconds: i64) -> ProvisioningService {
    let clock = world.skewed(seconds);
    ProvisioningService::new(Dependencies { clock, ..world.deps() }, world.config.clone())
}

/// Waits until the device was woken more often than `before`.
async fn woken_again(world: &World, before: usize) -> bool {
    for _ in 0..500 {
        if world.wakes.count() > before {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Lets what waits for the failpoint get there.
async fn moment() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_up_asked_for_soon_is_not_lost_to_a_later_one_p1() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    *world.wakes.outcome.lock().unwrap() = WakeOutcome::Busy;
    world.enqueue("1", TaskSpec::Reboot).await;
    for wait in [10, 30] {
        world.pass(wait);
        world.service.fire_due_timers().await.unwrap();
    }
    // The wake-up due now is followed by one in 300 s. It has looked at the tasks, and new work comes in: its own wake-up is
    // to follow in 10 s.
    world.pass(60);
    fail::cfg("wake::after_look", "pause").unwrap();
    let service = world.service.clone();
    let firing = tokio::spawn(async move { service.fire_due_timers().await });
    moment().await;
    world.enqueue("2", get_values("Device.DeviceInfo.")).await;
    fail::remove("wake::after_look");
    firing.await.unwrap().unwrap();
    moment().await;
    let before = world.wakes.count();
    world.pass(10);
    world.service.fire_due_timers().await.unwrap();
    assert!(woken_again(&world, before).await, "after 10 s, not after 300");
    scenario.teardown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_seen_to_though_its_deadline_was_due_elsewhere_before_it_was_written_p3() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(of_several()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    let session = world.session_ref();
    world.begin(&session, &cpe, &[PERIODIC]).await;
    let other = ahead(&world, 5 * 60);
    fail::cfg("step::before_commit", "pause").unwrap();
    let (service, request) = (world.service.clone(), world.next_request(&session, Vec::new()));
    let asked = tokio::spawn(async move { service.next(request).await });
    moment().await;
    other.fire_due_timers().await.unwrap();
    fail::remove("step::before_commit");
    assert_eq!(asked.await.unwrap().unwrap().calls.len(), 1);
    assert!(matches!(world.task(&id).await.state, TaskState::Sending { .. }));
    // Front-end and process are never heard of again; the other one finds it.
    for _ in 0..18 {
        world.pass(MINUTE);
        other.fire_due_timers().await.unwrap();
    }
    other.fire_due_timers().await.unwrap();
    assert!(matches!(world.task(&id).await.state, TaskState::Unknown { .. }));
    scenario.teardown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_woken_for_though_its_wake_up_was_due_elsewhere_before_it_was_written_p1() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(of_several()), new_cpe());
    world.known_device(&mut cpe).await;
    *world.wakes.outcome.lock().unwrap() = WakeOutcome::Busy;
    let other = ahead(&world, 5 * 60);
    fail::cfg("step::before_commit", "pause").unwrap();
    let service = world.service.clone();
    let asked = tokio::spawn(async move { service.enqueue(enqueue_request("1", TaskSpec::Reboot)).await });
    moment().await;
    other.fire_due_timers().await.unwrap();
    fail::remove("step::before_commit");
    asked.await.unwrap().unwrap();
    let before = world.wakes.count();
    for _ in 0..18 {
        world.pass(MINUTE);
        other.fire_due_timers().await.unwrap();
    }
    assert!(woken_again(&world, before).await, "the process that took it in is gone, another one wakes for it");
    scenario.teardown();
}

#[tokio::test]
async fn a_process_that_is_alone_looks_at_a_deadline_once() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.enqueue("1", get_values("Device.DeviceInfo.")).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    world.pass(10);
    world.fire().await;
    assert_eq!(acs_store::Timers::next_timer(&*world.store).await.unwrap(), None);
}

#[tokio::test]
async fn with_other_processes_a_deadline_without_work_is_looked_after_once() {
    let (world, mut cpe) = (World::new(of_several()), new_cpe());
    world.known_device(&mut cpe).await;
    for key in ["1", "2", "3"] {
        world.enqueue(key, get_values("Device.DeviceInfo.")).await;
    }
    world.session(&mut cpe, &[PERIODIC]).await;
    world.pass(10);
    world.fire().await;
    let later = world.now().plus(Duration::from_secs(3600));
    assert_eq!(acs_store::Timers::due_timers(&*world.store, later, 10).await.unwrap().len(), 1);
    world.pass(17 * MINUTE);
    world.fire().await;
    assert_eq!(acs_store::Timers::next_timer(&*world.store).await.unwrap(), None, "and that was the last look");
}
