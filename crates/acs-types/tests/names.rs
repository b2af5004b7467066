//! The names and ids that others rely on for ever, against `testdata/v1/names.txt`.
//!
//! What stands there stays as it is. New names are added with `UPDATE_SAMPLES=1 cargo test -p acs-types`.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;

use acs_types::*;
use cwmp_model::{DeviceIdentity, Timestamp};

const UPDATE: &str = "UPDATE_SAMPLES";

#[test]
fn no_name_and_no_id_changes_or_vanishes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1/names.txt");
    let current: BTreeSet<String> = names().into_iter().chain(ids()).collect();
    let stored: BTreeSet<String> = fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
    let gone: Vec<_> = stored.difference(&current).collect();
    assert!(gone.is_empty(), "these are in use and may not change or vanish: {gone:#?}");
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        fs::write(&file, current.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    let new: Vec<_> = current.difference(&stored).collect();
    assert!(new.is_empty(), "run once with {UPDATE}=1 to keep these for ever: {new:#?}");
}

fn names() -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |kind: &str, names: Vec<&str>| {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{kind} has a name twice");
        lines.extend(names.into_iter().map(|name| format!("{kind} {name}")));
    };
    list("TaskState", states().iter().map(TaskState::as_str).collect());
    list("TaskKind", TaskKind::ALL.map(TaskKind::as_str).to_vec());
    list("Wanted", Wanted::ALL.map(Wanted::as_str).to_vec());
    list("Obligation", Obligation::ALL.map(Obligation::as_str).to_vec());
    list("Evidence", Evidence::ALL.map(Evidence::as_str).to_vec());
    list("Applied", Applied::ALL.map(Applied::as_str).to_vec());
    list("AttemptReason", AttemptReason::ALL.map(AttemptReason::as_str).to_vec());
    list("SessionOutcome", SessionOutcome::ALL.map(SessionOutcome::as_str).to_vec());
    list("SessionPhase", SessionPhase::ALL.map(SessionPhase::as_str).to_vec());
    list("RefusedReason", RefusedReason::ALL.map(RefusedReason::as_str).to_vec());
    list("EventType", EventType::ALL.map(EventType::as_str).to_vec());
    list("Scope", Scope::ALL.map(Scope::as_str).to_vec());
    list("AuthLevel", AuthLevel::ALL.map(AuthLevel::as_str).to_vec());
    list("TimerKind", TimerKind::ALL.map(TimerKind::as_str).to_vec());
    list("DeviceChange", changes().iter().map(DeviceChange::as_str).collect());
    list("FileType", file_types().iter().map(FileType::as_str).collect());
    lines
}

/// One state of every name. A new state is added here by the compiler's wish: see the match.
fn states() -> Vec<TaskState> {
    use TaskState::*;
    let until = Timestamp::from_micros(0);
    let all = vec![
        Queued,
        Sending { attempt: 1 },
        Awaiting { attempt: 1, evidence: Evidence::Reboot, until },
        Unknown { attempt: 1 },
        Done { applied: Applied::Now },
        Failed,
        ResolvedApplied,
        ResolvedNotApplied,
        NeedsOperator,
        Cancelled,
        Expired,
        Quarantined,
    ];
    for state in &all {
        match state {
            Queued | Sending { .. } | Awaiting { .. } | Unknown { .. } | Done { .. } | Failed | ResolvedApplied => {}
            ResolvedNotApplied | NeedsOperator | Cancelled | Expired | Quarantined => {}
        }
    }
    all
}

fn changes() -> Vec<DeviceChange> {
    use DeviceChange::*;
    let (from, to) = (String::new, String::new);
    let all = vec![
        FirstSeen,
        Bootstrapped,
        Booted,
        FirmwareChanged { from: from(), to: to() },
        AddressChanged { from: from(), to: to() },
        Deleted,
    ];
    for change in &all {
        match change {
            FirstSeen | Bootstrapped | Booted | FirmwareChanged { .. } | AddressChanged { .. } | Deleted => {}
        }
    }
    all
}

fn file_types() -> Vec<FileType> {
    use FileType::*;
    let all =
        vec![Firmware, WebContent, VendorConfiguration, Tone, Ringer, StoredFirmware, Vendor("X 00D09E a".into())];
    for kind in &all {
        match kind {
            Firmware | WebContent | VendorConfiguration | Tone | Ringer | StoredFirmware | Vendor(_) => {}
        }
    }
    all
}

