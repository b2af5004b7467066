//! A session as a ladder of its messages, in text.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Deserialize;

use super::output::printable;

/// Columns between the two sides.
const LANE: usize = 46;
/// The five steps of a session, in their order.
const PHASES: [&str; 5] = ["initiation", "authentication", "identification", "tasks", "closing"];

/// A session as the API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    id: String,
    device_id: String,
    resume: u32,
    front_end: String,
    started_at: String,
    ended_at: String,
    outcome: String,
    detail: String,
    remote_address: Option<String>,
    tls: bool,
    auth: String,
    cwmp_version: String,
    events: Vec<String>,
    retry_count: u32,
    exchange_count: u32,
    complete: bool,
    exchanges: Vec<Exchange>,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    at: String,
    from_cpe: bool,
    phase: String,
    message: String,
    bytes: u64,
    task_id: Option<String>,
    remarks: Vec<String>,
}

/// The session's facts, then its messages between CPE and ACS with a heading for each step.
pub(super) fn draw(session: &Session) -> String {
    let mut text = facts(session);
    let _ = writeln!(text, "\n{:>10}  CPE{:width$}ACS{:>10}", "ms", "", "bytes", width = LANE - 4);
    let mut phase = "";
    for exchange in &session.exchanges {
        if exchange.phase != phase {
            phase = &exchange.phase;
            let _ = writeln!(text, "{}", heading(phase));
        }
        let _ = writeln!(text, "{}", line(exchange, &session.started_at));
        for remark in &exchange.remarks {
            let _ = writeln!(text, "{:>10}  |   remark: {}", "", printable(remark));
        }
    }
    let missing = (session.exchange_count as usize).saturating_sub(session.exchanges.len());
    if missing > 0 {
        let _ = writeln!(text, "{:>10}  {missing} more messages are not kept", "");
    }
    text.truncate(text.trim_end().len());
    text
}

fn facts(session: &Session) -> String {
    let mut text = format!("Session {} of {}\n", printable(&session.id), printable(&session.device_id));
    let took = micros(&session.started_at, &session.ended_at) / 1000.0;
    let _ = writeln!(text, "{} in {took:.1} ms, begun {}", printable(&session.outcome), printable(&session.started_at));
    if !session.detail.is_empty() {
        let _ = writeln!(text, "{}", printable(&session.detail));
    }
    let address = session.remote_address.as_deref().map(|address| format!(" from {}", printable(address)));
    let _ = writeln!(
        text,
        "CWMP {} {} TLS{}, proved by: {}, served by {}",
        printable(&session.cwmp_version),
        if session.tls { "over" } else { "without" },
        address.unwrap_or_default(),
        printable(&session.auth),
        printable(&session.front_end),
    );
    let events: Vec<String> = session.events.iter().map(|event| printable(event)).collect();
    let _ = write!(text, "events: {}", events.join(", "));
    if session.retry_count > 0 {
        let _ = write!(text, "; try {} of the device", session.retry_count + 1);
    }
    if session.resume > 0 {
        let _ = write!(text, "; resumed without its snapshot: {}", session.resume);
    }
    text.push_str(if session.complete { "\n" } else { "; not all of it was seen by one server\n" });
    text
}

fn heading(phase: &str) -> String {
    let phase = printable(phase);
    match PHASES.iter().position(|known| *known == phase) {
        Some(at) => format!("{:>10}  {} {phase}", "", at + 1),
        None => format!("{:>10}  {phase}", ""),
    }
}

fn line(exchange: &Exchange, started_at: &str) -> String {
    let offset = micros(started_at, &exchange.at) / 1000.0;
    let message = printable(&exchange.message);
    let shaft = "-".repeat(LANE.saturating_sub(message.chars().count() + 4).max(1));
    let arrow = if exchange.from_cpe { format!(" {message} {shaft}> ") } else { format!(" <{shaft} {message} ") };
    let task = exchange.task_id.as_ref().map(|task| format!("  task {}", printable(task)));
    format!("{offset:>10.1}  |{arrow:LANE$}|{:>10}{}", exchange.bytes, task.unwrap_or_default())
}

