//! A history of two front-ends, as far as billing sees it: all kinds of records, and everything that can go wrong.

use std::collections::BTreeMap;

use acs_types::{
    AuditRecord, AuthLevel, ControlTotals, DeviceChange, EventBody, EventId, EventRecord, InformEvent, InformRecord,
    Position, RefusedInform, RefusedReason, SessionId, SessionOutcome, SessionRecord, SessionRef, SessionStamp,
    TaskFault, TaskId, TaskKind, TaskTransition, Tenant, TransferRecord,
};
use cwmp_model::{DeviceIdentity, Timestamp};

/// When it begins, in microseconds since 1970 UTC.
pub(crate) const BEGIN: i64 = 1_700_000_000_000_000;

pub(crate) const FRONT_END: &str = "cwmp-0.1000";
pub(crate) const SECOND: &str = "cwmp-1.2000";
pub(crate) const THIRD: &str = "cwmp-2.6000";
pub(crate) const INGEST: &str = "ingest-0.3000";
pub(crate) const PROVISIONING: &str = "provisioning-0.4000";
pub(crate) const API: &str = "api-0.5000";

pub(crate) const A: &str = "00AABB-IGD-1";
pub(crate) const B: &str = "00AABB-IGD-2";
pub(crate) const C: &str = "00AABB-IGD-3";
pub(crate) const D: &str = "00AABB-IGD-4";

/// Everything that a reader has to know of, in the order in which it is sent.
pub(crate) fn eventful() -> Vec<EventRecord> {
    let unknown = [("1 BOOT", "k-c1"), ("4 VALUE CHANGE", "k-c0"), ("2 PERIODIC", "chain_unknown")];
    hashed(vec![
        // A whole session, and what ingest and provisioning make of it.
        inform("a1.inform", FRONT_END, 1, (A, 1, (100, 0, 1)), &[("0 BOOTSTRAP", "k-a1")]),
        transfer("a1.transfer", FRONT_END, 2, (A, 1, (100, 0, 2))),
        end("a1.end", FRONT_END, 3, (A, 1, (100, 0, 3)), SessionOutcome::Completed, true),
        record("a1.seen", INGEST, 1, Some((A, 1, (100, 0, 1))), EventBody::Device(DeviceChange::FirstSeen)),
        transition("a.task1", 1, (A, 0, (150, 0, 0))),
        // Number 2 of provisioning died with its process; that says nothing.
        transition("a.task3", 3, (A, 0, (151, 0, 0))),
        // Number 5 of the front-end was given up. The CPE repeats its Inform; the session before is lost.
        inform("b1.inform", FRONT_END, 4, (B, 2, (100, 0, 1)), &[("2 PERIODIC", "k-b1")]),
        inform("b2.inform", FRONT_END, 6, (B, 3, (110, 0, 1)), &[("2 PERIODIC", "k-b1")]),
        end("b2.end", FRONT_END, 7, (B, 3, (110, 0, 2)), SessionOutcome::Completed, true),
        totals("f1.totals1", FRONT_END, 8, (1, 7), 6),
        late(end("b1.lost", INGEST, 2, (B, 2, (100, 0, 2)), SessionOutcome::Lost, false)),
        // Two front-ends serve one session.
        inform("c1.inform", FRONT_END, 9, (C, 4, (100, 0, 1)), &unknown),
        transfer("c1.transfer", SECOND, 1, (C, 4, (100, 7, 1))),
        counting(end("c1.end", SECOND, 2, (C, 4, (100, 7, 2)), SessionOutcome::TimedOut, false), 4),
        // Number 10 of the front-end and `seq` 1 of the session, an Inform, are not there, although both were counted. What
        // ingest made of the Inform does not stand for it.
        record("a2.booted", INGEST, 4, Some((A, 5, (200, 0, 1))), EventBody::Device(DeviceChange::Booted)),
        transfer("a2.transfer", FRONT_END, 11, (A, 5, (200, 0, 2))),
        end("a2.end", FRONT_END, 12, (A, 5, (200, 0, 3)), SessionOutcome::Completed, true),
        totals("f1.totals2", FRONT_END, 13, (8, 12), 5),
        // Of the session that the other front-end went on with.
        transfer("c0.transfer", FRONT_END, 14, (C, 4, (100, 0, 2))),
        // Through the outbox: a later session of the device is before the rest of this one.
        inform("b3.inform", SECOND, 3, (B, 6, (150, 0, 1)), &[("2 PERIODIC", "k-b3")]),
        inform("b4.inform", SECOND, 6, (B, 7, (160, 0, 1)), &[("2 PERIODIC", "k-b4")]),
        late(end("b3.end", SECOND, 5, (B, 6, (150, 0, 3)), SessionOutcome::Completed, true)),
        late(transfer("b3.transfer", SECOND, 4, (B, 6, (150, 0, 2)))),
        // Taken for lost, and the end comes after all.
        inform("c2.inform", SECOND, 7, (C, 8, (300, 0, 1)), &[("2 PERIODIC", "k-c2")]),
        late(end("c2.lost", INGEST, 3, (C, 8, (300, 0, 2)), SessionOutcome::Lost, false)),
        late(end("c2.end", SECOND, 8, (C, 8, (300, 0, 2)), SessionOutcome::Completed, true)),
        refused("f2.refused", SECOND, 9),
        totals("f2.totals", SECOND, 10, (1, 9), 9),
        // The second front-end died: number 11 was never answered.
        inform("c3.inform", SECOND, 12, (C, 9, (310, 0, 1)), &[("2 PERIODIC", "k-c3")]),
        // An end that tells of more than is there, of a session that several front-ends served.
        counting(end("a3.end", SECOND, 13, (A, 10, (220, 3, 1)), SessionOutcome::Completed, false), 4),
        audit("audit", 1),
        // Control totals that leave out number 2.
        refused("f3.refused", THIRD, 1),
        totals("f3.totals1", THIRD, 2, (1, 1), 1),
        totals("f3.totals2", THIRD, 4, (3, 3), 0),
        // Records enough, and one of them is not the one that the end tells of.
        inform("d1.inform", THIRD, 5, (D, 11, (100, 0, 1)), &[("2 PERIODIC", "k-d1")]),
        hashing(
            end("d1.end", THIRD, 6, (D, 11, (100, 0, 2)), SessionOutcome::Completed, true),
            &["d0.inform", "d1.end"],
        ),
    ])
}