/// What every node has to compute alike, now and later.
fn ids() -> Vec<String> {
    let mut lines = Vec::new();
    let mut sample = |call: &str, id: &dyn Display| lines.push(format!("{call} = {id}"));
    let devices = [
        ("00D09E", "", "S1"),
        ("00D09E", "Gateway-9", "S_1"),
        ("00D09E", "a b", "\u{e4}/%"),
        ("", "", ""),
        ("00D09E", &*"p".repeat(64), &*"s".repeat(64)),
        ("\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}", &*"p".repeat(64), "s"),
    ];
    for (oui, class, serial) in devices {
        let id = DeviceId::of(&identity(oui, class, serial));
        assert_eq!(id.as_str().parse().as_ref(), Ok(&id));
        sample(&format!("DeviceId({oui:?}, {class:?}, {serial:?})"), &id);
    }
    let device = DeviceId::of(&identity("00D09E", "Gateway", "S1"));
    let task = TaskId::of("alice", &device, "key-1");
    let session = SessionId::from_bytes(*b"0123456789abcdef");
    let event = EventId::of(&session, 1, 2);
    sample("TaskId(alice, 00D09E-Gateway-S1, key-1)", &task);
    sample("TaskId(\"\", 00D09E-Gateway-S1, \"\")", &TaskId::of("", &device, ""));
    sample("TaskId.of_obligation(00D09E-Gateway-S1, boot, cause)", &TaskId::of_obligation(&device, "boot", "cause"));
    sample("AttemptId(that task, 1)", &AttemptId::of(&task, 1));
    sample("AttemptId(that task, 16)", &AttemptId::of(&task, 16));
    sample("FileId(32 times 3, fw.bin)", &FileId::of(&[3; 32], "fw.bin"));
    sample("SessionId(0123456789abcdef)", &session);
    sample("EventId(that session, 1, 2)", &event);
    sample("EventId.of_transition(that task, 7)", &EventId::of_transition(&task, 7));
    sample("EventId.derived(that event, first_seen)", &EventId::derived(&event, "first_seen"));
    sample("Tenant.default", &Tenant::default());
    lines
}

fn identity(oui: &str, product_class: &str, serial_number: &str) -> DeviceIdentity {
    DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: oui.into(),
        product_class: product_class.into(),
        serial_number: serial_number.into(),
    }
}

#[test]
fn every_name_is_read_back() {
    fn read_back<T: Copy + PartialEq + Debug>(all: &[T], name: fn(T) -> &'static str, parse: fn(&str) -> Option<T>) {
        for value in all {
            assert_eq!(parse(name(*value)), Some(*value));
        }
        assert_eq!((parse(""), parse("of a later version")), (None, None));
    }
    read_back(&TaskKind::ALL, TaskKind::as_str, TaskKind::parse);
    read_back(&Wanted::ALL, Wanted::as_str, Wanted::parse);
    read_back(&Obligation::ALL, Obligation::as_str, Obligation::parse);
    read_back(&Evidence::ALL, Evidence::as_str, Evidence::parse);
    read_back(&Applied::ALL, Applied::as_str, Applied::parse);
    read_back(&AttemptReason::ALL, AttemptReason::as_str, AttemptReason::parse);
    read_back(&SessionOutcome::ALL, SessionOutcome::as_str, SessionOutcome::parse);
    read_back(&SessionPhase::ALL, SessionPhase::as_str, SessionPhase::parse);
    read_back(&RefusedReason::ALL, RefusedReason::as_str, RefusedReason::parse);
    read_back(&EventType::ALL, EventType::as_str, EventType::parse);
    read_back(&Scope::ALL, Scope::as_str, Scope::parse);
    read_back(&AuthLevel::ALL, AuthLevel::as_str, AuthLevel::parse);
    read_back(&TimerKind::ALL, TimerKind::as_str, TimerKind::parse);
}

#[test]
fn file_types_are_read_from_wire_form_number_and_short_name() {
    for kind in file_types() {
        assert_eq!(FileType::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(FileType::parse("1"), Some(FileType::Firmware));
    assert_eq!(FileType::parse("config"), Some(FileType::VendorConfiguration));
    assert_eq!(FileType::parse("7 Later"), None);
    // 64 characters are the most that FileType has in Download.
    let vendor = |chars: usize| format!("X {}", "v".repeat(chars - 2));
    assert_eq!(FileType::parse(&vendor(64)), Some(FileType::Vendor(vendor(64))));
    assert_eq!(FileType::parse(&vendor(65)), None);
    let of_two_bytes = |chars: usize| format!("X {}", "ü".repeat(chars - 2));
    assert_eq!(FileType::parse(&of_two_bytes(64)), Some(FileType::Vendor(of_two_bytes(64))));
    assert_eq!(FileType::parse(&of_two_bytes(65)), None);
    for control in ['\0', '\n', '\r', '\t', '\u{7f}', '\u{85}'] {
        assert_eq!(FileType::parse(&format!("X 00AABB a{control}b")), None, "{control:?}");
    }
}

#[test]
fn the_states_of_a_task_are_final_and_successful_as_named() {
    assert_eq!(states().iter().map(TaskState::as_str).collect::<Vec<_>>(), TaskState::NAMES);
    let names = |filter: fn(&TaskState) -> bool| {
        states().iter().filter(|state| filter(state)).map(TaskState::as_str).collect::<Vec<_>>()
    };
    assert_eq!(names(|state| !state.is_final()), ["queued", "sending", "awaiting", "unknown"]);
    assert_eq!(names(TaskState::is_success), ["done", "resolved_applied"]);
}
