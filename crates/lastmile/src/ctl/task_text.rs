//! A task in words: what it is about, where it stands, how it ended.

use acs_types::TaskResult;
use serde_json::Value;

use super::exit::Failure;
use super::output::{NONE, printable, text, time, value};

/// Paths and values that are named; there may be a thousand.
const NAMED_MAX: usize = 3;

/// Whether nothing more happens to it by itself.
pub(super) fn is_final(task: &Value) -> bool {
    task["final"] == Value::Bool(true)
}

/// Whether it ended as asked.
pub(super) fn is_success(task: &Value) -> bool {
    matches!(task["state"].as_str(), Some("done" | "resolved_applied"))
}

/// What it does to what, without secrets.
pub(super) fn about(task: &Value) -> String {
    match task["kind"].as_str().unwrap_or_default() {
        "get_values" => some_of(&task["paths"], |path| path.as_str().map(printable).unwrap_or_default()),
        "set_values" => some_of(&task["values"], assignment),
        "get_names" | "refresh" => match text(task, "path").as_str() {
            NONE => "everything".to_owned(),
            path => path.to_owned(),
        },
        "add_object" => match some_of(&task["values"], assignment) {
            values if values.is_empty() => text(task, "object"),
            values => format!("{} with {values}", text(task, "object")),
        },
        "delete_object" => text(task, "object"),
        "download" => {
            let source = if task["file_id"].is_null() { text(task, "url") } else { text(task, "file_id") };
            format!("{} from {source}", text(task, "file_type"))
        }
        _ => String::new(),
    }
}

fn some_of(items: &Value, name: impl Fn(&Value) -> String) -> String {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut named: Vec<String> = items.iter().take(NAMED_MAX).map(name).collect();
    if items.len() > NAMED_MAX {
        named.push(format!("{} more", items.len() - NAMED_MAX));
    }
    named.join(", ")
}

fn assignment(item: &Value) -> String {
    format!("{}={}", text(item, "path"), value(item))
}

/// Where it stands, in one line.
pub(super) fn state(task: &Value) -> String {
    let mut state = text(task, "state");
    let awaiting = &task["awaiting"];
    if awaiting.is_object() {
        state.push_str(&format!(" {} until {}", text(awaiting, "evidence"), time(awaiting, "until")));
    }
    if task["applied"] == "after_reboot" {
        state.push_str(", takes effect after a reboot");
    }
    if task["cancel_requested"] == Value::Bool(true) && !is_final(task) {
        state.push_str(", to be cancelled as soon as its outcome is known");
    }
    state
}

/// What came of a task that was done, in one line.
pub(super) fn done(task: &Value) -> String {
    let result = &task["result"];
    match result["kind"].as_str() {
        Some("instance") => text(result, "object"),
        Some("counts") => format!("done: {} names and {} values read", text(result, "names"), text(result, "values")),
        Some("transfer") => {
            let (start, end) = (text(result, "start_time"), text(result, "complete_time"));
            format!("{}: from {start} to {end}, as the device says", state(task))
        }
        _ => state(task),
    }
}

/// Whether a task's values are so many that the rest of them is only in the device's stored tree.
pub(super) fn has_more_values(task: &Value) -> bool {
    task["result"]["values"].as_array().is_some_and(|values| values.len() >= TaskResult::VALUES_MAX)
}

/// What its state means for whoever waited for it.
pub(super) fn judge(task: &Value) -> Result<(), Failure> {
    if is_success(task) {
        return Ok(());
    }
    let id = text(task, "id");
    let name = format!("task {id} ({} of {})", text(task, "kind"), text(task, "device_id"));
    let not_done = |text: String| Err(Failure::NotDone(format!("{name} {text}{}", fault(&task["fault"]))));
    match task["state"].as_str().unwrap_or_default() {
        "failed" => not_done("failed".to_owned()),
        "quarantined" => {
            let count = text(task, "unanswered");
            not_done(format!(
                "is quarantined: {count} attempts in a row went unanswered; `lastmile ctl retry {id}` tries again"
            ))
        }
        "needs_operator" => not_done(format!(
            "needs an operator: whether it took effect cannot be told; look at the device, then `lastmile ctl retry {id}` if \
             it did not"
        )),
        "unknown" => not_done("may have taken effect or not: its outcome is not known yet".to_owned()),
        "resolved_not_applied" => not_done("did not take effect".to_owned()),
        "cancelled" => not_done("was cancelled".to_owned()),
        "expired" => not_done("expired before it was done".to_owned()),
        _ => Err(Failure::Waiting(format!(
            "{name} is still {}; it goes on, `lastmile ctl watch {id}` follows it",
            state(task)
        ))),
    }
}

