//! The event log as it is and as it grows.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use acs_types::{EventType, TaskId};
use serde_json::Value;

use super::client::Query;
use super::exit::Failure;
use super::output::{NONE, text, time};
use super::sse::{Event, Parser};
use super::{Ctl, resolve, task_text};

/// Events that are shown without `--follow` and `--limit`.
const LIMIT_DEFAULT: u64 = 1000;
/// The pause before a stream that broke off is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest silence on a stream: the server breaks it every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// `events`
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    /// Waits for more at the end of the log; begins with new events unless --after says otherwise.
    #[arg(long, short)]
    follow: bool,
    /// Begins after this position, as this command told it; 0 or nothing: at the oldest event kept.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    after: Option<String>,
    /// Begins with so many of the newest events.
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "after", value_parser = clap::value_parser!(u64).range(1..=1000))]
    last: Option<u64>,
    /// Only these types, such as inform or task_transition.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    types: Vec<EventType>,
    /// Only events of this device.
    #[arg(long)]
    device: Option<String>,
    /// How many events at most; without it 1000, and without end with --follow.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// `watch`
#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// A task, which is followed to its end, or a device; without it all tasks of all devices.
    #[arg(value_name = "DEVICE|TASK")]
    what: Option<String>,
}

/// A type by its whole name or what makes it different.
pub(crate) fn event_type(name: &str) -> Result<EventType, String> {
    let known = |kind: &EventType| kind.as_str() == name || short(kind.as_str()) == name;
    EventType::ALL.into_iter().find(known).ok_or_else(|| {
        let names = EventType::ALL.map(|kind| short(kind.as_str()));
        format!("it is none of {}", names.join(", "))
    })
}

/// One number for each partition of the log.
fn position(text: &str) -> Result<String, &'static str> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').all(is_number).then(|| text.to_owned()).ok_or("a position is numbers, joined by dots")
}

/// `acs.inform.v1` is `inform`.
fn short(name: &str) -> &str {
    let name = name.strip_prefix("acs.").unwrap_or(name);
    name.split('.').next().unwrap_or(name)
}

/// `events`
pub(super) async fn list(ctl: &Ctl, args: EventsArgs) -> Result<(), Failure> {
    let mut query = vec![("follow", args.follow.to_string())];
    query.extend(args.after.map(|after| ("after", after)));
    query.extend(args.last.map(|last| ("last", last.to_string())));
    if !args.types.is_empty() {
        let names: Vec<_> = args.types.iter().map(|kind| kind.as_str()).collect();
        query.push(("type", names.join(",")));
    }
    if let Some(device) = &args.device {
        query.push(("device", resolve::device_id_in_history(&ctl.client, device).await?));
    }
    let limit = args.limit.unwrap_or(if args.follow { u64::MAX } else { LIMIT_DEFAULT });
    let (mut count, mut shown) = (0, None);
    read(ctl, &query, args.follow, go_on, |event, id| {
        if count == limit {
            let after: String = shown.take().map(|id: String| format!("--after {id} goes on, ")).unwrap_or_default();
            ctl.out.note(&format!("There are more: {after}--limit N shows so many."));
            return Ok(ControlFlow::Break(()));
        }
        show(ctl, &event)?;
        count += 1;
        shown = id.map(str::to_owned);
        // A stream that is followed does not wait for one more.
        Ok(until(args.follow && count == limit))
    })
    .await
}

fn show(ctl: &Ctl, event: &Value) -> Result<(), Failure> {
    if ctl.out.is_json() { ctl.out.json_line(event) } else { ctl.out.text(&line(event)) }
}

/// `watch`
pub(super) async fn watch(ctl: &Ctl, args: WatchArgs) -> Result<(), Failure> {
    let mut query = vec![("type", EventType::TaskTransition.as_str().to_owned())];
    let Some(what) = args.what else { return follow(ctl, &query).await };
    if is_task_id(&what) {
        match ctl.client.get(&["tasks", &what], &Query::new()).await {
            Err(Failure::NotFound(_)) => {}
            Err(other) => return Err(other),
            Ok(_) => return watch_task(ctl, &what).await,
        }
    }
    query.push(("device", resolve::device_id(&ctl.client, &what).await?));
    follow(ctl, &query).await
}