/// A history of which nothing is missing.
pub(crate) fn whole() -> Vec<EventRecord> {
    hashed(vec![
        inform("a1.inform", FRONT_END, 1, (A, 1, (100, 0, 1)), &[("0 BOOTSTRAP", "k-a1"), ("1 BOOT", "k-a2")]),
        transfer("a1.transfer", FRONT_END, 2, (A, 1, (100, 0, 2))),
        end("a1.end", FRONT_END, 3, (A, 1, (100, 0, 3)), SessionOutcome::Completed, true),
        totals("f1.totals1", FRONT_END, 4, (1, 3), 3),
        inform("b1.inform", FRONT_END, 5, (B, 2, (100, 0, 1)), &[("2 PERIODIC", "k-b1")]),
        end("b1.end", FRONT_END, 6, (B, 2, (100, 0, 2)), SessionOutcome::Completed, true),
        totals("f1.totals2", FRONT_END, 7, (4, 6), 3),
    ])
}

/// Complete ends with the hash of what is there, but for one of an older version and those that say another one.
fn hashed(mut history: Vec<EventRecord>) -> Vec<EventRecord> {
    let ids: BTreeMap<_, EventId> = history
        .iter()
        .filter(|r| matches!(r.body, EventBody::Inform(_) | EventBody::Transfer(_) | EventBody::SessionEnded(_)))
        .map(|record| ((record.session, record.position), record.event_id))
        .collect();
    for record in &mut history {
        if let EventBody::SessionEnded(end) = &mut record.body
            && end.complete
            && end.record_hash.is_none()
            && record.event_id != id("b3.end")
        {
            let first = Position { seq: 1, ..record.position };
            let of_session = ids.range((record.session, first)..=(record.session, record.position));
            end.record_hash = Some(SessionRecord::hash_of(of_session.map(|(_, id)| id)));
        }
    }
    history
}

fn hashing(mut end: EventRecord, labels: &[&str]) -> EventRecord {
    if let EventBody::SessionEnded(session) = &mut end.body {
        session.record_hash = Some(SessionRecord::hash_of(labels.iter().map(|label| id(label))));
    }
    end
}

/// The record with this label.
pub(crate) fn find<'a>(history: &'a [EventRecord], label: &str) -> &'a EventRecord {
    history.iter().find(|record| record.event_id == id(label)).unwrap()
}

/// An event id that shows its label.
pub(crate) fn id(label: &str) -> EventId {
    let mut bytes = [0; 16];
    bytes[..label.len()].copy_from_slice(label.as_bytes());
    EventId::from_bytes(bytes)
}