/// A fault and those of its parameters, one a line, behind a colon; empty for none.
pub(super) fn fault(fault: &Value) -> String {
    if !fault.is_object() {
        return String::new();
    }
    let parameters = fault["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = parameters.iter().map(|parameter| format!("\n  {}: {}", text(parameter, "path"), code(parameter)));
    format!(": {}{}", code(fault), lines.collect::<String>())
}

/// The fault on one line.
pub(super) fn fault_line(fault: &Value) -> String {
    self::fault(fault).trim_start_matches(": ").replace("\n  ", "; ")
}

/// The code with its text; the code 0 stands for no fault of the device.
fn code(fault: &Value) -> String {
    match fault["code"].as_u64() {
        None | Some(0) => text(fault, "text"),
        Some(code) => format!("{code} {}", text(fault, "text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(state: &str) -> Value {
        json!({"id": "abc", "kind": "set_values", "device_id": "00AABB-IGD-1", "state": state, "final": true,
            "unanswered": 3, "awaiting": null, "applied": null, "cancel_requested": false, "result": null,
            "fault": null})
    }

    #[test]
    fn every_state_has_its_exit_code() {
        let code = |state| judge(&task(state)).map_or_else(|failure| failure.code(), |()| 0);
        for name in acs_types::TaskState::NAMES {
            let expected = match name {
                "done" | "resolved_applied" => 0,
                "queued" | "sending" | "awaiting" => 6,
                _ => 1,
            };
            assert_eq!(code(name), expected, "{name}");
        }
    }

    #[test]
    fn a_fault_names_every_parameter() {
        let mut failed = task("failed");
        failed["fault"] = json!({"code": 9003, "text": "Invalid arguments", "parameters": [
            {"path": "Device.A", "code": 9007, "text": "Invalid value"},
            {"path": "Device.B", "code": 9008, "text": "Not writable"}]});
        assert_eq!(
            judge(&failed).unwrap_err().to_string(),
            "task abc (set_values of 00AABB-IGD-1) failed: 9003 Invalid arguments\n  \
             Device.A: 9007 Invalid value\n  Device.B: 9008 Not writable"
        );
        let line = fault_line(&failed["fault"]);
        assert_eq!(line, "9003 Invalid arguments; Device.A: 9007 Invalid value; Device.B: 9008 Not writable");
        assert_eq!(fault_line(&json!({"code": 0, "text": "the file is gone", "parameters": []})), "the file is gone");
    }

    #[test]
    fn what_it_is_about_has_no_secrets() {
        // P26
        let mut secret = task("queued");
        secret["values"] = json!([{"path": "Device.X.Password", "value": "canary", "secret": true},
            {"path": "Device.X.Name", "value": "home", "secret": false}]);
        assert_eq!(about(&secret), "Device.X.Password=(secret), Device.X.Name=home");
    }

    #[test]
    fn many_paths_are_counted() {
        let paths: Vec<String> = (0..1000).map(|i| format!("Device.P{i}")).collect();
        let many = json!({"kind": "get_values", "paths": paths});
        assert_eq!(about(&many), "Device.P0, Device.P1, Device.P2, 997 more");
        assert_eq!(about(&json!({"kind": "refresh", "path": ""})), "everything");
        assert_eq!(about(&json!({"kind": "reboot"})), "");
        let file = json!({"kind": "download", "file_type": "1 Firmware Upgrade Image", "file_id": "f1", "url": null});
        assert_eq!(about(&file), "1 Firmware Upgrade Image from f1");
    }

    #[test]
    fn what_came_of_it_is_one_line() {
        let mut added = task("done");
        added["result"] = json!({"kind": "instance", "object": "Device.WiFi.SSID.3."});
        assert_eq!(done(&added), "Device.WiFi.SSID.3.");
        let mut later = task("done");
        later["applied"] = json!("after_reboot");
        assert_eq!(done(&later), "done, takes effect after a reboot");
        let mut read = task("done");
        read["result"] = json!({"kind": "counts", "names": 12, "values": 8});
        assert_eq!(done(&read), "done: 12 names and 8 values read");
        let mut waits = task("awaiting");
        waits["awaiting"] = json!({"evidence": "reboot", "until": "2026-01-31T12:00:00.000000Z"});
        assert_eq!(state(&waits), "awaiting reboot until 2026-01-31 12:00:00Z");
    }
}