async fn follow(ctl: &Ctl, query: &Query) -> Result<(), Failure> {
    read(ctl, query, true, go_on, |event, _| show(ctl, &event).map(ControlFlow::Continue)).await
}

/// Whether it may be a task's id: 26 characters of base32.
fn is_task_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')) && text.parse::<TaskId>().is_ok()
}

/// Shows where a task stands and each change up to its last.
async fn watch_task(ctl: &Ctl, task: &str) -> Result<(), Failure> {
    let types = EventType::TaskTransition.as_str().to_owned();
    let shown = Cell::new(0);
    // The task is looked at whenever the stream has been opened: what happened before that is in it, the rest in the stream.
    let look = async || {
        let now = ctl.client.get(&["tasks", task], &Query::new()).await?;
        let is_news = revision(&now) > shown.get();
        if is_news {
            shown.set(revision(&now));
            if ctl.out.is_json() { ctl.out.json_line(&now)? } else { ctl.out.text(&task_text::state(&now))? }
        }
        Ok(until(task_text::is_final(&now)))
    };
    let device = text(&ctl.client.get(&["tasks", task], &Query::new()).await?, "device_id");
    let query = vec![("type", types), ("device", device)];
    read(ctl, &query, true, look, |event, _| {
        let data = &event["data"];
        if data["task_id"] != task || revision(data) <= shown.get() {
            return Ok(ControlFlow::Continue(()));
        }
        shown.set(revision(data));
        show(ctl, &event)?;
        Ok(until(is_final_state(data["to"].as_str().unwrap_or_default())))
    })
    .await?;
    let task = ctl.client.get(&["tasks", task], &Query::new()).await?;
    task_text::judge(&task)
}

