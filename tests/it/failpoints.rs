//! The process dies at each step of a task's life, for each kind of request; the task then stands as its device does.

use std::time::Duration;

use cwmp_model::ParameterPath;
use lastmile_fleet::ledger::{Fact, Line};
use lastmile_fleet::{DeviceHandle, Fleet};
use serde_json::{Value, json};

use crate::support::judge::{Call, Evidence, list, text};
use crate::support::{Api, Options, SOON, Server, fleet_config, id_of, until};

/// Steps before the intent is durable: whatever happens there, the request goes out exactly once afterwards.
const BEFORE_INTENT: [&str; 12] = [
    "enqueue::before_insert",
    "enqueue::after_insert",
    "front_end::before_append",
    "front_end::after_append",
    "front_end::before_inform_response",
    "front_end::post",
    "front_end::post:2",
    "provisioning::before_answers",
    "provisioning::before_intent",
    "ingest::before_writes",
    "ingest::before_cursor",
    "ingest::after_cursor",
];
/// Steps around the sending and the answer.
const AROUND: [&str; 4] =
    ["provisioning::after_intent", "front_end::before_call", "front_end::answer_received", "front_end::post:3"];
/// Steps after the answer, for requests whose outcome comes with a later event.
const EVIDENCE: [&str; 2] = ["begin::before_commit", "begin::after_commit"];
const TRANSFER: [&str; 3] = ["ingest::before_observe", "observe::before_transfer", "observe::after_transfer"];
/// Steps at the end of a session that had work.
const ENDING: [&str; 2] = ["end::before_answers", "end::after_answers"];

