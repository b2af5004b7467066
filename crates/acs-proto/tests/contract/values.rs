//! One fixed value of every record. `testdata/v1` holds their bytes: never change a value that has a sample.

use acs_types::*;
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value, ValueType};

/// The secret in every value that has one.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";

fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).unwrap()
}

/// `n` seconds after the start of 2026.
fn at(n: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + n)
}

fn identity() -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00D09E".into(),
        product_class: "Gateway-9".into(),
        serial_number: "S1".into(),
    }
}

fn device() -> DeviceId {
    DeviceId::of(&identity())
}

fn task_id() -> TaskId {
    TaskId::of("alice", &device(), "key-1")
}

fn session() -> SessionId {
    SessionId::from_bytes(*b"0123456789abcdef")
}

fn stamp() -> SessionStamp {
    SessionStamp::from_micros(at(60).as_micros())
}

fn session_ref() -> SessionRef {
    SessionRef { device: device(), session: session(), stamp: stamp(), resume: 1 }
}

fn address() -> Option<std::net::IpAddr> {
    Some("2001:db8::7".parse().unwrap())
}

fn tenant() -> Tenant {
    "north".parse().unwrap()
}

fn fault() -> TaskFault {
    TaskFault {
        code: 9003,
        text: "Invalid arguments".into(),
        parameters: vec![ParameterFaultRecord {
            name: path("Device.WiFi.AccessPoint.1.KeyPassphrase"),
            code: 9007,
            text: "too short".into(),
        }],
    }
}

fn set_value() -> SetValue {
    SetValue {
        path: path("Device.WiFi.AccessPoint.1.KeyPassphrase"),
        kind: Some(ValueType::String),
        text: Secret::new(SECRET),
    }
}

pub(crate) fn set_values() -> TaskSpec {
    let enable = SetValue { path: path("Device.WiFi.Radio.1.Enable"), kind: None, text: Secret::new("1") };
    TaskSpec::SetValues { values: vec![set_value(), enable] }
}

pub(crate) fn add_object() -> TaskSpec {
    TaskSpec::AddObject { object: path("Device.WiFi.AccessPoint."), values: vec![set_value()] }
}

pub(crate) fn download_url() -> TaskSpec {
    TaskSpec::Download(DownloadSpec {
        file_type: FileType::VendorConfiguration,
        source: DownloadSource::Url {
            url: "https://files.example.net/c.cfg".into(),
            username: "cpe".into(),
            password: Secret::new(SECRET),
            file_size: 4096,
        },
        target_file_name: "c.cfg".into(),
        delay_seconds: 30,
    })
}

fn download_file() -> TaskSpec {
    TaskSpec::Download(DownloadSpec {
        file_type: FileType::Firmware,
        source: DownloadSource::File(FileId::of(&[3; 32], "fw.bin")),
        target_file_name: String::new(),
        delay_seconds: 0,
    })
}

/// A fresh task.
pub(crate) fn task_of(spec: TaskSpec) -> Task {
    Task {
        id: task_id(),
        tenant: tenant(),
        device: device(),
        spec,
        wanted: Wanted::Now,
        origin: Origin::Request { principal: "alice".into() },
        priority: 10,
        created_at: at(1),
        expires_at: Some(at(86_400)),
        state: TaskState::Queued,
        revision: 1,
        attempts: vec![],
        unanswered: 0,
        unanswered_in: Vec::new(),
        excused: 0,
        next_reason: AttemptReason::First,
        cancel_requested: false,
        result: None,
        fault: None,
        body_sha256: [9; 32],
        updated_at: at(2),
    }
}

fn attempt(number: u32, reason: AttemptReason, outcome: Option<AttemptOutcome>) -> Attempt {
    Attempt {
        number,
        id: AttemptId::of(&task_id(), number),
        session: session(),
        reason,
        method: "AddObject".into(),
        started_at: at(61),
        deadline: at(91),
        answered_at: outcome.map(|_| at(62)),
        outcome,
        key_before: "before".into(),
        instances_before: vec![1, 2, 7],
    }
}

