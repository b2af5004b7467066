//! What a user does, from the first Inform of a device to its deletion, with devices of both data models.

use std::time::{Duration, Instant};

use cwmp_model::ParameterPath;
use lastmile_fleet::ledger::Fact;
use lastmile_fleet::{DeviceHandle, Fleet, Gateway};
use serde_json::{Value, json};

use crate::support::api::in_path;
use crate::support::cpe::Cpe;
use crate::support::judge::text;
use crate::support::{Api, Options, SOON, Server, fleet_config, id_of, until};

/// A server with one gateway of each data model, whose trees are read.
struct Scene {
    server: Server,
    api: Api,
    fleet: Fleet,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        // Tasks in a row need not wait for the next connection request.
        let options = Options::default().set("connection_requests.interval_seconds", "0");
        let server = Server::start_with(options).await;
        let fleet = Fleet::start(fleet_config(&server, 2, seed)).await.expect("the fleet starts");
        let api = server.api();
        for device in fleet.devices() {
            api.discovered(&id_of(&device)).await;
        }
        Self { server, api, fleet }
    }

    fn devices(&self) -> Vec<(DeviceHandle, String)> {
        self.fleet.devices().map(|device| (device.clone(), id_of(&device))).collect()
    }

    fn finish(self) {
        drop(self.fleet);
        self.server.finish();
    }
}

/// Full name of something below the root of the device's model.
fn name(device: &DeviceHandle, below_root: &str) -> String {
    device.path(below_root).to_string()
}

/// The table of port mappings, and the name of a text in its rows.
fn port_mappings(device: &DeviceHandle) -> (String, &'static str) {
    match device.path("DeviceInfo.").as_str().starts_with("Device.") {
        true => (name(device, "NAT.PortMapping."), "Description"),
        false => {
            (name(device, "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping."), "PortMappingDescription")
        }
    }
}

