//! A client that creates tasks of all kinds while devices have sessions, and what follows when it stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cwmp_model::ParameterPath;
use lastmile_fleet::{DeviceHandle, Fleet};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::judge::{Call, Evidence, text};
use super::{Api, id_of};

/// Tasks of one device: a device that is down long must not pile up work that outlasts the test.
const OPEN_MAX: usize = 6;
/// Events that a reset made a device forget are not waited for longer.
const AWAITING_MAX: Duration = Duration::from_secs(8);

/// A client that creates tasks of all kinds, and repeats each call until it is promised.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(api: &Api, fleet: &Fleet, file: &str, seed: u64) -> Self {
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

    /// What was asked for and promised.
    pub(crate) async fn stop(self) -> Vec<Call> {
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
        let path = format!("/devices/{}", super::api::in_path(device));
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

/// The first of what is wrong.
pub(crate) fn shortened(wrong: &[String]) -> String {
    let shown: Vec<String> = wrong.iter().take(20).map(|line| line.chars().take(6000).collect()).collect();
    shown.join("\n")
}

/// How many tasks of each kind are in each state.
pub(crate) fn states(evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for task in evidence.tasks() {
        *states.entry(format!("{} {}", text(task, "kind"), text(task, "state"))).or_default() += 1;
    }
    states
}

/// Waits until no task is on its way: each is final, or shows that its outcome is not known, or awaits an event that a
/// factory reset made the device forget.
pub(crate) async fn settle(api: &Api, fleet: &Fleet, limit: Duration) {
    let end = Instant::now() + limit;
    let mut awaiting = (0, Instant::now());
    loop {
        let open = api.list("/tasks?state=queued,sending").await;
        let waits = api.list("/tasks?state=awaiting").await.len();
        let idle = fleet.wait_idle(Duration::from_secs(1)).await;
        if awaiting.0 != waits {
            awaiting = (waits, Instant::now());
        }
        if open.is_empty() && idle && (waits == 0 || awaiting.1.elapsed() > AWAITING_MAX) {
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
pub(crate) async fn repeated_calls_p5(api: &Api, calls: &[Call]) -> Vec<String> {
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