/// Tasks of every kind, in every state, with every outcome of attempts.
pub(crate) fn tasks() -> Vec<(&'static str, Task)> {
    use TaskState::*;
    let with = |spec, state| Task { state, ..task_of(spec) };
    let outcomes = [
        None,
        Some(AttemptOutcome::Answered),
        Some(AttemptOutcome::Fault(9002)),
        Some(AttemptOutcome::Unanswered),
        Some(AttemptOutcome::ProvedApplied),
        Some(AttemptOutcome::ProvedNotApplied),
    ];
    let reasons = AttemptReason::ALL.into_iter().chain([AttemptReason::First]);
    let attempts = (1..).zip(reasons).zip(outcomes).map(|((n, reason), outcome)| attempt(n, reason, outcome)).collect();
    let awaiting = |evidence| Awaiting { attempt: 1, evidence, until: at(900) };
    let read = TaskResult::Values(vec![ParameterValue {
        name: path("Device.DeviceInfo.UpTime"),
        value: Value::new(ValueType::UnsignedInt, "42"),
    }]);
    let transfer =
        TaskResult::Transfer(TransferResult { start_time: "2026-01-01T00:00:00Z".into(), complete_time: "".into() });
    let instance = TaskResult::Instance { object: path("Device.WiFi.AccessPoint.8.") };
    let obliged = |obligation, task: Task| Task {
        origin: Origin::Obligation(obligation),
        wanted: Wanted::NextSession,
        priority: 0,
        expires_at: None,
        ..task
    };
    let get_values = TaskSpec::GetValues { paths: vec![path("Device.DeviceInfo."), path("Device.Time.Enable")] };
    let get_names = TaskSpec::GetNames { path: path("Device."), next_level: true };
    let discovered = TaskResult::Counts { names: 5000, values: 4000 };
    let done = |applied| Done { applied };
    vec![
        ("get_values", Task { result: Some(read), ..with(get_values, done(Applied::Now)) }),
        ("set_values", with(set_values(), done(Applied::AfterReboot))),
        ("get_names", with(get_names, Queued)),
        ("refresh", with(TaskSpec::Refresh { path: ParameterPath::root() }, Cancelled)),
        (
            "add_object",
            Task {
                attempts,
                unanswered: 2,
                next_reason: AttemptReason::Operator,
                cancel_requested: true,
                result: Some(instance),
                revision: 12,
                ..with(add_object(), Sending { attempt: 6 })
            },
        ),
        ("delete_object", with(TaskSpec::DeleteObject { object: path("Device.NAT.PortMapping.3.") }, Expired)),
        (
            "download_file",
            Task { result: Some(transfer), ..with(download_file(), awaiting(Evidence::TransferComplete)) },
        ),
        ("download_url", Task { fault: Some(fault()), ..with(download_url(), Failed) }),
        ("reboot", with(TaskSpec::Reboot, awaiting(Evidence::Reboot))),
        ("factory_reset", with(TaskSpec::FactoryReset, awaiting(Evidence::Bootstrap))),
        (
            "discover",
            obliged(
                Obligation::FirstContact,
                Task { result: Some(discovered), ..with(TaskSpec::Discover, Quarantined) },
            ),
        ),
        ("set_credentials", obliged(Obligation::Boot, with(TaskSpec::SetCredentials, Unknown { attempt: 3 }))),
        ("resolved_applied", with(TaskSpec::Reboot, ResolvedApplied)),
        ("resolved_not_applied", with(TaskSpec::Reboot, ResolvedNotApplied)),
        ("needs_operator", with(TaskSpec::Reboot, NeedsOperator)),
        (
            "excused",
            Task {
                unanswered: 2,
                unanswered_in: vec![session(), session()],
                excused: 12,
                ..with(TaskSpec::Discover, Queued)
            },
        ),
    ]
}

pub(crate) fn summary() -> DeviceSummary {
    DeviceSummary {
        id: device(),
        tenant: tenant(),
        subscriber_id: "subscriber-7".into(),
        identity: identity(),
        root: path("Device."),
        software_version: "1.2.3".into(),
        hardware_version: "B".into(),
        provisioning_code: "TLCO".into(),
        connection_request_url: "http://192.0.2.7:7547/cr".into(),
        parameter_key: "abc".into(),
        cwmp_version: "1.4".into(),
        remote: address(),
        auth: AuthLevel::Certificate,
        first_seen: at(0),
        last_inform: at(60),
        last_events: vec!["1 BOOT".into(), "4 VALUE CHANGE".into()],
        last_boot: Some(at(60)),
        last_bootstrap: Some(at(0)),
        last_session: session(),
        last_stamp: stamp(),
        discovered_at: Some(at(5)),
    }
}