fn set(path: &str, value: &str) -> Value {
    json!({"kind": "set_values", "values": [{"path": path, "value": value}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn first_contact_reads_the_whole_tree_in_few_posts() {
    let scene = Scene::new(11).await;
    for (device, id) in scene.devices() {
        let stored = scene.api.list(&format!("/devices/{}/parameters", in_path(&id))).await;
        let gateway = if device.index() == 0 { Gateway::Tr098 } else { Gateway::Tr181 };
        let root = ParameterPath::root();
        let names: Vec<_> = gateway.factory_tree().parameters_within(&root).map(|(path, _)| path.clone()).collect();
        assert!(names.len() > 250, "a tree of {} parameters is no gateway", names.len());
        for path in &names {
            let found = stored.iter().find(|parameter| parameter["path"] == path.as_str());
            let found = found.unwrap_or_else(|| panic!("{path} of {id} is not stored"));
            assert!(!found["writable"].is_null(), "{found}");
            // What we set ourselves after reading is told by the device in its next Inform.
            if found["secret"] == false && path.leaf() != "ParameterKey" {
                assert_eq!(found["value"].as_str(), device.value(path).as_deref(), "{path}");
            }
        }
        let detail = scene.api.first_session(&id).await;
        assert_eq!(detail["events"], json!(["0 BOOTSTRAP", "1 BOOT"]));
        let posts = detail["exchanges"].as_array().unwrap().iter().filter(|e| e["from_cpe"] == true).count();
        assert!(posts <= 10, "first contact of {} parameters took {posts} POSTs: {detail:#}", names.len());
    }
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_set_and_refreshed() {
    let scene = Scene::new(12).await;
    for (device, id) in scene.devices() {
        let path = name(&device, "DeviceInfo.ProvisioningCode");
        let ended = scene.api.do_task(&id, set(&path, "gold & <silver>")).await;
        assert_eq!(ended["applied"], "now");
        assert_eq!(ended["attempts"].as_array().unwrap().len(), 1, "P2: {ended:#}");
        assert_eq!(device.value(&device.path("DeviceInfo.ProvisioningCode")).as_deref(), Some("gold & <silver>"));
        assert_eq!(scene.api.parameter(&id, &path).await["value"], "gold & <silver>");

        let read = scene.api.do_task(&id, json!({"kind": "get_values", "paths": [path]})).await;
        assert_eq!(read["result"]["values"][0]["value"], "gold & <silver>", "{read:#}");
        assert_eq!(read["attempts"], json!([]), "reads carry no intent");

        assert!(device.set_local(&device.path("DeviceInfo.ProvisioningCode"), "by hand"));
        until("the change by hand is stored", SOON, || async {
            (scene.api.parameter(&id, &path).await["value"] == "by hand").then_some(())
        })
        .await;
        let refreshed = scene.api.do_task(&id, json!({"kind": "refresh", "path": name(&device, "DeviceInfo.")})).await;
        assert!(refreshed["result"]["values"].as_u64().unwrap() > 5, "{refreshed:#}");
        let names =
            scene.api.do_task(&id, json!({"kind": "get_names", "path": name(&device, ""), "next_level": true})).await;
        assert!(names["result"]["names"].as_u64().unwrap() > 5, "{names:#}");
    }
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_added_and_deleted() {
    let scene = Scene::new(13).await;
    for (device, id) in scene.devices() {
        let (table, text) = port_mappings(&device);
        let path = ParameterPath::new(&table).unwrap();
        let before = device.instances(&path);
        let add = json!({"kind": "add_object", "object": table, "values": [{"path": text, "value": "door"}]});
        let ended = scene.api.do_task(&id, add).await;
        let row = ended["result"]["object"].as_str().expect("the new row").to_owned();
        assert!(!before.contains(&ParameterPath::new(&row).unwrap().instance().unwrap()), "{row} was there before");
        assert_eq!(device.value(&ParameterPath::new(&format!("{row}{text}")).unwrap()).as_deref(), Some("door"));
        assert_eq!(scene.api.parameter(&id, &format!("{row}{text}")).await["value"], "door");

        scene.api.do_task(&id, json!({"kind": "delete_object", "object": row})).await;
        assert_eq!(device.instances(&path), before);
        let left = scene.api.list(&format!("/devices/{}/parameters?path={row}", in_path(&id))).await;
        assert_eq!(left, Vec::<Value>::new(), "what was deleted is not shown");
    }
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_rebooted_and_reset() {
    let scene = Scene::new(14).await;
    for (device, id) in scene.devices() {
        let path = name(&device, "DeviceInfo.ProvisioningCode");
        scene.api.do_task(&id, set(&path, "gone after the reset")).await;
        let ended = scene.api.do_task(&id, json!({"kind": "reboot"})).await;
        let key = ended["attempts"][0]["id"].as_str().unwrap();
        let serial = device.identity().serial_number;
        let account = scene.fleet.ledger().account();
        assert_eq!(account.executions("Reboot", key), 1, "P2");
        assert!(scene.api.device(&id).await["last_boot"].is_string());

        scene.api.do_task(&id, json!({"kind": "factory_reset"})).await;
        assert_eq!(device.value(&device.path("DeviceInfo.ProvisioningCode")).as_deref(), Some(""));
        let resets =
            scene.fleet.ledger().lines().iter().filter(|l| l.device == serial && l.fact == Fact::FactoryReset).count();
        assert_eq!(resets, 1, "P2");
        // What a BOOTSTRAP obliges us to happens again (P7).
        until("the tree is read after the reset", SOON, || async {
            let known = scene.api.device(&id).await;
            (known["discovered_at"].as_str() > known["last_bootstrap"].as_str()).then_some(())
        })
        .await;
    }
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_really_fetched() {
    use sha2::Digest as _;
    let scene = Scene::new(15).await;
    let mut image = b"LASTMILE-FIRMWARE 2.0.1\n".to_vec();
    image.extend((0..300_000u32).flat_map(u32::to_be_bytes));
    let sha256 = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&image));
    let bytes = image.len() as u64;
    let file = scene.api.upload("router.bin", "firmware", image).await;
    assert_eq!(file["sha256"], sha256.as_str(), "{file:#}");
    for (device, id) in scene.devices() {
        let ended = scene.api.do_task(&id, json!({"kind": "download", "file_id": file["id"]})).await;
        assert_eq!(ended["result"]["kind"], "transfer", "{ended:#}");
        let key = ended["attempts"][0]["id"].as_str().unwrap().to_owned();
        let lines = scene.fleet.ledger().lines();
        let fetched: Vec<_> = lines
            .iter()
            .filter_map(|line| match &line.fact {
                Fact::DownloadEnded { key: k, fault, bytes, sha256, .. } if *k == key => {
                    Some((*fault, *bytes, sha256.as_str()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(fetched, [(0, bytes, sha256.as_str())], "fetched once, whole");
        assert_eq!(device.value(&device.path("DeviceInfo.SoftwareVersion")).as_deref(), Some("2.0.1"));
        until("the new firmware is known", SOON, || async {
            (scene.api.device(&id).await["software_version"] == "2.0.1").then_some(())
        })
        .await;
    }
    let events = scene.api.events().await;
    let changed = events.iter().filter(|event| event["data"]["change"] == "firmware_changed").count();
    assert_eq!(changed, 2, "an event for each device");
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_request_makes_an_idle_device_work_at_once() {
    let scene = Scene::new(16).await;
    for (device, id) in scene.devices() {
        assert!(device.wait_idle(SOON).await);
        let began = Instant::now();
        let ended =
            scene.api.do_task(&id, json!({"kind": "get_values", "paths": [name(&device, "DeviceInfo.UpTime")]})).await;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(15), "with a periodic Inform every 300 s it took {took:?}: {ended:#}");
        let woken = scene.fleet.ledger().lines().iter().any(|line| {
            line.device == device.identity().serial_number && line.fact == Fact::ConnectionRequest { status: 200 }
        });
        assert!(woken, "the device took a connection request with its own credentials");
    }
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_cancelled_retried_and_expire() {
    let scene = Scene::new(17).await;
    let (device, id) = scene.devices().remove(0);
    let path = name(&device, "DeviceInfo.ProvisioningCode");
    let later = |seconds: Option<u64>| json!({"kind": "set_values", "values": [{"path": path, "value": "never"}], "wanted": "next_session", "expires_in_seconds": seconds});
    let waiting = scene.api.create(&id, &later(None), None).await.expect(202);
    let task = waiting["id"].as_str().unwrap();
    let cancelled = scene.api.post(&format!("/tasks/{task}/cancel"), &json!({})).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    let refused = scene.api.post(&format!("/tasks/{task}/retry"), &json!({})).await.problem(409);
    assert!(refused["detail"].is_string());

    let expiring = scene.api.create(&id, &later(Some(1)), None).await.expect(202);
    let expired = scene.api.finished(expiring["id"].as_str().unwrap()).await;
    assert_eq!((&expired["state"], &expired["attempts"]), (&json!("expired"), &json!([])));

    // Refused by the device: sent again only by a person.
    let unknown = json!({"kind": "set_values", "values": [{"path": name(&device, "DeviceInfo.X_00005E_None"), "value": "1", "type": "string"}]});
    let failed = scene.api.run(&id, &unknown).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let task = failed["id"].as_str().unwrap();
    scene.api.post(&format!("/tasks/{task}/retry"), &json!({})).await.expect(200);
    let again = until("the retried task fails again", SOON, || async {
        let now = scene.api.task(task).await;
        (now["final"] == true && now["attempts"].as_array().unwrap().len() == 2).then_some(now)
    })
    .await;
    assert_eq!(again["attempts"][1]["reason"], "operator", "{again:#}");
    scene.api.post(&format!("/tasks/{task}/cancel"), &json!({})).await.problem(409);
    assert_eq!(device.value(&device.path("DeviceInfo.ProvisioningCode")).as_deref(), Some(""));
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_task_p5() {
    let scene = Scene::new(18).await;
    let (device, id) = scene.devices().remove(1);
    let path = name(&device, "DeviceInfo.ProvisioningCode");
    let first = scene.api.create(&id, &set(&path, "once"), Some("order-4711")).await.expect(202);
    assert_eq!(first["created"], true);
    let again = scene.api.create(&id, &set(&path, "once"), Some("order-4711")).await.expect(202);
    assert_eq!((&again["created"], &again["id"]), (&json!(false), &first["id"]));
    let other = scene.api.create(&id, &set(&path, "twice"), Some("order-4711")).await.problem(422);
    assert_eq!(other["code"], "idempotency_key_reused", "{other:#}");
    scene.api.finished(first["id"].as_str().unwrap()).await;
    let all = scene.api.list(&format!("/devices/{}/tasks?kind=set_values", in_path(&id))).await;
    assert_eq!(all.iter().filter(|task| task["id"] == first["id"]).count(), 1);
    // Called by many at once.
    let task = set(&path, "together");
    let calls = (0..16).map(|_| scene.api.create(&id, &task, Some("order-4712")));
    let replies = futures::future::join_all(calls).await;
    let created = replies.iter().filter(|reply| reply.body["created"] == true).count();
    assert_eq!(created, 1, "{replies:?}");
    assert!(replies.iter().all(|reply| reply.status == 202 && reply.body["id"] == replies[0].body["id"]));
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_at_once_p22() {
    let scene = Scene::new(19).await;
    for (device, id) in scene.devices() {
        for (task, field) in [
            (set(&name(&device, "ManagementServer.PeriodicInformInterval"), "0"), "out of its range"),
            (set(&name(&device, "ManagementServer.PeriodicInformInterval"), "soon"), "not a number"),
            (set(&name(&device, "DeviceInfo.SoftwareVersion"), "9"), "read-only"),
            (json!({"kind": "add_object", "object": name(&device, "DeviceInfo.ProvisioningCode")}), "not a table"),
            (json!({"kind": "delete_object", "object": name(&device, "DeviceInfo.")}), "not a row"),
            (json!({"kind": "download", "url": "file:///etc/passwd", "file_type": "firmware"}), "another scheme"),
            (json!({"kind": "explode"}), "no such kind"),
        ] {
            let refused = scene.api.create(&id, &task, None).await.problem(422);
            assert!(refused["detail"].is_string(), "{field}: {refused:#}");
        }
        let before = scene.fleet.ledger().account().requests.len();
        assert!(device.wait_idle(SOON).await);
        assert_eq!(scene.fleet.ledger().account().requests.len(), before, "nothing was sent");
    }
    scene.api.create("00005E-Nobody-1", &json!({"kind": "reboot"}), None).await.problem(404);
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_device_is_kept_with_every_parameter() {
    let scene = Scene::new(20).await;
    for (device, id) in scene.devices() {
        let value = |below: &str| json!({"path": name(&device, below), "value": "1", "type": "string"});
        let values = json!([
            value("DeviceInfo.X_00005E_A"),
            value("DeviceInfo.X_00005E_B"),
            value("DeviceInfo.ProvisioningCode")
        ]);
        let ended = scene.api.run(&id, &json!({"kind": "set_values", "values": values})).await;
        assert_eq!(ended["state"], "failed", "{ended:#}");
        assert_eq!(ended["fault"]["code"], 9003);
        let parameters = ended["fault"]["parameters"].as_array().unwrap();
        let named: Vec<_> =
            parameters.iter().map(|p| (p["path"].as_str().unwrap(), p["code"].as_u64().unwrap())).collect();
        let (a, b) = (name(&device, "DeviceInfo.X_00005E_A"), name(&device, "DeviceInfo.X_00005E_B"));
        assert_eq!(named, [(a.as_str(), 9005), (b.as_str(), 9005)]);
        assert_eq!(device.value(&device.path("DeviceInfo.ProvisioningCode")).as_deref(), Some(""), "all or nothing");
        let faults = scene.api.list(&format!("/devices/{}/faults", in_path(&id))).await;
        let kept = faults.iter().find(|fault| fault["task_id"] == ended["id"]).expect("it is in the list of faults");
        assert_eq!((&kept["method"], kept["parameters"].as_array().unwrap().len()), (&json!("SetParameterValues"), 2));
    }
    assert_eq!(scene.api.list("/faults").await.len(), 2);
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_wait_and_may_follow() {
    let scene = Scene::new(21).await;
    let (device, id) = scene.devices().remove(0);
    let path = name(&device, "DeviceInfo.ProvisioningCode");
    let mut stream = scene.api.follow(&format!("?device={id}&type=acs.task_transition.v1")).await;
    let waited = scene.api.post(&format!("/devices/{}/tasks?wait=30", in_path(&id)), &set(&path, "waited for")).await;
    let ended = waited.expect(200);
    assert_eq!(ended["state"], "done", "{ended:#}");
    let mut last = 0;
    for (from, to) in [("", "queued"), ("queued", "sending"), ("sending", "done")] {
        let event = stream.next_that(to, SOON, |event| event["data"]["task_id"] == ended["id"]).await;
        assert_eq!((&event["data"]["from"], &event["data"]["to"]), (&json!(from), &json!(to)), "{event:#}");
        last = event["position"].as_u64().unwrap();
    }
    // A reader that comes back goes on where it was.
    scene.api.do_task(&id, set(&path, "meanwhile")).await;
    let mut stream = scene.api.follow(&format!("?device={id}&type=acs.task_transition.v1&after={last}")).await;
    let event = stream.next_that("the first one missed", SOON, |_| true).await;
    assert_eq!(event["data"]["to"], "queued");
    assert!(event["position"].as_u64().unwrap() > last);
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_in_the_audit_log_p27() {
    let scene = Scene::new(22).await;
    let (device, id) = scene.devices().remove(1);
    let created = scene.api.do_task(&id, set(&name(&device, "DeviceInfo.ProvisioningCode"), "audited")).await;
    let patch = json!({"subscriber_id": "customer-1"});
    let patched = scene.api.call(http::Method::PATCH, &format!("/devices/{}", in_path(&id)), Some(&patch), None).await;
    assert_eq!(patched.unwrap().expect(200)["subscriber_id"], "customer-1");
    let records = scene.api.list("/audit").await;
    let found = |action: &str, target: &str| {
        records.iter().any(|r| r["action"] == action && text(r, "object").contains(target) && r["principal"] == "admin")
    };
    assert!(found("task.create", created["id"].as_str().unwrap()), "{records:#?}");
    assert!(found("device.change", &id));
    assert!(!records.iter().any(|record| record.to_string().contains("audited")), "names, never values (P26)");
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_device_is_gone_until_it_comes_again() {
    let scene = Scene::new(23).await;
    let (device, id) = scene.devices().remove(0);
    assert!(device.wait_idle(SOON).await);
    let waiting = json!({"kind": "reboot", "wanted": "next_session"});
    let task = scene.api.create(&id, &waiting, None).await.expect(202);
    let place = format!("/devices/{}", in_path(&id));
    assert_eq!(scene.api.delete(&place).await.status, 204);
    scene.api.get(&place).await.problem(404);
    scene.api.create(&id, &waiting, None).await.problem(404);
    assert!(scene.api.list("/devices").await.iter().all(|device| device["id"] != id.as_str()));
    // P1: its task is not lost.
    assert_eq!(scene.api.task(task["id"].as_str().unwrap()).await["state"], "cancelled");
    device.trigger("2 PERIODIC");
    let back = scene.api.discovered(&id).await;
    assert_eq!(back["id"], id.as_str());
    scene.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_cookies_is_served() {
    let server = Server::start().await;
    let mut config = fleet_config(&server, 2, 24);
    config.cookies = false;
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    for device in fleet.devices() {
        let id = id_of(&device);
        api.discovered(&id).await;
        api.do_task(&id, set(&name(&device, "DeviceInfo.ProvisioningCode"), "without")).await;
        assert_eq!(device.sessions().failed, 0);
    }
    drop(fleet);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_connects_anew_for_each_post_is_served() {
    let server = Server::start().await;
    let mut config = fleet_config(&server, 2, 25);
    config.connections = lastmile_fleet::ConnectionUse::Post;
    config.chunked = true;
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    for device in fleet.devices() {
        api.discovered(&id_of(&device)).await;
        assert_eq!(device.sessions().failed, 0);
    }
    drop(fleet);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_lets_sessions_end_and_loses_nothing() {
    let mut server = Server::start_with(Options::default().flag("first-contact", "none")).await;
    let api = server.api();
    let mut cpe = Cpe::new(&server.acs_url(), "DRAIN1");
    cpe.inform(&[("2 PERIODIC", "")]).await;
    let device = cpe.id();
    until("the device is known", SOON, || async { (api.list("/devices").await.len() == 1).then_some(()) }).await;
    let reboot = json!({"kind": "reboot", "wanted": "next_session"});
    let task = api.create(&device, &reboot, None).await.expect(202)["id"].as_str().unwrap().to_owned();

    server.interrupt();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(server.lives(), "it waits for its session:\n{}", server.log());
    // The session that has begun goes on; the last message of it ends the process.
    let request = cpe.empty_post().await;
    let (id, name) = (request.id.clone(), request.request().method());
    assert_eq!(name, "Reboot");
    let end = cpe.answer(&id, cwmp_codec::CpeResponse::Reboot).await;
    assert_eq!(end.status, 204);
    let status = server.ends_within(SOON).await;
    let status = status.expect("it ends when its sessions have ended");
    assert!(status.success(), "{status}");
    server.restart().await;
    let api = server.api();
    assert_eq!(api.task(&task).await["state"], "awaiting");
    let sessions = api.list(&format!("/devices/{}/sessions", in_path(&device))).await;
    assert_eq!(sessions.len(), 1);
    assert_eq!((&sessions[0]["outcome"], &sessions[0]["complete"]), (&json!("completed"), &json!(true)));
    server.finish();
}