/// Device, session (0: outside of one) and (`session_stamp` after [`BEGIN`], `resume`, `seq`).
type Of = (&'static str, u8, (i64, u32, u32));

fn record(label: &str, emitter: &str, number: u64, of: Option<Of>, body: EventBody) -> EventRecord {
    let position = of.map(|(_, _, (stamp, resume, seq))| Position { stamp: stamp_of(stamp), resume, seq });
    let moment = of.map_or(number as i64, |(_, _, (stamp, ..))| stamp);
    EventRecord {
        event_id: id(label),
        device: of.map(|(device, ..)| device.parse().unwrap()),
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: of.filter(|of| of.1 != 0).map(|of| session(of.1)),
        position: position.unwrap_or_default(),
        occurred_at: Timestamp::from_micros(BEGIN + moment),
        emitter: emitter.parse().unwrap(),
        emitter_seq: number,
        late: false,
        body,
    }
}

fn stamp_of(after_begin: i64) -> SessionStamp {
    SessionStamp::from_micros(BEGIN + after_begin)
}

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

fn late(record: EventRecord) -> EventRecord {
    EventRecord { late: true, ..record }
}

fn inform(label: &str, emitter: &str, number: u64, of: Of, events: &[(&str, &str)]) -> EventRecord {
    let event = |(code, key): &(&str, &str)| InformEvent {
        code: (*code).into(),
        command_key: String::new(),
        dedup_key: (*key).into(),
    };
    let body = InformRecord {
        identity: DeviceIdentity::default(),
        events: events.iter().map(event).collect(),
        retry_count: 0,
        current_time: "2026-01-01T00:00:00Z".into(),
        parameters: Vec::new(),
        cwmp_version: "1.2".into(),
        remote: None,
        auth: AuthLevel::Device,
        tls: true,
    };
    record(label, emitter, number, Some(of), EventBody::Inform(Box::new(body)))
}

fn transfer(label: &str, emitter: &str, number: u64, of: Of) -> EventRecord {
    let body = TransferRecord {
        command_key: "firmware".into(),
        fault: TaskFault { code: 0, text: String::new(), parameters: Vec::new() },
        start_time: "2026-01-01T00:00:00Z".into(),
        complete_time: "2026-01-01T00:01:00Z".into(),
        dedup_key: format!("t-{label}"),
    };
    record(label, emitter, number, Some(of), EventBody::Transfer(body))
}

/// The end of a session; it has as many records as its own `seq`.
fn end(label: &str, emitter: &str, number: u64, of: Of, outcome: SessionOutcome, complete: bool) -> EventRecord {
    let (device, n, (stamp, resume, seq)) = of;
    let at = SessionRef { device: device.parse().unwrap(), session: session(n), stamp: stamp_of(stamp), resume };
    let body = SessionRecord {
        at,
        tenant: Tenant::default(),
        front_end: emitter.parse().unwrap(),
        started_at: Timestamp::from_micros(BEGIN + stamp),
        ended_at: Timestamp::from_micros(BEGIN + stamp + 1),
        outcome,
        detail: String::new(),
        remote: None,
        tls: true,
        auth: AuthLevel::Device,
        cwmp_version: "1.2".into(),
        events: Vec::new(),
        retry_count: 0,
        exchanges: Vec::new(),
        exchange_count: 0,
        record_count: seq,
        complete,
        record_hash: None,
    };
    record(label, emitter, number, Some(of), EventBody::SessionEnded(Box::new(body)))
}

fn counting(mut end: EventRecord, count: u32) -> EventRecord {
    if let EventBody::SessionEnded(session) = &mut end.body {
        session.record_count = count;
    }
    end
}

fn totals(label: &str, emitter: &str, number: u64, (first, last): (u64, u64), count: u64) -> EventRecord {
    record(label, emitter, number, None, EventBody::ControlTotals(ControlTotals { first, last, count }))
}

fn transition(label: &str, number: u64, of: Of) -> EventRecord {
    let body = TaskTransition {
        task: TaskId::of("anna", &of.0.parse().unwrap(), "reboot"),
        kind: TaskKind::Reboot,
        from: String::new(),
        to: "queued".into(),
        attempt: 0,
        revision: number,
        fault: None,
    };
    record(label, PROVISIONING, number, Some(of), EventBody::Task(Box::new(body)))
}

fn refused(label: &str, emitter: &str, number: u64) -> EventRecord {
    let body = RefusedInform {
        at: Timestamp::from_micros(1),
        remote: None,
        identity: DeviceIdentity::default(),
        username: "guess".into(),
        reason: RefusedReason::UnknownUser,
    };
    record(label, emitter, number, None, EventBody::Refused(body))
}

fn audit(label: &str, number: u64) -> EventRecord {
    let body = AuditRecord {
        at: Timestamp::from_micros(1),
        tenant: Tenant::default(),
        principal: "anna".into(),
        token: None,
        action: "task.create".into(),
        object: A.into(),
        detail: String::new(),
    };
    record(label, API, number, None, EventBody::Audit(body))
}
