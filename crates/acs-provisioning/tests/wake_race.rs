//! New work comes in while a wake-up is being handled.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::time::Duration;

use acs_proto::WakeOutcome;
use acs_types::TaskSpec;
use fail::FailScenario;
use support::*;

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
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.enqueue("2", get_values("Device.DeviceInfo.")).await;
    fail::remove("wake::after_look");
    firing.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = world.wakes.count();
    world.pass(10);
    world.service.fire_due_timers().await.unwrap();
    for _ in 0..100 {
        if world.wakes.count() > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.wakes.count(), before + 1, "after 10 s, not after 300");
    scenario.teardown();
}
