//! A start over a large data folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_proto::records::SecretSeal;
use acs_store::{Commit, Devices as _, HolderGuard, Objects as _, ObjectsPatch, TaskWrite, Tasks as _, UpsertObject};
use acs_store_embedded::{Embedded, Options as StoreOptions};
use acs_types::{
    AttemptReason, DeviceId, ObjectRecord, Origin, ParameterRecord, SessionStamp, SummaryPatch, Task, TaskId, TaskSpec,
    TaskState, Tenant, Wanted,
};
use cwmp_model::{DeviceIdentity, ParameterPath, Timestamp, Value};
use futures::StreamExt as _;

use crate::support::{Options, Server};

const DEVICES: usize = 10_000;
/// What is promised of a release build; a debug build on a busy machine gets more.
const READY_MAX: Duration = if cfg!(debug_assertions) { Duration::from_secs(30) } else { Duration::from_secs(5) };

/// Nothing secret is written here.
struct NoSecrets;

impl SecretSeal for NoSecrets {
    fn seal(&self, _: &str) -> Vec<u8> {
        Vec::new()
    }

    fn open(&self, _: &[u8]) -> Option<String> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_ten_thousand_devices_is_quick() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    fill(&data.join("store")).await;
    let mut options = Options::default();
    options.data = Some(data);
    let began = Instant::now();
    let server = Server::start_with(options).await;
    let took = began.elapsed();
    eprintln!("ready with {DEVICES} devices after {took:.2?}");
    assert!(took <= READY_MAX, "{took:?}");
    let api = server.api();
    let last = identity(DEVICES - 1);
    let known = api.device(DeviceId::of(&last).as_str()).await;
    assert_eq!((&known["serial_number"], &known["open_tasks"]), (&last.serial_number.as_str().into(), &1.into()));
    assert_eq!(api.list("/devices").await.len(), DEVICES);
    assert_eq!(api.list("/tasks").await.len(), DEVICES / 10);
    server.finish();
}

fn identity(n: usize) -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Many".to_owned(),
        oui: "00005E".to_owned(),
        product_class: "Gateway".to_owned(),
        serial_number: format!("MANY{n:06}"),
    }
}

/// What devices leave in the store: summaries, part of their trees, a task for every tenth.
async fn fill(folder: &std::path::Path) {
    let mut options = StoreOptions::new(Arc::new(NoSecrets));
    options.disk_reserve_bytes = 1 << 20;
    let store = Embedded::open(folder, options).unwrap();
    let stamp = SessionStamp::from_micros(Timestamp::from_seconds(1_800_000_000).as_micros());
    let summaries: Vec<_> = (0..DEVICES)
        .map(|n| {
            let identity = identity(n);
            let patch = SummaryPatch {
                stamp,
                identity: Some(identity.clone()),
                tenant: Some(Tenant::default()),
                root: Some(ParameterPath::new("Device.").unwrap()),
                software_version: Some("1.0".to_owned()),
                ..SummaryPatch::default()
            };
            (DeviceId::of(&identity), patch)
        })
        .collect();
    for part in summaries.chunks(1000) {
        store.patch_summaries(part.to_vec()).await.unwrap();
    }
    let write = |n: usize| {
        let store = store.clone();
        async move {
            let device = DeviceId::of(&identity(n));
            store.patch_objects(&device, tree(stamp)).await.unwrap();
            if n % 10 == 9 {
                let writes = vec![TaskWrite { expected_revision: None, task: task(&device) }];
                store.commit(&device, Commit { holder: HolderGuard::Any, device_known: false, writes }).await.unwrap();
            }
        }
    };
    futures::stream::iter(0..DEVICES).for_each_concurrent(256, write).await;
}

fn tree(stamp: SessionStamp) -> ObjectsPatch {
    let parameter = |n: usize| ParameterRecord {
        name: format!("Parameter{n}"),
        writable: Some(true),
        value: Some(Value::string("a value as long as many")),
        value_at: Timestamp::from_seconds(1_800_000_000),
        secret: false,
    };
    let object = ObjectRecord {
        path: ParameterPath::new("Device.DeviceInfo.").unwrap(),
        writable: Some(false),
        named_at: None,
        parameters: (0..20).map(parameter).collect(),
    };
    ObjectsPatch { stamp, upsert: vec![UpsertObject { object, complete: true }], ..ObjectsPatch::default() }
}

fn task(device: &DeviceId) -> Task {
    let at = Timestamp::from_seconds(1_800_000_000);
    Task {
        id: TaskId::of("test", device, "key"),
        tenant: Tenant::default(),
        device: device.clone(),
        spec: TaskSpec::Reboot,
        wanted: Wanted::NextSession,
        origin: Origin::Request { principal: "test".to_owned() },
        priority: 10,
        created_at: at,
        expires_at: None,
        state: TaskState::Queued,
        revision: 1,
        attempts: Vec::new(),
        unanswered: 0,
        unanswered_in: Vec::new(),
        excused: 0,
        next_reason: AttemptReason::First,
        cancel_requested: false,
        result: None,
        fault: None,
        body_sha256: [0; 32],
        updated_at: at,
    }
}