fn until(is_enough: bool) -> ControlFlow<()> {
    if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn revision(of: &Value) -> u64 {
    of["revision"].as_u64().unwrap_or(0)
}

fn is_final_state(name: &str) -> bool {
    !matches!(name, "queued" | "sending" | "awaiting" | "unknown")
}

/// Nothing to do when a stream has been opened.
async fn go_on() -> Result<ControlFlow<()>, Failure> {
    Ok(ControlFlow::Continue(()))
}

/// Hands each event to `take` until it says that it is enough, or the log ends and is not followed. A stream that breaks
/// off is opened again where it ended. `opened` is asked each time one has been opened.
async fn read(
    ctl: &Ctl,
    query: &Query,
    follow: bool,
    mut opened: impl AsyncFnMut() -> Result<ControlFlow<()>, Failure>,
    mut take: impl FnMut(Value, Option<&str>) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut last: Option<String> = None;
    let mut heard = Instant::now();
    let mut is_first = true;
    loop {
        let end = match ctl.client.stream(query, last.as_deref()).await {
            Ok(response) => {
                heard = Instant::now();
                if opened().await?.is_break() {
                    return Ok(());
                }
                let end = read_once(ctl, response, |event| {
                    heard = Instant::now();
                    last.clone_from(&event.id);
                    let event = serde_json::from_str(&event.data).map_err(|error| ctl.client.strange(error))?;
                    take(event, last.as_deref())
                });
                end.await?
            }
            Err(failure) if is_first || !failure.is_passing() => return Err(failure),
            Err(failure) => End::Broken(failure),
        };
        is_first = false;
        match end {
            End::Enough => return Ok(()),
            End::Closed if !follow => return Ok(()),
            End::Broken(failure) if heard.elapsed() >= PATIENCE => return Err(failure),
            End::Closed | End::Broken(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// How a stream ended.
enum End {
    /// Whoever reads it has enough.
    Enough,
    /// The server ended it.
    Closed,
    /// The connection did.
    Broken(Failure),
}

async fn read_once(
    ctl: &Ctl,
    mut response: reqwest::Response,
    mut take: impl FnMut(Event) -> Result<ControlFlow<()>, Failure>,
) -> Result<End, Failure> {
    let mut parser = Parser::default();
    loop {
        let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(End::Closed),
            Ok(Err(error)) => return Ok(End::Broken(ctl.client.broken(&error))),
            Err(_) => {
                let why = format!("the event stream was silent for {} s", SILENCE_MAX.as_secs());
                return Ok(End::Broken(Failure::Server(why)));
            }
        };
        for event in parser.push(&chunk).map_err(|error| ctl.client.strange(error))? {
            if take(event)?.is_break() {
                return Ok(End::Enough);
            }
        }
    }
}

/// An event on one line: when, which, whose, and what happened.
pub(crate) fn line(event: &Value) -> String {
    let data = &event["data"];
    let name = event["type"].as_str().unwrap_or_default();
    let told = match EventType::parse(name) {
        Some(EventType::Inform) => inform(data),
        Some(EventType::TransferComplete) => match task_text::fault_line(&data["fault"]) {
            fault if fault.is_empty() => format!("of {} succeeded", text(data, "command_key")),
            fault => format!("of {} failed: {fault}", text(data, "command_key")),
        },
        Some(EventType::SessionEnded) => {
            format!("{} {} after {} messages", text(data, "id"), text(data, "outcome"), text(data, "exchange_count"))
        }
        Some(EventType::TaskTransition) => transition(data),
        Some(EventType::DeviceChange) => change(data),
        Some(EventType::InformRefused) => {
            let who = ["oui", "product_class", "serial_number"].map(|key| text(data, key)).join(" ");
            format!("{} by {who} from {}", text(data, "reason"), text(data, "remote_address"))
        }
        Some(EventType::Audit) => {
            format!("{} did {} on {}", text(data, "principal"), text(data, "action"), text(data, "object"))
        }
        Some(EventType::ControlTotals) => {
            let numbers = [text(data, "first_emitter_seq"), text(data, "last_emitter_seq"), text(data, "count")];
            format!("{} has {} records from {} to {}", text(event, "emitter"), numbers[2], numbers[0], numbers[1])
        }
        None => String::new(),
    };
    let late = if event["late"] == Value::Bool(true) { "  (late)" } else { "" };
    let head = format!("{}  {}", time(event, "occurred_at"), place(event));
    format!("{head}  {}  {}  {told}{late}", text(event, "device_id"), short(&super::output::printable(name)))
}

/// A position says little without its partition.
fn place(event: &Value) -> String {
    match event["partition"].as_str() {
        Some(partition) => format!("{}@{}", super::output::printable(partition), text(event, "position")),
        None => text(event, "position"),
    }
}

fn inform(data: &Value) -> String {
    let events = data["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let entry = |event: &Value| match text(event, "command_key").as_str() {
        NONE => text(event, "code"),
        key => format!("{} {key}", text(event, "code")),
    };
    events.iter().map(entry).collect::<Vec<_>>().join(", ")
}

fn transition(data: &Value) -> String {
    let from = match text(data, "from").as_str() {
        NONE => String::new(),
        from => format!("{from} -> "),
    };
    let attempt = match data["attempt"].as_u64() {
        None | Some(0) => String::new(),
        Some(attempt) => format!(", attempt {attempt}"),
    };
    let fault = task_text::fault_line(&data["fault"]);
    let fault = if fault.is_empty() { fault } else { format!(": {fault}") };
    format!("{} {} {from}{}{attempt}{fault}", text(data, "task_id"), text(data, "kind"), text(data, "to"))
}

fn change(data: &Value) -> String {
    match (text(data, "from").as_str(), text(data, "to").as_str()) {
        (NONE, NONE) => text(data, "change"),
        (from, to) => format!("{} from {from} to {to}", text(data, "change")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: EventType, data: Value) -> String {
        line(
            &json!({"position": 42, "type": kind.as_str(), "device_id": "00AABB-IGD-1", "late": false, "emitter": "cwmp.1",
            "occurred_at": "2026-01-31T12:00:00.000000Z", "data": data}),
        )
    }

    #[test]
    fn every_type_has_its_line() {
        let head = "2026-01-31 12:00:00Z  42  00AABB-IGD-1  ";
        let fault = json!({"code": 9010, "text": "Download failure", "parameters": []});
        let cases = [
            (
                EventType::Inform,
                json!({"events": [{"code": "1 BOOT", "command_key": ""}, {"code": "M Reboot", "command_key": "k"}]}),
                "inform  1 BOOT, M Reboot k",
            ),
            (
                EventType::TransferComplete,
                json!({"command_key": "k", "fault": fault}),
                "transfer_complete  of k failed: 9010 Download failure",
            ),
            (
                EventType::TransferComplete,
                json!({"command_key": "k", "fault": null}),
                "transfer_complete  of k succeeded",
            ),
            (
                EventType::SessionEnded,
                json!({"id": "s", "outcome": "completed", "exchange_count": 8}),
                "session_ended  s completed after 8 messages",
            ),
            (
                EventType::TaskTransition,
                json!({"task_id": "t", "kind": "reboot", "from": "queued", "to": "sending", "attempt": 2, "fault": null}),
                "task_transition  t reboot queued -> sending, attempt 2",
            ),
            (
                EventType::TaskTransition,
                json!({"task_id": "t", "kind": "download", "from": "", "to": "failed", "attempt": 0, "fault": fault}),
                "task_transition  t download failed: 9010 Download failure",
            ),
            (
                EventType::DeviceChange,
                json!({"change": "firmware_changed", "from": "1.0", "to": "2.0"}),
                "device_change  firmware_changed from 1.0 to 2.0",
            ),
            (EventType::DeviceChange, json!({"change": "booted", "from": null, "to": null}), "device_change  booted"),
            (
                EventType::InformRefused,
                json!({"reason": "wrong_password", "oui": "00AABB", "product_class": "IGD", "serial_number": "1",
                    "remote_address": "192.0.2.1"}),
                "inform_refused  wrong_password by 00AABB IGD 1 from 192.0.2.1",
            ),
            (
                EventType::Audit,
                json!({"principal": "alice", "action": "task.create", "object": "devices/d/tasks/t"}),
                "audit  alice did task.create on devices/d/tasks/t",
            ),
            (
                EventType::ControlTotals,
                json!({"first_emitter_seq": 1, "last_emitter_seq": 300, "count": 299}),
                "control_totals  cwmp.1 has 299 records from 1 to 300",
            ),
        ];
        for (kind, data, expected) in cases {
            assert_eq!(event(kind, data), format!("{head}{expected}"));
        }
    }

    #[test]
    fn types_are_named_short_or_whole() {
        assert_eq!(event_type("inform"), Ok(EventType::Inform));
        assert_eq!(event_type("acs.task_transition.v1"), Ok(EventType::TaskTransition));
        assert!(event_type("nothing").unwrap_err().contains("device_change"));
    }

    #[test]
    fn a_position_has_a_number_for_each_partition() {
        assert_eq!(["0", "41", "3.0.17"].map(|text| position(text).is_ok()), [true; 3]);
        assert_eq!(["", "1.", ".1", "-1", "a"].map(|text| position(text).is_ok()), [false; 5]);
    }

    #[test]
    fn tasks_are_told_from_devices() {
        assert!(is_task_id("abcdefghijklmnopqrstuvwx27"));
        for device in ["00AABB-IGD-000001", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abc", ""] {
            assert!(!is_task_id(device), "{device}");
        }
    }

    #[test]
    fn final_states_are_those_of_tasks() {
        let open = ["queued", "sending", "awaiting", "unknown"];
        for name in acs_types::TaskState::NAMES {
            assert_eq!(is_final_state(name), !open.contains(&name), "{name}");
        }
    }
}
