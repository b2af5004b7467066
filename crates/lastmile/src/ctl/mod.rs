//! `lastmile ctl`: asks and steers a running server by its REST API, and by nothing else.
//!
//! A command resolves what its arguments name, makes one or a few calls, and shows what came of them: a table or a sentence
//! for people, the API's own JSON for programs. What a task does is the server's; what is kept here is only how to ask, how
//! to wait and how to tell.
//!
//! Invariants:
//! - How a command ended is its exit code; they are all in [`exit`] and are for ever.
//! - Nothing from a device reaches the terminal with control characters in it ([`output`]).
//! - A token or password is never printed, but for a new token, once (P26).
//!
//! Where to start: [`Options`] has the commands, [`client`] the way to the server, [`waiting`] the life of a task as it is
//! seen from here.

mod access;
mod client;
mod devices;
pub(crate) mod duration;
mod endpoints;
mod events;
mod exit;
mod files;
mod ladder;
mod names;
mod operations;
mod output;
mod problem;
mod resolve;
mod sessions;
mod sse;
mod task_text;
mod tasks;
mod waiting;

use std::process::ExitCode;

use serde_json::{Value, json};

use client::{Client, Connection, ListOptions};
pub(crate) use endpoints::Endpoints;
#[cfg(feature = "distributed")]
pub(crate) use events::{event_type, line as event_line};
use exit::Failure;
#[cfg(feature = "distributed")]
pub(crate) use output::Format as OutputFormat;
use output::{Format, Output};

/// What `lastmile ctl` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Options {
    /// Tables for people, or the API's JSON for programs.
    #[arg(long, short, global = true, value_enum, default_value_t, help_heading = "Output")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists devices.
    Devices(devices::DevicesArgs),
    /// Shows what is known of a device.
    Device {
        /// The device.
        device: String,
    },
    /// Deletes a device with its parameters and credentials.
    Forget {
        /// The device.
        device: String,
        /// Yes, it is to be deleted.
        #[arg(long)]
        yes: bool,
    },
    /// Wakes a device by a connection request and says what happened.
    Wake {
        /// The device.
        device: String,
    },
    /// Reads values from a device.
    Get(operations::GetArgs),
    /// Sets values on a device, all or none.
    Set(operations::SetArgs),
    /// Reads names and values of an object, or of all, into the server.
    Refresh(operations::RefreshArgs),
    /// Reads names from a device and shows them.
    Names(operations::NamesArgs),
    /// Shows the tree of a device as last read.
    Tree(operations::TreeArgs),
    /// Adds an instance to a table and prints it.
    Add(operations::AddArgs),
    /// Deletes an instance.
    Delete(operations::DeleteArgs),
    /// Has a device fetch a file, such as firmware.
    Download(operations::DownloadArgs),
    /// Restarts a device and waits until it is back.
    Reboot(operations::RebootArgs),
    /// Resets a device to factory settings and waits until it is back.
    FactoryReset(operations::FactoryResetArgs),
    /// Lists tasks.
    Tasks(tasks::TasksArgs),
    /// Shows a task with its attempts and faults.
    Task {
        /// The task's id.
        task: String,
    },
    /// Withdraws a task; one that may be on its way stays visible until its outcome is known.
    Cancel {
        /// The task's id.
        task: String,
    },
    /// Puts a task that ended without success back into the queue.
    Retry {
        /// The task's id.
        task: String,
    },
    /// Follows tasks as they change their states, one line each.
    Watch(events::WatchArgs),
    /// Lists the sessions of a device, newest first.
    Sessions(sessions::SessionsArgs),
    /// Shows a session as a ladder of its messages.
    Session {
        /// The session's id, or a device: its last session.
        #[arg(value_name = "SESSION|DEVICE")]
        session: String,
    },
    /// Lists what devices answered with a fault, newest first.
    Faults(sessions::FaultsArgs),
    /// The files that devices download.
    Files {
        #[command(subcommand)]
        command: files::FilesCommand,
    },
    /// Shows the event log.
    Events(events::EventsArgs),
    /// Lists Informs that were refused, newest first.
    Refused {
        #[command(flatten)]
        list: ListOptions,
    },
    /// The tokens that let people and programs in.
    Tokens {
        #[command(subcommand)]
        command: access::TokensCommand,
    },
    /// Says whether the server is well.
    Health,
    /// Lists who changed what, newest first.
    Audit {
        #[command(flatten)]
        list: ListOptions,
    },
    /// Completes the name of a parameter or object by the published data models; asks no server.
    Complete {
        /// The beginning of a name, with or without the root object.
        #[arg(default_value = "")]
        prefix: String,
    },
}

/// A server and somewhere to show its answers.
struct Ctl {
    client: Client,
    out: Output,
}

impl Ctl {
    /// Says that something was done: a sentence, or the API's document.
    fn done(&self, sentence: &str, document: &Value) -> Result<(), Failure> {
        if self.out.is_json() { self.out.json(document) } else { self.out.text(sentence) }
    }
}

/// Does what the command line says.
pub(crate) fn run(options: Options) -> ExitCode {
    exit::finish(run_command(options))
}

