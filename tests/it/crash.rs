//! `kill -9` at random under load, hundreds of times; then everybody's books are compared (P1–P9).
//!
//! `LASTMILE_TEST_KILLS` (200) and `LASTMILE_TEST_SEED` (by the clock) repeat a run as far as timing allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cwmp_model::ParameterPath;
use lastmile_fleet::{DeviceHandle, Fleet};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::judge::{Call, Evidence, text};
use crate::support::{Api, Options, Server, fleet_config, id_of};

const DEVICES: usize = 30;
/// How long everything may take to come to rest after the last kill.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Tasks of one device: a device that is down long must not pile up work that outlasts the test.
const OPEN_MAX: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_under_load_nothing_is_lost_or_done_twice_p1_to_p9() {
    let kills: usize = number("LASTMILE_TEST_KILLS").unwrap_or(200);
    let by_clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_micros() as u64);
    let seed: u64 = number("LASTMILE_TEST_SEED").unwrap_or_else(by_clock);
    eprintln!("LASTMILE_TEST_SEED={seed} LASTMILE_TEST_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);

    let mut server = Server::start_with(Options::default().set("connection_requests.interval_seconds", "1")).await;
    let mut config = fleet_config(&server, DEVICES, seed & 0xFFFF);
    config.periodic = Duration::from_secs(3);
    config.boot_time = Duration::from_millis(100);
    config.reconnect_within = Duration::from_secs(3);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    let file = api.upload("crash.bin", "firmware", b"LASTMILE-FIRMWARE 3.0\n".repeat(1000)).await;
    for device in fleet.devices() {
        api.discovered(&id_of(&device)).await;
    }

    let load = Load::start(&api, &fleet, text(&file, "id"), seed);
    let began = Instant::now();
    let mut starts = Vec::with_capacity(kills);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..=400))).await;
        server.kill();
        let killed = Instant::now();
        server.restart().await;
        starts.push(killed.elapsed());
    }
    let mean = |starts: &[Duration]| starts.iter().sum::<Duration>() / starts.len().max(1) as u32;
    let tenth = kills.div_ceil(10);
    eprintln!("starts took {:.0?} at first and {:.0?} at last", mean(&starts[..tenth]), mean(&starts[kills - tenth..]));
    let calls = load.stop().await;
    let took = began.elapsed();
    settle(&api, &fleet).await;

    let evidence = Evidence::collect(&api, &fleet).await;
    let mut wrong = evidence.contradictions(&calls);
    wrong.extend(repeated_calls_p5(&api, &calls).await);
    let account = evidence.account();
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    eprintln!(
        "{kills} kills in {took:.0?}: {} calls, {promised} promised, {} tasks, {} Informs answered, {} requests received, \
         sessions {} completed and {} failed",
        calls.len(),
        evidence.tasks().count(),
        account.answered_informs().count(),
        account.requests.len(),
        account.sessions_completed,
        account.sessions_failed,
    );
    eprintln!("states: {:?}", states(&evidence));
    assert!(wrong.is_empty(), "seed {seed}, {} contradictions:\n{}", wrong.len(), shortened(&wrong));
    // A run that did nothing proves nothing.
    assert!(promised >= kills, "only {promised} tasks were promised");
    assert!(account.sessions_failed as usize >= kills / 4, "the kills hardly met a session");
    drop(fleet);
    server.finish();
}

fn shortened(wrong: &[String]) -> String {
    let shown: Vec<String> = wrong.iter().take(20).map(|line| line.chars().take(6000).collect()).collect();
    shown.join("\n")
}

fn states(evidence: &Evidence) -> std::collections::BTreeMap<String, usize> {
    let mut states = std::collections::BTreeMap::new();
    for task in evidence.tasks() {
        *states.entry(format!("{} {}", text(task, "kind"), text(task, "state"))).or_default() += 1;
    }
    states
}

