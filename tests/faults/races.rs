//! A task created at any moment of a session is done in that session, or the device is woken: never forgotten (P1, P14).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lastmile_fleet::DeviceHandle;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::bench::{Bench, tell_figures};
use crate::number;
use crate::redis_server::Server;
use crate::support::api::in_path;
use crate::support::cluster::Shape;
use crate::support::judge::{Call, text};
use crate::support::{Api, id_of};

const DEVICES: usize = 12;
/// The first wake-up comes at once, the next ones after 10 s and 30 s: by then the task is done, or it was forgotten.
const DONE_MAX: Duration = Duration::from_secs(30);
/// What takes longer is told in the figures.
const SLOW: Duration = Duration::from_secs(5);
/// How often Redis is emptied during the second half.
const FLUSH: Duration = Duration::from_millis(500);
/// A task comes so many microseconds after its session was asked for: from before its first byte to after its last.
const MOMENTS: std::ops::Range<u64> = 0..40_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn a_task_created_at_any_moment_of_a_session_is_not_forgotten_p1_p14_f7() {
    let races = number("LASTMILE_TEST_RACES", 300, 10_000);
    let redis = Server::start("");
    let shape = Shape { redis: Some(format!("127.0.0.1:{}", redis.port)), ..Shape::default() };
    let quiet = |config: &mut lastmile_fleet::FleetConfig| config.periodic = Duration::ZERO;
    let Some(bench) = Bench::start(shape, DEVICES, quiet).await else { return };
    let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let found = Arc::new(Found::default());
    let mut racing = tokio::task::JoinSet::new();
    for device in bench.fleet.devices() {
        let random = StdRng::seed_from_u64(bench.seed ^ device.index() as u64);
        racing.spawn(race(bench.api.clone(), device, random, races, next.clone(), found.clone()));
    }
    let mut flushes = 0;
    while racing.try_join_next().is_none() {
        if next.load(Ordering::Relaxed) > races / 2 {
            assert_eq!(redis.ask(&["FLUSHALL"]), "OK");
            flushes += 1;
        }
        tokio::time::sleep(FLUSH).await;
    }
    racing.join_all().await;
    let took = began.elapsed();
    let calls = found.calls.lock().unwrap().clone();
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(found.wrong.lock().unwrap().drain(..));
    let (within, woken, slow, slowest) = {
        let times = found.times.lock().unwrap();
        let slow = times.iter().filter(|(_, time)| *time > SLOW).count();
        let within = times.iter().filter(|(in_session, _)| *in_session).count();
        (within, times.len() - within, slow, times.iter().map(|(_, time)| *time).max().unwrap_or_default())
    };
    tell_figures(&format!(
        "{} races in {took:.0?}: {within} done in that session, {woken} by another one, {slow} after more than {SLOW:?}, \
         the slowest after {slowest:.1?}, Redis emptied {flushes} times; {}",
        within + woken,
        judged.figures()
    ));
    judged.hold();
    assert!(within > 0 && woken > 0, "the moments are all of one kind");
    bench.finish();
}

#[derive(Default)]
struct Found {
    calls: Mutex<Vec<Call>>,
    wrong: Mutex<Vec<String>>,
    /// Whether the session that was asked for did it, and how long it took.
    times: Mutex<Vec<(bool, Duration)>>,
}

/// Races of one device, one after the other, until all devices together had enough.
async fn race(api: Api, device: DeviceHandle, mut random: StdRng, races: u64, next: Arc<AtomicU64>, found: Arc<Found>) {
    let (id, name) = (id_of(&device), device.path("DeviceInfo.ProvisioningCode"));
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= races {
            return;
        }
        device.wait_idle(DONE_MAX).await;
        let sessions = device.sessions().completed;
        device.trigger("2 PERIODIC");
        tokio::time::sleep(Duration::from_micros(random.random_range(MOMENTS))).await;
        let body = json!({"kind": "set_values", "values": [{"path": name.to_string(), "value": format!("race-{n}")}]});
        let key = format!("race-{n}");
        let created = Instant::now();
        let reply = api.create(&id, &body, Some(&key)).await.expect(202);
        let task = text(&reply, "id").to_owned();
        found.calls.lock().unwrap().push(Call { device: id.clone(), key, body, promised: Some(task.clone()) });
        let ended = api.get(&format!("/tasks/{task}?wait={}", DONE_MAX.as_secs())).await.expect(200);
        let (took, value) = (created.elapsed(), device.value(&name));
        if ended["state"] != "done" || value.as_deref() != Some(&format!("race-{n}")) {
            let shown = api.get(&format!("/devices/{}", in_path(&id))).await.text;
            let told = format!("P14: not done after {took:.1?}, the device has {value:?}: {ended:#}\n{shown}");
            found.wrong.lock().unwrap().push(told);
        }
        device.wait_idle(DONE_MAX).await;
        found.times.lock().unwrap().push((device.sessions().completed == sessions + 1, took));
    }
}