fn run_command(options: Options) -> Result<(), Failure> {
    let out = Output::new(options.output);
    if let Command::Complete { prefix } = &options.command {
        return complete(&out, prefix);
    }
    let ctl = Ctl { client: Client::new(&options.connection)?, out };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::NotDone(format!("no runtime: {error}")))?;
    runtime.block_on(Box::pin(dispatch(&ctl, options.command)))
}

fn complete(out: &Output, prefix: &str) -> Result<(), Failure> {
    let names = names::complete(prefix);
    if out.is_json() {
        return out.json(&json!({"items": names}));
    }
    names.iter().try_for_each(|name| out.text(name))
}

async fn dispatch(ctl: &Ctl, command: Command) -> Result<(), Failure> {
    match command {
        Command::Devices(args) => devices::list(ctl, args).await,
        Command::Device { device } => devices::show(ctl, &device).await,
        Command::Forget { device, yes } => devices::forget(ctl, &device, yes).await,
        Command::Wake { device } => devices::wake(ctl, &device).await,
        Command::Get(args) => operations::get(ctl, args).await,
        Command::Set(args) => operations::set(ctl, args).await,
        Command::Refresh(args) => operations::refresh(ctl, args).await,
        Command::Names(args) => operations::names(ctl, args).await,
        Command::Tree(args) => operations::tree(ctl, args).await,
        Command::Add(args) => operations::add(ctl, args).await,
        Command::Delete(args) => operations::delete(ctl, args).await,
        Command::Download(args) => operations::download(ctl, args).await,
        Command::Reboot(args) => operations::reboot(ctl, args).await,
        Command::FactoryReset(args) => operations::factory_reset(ctl, args).await,
        Command::Tasks(args) => tasks::list(ctl, args).await,
        Command::Task { task } => tasks::show(ctl, &task).await,
        Command::Cancel { task } => tasks::cancel(ctl, &task).await,
        Command::Retry { task } => tasks::retry(ctl, &task).await,
        Command::Watch(args) => events::watch(ctl, args).await,
        Command::Sessions(args) => sessions::list(ctl, args).await,
        Command::Session { session } => sessions::show(ctl, &session).await,
        Command::Faults(args) => sessions::faults(ctl, args).await,
        Command::Files { command } => files::run(ctl, command).await,
        Command::Events(args) => events::list(ctl, args).await,
        Command::Refused { list } => access::refused(ctl, &list).await,
        Command::Tokens { command } => access::tokens(ctl, command).await,
        Command::Health => access::health(ctl).await,
        Command::Audit { list } => access::audit(ctl, &list).await,
        Command::Complete { prefix } => complete(&ctl.out, &prefix),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "ctl")]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(line: &str) -> Result<Options, clap::Error> {
        let words = std::iter::once("ctl").chain(line.split(' '));
        let matches = Line::command().try_get_matches_from(words)?;
        Line::from_arg_matches(&matches).map(|line| line.options)
    }

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_command_is_taken() {
        for line in [
            "devices --serial 1 --oui 00AABB --product-class IGD --software 1.0 --subscriber c --text x --limit 5",
            "devices --all --output json",
            "device d",
            "forget d --yes",
            "wake d",
            "get d DeviceInfo. Time. --wait 5s",
            "get d DeviceInfo. --cached",
            "set d A=1 B=2 --type A=unsignedInt --no-wait",
            "refresh d",
            "names d WiFi. --next-level",
            "tree d WiFi. --depth 2",
            "add d WiFi.SSID. Enable=1",
            "delete d WiFi.SSID.2.",
            "download d router.bin",
            "download d --url http://h/f --type firmware --username u --size 7 --target t --delay 5",
            "reboot d --next-session --expires 7d --key k",
            "factory-reset d --yes",
            "tasks d --state queued,sending --kind reboot",
            "task t",
            "cancel t",
            "retry t",
            "watch",
            "sessions d",
            "session d",
            "faults",
            "files list",
            "files upload f --type firmware --name n --version v",
            "files show f",
            "files delete f",
            "events --follow --after 7 --type inform,audit --device d --limit 3",
            "refused",
            "tokens list",
            "tokens create billing --scope read,files --expires 30d",
            "tokens delete t",
            "health --api http://h:1 --token t --data-dir dir --timeout 5",
            "audit",
            "complete Device.",
        ] {
            assert!(parsed(line).is_ok(), "{line}: {}", parsed(line).unwrap_err());
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for line in [
            "nothing",
            "get d",
            "get d A --cached --wait 5",
            "get d A --wait 5 --no-wait",
            "set d A",
            "download d",
            "download d f --url http://h/f --type firmware",
            "download d --url http://h/f",
            "download d f --username u",
            "tasks --state asleep",
            "tokens create billing",
            "devices --limit 0",
            "tree d --depth 65",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn no_secret_of_the_command_line_is_printed() {
        // P26
        for line in [
            "devices --token canary",
            "set d A=canary",
            "add d T. A=canary",
            "download d --url http://h/f --type firmware --password canary",
        ] {
            let text = format!("{:?}", parsed(line).unwrap());
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