/// Waits until no task is on its way: each is final, or shows that its outcome is not known, or awaits an event that a
/// factory reset made the device forget.
async fn settle(api: &Api, fleet: &Fleet) {
    let end = Instant::now() + SETTLE_MAX;
    let mut awaiting = (0, Instant::now());
    loop {
        let open = api.list("/tasks?state=queued,sending").await;
        let waits = api.list("/tasks?state=awaiting").await.len();
        let idle = fleet.wait_idle(Duration::from_secs(1)).await;
        if awaiting.0 != waits {
            awaiting = (waits, Instant::now());
        }
        if open.is_empty() && idle && (waits == 0 || awaiting.1.elapsed() > Duration::from_secs(8)) {
            return;
        }
        if Instant::now() > end {
            let shown: Vec<String> = open.iter().take(5).map(|task| format!("{task:#}")).collect();
            panic!("{} tasks do not come to rest: {}", open.len(), shown.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Each call again with its key: the same task, also after kills (P5).
async fn repeated_calls_p5(api: &Api, calls: &[Call]) -> Vec<String> {
    let mut wrong = Vec::new();
    for call in calls {
        let reply = api.create(&call.device, &call.body, Some(&call.key)).await;
        let id = reply.body["id"].as_str();
        match &call.promised {
            Some(promised) if id != Some(promised) || reply.body["created"] != false => {
                wrong.push(format!("P5: {call:?} again is {}", reply.text));
            }
            // It was never promised, so it may be new; then nobody wants it.
            None if reply.body["created"] == true => {
                api.post(&format!("/tasks/{}/cancel", id.unwrap_or_default()), &json!({})).await;
            }
            _ => {}
        }
    }
    wrong
}

/// A client that creates tasks of all kinds, and repeats each call until it is promised.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(api: &Api, fleet: &Fleet, file: &str, seed: u64) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let devices: Vec<DeviceHandle> = fleet.devices().collect();
        let workers = (0..3u64).map(|worker| {
            let client = Client {
                api: api.clone(),
                devices: devices.iter().skip(worker as usize).step_by(3).cloned().collect(),
                file: file.to_owned(),
                random: StdRng::seed_from_u64(seed ^ (worker << 32)),
                calls: calls.clone(),
                stop: stop.clone(),
                worker,
            };
            tokio::spawn(client.run())
        });
        let workers = workers.collect();
        Self { stop, calls, workers }
    }

    async fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.expect("the client does not panic");
        }
        self.calls.lock().await.clone()
    }
}

struct Client {
    api: Api,
    devices: Vec<DeviceHandle>,
    file: String,
    random: StdRng,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Arc<AtomicBool>,
    worker: u64,
}

impl Client {
    async fn run(mut self) {
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let device = self.devices[self.random.random_range(0..self.devices.len())].clone();
            let id = id_of(&device);
            if !self.has_room(&id).await {
                tokio::time::sleep(Duration::from_millis(30)).await;
                continue;
            }
            if self.random.random_ratio(1, 60) {
                device.factory_reset();
            }
            let body = self.task(&device, n);
            let mut call = Call { device: id, key: format!("w{}-{n}", self.worker), body, promised: None };
            // A call that failed is repeated with its key (P22), now and then it is not.
            while call.promised.is_none() {
                match self.api.try_create(&call.device, &call.body, Some(&call.key)).await {
                    Ok(reply) if reply.status == 202 || reply.status == 200 => {
                        call.promised = Some(text(&reply.body, "id").to_owned());
                    }
                    Ok(reply) if reply.status < 500 => panic!("a valid task was refused: {}", reply.text),
                    Ok(_) | Err(_) => {
                        if self.stop.load(Ordering::Relaxed) || self.random.random_ratio(1, 10) {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            self.calls.lock().await.push(call);
            tokio::time::sleep(Duration::from_millis(self.random.random_range(5..60))).await;
        }
    }

    async fn has_room(&self, device: &str) -> bool {
        let path = format!("/devices/{}", crate::support::api::in_path(device));
        let reply = self.api.call(http::Method::GET, &path, None, None).await;
        reply.is_ok_and(|reply| reply.status == 200 && reply.body["open_tasks"].as_u64() < Some(OPEN_MAX as u64))
    }

    fn task(&mut self, device: &DeviceHandle, n: u64) -> Value {
        let name = |below: &str| device.path(below).to_string();
        let (table, description) = match name("").as_str() {
            "Device." => (name("NAT.PortMapping."), "Description"),
            _ => (name("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping."), "PortMappingDescription"),
        };
        let rows = device.instances(&ParameterPath::new(&table).expect("a table"));
        match self.random.random_range(0..20) {
            0..=6 => json!({"kind": "set_values", "values": [
                {"path": name("DeviceInfo.ProvisioningCode"), "value": format!("w{}-{n}", self.worker)}]}),
            7..=8 => json!({"kind": "add_object", "object": table}),
            9..=10 => {
                json!({"kind": "add_object", "object": table, "values": [{"path": description, "value": format!("n{n}")}]})
            }
            11..=12 if rows.len() > 1 => {
                let row = rows[self.random.random_range(0..rows.len())];
                json!({"kind": "delete_object", "object": format!("{table}{row}.")})
            }
            13..=14 => json!({"kind": "reboot"}),
            15 => json!({"kind": "factory_reset"}),
            16..=17 => json!({"kind": "download", "file_id": self.file}),
            18 => json!({"kind": "refresh", "path": name("DeviceInfo.")}),
            _ => json!({"kind": "get_values", "paths": [name("DeviceInfo.UpTime")]}),
        }
    }
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}
