//! The roles as processes of their own: what works in `dev` works there, and goes on when one of them is killed.

use std::time::Duration;

use lastmile_fleet::{DeviceHandle, Fleet};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::cluster::{Cluster, Shape, lonely_front};
use crate::support::cpe::Cpe;
use crate::support::services::Services;
use crate::support::{Api, SOON, id_of, until};

/// A front-end that is asked to end does so within a minute (`acs-cwmp-server` has a drain).
const DRAIN_MAX: Duration = Duration::from_secs(60);

fn provisioning_code(device: &DeviceHandle) -> String {
    device.path("DeviceInfo.ProvisioningCode").to_string()
}

/// Sets a value on every device, and finds it there by reading it.
async fn set_everywhere(api: &Api, fleet: &Fleet, value: &str) {
    for device in fleet.devices() {
        let (id, name) = (id_of(&device), provisioning_code(&device));
        let set = json!({"kind": "set_values", "values": [{"path": name, "value": value}]});
        api.do_task(&id, set).await;
        assert_eq!(read(api, &id, &name).await, value, "{id}");
    }
}

async fn read(api: &Api, device: &str, name: &str) -> Value {
    let read = api.do_task(device, json!({"kind": "get_values", "paths": [name]})).await;
    assert_eq!(read["state"], "done");
    api.parameter(device, name).await["value"].clone()
}

/// A role that starts while no CQL server answers lives and is not ready, and is ready when one answers (P15).
async fn wait_for_the_store_p15(cluster: &mut Cluster) {
    let services = Services::find().expect("the cluster has them");
    // Bound, so that nobody else gets it, and not listening.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = socket.local_addr().expect("it has an address");
    let files = cluster.others.iter_mut().find(|role| role.name == "files-1").expect("there is one");
    files.kill();
    files.set(&format!("store.nodes={address}"));
    files.spawn();
    let reason = until("it says why it is not ready", SOON, || async {
        let report = files.report().await;
        let store = report["checks"].as_array()?.iter().find(|check| check["name"] == "store")?.clone();
        store["detail"].as_str().filter(|_| store["passing"] == false).map(str::to_owned)
    })
    .await;
    assert!(reason.contains(&address.to_string()), "{reason}");
    assert_eq!((files.probe("/health/live").await, files.probe("/health/ready").await), (200, 503));
    let listener = socket.listen(16).expect("it listens");
    let to = services.cql.clone();
    let forwarding = tokio::spawn(async move {
        while let Ok((mut role, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&to).await.expect("the CQL server takes connections");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut role, &mut server).await });
        }
    });
    files.ready().await;
    forwarding.abort();
}

#[tokio::test]
async fn a_front_end_without_any_durable_place_lives_and_is_not_ready_p11() {
    let folder = tempfile::tempdir().unwrap();
    // It starts: Kafka may come back at any moment, and nobody knows yet whether a record would find a place.
    let (front, url) = lonely_front(folder.path()).await;
    let mut cpe = Cpe::new(&url, "1");
    let inform = cwmp_codec::encode(&cpe.inform_message(&[("1 BOOT", "")], 0)).unwrap();
    let answer = cpe.post(&inform).await;
    assert_eq!(answer.status, 503, "no receipt for what is nowhere: {answer:?}");
    assert!(answer.retry_after.is_some());
    let report = until("every check but its own fails", SOON, || async {
        let report = front.report().await;
        let failing = report["checks"].as_array().unwrap().iter().filter(|check| check["passing"] == false).count();
        (failing == 4).then_some(report)
    })
    .await;
    assert_eq!((front.probe("/health/live").await, front.probe("/health/ready").await), (200, 503));
    for (check, impact, part) in [
        ("events", "degraded", "Kafka does not take records"),
        ("provisioning", "degraded", "none of 1 process(es) serves"),
        ("receipts", "not_ready", "neither Kafka nor the outbox takes records"),
        ("session_cache", "degraded", ""),
    ] {
        let found = report["checks"].as_array().unwrap().iter().find(|found| found["name"] == check).unwrap();
        assert_eq!(found["impact"], impact, "{report:#}");
        assert!(found["detail"].as_str().unwrap().contains(part), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_work_as_processes_and_go_on_when_one_is_killed() {
    // P14: one front-end has no Redis at all.
    let shape = Shape { fronts: 2, ..Shape::default() }.set("cwmp-2", "redis.urls=redis://127.0.0.1:9");
    let Some(mut cluster) = Cluster::start(shape).await else { return };
    let api = cluster.api();
    let fleet = Fleet::start(cluster.fleet_config(4, 4711)).await.expect("the fleet starts");
    for device in fleet.devices() {
        api.discovered(&id_of(&device)).await;
    }
    set_everywhere(&api, &fleet, "first").await;
    for device in fleet.devices() {
        api.do_task(&id_of(&device), json!({"kind": "reboot"})).await;
    }

    // A file goes from the API to the file server, and to the device by a signed URL.
    let image = b"LASTMILE-FIRMWARE 2.0.1\n".repeat(20_000);
    let file = api.upload("router.bin", "firmware", image).await;
    let device = fleet.devices().next().expect("a device");
    api.do_task(&id_of(&device), json!({"kind": "download", "file_id": file["id"]})).await;
    assert_eq!(device.value(&device.path("DeviceInfo.SoftwareVersion")).as_deref(), Some("2.0.1"));

    // P12: what one front-end was to do, the other one does.
    cluster.fronts[0].kill();
    set_everywhere(&api, &fleet, "second").await;
    cluster.fronts[0].start().await;

    // P14: nothing was lost by the front-end that has no Redis; it says so.
    assert_eq!(cluster.fronts[1].probe("/health/ready").await, 200);
    assert_eq!(cluster.fronts[1].report().await["degraded"], true);

    // P16: the devices of a provisioning process move to the other one.
    cluster.provisioning[0].kill();
    set_everywhere(&api, &fleet, "third").await;
    cluster.provisioning[0].start().await;
    // And when one stands still, which no connection tells.
    cluster.provisioning[1].signal("STOP");
    set_everywhere(&api, &fleet, "while one stands still").await;
    cluster.provisioning[1].signal("CONT");

    // A front-end that is asked to end says first that it is not ready, and lives.
    let asked = tokio::time::Instant::now();
    cluster.fronts[1].signal("TERM");
    until("it is not ready", DRAIN_MAX, || async {
        (cluster.fronts[1].probe("/health/ready").await == 503).then_some(())
    })
    .await;
    assert_eq!(cluster.fronts[1].probe("/health/live").await, 200);
    set_everywhere(&api, &fleet, "fourth").await;
    let ended = cluster.fronts[1].ended(DRAIN_MAX).await;
    assert!(ended.success() && asked.elapsed() < DRAIN_MAX, "{ended:?} after {:?}", asked.elapsed());

    wait_for_the_store_p15(&mut cluster).await;

    // The sessions are in the history: records went through Kafka and ingest.
    for device in fleet.devices() {
        let first = api.first_session(&id_of(&device)).await;
        assert_eq!(first["outcome"], "completed", "{first:#}");
    }
    drop(fleet);
    cluster.finish();
}
