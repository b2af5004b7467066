//! [`crate::Steps`].

use acs_types::{CpeCredential, Secret, Timer, TimerKind};
use cwmp_model::ParameterPath;

use super::sample::{at, commit, device, first_patch, object, path, stamp, task};
use crate::{CommitOutcome, ObjectsPatch, Step, Store};

fn timer() -> Timer {
    Timer { due: at(5), device: device(1), kind: TimerKind::Wake, reference: "ref".into() }
}

/// Everything that may come before the tasks.
fn news() -> Step {
    let objects = ObjectsPatch {
        stamp: stamp(10),
        upsert: vec![object("Device.A.", &[("X", "1")], false)],
        ..ObjectsPatch::default()
    };
    let credential =
        CpeCredential { username: "cpe".into(), password: Secret::new("pass"), ..CpeCredential::default() };
    Step { objects: Some(objects), credential: Some(credential), timers: vec![timer()], ..Step::default() }
}

async fn assert_news(store: &impl Store) {
    let objects = store.objects(&device(1), &ParameterPath::root()).await.unwrap();
    assert_eq!(objects.iter().map(|object| &object.path).collect::<Vec<_>>(), [&path("Device.A.")]);
    assert_eq!(store.credential_by_username("cpe").await.unwrap().map(|(device, _)| device), Some(device(1)));
    assert_eq!(store.due_timers(at(5), 10).await.unwrap(), [timer()]);
}

pub async fn a_step_has_all_its_parts(store: &impl Store) {
    let step = Step { commit: Some(commit([(None, task(1, "a", 5))])), then: Some(first_patch(1, 10)), ..news() };
    assert_eq!(store.write_step(&device(1), step).await.unwrap(), CommitOutcome::Applied);
    assert_news(store).await;
    let partition = store.partition(&device(1)).await.unwrap();
    assert_eq!(partition.tasks, [task(1, "a", 5)]);
    assert!(partition.summary.is_some(), "known, with its task");
    assert_eq!(store.count_devices().await.unwrap(), 1);
}

pub async fn a_commit_that_does_not_hold_leaves_what_came_before(store: &impl Store) {
    let (summary, then) = (Some(first_patch(1, 10)), Some(first_patch(1, 20)));
    let step = Step { summary, commit: Some(commit([(Some(3), task(1, "a", 5))])), then, ..news() };
    let outcome = store.write_step(&device(1), step).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { current: None });
    assert_news(store).await;
    let partition = store.partition(&device(1)).await.unwrap();
    assert_eq!(partition.tasks, []);
    assert_eq!(partition.summary.unwrap().last_stamp, stamp(10), "what comes after the commit did not happen");
}

pub async fn a_step_without_a_commit_holds(store: &impl Store) {
    assert_eq!(store.write_step(&device(1), Step::default()).await.unwrap(), CommitOutcome::Applied);
    assert_eq!(store.partition(&device(1)).await.unwrap(), Default::default(), "nothing in it, nothing changed");
    let step = Step { then: Some(first_patch(1, 10)), ..news() };
    assert_eq!(store.write_step(&device(1), step).await.unwrap(), CommitOutcome::Applied);
    assert_news(store).await;
    assert!(store.summary(&device(1)).await.unwrap().is_some());
}

/// A device that is known in the same step is known to its commit.
pub async fn a_commit_sees_the_news_of_its_step(store: &impl Store) {
    let mut known = commit([(None, task(1, "a", 5))]);
    known.device_known = true;
    let step = |summary| Step { summary, commit: Some(known.clone()), ..Step::default() };
    assert_eq!(store.write_step(&device(1), step(None)).await.unwrap(), CommitOutcome::DeviceUnknown);
    let outcome = store.write_step(&device(1), step(Some(first_patch(1, 10)))).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
}

pub async fn what_is_forgotten_is_forgotten_once(store: &impl Store) {
    store.write_step(&device(1), news()).await.unwrap();
    let forget = ObjectsPatch { stamp: stamp(20), forget: true, ..ObjectsPatch::default() };
    let step = || Step { objects: Some(forget.clone()), ..Step::default() };
    store.write_step(&device(1), step()).await.unwrap();
    assert_eq!(store.objects(&device(1), &ParameterPath::root()).await.unwrap(), []);
    let mut later = news();
    if let Some(objects) = &mut later.objects {
        objects.stamp = stamp(20);
    }
    store.write_step(&device(1), later).await.unwrap();
    store.write_step(&device(1), step()).await.unwrap();
    assert_news(store).await;
}
