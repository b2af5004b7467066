//! Sessions and faults: what was said between a device and the server.

use acs_types::SessionId;
use serde_json::Value;

use super::client::{ListOptions, Query};
use super::exit::Failure;
use super::ladder::{self, Session};
use super::output::{Column, text, time};
use super::{Ctl, resolve, task_text};

/// `sessions`
#[derive(Debug, clap::Args)]
pub(super) struct SessionsArgs {
    /// The device.
    device: String,
    #[command(flatten)]
    list: ListOptions,
}

/// `faults`
#[derive(Debug, clap::Args)]
pub(super) struct FaultsArgs {
    /// The device; without it all.
    device: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

const SESSIONS: [Column; 6] = [
    Column::new("SESSION", |session| text(session, "id")),
    Column::new("STARTED", |session| time(session, "started_at")),
    Column::new("OUTCOME", |session| text(session, "outcome")),
    Column::new("MESSAGES", |session| text(session, "exchange_count")),
    Column::wrapping("EVENTS", |session| text(session, "events")),
    Column::wrapping("ADDRESS", |session| text(session, "remote_address")),
];

const FAULTS: [Column; 6] = [
    Column::new("AT", |fault| time(fault, "at")),
    Column::new("DEVICE", |fault| text(fault, "device_id")),
    Column::wrapping("METHOD", |fault| text(fault, "method")),
    Column::wrapping("FAULT", task_text::fault_line),
    Column::new("TASK", |fault| text(fault, "task_id")),
    Column::new("SESSION", |fault| text(fault, "session_id")),
];

/// `sessions`
pub(super) async fn list(ctl: &Ctl, args: SessionsArgs) -> Result<(), Failure> {
    let device = resolve::device_id_in_history(&ctl.client, &args.device).await?;
    let sessions = ctl.client.list(&["devices", &device, "sessions"], &Query::new(), &args.list).await?;
    ctl.out.list(&sessions, &SESSIONS)
}

/// `session`
pub(super) async fn show(ctl: &Ctl, name: &str) -> Result<(), Failure> {
    let session = find(ctl, name).await?;
    if ctl.out.is_json() {
        return ctl.out.json(&session);
    }
    let session: Session = serde_json::from_value(session).map_err(|error| ctl.client.strange(error))?;
    ctl.out.text(&ladder::draw(&session))
}

/// The session of that id, or the last one of that device.
async fn find(ctl: &Ctl, name: &str) -> Result<Value, Failure> {
    if name.parse::<SessionId>().is_ok() {
        match ctl.client.get(&["sessions", name], &Query::new()).await {
            Err(Failure::NotFound(_)) => {}
            other => return other,
        }
    }
    let device = match resolve::device_id_in_history(&ctl.client, name).await {
        Err(Failure::NotFound(_)) if name.parse::<SessionId>().is_ok() => {
            let why = format!("there is no session `{name}`; one that is not over yet is not shown");
            return Err(Failure::NotFound(why));
        }
        other => other?,
    };
    let last = ctl.client.list(&["devices", &device, "sessions"], &Query::new(), &ListOptions::first(1)).await?;
    match last.items.first() {
        Some(session) => ctl.client.get(&["sessions", &text(session, "id")], &Query::new()).await,
        None => Err(Failure::NotFound(format!("no session of {device} is over yet"))),
    }
}

/// `faults`
pub(super) async fn faults(ctl: &Ctl, args: FaultsArgs) -> Result<(), Failure> {
    let faults = match args.device {
        Some(device) => {
            let device = resolve::device_id_in_history(&ctl.client, &device).await?;
            ctl.client.list(&["devices", &device, "faults"], &Query::new(), &args.list).await?
        }
        None => ctl.client.list(&["faults"], &Query::new(), &args.list).await?,
    };
    ctl.out.list(&faults, &FAULTS)
}
