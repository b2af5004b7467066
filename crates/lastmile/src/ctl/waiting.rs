//! Asking for a task and waiting for what comes of it.

use std::time::{Duration, Instant};

use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};

use super::exit::Failure;
use super::output::{NONE, text};
use super::{Ctl, duration, task_text};

/// How long most tasks are waited for.
pub(super) const WAIT: Duration = Duration::from_secs(60);
/// How long those are waited for that end only when the device has come back.
pub(super) const WAIT_LONG: Duration = Duration::from_secs(600);
/// How long one question may wait at the server, so that changes are shown soon.
const STEP: Duration = Duration::from_secs(2);
/// The pause between questions about a task that the server does not wait for.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be away while a task is waited for: as long as a restart takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a task is wanted, and how long to wait for it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Task")]
pub(super) struct TaskOptions {
    /// How long to wait for the outcome, such as 90, 15m or 2h; without it a minute, and ten minutes for downloads, reboots
    /// and factory resets.
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "no_wait")]
    wait: Option<Duration>,
    /// Prints the task's id at once.
    #[arg(long)]
    no_wait: bool,
    /// Lets the task wait until the device comes by itself, instead of waking it; nothing is waited for without --wait.
    #[arg(long)]
    next_session: bool,
    /// After how long nobody wants the task any more; without it: never.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    expires: Option<Duration>,
    /// An idempotency key: the same command with the same key is the same task.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl TaskOptions {
    fn wait(&self, usual: Duration) -> Option<Duration> {
        match self.wait {
            Some(wait) => Some(wait),
            None if self.no_wait || self.next_session => None,
            None => Some(usual),
        }
    }
}

/// Creates a task and waits. The task as it was done is returned for people to read; `None`: all is printed already.
/// `usual` is how long is waited without `--wait`.
pub(super) async fn run(
    ctl: &Ctl,
    device: &str,
    mut body: Value,
    options: &TaskOptions,
    usual: Duration,
) -> Result<Option<Value>, Failure> {
    body["wanted"] = json!(if options.next_session { "next_session" } else { "now" });
    if let Some(expires) = options.expires {
        body["expires_in_seconds"] = json!(expires.as_secs());
    }
    let wait = options.wait(usual);
    let key =
        options.key.clone().unwrap_or_else(|| BASE32_NOPAD.encode(&rand::random::<[u8; 16]>()).to_ascii_lowercase());
    let first = wait.unwrap_or_default().min(STEP);
    let task = ctl.client.create(&["devices", device, "tasks"], &body, &key, first).await?;
    tell_wake(ctl, &task);
    let Some(wait) = wait else {
        if ctl.out.is_json() {
            ctl.out.json(&task)?;
        } else {
            ctl.out.text(&text(&task, "id"))?;
        }
        return Ok(None);
    };
    let task = until_final(ctl, task, wait.saturating_sub(first)).await?;
    if ctl.out.is_json() {
        ctl.out.json(&task)?;
        if task_text::has_more_values(&task) {
            ctl.out.note("A task keeps its first values only; `get --cached` shows all that were read.");
        }
        return task_text::judge(&task).map(|()| None);
    }
    task_text::judge(&task).map(|()| Some(task))
}

/// As [`run`], then says in one line what came of it.
pub(super) async fn run_and_tell(
    ctl: &Ctl,
    device: &str,
    body: Value,
    options: &TaskOptions,
    usual: Duration,
) -> Result<(), Failure> {
    match run(ctl, device, body, options, usual).await? {
        Some(task) => ctl.out.text(&task_text::done(&task)),
        None => Ok(()),
    }
}

/// Says if the device was not reached, which is why the task will take its time.
fn tell_wake(ctl: &Ctl, task: &Value) {
    let wake = &task["wake"];
    let outcome = text(wake, "outcome");
    if !task_text::is_final(task) && !matches!(outcome.as_str(), NONE | "accepted" | "busy") {
        let reason = match text(wake, "reason").as_str() {
            NONE => String::new(),
            reason => format!(", {reason}"),
        };
        ctl.out
            .note(&format!("The device was not woken yet ({outcome}{reason}); the task waits for its next session."));
    }
}

/// The task when it is final, or as it is when `wait` is over.
async fn until_final(ctl: &Ctl, mut task: Value, wait: Duration) -> Result<Value, Failure> {
    let end = Instant::now() + wait;
    let mut heard = Instant::now();
    let mut told = String::new();
    loop {
        let state = task_text::state(&task);
        if ctl.out.shows_progress() && !task_text::is_final(&task) && state != told {
            ctl.out.note(&format!("{state} ..."));
            told = state;
        }
        let left = end.saturating_duration_since(Instant::now());
        if task_text::is_final(&task) || left.is_zero() {
            return Ok(task);
        }
        task = match look(ctl, &task, left).await {
            Ok(task) => {
                heard = Instant::now();
                task
            }
            Err(failure) if failure.is_passing() && heard.elapsed() < PATIENCE => {
                tokio::time::sleep(left.min(PAUSE)).await;
                continue;
            }
            Err(failure) => {
                ctl.out.note(&format!("Task {} is kept and goes on.", text(&task, "id")));
                return Err(failure);
            }
        };
    }
}

/// The task a moment later, at most `left`.
async fn look(ctl: &Ctl, task: &Value, left: Duration) -> Result<Value, Failure> {
    let mut wait = Duration::from_secs(left.min(STEP).as_secs());
    // The server does not wait for a task whose evidence is awaited.
    if wait.is_zero() || task["state"] == "awaiting" {
        wait = Duration::ZERO;
        tokio::time::sleep(left.min(PAUSE)).await;
    }
    let (device, id) = (text(task, "device_id"), text(task, "id"));
    let query = vec![("wait", wait.as_secs().to_string())];
    ctl.client.get_waiting(&["devices", &device, "tasks", &id], &query, wait).await
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn options(line: &[&str]) -> TaskOptions {
        let command = TaskOptions::augment_args(clap::Command::new("x").no_binary_name(true));
        TaskOptions::from_arg_matches(&command.try_get_matches_from(line).unwrap()).unwrap()
    }

    #[test]
    fn what_is_asked_for_decides_how_long_is_waited() {
        assert_eq!(options(&[]).wait(WAIT), Some(WAIT));
        assert_eq!(options(&["--wait", "2m"]).wait(WAIT), Some(Duration::from_secs(120)));
        assert_eq!(options(&["--no-wait"]).wait(WAIT), None);
        assert_eq!(options(&["--next-session"]).wait(WAIT_LONG), None);
        assert_eq!(options(&["--next-session", "--wait", "5"]).wait(WAIT), Some(Duration::from_secs(5)));
    }
}
