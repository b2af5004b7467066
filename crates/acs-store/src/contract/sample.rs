//! Records for the suite, and for other tests of backends.

use acs_types::{
    AttemptReason, AuthLevel, DeviceId, EmitterId, FaultRecord, Holder, ObjectRecord, Origin, ParameterRecord,
    Presence, SessionId, SessionOutcome, SessionRecord, SessionRef, SessionStamp, SummaryPatch, Task, TaskFault,
    TaskId, TaskSpec, TaskState, Tenant, Wanted,
};
use cwmp_model::{DeviceIdentity, ParameterPath, Timestamp, Value};

use crate::{Commit, HolderGuard, TaskWrite, UpsertObject};

/// `micros` after 1970.
pub const fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A stamp.
pub const fn stamp(micros: i64) -> SessionStamp {
    SessionStamp::from_micros(micros)
}

/// The identity of device `n`.
pub fn identity(n: u32) -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00AABB".into(),
        product_class: "IGD".into(),
        serial_number: format!("{n:06}"),
    }
}

/// The id of device `n`.
pub fn device(n: u32) -> DeviceId {
    DeviceId::of(&identity(n))
}

/// Session `n`.
pub const fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

/// Session `n` with a stamp as holder.
pub const fn holder(n: u8, micros: i64) -> Holder {
    Holder { session: session(n), stamp: stamp(micros) }
}

/// A path.
pub fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).expect("a sample path is valid")
}

/// The first patch of device `n`: its identity and an Inform at the stamp's time.
pub fn first_patch(n: u32, micros: i64) -> SummaryPatch {
    SummaryPatch {
        stamp: stamp(micros),
        identity: Some(identity(n)),
        presence: Some(presence(micros)),
        ..SummaryPatch::default()
    }
}

/// A plain periodic Inform.
pub fn presence(micros: i64) -> Presence {
    Presence {
        at: at(micros),
        session: SessionId::from_bytes(u128::to_be_bytes(micros as u128)),
        events: vec!["2 PERIODIC".into()],
        cwmp_version: "1.0".into(),
        remote: Some([192, 0, 2, 1].into()),
        auth: AuthLevel::Device,
        boot: false,
        bootstrap: false,
    }
}

/// A queued task of device `n`, created at `micros`.
pub fn task(n: u32, key: &str, micros: i64) -> Task {
    let device = device(n);
    Task {
        id: TaskId::of("alice", &device, key),
        tenant: Tenant::default(),
        device,
        spec: TaskSpec::Reboot,
        wanted: Wanted::Now,
        origin: Origin::Request { principal: "alice".into() },
        priority: 10,
        created_at: at(micros),
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
        body_sha256: [7; 32],
        updated_at: at(micros),
    }
}

/// The same task in another state.
pub fn with_state(task: &Task, state: TaskState) -> Task {
    Task { state, ..task.clone() }
}

/// A commit from outside a session.
pub fn commit(writes: impl IntoIterator<Item = (Option<u64>, Task)>) -> Commit {
    guarded(HolderGuard::Any, writes)
}

/// A commit of a session.
pub fn commit_of(holder: Holder, writes: impl IntoIterator<Item = (Option<u64>, Task)>) -> Commit {
    guarded(HolderGuard::Session(holder), writes)
}

fn guarded(holder: HolderGuard, writes: impl IntoIterator<Item = (Option<u64>, Task)>) -> Commit {
    let writes = writes.into_iter().map(|(expected_revision, task)| TaskWrite { expected_revision, task }).collect();
    Commit { holder, device_known: false, writes }
}

/// A session of device `n` that began at `micros` and took a second.
pub fn session_record(n: u32, id: u8, micros: i64) -> SessionRecord {
    SessionRecord {
        at: SessionRef { device: device(n), session: session(id), stamp: stamp(micros), resume: 0 },
        tenant: Tenant::default(),
        front_end: emitter(),
        started_at: at(micros),
        ended_at: at(micros + 1_000_000),
        outcome: SessionOutcome::Completed,
        detail: String::new(),
        remote: None,
        tls: true,
        auth: AuthLevel::Device,
        cwmp_version: "1.2".into(),
        events: vec!["2 PERIODIC".into()],
        retry_count: 0,
        exchanges: Vec::new(),
        exchange_count: 4,
        record_count: 2,
        complete: true,
        record_hash: Some([9; 32]),
    }
}

/// A front-end.
pub fn emitter() -> EmitterId {
    "host-1.boot-1".parse().expect("a sample id is valid")
}

/// A fault of device `n`.
pub fn fault(n: u32, micros: i64, code: u32) -> FaultRecord {
    FaultRecord {
        at: at(micros),
        tenant: Tenant::default(),
        device: device(n),
        session: session(1),
        task: None,
        method: "SetParameterValues".into(),
        fault: TaskFault { code, text: "refused".into(), parameters: Vec::new() },
    }
}

/// An object read, with its parameters and their values.
pub fn object(text: &str, parameters: &[(&str, &str)], complete: bool) -> UpsertObject {
    let parameters = parameters.iter().map(|(name, value)| parameter(name, Some(value))).collect();
    let object = ObjectRecord { path: path(text), writable: None, named_at: None, parameters };
    UpsertObject { object, complete }
}

/// A parameter of which the value or only the name is known.
pub fn parameter(name: &str, value: Option<&str>) -> ParameterRecord {
    ParameterRecord {
        name: name.into(),
        writable: None,
        value: value.map(Value::string),
        value_at: at(1),
        secret: false,
    }
}