pub(crate) fn patch() -> SummaryPatch {
    SummaryPatch {
        stamp: stamp(),
        identity: Some(identity()),
        tenant: Some(tenant()),
        subscriber_id: Some("subscriber-7".into()),
        root: Some(path("InternetGatewayDevice.")),
        software_version: Some("1.2.3".into()),
        hardware_version: Some(String::new()),
        provisioning_code: Some("TLCO".into()),
        connection_request_url: Some("http://192.0.2.7:7547/cr".into()),
        parameter_key: Some("abc".into()),
        presence: Some(Presence {
            at: at(60),
            session: session(),
            events: vec!["2 PERIODIC".into()],
            cwmp_version: "1.0".into(),
            remote: address(),
            auth: AuthLevel::Shared,
            boot: true,
            bootstrap: true,
        }),
        discovered_at: Some(at(5)),
    }
}

pub(crate) fn object() -> ObjectRecord {
    let parameter = |name: &str, writable, value, secret| ParameterRecord {
        name: name.into(),
        writable,
        value,
        value_at: at(7),
        secret,
    };
    let of_every_type = ValueType::ALL
        .into_iter()
        .map(|kind| parameter(kind.as_str(), Some(false), Some(Value::new(kind, "1")), false));
    let mut parameters: Vec<_> = of_every_type.collect();
    parameters.push(parameter("Unread", None, None, false));
    parameters.push(parameter("KeyPassphrase", Some(true), Some(Value::string(SECRET)), true));
    ObjectRecord { path: path("Device.WiFi.AccessPoint.1."), writable: Some(true), named_at: Some(at(6)), parameters }
}

pub(crate) fn session_record(outcome: SessionOutcome) -> SessionRecord {
    let exchange = |(n, phase): (i64, SessionPhase)| Exchange {
        at: at(60 + n),
        from_cpe: n % 2 == 0,
        phase,
        message: "GetParameterValuesResponse".into(),
        bytes: 1234,
        after_micros: 1_000_000,
        task: (n == 3).then(task_id),
        remarks: vec!["missing_type".into()],
    };
    SessionRecord {
        at: session_ref(),
        tenant: tenant(),
        front_end: "cwmp-0.5f3a".parse().unwrap(),
        started_at: at(60),
        ended_at: at(65),
        outcome,
        detail: "the CPE sent Fault 9002".into(),
        remote: address(),
        tls: true,
        auth: AuthLevel::Device,
        cwmp_version: "1.2".into(),
        events: vec!["6 CONNECTION REQUEST".into()],
        retry_count: 2,
        exchanges: (0..).zip(SessionPhase::ALL).map(exchange).collect(),
        exchange_count: 5,
        record_count: 3,
        complete: true,
        record_hash: None,
    }
}

pub(crate) fn handed_session() -> HandedSession {
    HandedSession {
        account: session_record(SessionOutcome::Lost),
        identity: identity(),
        software_version: "1.2.3".into(),
        subscriber_id: "subscriber-1".into(),
        idle_timeout: Some(std::time::Duration::from_secs(45)),
        worked: true,
        late: true,
        machine: vec![1, 2, 3],
    }
}

pub(crate) fn fault_record() -> FaultRecord {
    FaultRecord {
        at: at(63),
        tenant: tenant(),
        device: device(),
        session: session(),
        task: Some(task_id()),
        method: "SetParameterValues".into(),
        fault: fault(),
    }
}

pub(crate) fn file_record(file_type: FileType) -> FileRecord {
    FileRecord {
        id: FileId::of(&[3; 32], "fw.bin"),
        tenant: tenant(),
        name: "fw.bin".into(),
        file_type,
        version: "1.2.4".into(),
        size: 5_000_000_000,
        sha256: [3; 32],
        created_at: at(9),
        created_by: "alice".into(),
    }
}

pub(crate) fn token() -> ApiToken {
    ApiToken {
        id: "tok-1".parse().unwrap(),
        principal: "alice".into(),
        sha256: [4; 32],
        scopes: Scope::ALL.to_vec(),
        created_at: at(3),
        expires_at: Some(at(4)),
    }
}