#[tokio::test(flavor = "multi_thread")]
async fn set_parameter_values_survives_death_at_every_step() {
    die_everywhere("set_values", 51, &[&BEFORE_INTENT[..], &AROUND, &ENDING].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn add_object_survives_death_at_every_step() {
    die_everywhere("add_object", 52, &[&BEFORE_INTENT[..], &AROUND, &ENDING].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reboot_survives_death_at_every_step() {
    die_everywhere("reboot", 53, &[&BEFORE_INTENT[..], &AROUND, &EVIDENCE, &ENDING].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn download_survives_death_at_every_step() {
    die_everywhere("download", 54, &[&BEFORE_INTENT[..], &AROUND, &TRANSFER, &ENDING].concat()).await;
}

struct Stage {
    server: Server,
    api: Api,
    device: DeviceHandle,
    id: String,
    kind: &'static str,
    file: String,
}

async fn die_everywhere(kind: &'static str, seed: u64, points: &[&str]) {
    // Without sessions of its own the device comes when it is woken, and twice a second while something is left.
    let options = Options::default().set("connection_requests.interval_seconds", "0").flag("first-contact", "none");
    let server = Server::start_with(options).await;
    let mut config = fleet_config(&server, 1, seed);
    config.boot_time = Duration::from_millis(100);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let device = fleet.device(0).expect("one device");
    let (api, id) = (server.api(), id_of(&device));
    until("the device is known", SOON, || async { (!api.list("/devices").await.is_empty()).then_some(()) }).await;
    let image = b"some bytes".repeat(1000);
    let file = text(&api.upload("file.bin", "web", image).await, "id").to_owned();
    let mut stage = Stage { server, api, device, id, kind, file };
    let mut calls = Vec::new();
    for point in points {
        calls.push(stage.die_at(point, &fleet).await);
    }
    let evidence = Evidence::collect(&stage.api, &fleet).await;
    let wrong = evidence.contradictions_without_first_contact(&calls);
    assert!(wrong.is_empty(), "{kind}: {}", wrong.join("\n"));
    drop(fleet);
    stage.server.finish();
}

impl Stage {
    async fn die_at(&mut self, point: &str, fleet: &Fleet) -> Call {
        assert!(self.device.wait_idle(SOON).await, "{point}: the device is not idle");
        let rows = self.rows();
        let body = self.task(point);
        let mut call = Call { device: self.id.clone(), key: format!("at-{point}"), body, promised: None };
        if self.server.restart_to_abort(Some(point)).await {
            if let Ok(reply) = self.api.try_create(&self.id, &call.body, Some(&call.key)).await {
                call.promised = Some(text(&reply.expect(202), "id").to_owned());
            }
            self.device.trigger("2 PERIODIC");
            assert!(self.server.dies_within(SOON).await, "{}: {point} was never reached", self.kind);
        }
        self.server.restart().await;
        // P5: the same key, the same task.
        let again = self.api.create(&self.id, &call.body, Some(&call.key)).await.expect(202);
        let task = text(&again, "id").to_owned();
        assert_eq!(*call.promised.get_or_insert_with(|| task.clone()), task, "{point}");
        let ended = self.settled(point, &task).await;
        self.judge(point, &ended, fleet, rows);
        call
    }

    /// The task when it is final, or unknown although the device has come twice since.
    async fn settled(&self, point: &str, task: &str) -> Value {
        let mut unknown_since = None;
        until(&format!("{} at {point}: task {task} comes to rest", self.kind), SOON, || {
            let sessions = self.device.sessions().completed;
            let known = &mut unknown_since;
            let (api, device) = (&self.api, &self.device);
            // The closure's state is read here, the answer is judged in the future.
            let since = *known;
            if since.is_none() {
                *known = Some(sessions);
            }
            async move {
                let now = api.task(task).await;
                device.trigger("2 PERIODIC");
                let state = text(&now, "state");
                let rests = state == "unknown" && since.is_some_and(|since| sessions >= since + 6);
                (now["final"] == true || rests).then_some(now)
            }
        })
        .await
    }

    fn judge(&self, point: &str, ended: &Value, fleet: &Fleet, rows: usize) {
        let account = fleet.ledger().account();
        let keys: Vec<&str> = list(ended, "attempts").iter().map(|attempt| text(attempt, "id")).collect();
        let received = |key: &&str| account.requests.iter().any(|request| request.key == *key);
        let came = keys.iter().filter(|key| received(key)).count();
        let context = || format!("{} at {point}: it came {came} times: {ended:#}", self.kind);
        let is_applied = matches!(text(ended, "state"), "done" | "resolved_applied");
        match self.kind {
            // It may repeat by itself.
            "set_values" => {
                assert!(is_applied && (1..=2).contains(&came), "{}", context());
                let value = self.device.value(&self.device.path("DeviceInfo.ProvisioningCode"));
                assert_eq!(value.as_deref(), Some(point), "{}", context());
            }
            "add_object" => {
                assert!(is_applied && came == 1, "{}", context());
                assert_eq!(self.rows(), rows + 1, "exactly one row more: {}", context());
            }
            // Without a key that the device reports, only an event can tell: what never left stays unknown (P3).
            _ => {
                // A file server that is down while it is fetched is a fault that the device reports.
                let fetched = |line: &Line| matches!(&line.fact, Fact::DownloadEnded { key, fault: 0, .. } if keys.contains(&key.as_str()));
                let done = match self.kind {
                    "download" => fleet.ledger().lines().iter().any(fetched),
                    _ => came == 1,
                };
                let must_run = BEFORE_INTENT.contains(&point) && list(ended, "attempts").len() == 1;
                assert!(came <= 1, "{}", context());
                assert_eq!(is_applied, done, "{}", context());
                assert!(keys.len() == 1, "it is sent once: {}", context());
                assert!(!must_run || came == 1 || point.starts_with("front_end::post"), "{}", context());
            }
        }
    }

    fn table(&self) -> ParameterPath {
        let nat = self.device.path("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.");
        if nat.as_str().starts_with("Device.") { self.device.path("NAT.PortMapping.") } else { nat }
    }

    fn rows(&self) -> usize {
        self.device.instances(&self.table()).len()
    }

    fn task(&self, point: &str) -> Value {
        let code = self.device.path("DeviceInfo.ProvisioningCode").to_string();
        match self.kind {
            "set_values" => {
                json!({"kind": "set_values", "values": [{"path": code, "value": point, "type": "string"}]})
            }
            "add_object" => json!({"kind": "add_object", "object": self.table().to_string()}),
            "download" => json!({"kind": "download", "file_id": self.file}),
            _ => json!({"kind": "reboot"}),
        }
    }
}
