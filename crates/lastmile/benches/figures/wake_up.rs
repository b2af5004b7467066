//! A task with a wake-up on an idle system: from the POST that creates it until it is done on the device.

use std::path::Path;
use std::time::{Duration, Instant};

use lastmile_fleet::{Fleet, FleetConfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::machine::{median, quantile};
use crate::process::{ApiRequest, Server, client};

const DEVICES: usize = 20;
const TASKS: usize = 200;
/// Between two tasks; each device has its turn after more than the interval of connection requests.
const PAUSE: Duration = Duration::from_millis(75);

pub(crate) fn measure(runtime: &Runtime, folder: &Path) -> Value {
    let server = Server::product(runtime, &folder.join("wake-up"), None, &[]);
    let millis = runtime.block_on(tasks(&server));
    let (typical, slow) = (median(millis.iter().copied()), quantile(millis.iter().copied(), 0.95));
    println!("Task with wake-up, created to done: {typical:.1} ms median, {slow:.1} ms p95 ({TASKS} tasks)");
    json!({"devices": DEVICES, "tasks": TASKS, "median_millis": typical, "p95_millis": slow})
}

async fn tasks(server: &Server) -> Vec<f64> {
    let config = FleetConfig {
        devices: DEVICES,
        periodic: Duration::ZERO,
        ..FleetConfig::new(format!("http://{}/", server.address()))
    };
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    for device in fleet.devices() {
        assert!(device.wait_completed(1, Duration::from_secs(30)).await, "a first contact takes too long");
    }
    assert!(fleet.wait_idle(Duration::from_secs(30)).await, "the first contacts end");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let client = client();
    let mut millis = Vec::with_capacity(TASKS);
    for n in 0..TASKS {
        tokio::time::sleep(PAUSE).await;
        let device = fleet.device(n % DEVICES).expect("it is there");
        let path = device.path("ManagementServer.PeriodicInformInterval");
        let value = (1000 + n).to_string();
        let body = json!({"kind": "set_values", "values": [{"path": path.as_str(), "value": value}]});
        let id = acs_types::DeviceId::of(&device.identity());
        let url = format!("/devices/{}/tasks?wait=10", id.as_str().replace('%', "%25"));
        let began = Instant::now();
        let task = server.call(ApiRequest { client: &client, path: &url, body: Some(&body) }).await;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(task["state"], "done", "{task:#}");
        assert_eq!(device.value(&path).as_deref(), Some(&*value), "it is done on the device");
    }
    fleet.shutdown(Duration::from_secs(1)).await;
    millis
}
