//! Tasks for the tests.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test uses a part of it, and stops where something does not hold"
)]

use acs_types::{
    AttemptReason, DeviceId, DownloadSource, DownloadSpec, FileType, Origin, Secret, SessionId, SetValue, Task, TaskId,
    TaskSpec, TaskState, Tenant, Wanted,
};
use cwmp_model::{ParameterPath, Timestamp};

pub fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).unwrap()
}

pub fn device() -> DeviceId {
    "00AABB-IGD-1".parse().unwrap()
}

pub fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

pub fn set(name: &str, text: &str) -> SetValue {
    SetValue { path: path(name), kind: None, text: Secret::new(text) }
}

pub fn set_values(name: &str, text: &str) -> TaskSpec {
    TaskSpec::SetValues { values: vec![set(name, text)] }
}

pub fn get_values(names: &[&str]) -> TaskSpec {
    TaskSpec::GetValues { paths: names.iter().map(|name| path(name)).collect() }
}

pub fn download() -> TaskSpec {
    TaskSpec::Download(DownloadSpec {
        file_type: FileType::Firmware,
        source: DownloadSource::Url {
            url: "http://files.example/fw.bin".into(),
            username: String::new(),
            password: Secret::default(),
            file_size: 9,
        },
        target_file_name: String::new(),
        delay_seconds: 0,
    })
}

/// A queued task; `n` gives its id and its place in creation.
pub fn task(n: u32, spec: TaskSpec) -> Task {
    Task {
        id: TaskId::of("tester", &device(), &n.to_string()),
        tenant: Tenant::default(),
        device: device(),
        spec,
        wanted: Wanted::Now,
        origin: Origin::Request { principal: "tester".into() },
        priority: 10,
        created_at: at(i64::from(n)),
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
        updated_at: at(i64::from(n)),
    }
}

/// One spec of each kind.
pub fn every_spec() -> Vec<TaskSpec> {
    vec![
        get_values(&["Device.DeviceInfo.SoftwareVersion"]),
        set_values("Device.X", "1"),
        set_values("Device.IP.Diagnostics.IPPing.DiagnosticsState", "Requested"),
        TaskSpec::GetNames { path: ParameterPath::root(), next_level: false },
        TaskSpec::Refresh { path: path("Device.WiFi.") },
        TaskSpec::AddObject { object: path("Device.T."), values: Vec::new() },
        TaskSpec::AddObject { object: path("Device.T."), values: vec![set("Name", "x")] },
        TaskSpec::DeleteObject { object: path("Device.T.1.") },
        download(),
        TaskSpec::Reboot,
        TaskSpec::FactoryReset,
        TaskSpec::Discover,
        TaskSpec::SetCredentials,
    ]
}