/// Microseconds from one moment to another; 0 where that cannot be told.
fn micros(from: &str, to: &str) -> f64 {
    let (Ok(from), Ok(to)) = (from.parse::<Timestamp>(), to.parse::<Timestamp>()) else { return 0.0 };
    // Sessions last minutes, which f64 counts exactly.
    (to.as_microsecond() - from.as_microsecond()) as f64
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    fn exchange(millis: u32, from_cpe: bool, phase: &str, message: &str, bytes: u64) -> Value {
        json!({"at": format!("2026-01-31T12:00:00.{millis:03}000Z"), "from_cpe": from_cpe, "phase": phase,
            "message": message, "bytes": bytes, "after_micros": 0, "task_id": null, "remarks": []})
    }

    fn session() -> Value {
        let task = "abcdefghijklmnopqrstuvwxyz";
        let mut set = exchange(41, false, "tasks", "SetParameterValues", 1210);
        set["task_id"] = json!(task);
        let mut answer = exchange(98, true, "tasks", "SetParameterValuesResponse", 640);
        answer["task_id"] = json!(task);
        answer["remarks"] = json!(["a number had blanks around it"]);
        json!({
            "id": "000102030405060708090a0b0c0d0e0f", "device_id": "00AABB-IGD-000001", "tenant": "default",
            "stamp": 1, "resume": 0, "front_end": "host.dev.1",
            "started_at": "2026-01-31T12:00:00.000000Z", "ended_at": "2026-01-31T12:00:00.100250Z",
            "outcome": "completed", "detail": "", "remote_address": "192.0.2.7", "tls": true, "auth": "device",
            "cwmp_version": "1.2", "events": ["2 PERIODIC", "6 CONNECTION REQUEST"], "retry_count": 0,
            "exchange_count": 8, "record_count": 3, "complete": true,
            "exchanges": [
                exchange(0, true, "initiation", "Inform", 2048), exchange(1, false, "authentication", "401", 0),
                exchange(12, true, "identification", "Inform", 2048),
                exchange(20, false, "identification", "InformResponse", 512),
                exchange(40, true, "tasks", "empty", 0), set, answer, exchange(100, false, "closing", "204", 0),
            ],
        })
    }

    fn drawn(session: Value) -> String {
        draw(&serde_json::from_value(session).unwrap())
    }

    #[test]
    fn a_session_is_drawn_with_its_five_steps() {
        expect![[r#"
            Session 000102030405060708090a0b0c0d0e0f of 00AABB-IGD-000001
            completed in 100.2 ms, begun 2026-01-31T12:00:00.000000Z
            CWMP 1.2 over TLS from 192.0.2.7, proved by: device, served by host.dev.1
            events: 2 PERIODIC, 6 CONNECTION REQUEST

                    ms  CPE                                          ACS     bytes
                        1 initiation
                   0.0  | Inform ------------------------------------> |      2048
                        2 authentication
                   1.0  | <--------------------------------------- 401 |         0
                        3 identification
                  12.0  | Inform ------------------------------------> |      2048
                  20.0  | <---------------------------- InformResponse |       512
                        4 tasks
                  40.0  | empty -------------------------------------> |         0
                  41.0  | <------------------------ SetParameterValues |      1210  task abcdefghijklmnopqrstuvwxyz
                  98.0  | SetParameterValuesResponse ----------------> |       640  task abcdefghijklmnopqrstuvwxyz
                        |   remark: a number had blanks around it
                        5 closing
                 100.0  | <--------------------------------------- 204 |         0"#]]
        .assert_eq(&drawn(session()));
    }

    #[test]
    fn what_went_wrong_is_told() {
        let mut lost = session();
        lost["outcome"] = json!("timed_out");
        lost["detail"] = json!("no answer to SetParameterValues within 30 s");
        lost["resume"] = json!(1);
        lost["retry_count"] = json!(2);
        lost["complete"] = json!(false);
        lost["remote_address"] = json!(null);
        lost["tls"] = json!(false);
        lost["exchange_count"] = json!(240);
        lost["exchanges"].as_array_mut().unwrap().truncate(2);
        expect![[r#"
            Session 000102030405060708090a0b0c0d0e0f of 00AABB-IGD-000001
            timed_out in 100.2 ms, begun 2026-01-31T12:00:00.000000Z
            no answer to SetParameterValues within 30 s
            CWMP 1.2 without TLS, proved by: device, served by host.dev.1
            events: 2 PERIODIC, 6 CONNECTION REQUEST; try 3 of the device; resumed without its snapshot: 1; not all of it was seen by one server

                    ms  CPE                                          ACS     bytes
                        1 initiation
                   0.0  | Inform ------------------------------------> |      2048
                        2 authentication
                   1.0  | <--------------------------------------- 401 |         0
                        238 more messages are not kept"#]].assert_eq(&drawn(lost));
    }

    #[test]
    fn strange_messages_are_shown_and_steer_nothing() {
        let mut strange = session();
        strange["exchanges"] = json!([exchange(0, true, "unheard_of", &format!("\u{1b}{}", "X".repeat(60)), 1)]);
        let text = drawn(strange);
        assert!(text.contains("unheard_of") && text.contains(&"X".repeat(60)), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_session_without_messages_is_drawn() {
        let mut empty = session();
        empty["exchanges"] = json!([]);
        assert!(drawn(empty).ends_with("8 more messages are not kept"));
    }
}