pub(crate) fn audit() -> AuditRecord {
    AuditRecord {
        at: at(10),
        tenant: tenant(),
        principal: "alice".into(),
        token: Some("tok-1".parse().unwrap()),
        action: "task.create".into(),
        object: task_id().to_string(),
        detail: "reboot".into(),
    }
}

pub(crate) fn credential() -> CpeCredential {
    CpeCredential {
        username: "00D09E-S1".into(),
        password: Secret::new(SECRET),
        connection_request_username: "acs".into(),
        connection_request_password: Secret::new("first"),
        pending_connection_request_password: Secret::new("second"),
        connection_request_stamp: SessionStamp::default(),
    }
}

pub(crate) fn notes() -> ModelNotes {
    ModelNotes {
        names_per_object: true,
        fragile_objects: vec![path("Device.Hosts.")],
        values_per_request: 64,
        unsupported_methods: Vec::new(),
    }
}

pub(crate) fn timer(kind: TimerKind) -> Timer {
    Timer { due: at(900), device: device(), kind, reference: task_id().to_string() }
}

pub(crate) fn refused(reason: RefusedReason) -> RefusedInform {
    RefusedInform { at: at(11), remote: address(), identity: identity(), username: "guess".into(), reason }
}

pub(crate) fn holder() -> Holder {
    Holder { session: session(), stamp: stamp() }
}

fn event_of(body: EventBody) -> EventRecord {
    EventRecord {
        event_id: EventId::of(&session(), 1, 2),
        device: Some(device()),
        tenant: tenant(),
        subscriber_id: "subscriber-7".into(),
        session: Some(session()),
        position: Position { stamp: stamp(), resume: 1, seq: 2 },
        occurred_at: at(60),
        emitter: "cwmp-0.5f3a".parse().unwrap(),
        emitter_seq: 4_294_967_296,
        late: true,
        body,
    }
}

/// An event of every type, and a device change of every kind.
pub(crate) fn events() -> Vec<(&'static str, EventRecord)> {
    let inform = InformRecord {
        identity: identity(),
        events: vec![InformEvent {
            code: "M Download".into(),
            command_key: "k".into(),
            dedup_key: "00D09E-S1 M Download k".into(),
        }],
        retry_count: 3,
        current_time: "2026-01-01T00:01:00+01:00".into(),
        parameters: vec![ParameterValue {
            name: path("Device.DeviceInfo.SoftwareVersion"),
            value: Value::string("1.2.3"),
        }],
        cwmp_version: "1.4".into(),
        remote: address(),
        auth: AuthLevel::Open,
        tls: false,
    };
    let transfer = TransferRecord {
        command_key: "k".into(),
        fault: fault(),
        start_time: "2026-01-01T00:00:00Z".into(),
        complete_time: "2026-01-01T00:01:00Z".into(),
        dedup_key: "00D09E-S1 transfer k".into(),
    };
    let transition = TaskTransition {
        task: task_id(),
        kind: TaskKind::Download,
        from: "sending".into(),
        to: "failed".into(),
        attempt: 1,
        revision: 4,
        fault: Some(fault()),
    };
    let (from, to) = (|| "a".to_owned(), || "b".to_owned());
    let alone = |body| EventRecord { device: None, session: None, late: false, ..event_of(body) };
    let ended = session_record(SessionOutcome::Lost);
    let change = |change| event_of(EventBody::Device(change));
    vec![
        ("inform", event_of(EventBody::Inform(Box::new(inform)))),
        ("transfer", event_of(EventBody::Transfer(transfer))),
        ("session_ended", event_of(EventBody::SessionEnded(Box::new(ended)))),
        ("task", event_of(EventBody::Task(Box::new(transition)))),
        ("first_seen", change(DeviceChange::FirstSeen)),
        ("bootstrapped", change(DeviceChange::Bootstrapped)),
        ("booted", change(DeviceChange::Booted)),
        ("firmware_changed", change(DeviceChange::FirmwareChanged { from: from(), to: to() })),
        ("address_changed", change(DeviceChange::AddressChanged { from: from(), to: to() })),
        ("deleted", change(DeviceChange::Deleted)),
        ("refused", alone(EventBody::Refused(refused(RefusedReason::OtherDevice)))),
        ("audit", alone(EventBody::Audit(audit()))),
        ("control_totals", alone(EventBody::ControlTotals(ControlTotals { first: 1, last: 300, count: 299 }))),
    ]
}
