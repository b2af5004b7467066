//! Tasks: which there are, what became of one, cancelling and retrying it.

use acs_types::{TaskKind, TaskState};
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::client::{ListOptions, Query};
use super::exit::Failure;
use super::output::{Column, NONE, text, time};
use super::{Ctl, resolve, task_text};

/// `tasks`
#[derive(Debug, clap::Args)]
pub(super) struct TasksArgs {
    /// The device, whose tasks are shown whether open or final; without it the open tasks of all devices.
    device: Option<String>,
    /// Only tasks in these states.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(TaskState::NAMES))]
    state: Vec<String>,
    /// Only tasks of these kinds.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(TaskKind::ALL.map(TaskKind::as_str)))]
    kind: Vec<String>,
    #[command(flatten)]
    list: ListOptions,
}

const COLUMNS: [Column; 6] = [
    Column::new("TASK", |task| text(task, "id")),
    Column::new("DEVICE", |task| text(task, "device_id")),
    Column::new("KIND", |task| text(task, "kind")),
    Column::new("STATE", |task| text(task, "state")),
    Column::new("CREATED", |task| time(task, "created_at")),
    Column::wrapping("ABOUT", task_text::about),
];

/// `tasks`
pub(super) async fn list(ctl: &Ctl, args: TasksArgs) -> Result<(), Failure> {
    let filters = [("state", args.state), ("kind", args.kind)];
    let given = filters.into_iter().filter(|(_, names)| !names.is_empty());
    let query: Query = given.map(|(field, names)| (field, names.join(","))).collect();
    let tasks = match args.device {
        Some(device) => {
            let device = resolve::device_id_in_history(&ctl.client, &device).await?;
            ctl.client.list(&["devices", &device, "tasks"], &query, &args.list).await?
        }
        None => ctl.client.list(&["tasks"], &query, &args.list).await?,
    };
    ctl.out.list(&tasks, &COLUMNS)
}

/// `task`
pub(super) async fn show(ctl: &Ctl, task: &str) -> Result<(), Failure> {
    let task = ctl.client.get(&["tasks", task], &Query::new()).await?;
    if ctl.out.is_json() {
        return ctl.out.json(&task);
    }
    ctl.out.facts(&facts(&task))?;
    let attempts = task["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !attempts.is_empty() {
        ctl.out.text("")?;
        let titles = ["ATTEMPT", "METHOD", "REASON", "STARTED", "ANSWERED", "OUTCOME", "SESSION"];
        ctl.out.rows(&titles.map(|title| (title, false)), attempts.iter().map(attempt))?;
    }
    Ok(())
}

fn facts(task: &Value) -> Vec<(&'static str, String)> {
    let as_text = |name, key| (name, text(task, key));
    let as_time = |name, key| (name, time(task, key));
    let origin = match text(&task["origin"], "principal").as_str() {
        NONE => text(&task["origin"], "obligation"),
        principal => principal.to_owned(),
    };
    let about = Some(task_text::about(task)).filter(|about| !about.is_empty()).unwrap_or_else(|| NONE.to_owned());
    let result = if task["result"].is_object() { came_of(task) } else { NONE.to_owned() };
    let fault = match task_text::fault(&task["fault"]) {
        fault if fault.is_empty() => NONE.to_owned(),
        fault => fault.trim_start_matches(": ").to_owned(),
    };
    vec![
        as_text("task", "id"),
        as_text("device", "device_id"),
        as_text("kind", "kind"),
        ("about", about),
        ("state", task_text::state(task)),
        ("result", result),
        ("fault", fault),
        ("asked by", origin),
        as_text("wanted", "wanted"),
        as_time("created", "created_at"),
        as_time("updated", "updated_at"),
        as_time("expires", "expires_at"),
        as_text("unanswered", "unanswered"),
    ]
}

/// The result; many values are counted, `get --cached` shows them.
fn came_of(task: &Value) -> String {
    match task["result"]["values"].as_array() {
        Some(values) => format!("{} values read", values.len()),
        None => task_text::done(task),
    }
}

fn attempt(attempt: &Value) -> Vec<String> {
    let outcome = match attempt["fault_code"].as_u64() {
        Some(code) => format!("fault {code}"),
        None => text(attempt, "outcome"),
    };
    vec![
        text(attempt, "number"),
        text(attempt, "method"),
        text(attempt, "reason"),
        time(attempt, "started_at"),
        time(attempt, "answered_at"),
        outcome,
        text(attempt, "session_id"),
    ]
}

/// `cancel`
pub(super) async fn cancel(ctl: &Ctl, task: &str) -> Result<(), Failure> {
    let task = ctl.client.act(&["tasks", task, "cancel"]).await?;
    ctl.done(&task_text::state(&task), &task)
}

/// `retry`
pub(super) async fn retry(ctl: &Ctl, task: &str) -> Result<(), Failure> {
    let task = ctl.client.act(&["tasks", task, "retry"]).await?;
    ctl.done(&task_text::state(&task), &task)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_attempt_is_told_with_its_reason() {
        // P2
        let second = json!({"number": 2, "id": "k", "session_id": "s", "reason": "unanswered", "method": "Reboot",
            "started_at": "2026-01-31T12:00:00.000000Z", "answered_at": null, "outcome": "fault", "fault_code": 9002});
        let row = attempt(&second);
        assert_eq!(row, ["2", "Reboot", "unanswered", "2026-01-31 12:00:00Z", "-", "fault 9002", "s"]);
    }

    #[test]
    fn a_task_is_told_in_facts() {
        let task = json!({"id": "abc", "device_id": "d", "kind": "reboot", "state": "failed", "final": true,
            "origin": {"kind": "obligation", "obligation": "boot"}, "result": null,
            "fault": {"code": 9002, "text": "Internal error", "parameters": [{"path": "A", "code": 1, "text": "t"}]}});
        let facts = facts(&task);
        let fact = |name| &facts.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(fact("asked by"), "boot");
        assert_eq!(fact("about"), NONE, "it is left out");
        assert_eq!(fact("fault"), "9002 Internal error\n  A: 1 t");
    }
}
