//! A device is deleted between any two steps of those who write tasks: none waits at a device that is not there (P1).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::sync::Arc;

use acs_proto::{ErrorClass, Provisioning};
use acs_provisioning::FirstContact;
use acs_store::{DeleteOutcome, Devices};
use acs_types::{SessionOutcome, Task, TaskSpec, TaskState};
use fail::FailScenario;
use futures::FutureExt;
use support::*;

const BOOTSTRAP: (&str, &str) = ("0 BOOTSTRAP", "");

/// Deletes the device as soon as `point` is reached.
fn delete_at(world: &World, point: &str) {
    let (store, name) = (Arc::clone(&world.store), point.to_owned());
    let delete = move || {
        fail::remove(&name);
        let outcome = store.delete_device(&device()).now_or_never().expect("the store in memory does not wait");
        assert_eq!(outcome.unwrap(), DeleteOutcome::Deleted);
    };
    fail::cfg_callback(point, delete).unwrap();
}

#[tokio::test]
async fn a_task_for_a_device_deleted_meanwhile_is_refused() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    delete_at(&world, "enqueue::before_insert");
    let error = world.service.enqueue(enqueue_request("1", TaskSpec::Reboot)).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::NotFound, "device_not_found"), "{error}");
    assert_eq!(world.store.partition(&device()).await.unwrap(), Default::default());
    assert_eq!(world.tasks().await, []);

    // The device comes back, and the same key makes the task.
    world.known_device(&mut cpe).await;
    let reply = world.enqueue("1", TaskSpec::Reboot).await;
    assert_eq!((reply.created, reply.task.state), (true, TaskState::Queued));
    scenario.teardown();
}

#[tokio::test]
async fn a_task_of_a_deleted_device_is_not_retried() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", set_values("Device.NoSuch.P", "a")).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    let ended = world.task(&id).await;
    assert!(ended.state.is_final() && !ended.state.is_success(), "{ended:?}");
    assert_eq!(world.store.delete_device(&device()).await.unwrap(), DeleteOutcome::Deleted);
    let error = world.service.retry(&device(), &id, "alice").await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::NotFound, "device_not_found"), "{error}");
    assert_eq!(world.task(&id).await, ended);
    assert_eq!(world.store.partition(&device()).await.unwrap(), Default::default());
    scenario.teardown();
}

#[tokio::test]
async fn a_task_of_a_deleted_device_is_not_sent_again_for_a_lost_session() {
    let scenario = FailScenario::setup();
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let id = world.enqueue("1", get_values("Device.DeviceInfo.")).await.task.id;
    cpe.habit = Box::new(|_| Some(cpe::Reply::Silence));
    let mut last = world.session_ref();
    for _ in 0..Task::UNANSWERED_MAX {
        last = world.session_ref();
        world.begin(&last, &cpe, &[PERIODIC]).await;
        world.go_on(&last, &mut cpe, Vec::new()).await;
    }
    let quarantined = world.task(&id).await;
    assert_eq!(quarantined.state, TaskState::Quarantined);
    delete_at(&world, "observe::before_excuse");
    let record = world.ended_record(&last, SessionOutcome::Lost);
    world.service.observe(vec![record]).await.unwrap();
    assert_eq!(world.task(&id).await, quarantined);
    assert_eq!(world.store.partition(&device()).await.unwrap(), Default::default());
    scenario.teardown();
}

#[tokio::test]
async fn a_session_of_a_device_deleted_meanwhile_is_of_a_new_device() {
    let scenario = FailScenario::setup();
    let (mut config, mut cpe) = (config(), new_cpe());
    config.first_contact = FirstContact::Discover;
    let world = World::new(config);
    world.known_device(&mut cpe).await;
    delete_at(&world, "begin::before_commit");
    let session = world.session_ref();
    assert!(world.begin(&session, &cpe, &[BOOTSTRAP]).await.work);
    let partition = world.store.partition(&device()).await.unwrap();
    assert!(partition.summary.is_some(), "it is known again, with its work: {partition:?}");
    assert!(partition.tasks.iter().any(|task| task.spec == TaskSpec::Discover), "{partition:?}");
    scenario.teardown();
}
