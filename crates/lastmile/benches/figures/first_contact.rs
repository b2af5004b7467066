//! First contact: the device is seen for the first time, its whole tree is read, it gets credentials of its own.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cwmp_model::ParameterPath;
use lastmile_fleet::{FirstContact, Fleet, FleetConfig, Gateway, ModelMix, SessionReport};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::machine::{median, quantile};
use crate::per;
use crate::process::Server;

const DEVICES: usize = 300;
/// First sessions at a time.
const AT_ONCE: usize = 8;
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A device of 300 parameters, and one of more.
pub(crate) fn measure(runtime: &Runtime, folder: &Path) -> Value {
    json!({
        "ont": measure_kind(runtime, folder, Gateway::Ont, ModelMix::Ont),
        "gateway": measure_kind(runtime, folder, Gateway::Tr181, ModelMix::Tr181),
    })
}

fn measure_kind(runtime: &Runtime, folder: &Path, kind: Gateway, model: ModelMix) -> Value {
    let data = folder.join(format!("first-contact-{}", kind.product_class()));
    let server = Server::product(runtime, &data, None, &["--first-contact", "discover"]);
    let parameters = kind.factory_tree().parameters_within(&ParameterPath::root()).count();
    let before = server.cpu_when_settled();
    let seen = Arc::new(Mutex::new(Vec::<SessionReport>::new()));
    runtime.block_on(all_devices(&server, model, &seen));
    let cpu = per(server.cpu_when_settled() - before, DEVICES as u32);
    let reports = seen.lock().expect("no observer panicked");
    assert!(reports.iter().all(|report| report.failure.is_none()), "every session ends well");
    let posts_of = |device| reports.iter().filter(|report| report.device == device).map(|r| f64::from(r.posts)).sum();
    let posts: Vec<f64> = (0..DEVICES).map(posts_of).collect();
    let (typical, most) = (median(posts.iter().copied()), quantile(posts.iter().copied(), 1.0));
    println!(
        "First contact, {parameters} parameters: {typical:.0} POSTs (at most {most:.0}), {cpu:.0} us of server CPU ({DEVICES} devices)"
    );
    json!({"devices": DEVICES, "parameters": parameters, "posts": typical, "posts_max": most, "cpu_micros": cpu})
}

/// Every device once, a few at a time.
async fn all_devices(server: &Server, model: ModelMix, seen: &Arc<Mutex<Vec<SessionReport>>>) {
    let config = FleetConfig {
        devices: DEVICES,
        model,
        first_contact: FirstContact::Triggered,
        periodic: Duration::ZERO,
        ledger_lines_max: 0,
        ..FleetConfig::new(format!("http://{}/", server.address()))
    };
    let told = Arc::clone(seen);
    let observer = move |report: &SessionReport| told.lock().expect("no observer panicked").push(report.clone());
    let fleet = Fleet::start_observed(config, Some(Box::new(observer))).await.expect("the fleet starts");
    let devices: Vec<_> = fleet.devices().collect();
    for some in devices.chunks(AT_ONCE) {
        for device in some {
            device.trigger("2 PERIODIC");
        }
        for device in some {
            assert!(device.wait_completed(1, WAIT_MAX).await, "a first contact takes too long");
        }
    }
    // What a first session left over wakes the device: that belongs to it, too.
    let end = Instant::now() + WAIT_MAX;
    let mut sessions = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = seen.lock().expect("no observer panicked").len();
        if now == sessions || Instant::now() > end {
            break;
        }
        sessions = now;
    }
    fleet.shutdown(Duration::from_secs(1)).await;
}
