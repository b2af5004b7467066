//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::ctl;
use crate::roles::Role;
use crate::settings::Settings;

/// An auto-configuration server for TR-069/CWMP.
#[derive(Debug, Parser)]
#[command(name = "lastmile", version, about, long_about = None, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process over one data folder, with simulated devices: the quickest way to see it work.
    Dev(Box<DevOptions>),
    /// A front-end: CPEs connect to it. Any number of them; each may end at any time.
    Cwmp(RoleOptions),
    /// Tasks: takes them, plans sessions, watches deadlines.
    Provisioning(RoleOptions),
    /// From the event log to what people look up: presence, sessions, faults.
    Ingest(IngestOptions),
    /// Sends connection requests.
    Connreq(RoleOptions),
    /// Keeps files and hands them to devices.
    Files(RoleOptions),
    /// The REST API.
    Api(RoleOptions),
    /// Makes or updates the tables of the CQL store and the topics of Kafka, and ends. Safe to run twice and at once.
    Migrate(RoleOptions),
    /// Asks and steers a running server: devices, tasks, sessions, files, events.
    Ctl(Box<ctl::Options>),
    /// The event log in Kafka: shows it, checks it, and sends parts of it again.
    #[cfg(feature = "distributed")]
    Events {
        #[command(subcommand)]
        command: crate::events::Command,
    },
    /// The event log in Kafka; only in a build with the feature `distributed`.
    #[cfg(not(feature = "distributed"))]
    #[command(disable_help_flag = true)]
    Events {
        /// What it would be told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        _rest: Vec<String>,
    },
    /// The configuration: shows it, or the commented defaults.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// The key ring that seals cookies, URLs and secrets.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Prints a completion script for a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

/// What a role takes: everything is a key of the configuration.
#[derive(Debug, Args)]
pub(crate) struct RoleOptions {
    #[command(flatten)]
    pub(crate) sources: Sources,
}

impl RoleOptions {
    /// The settings that the role runs with.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::defaults();
        self.sources.add_to(&mut settings)?;
        Ok(settings)
    }
}

/// What `ingest` takes.
#[derive(Debug, Args)]
pub(crate) struct IngestOptions {
    #[command(flatten)]
    pub(crate) role: RoleOptions,
    /// Makes what ingest wrote anew from what Kafka keeps, tells how far it is, and ends.
    ///
    /// Brings back: summaries of devices (who they are, versions, addresses, presence), the values that their Informs told,
    /// ended sessions, faults of transfers, refused Informs. Does not bring back: what is older than Kafka's retention (a
    /// device is then first seen with its oldest Inform that is kept), tasks and their results, credentials, values that tasks
    /// read or wrote. Removes nothing, replaces nothing that is newer, emits no events, wakes nobody; devices that were
    /// deleted stay deleted.
    ///
    /// It goes as far as ingest has come, which goes on with the rest. Ingest may run meanwhile. It may be stopped at any
    /// moment and started again; it then begins from the beginning, which does no harm.
    #[arg(long)]
    pub(crate) rebuild: bool,
}

/// What `dev` takes. Everything is also a key of the configuration file; flags win.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Folder that holds everything; made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// How many simulated devices to bring along; 0: none.
    #[arg(long, value_name = "N")]
    pub(crate) fleet: Option<String>,
    /// Where CPEs connect (default 127.0.0.1:7547).
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) cwmp_listen: Option<String>,
    /// Where people and programs connect (default 127.0.0.1:7557).
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) api_listen: Option<String>,
    /// Where devices fetch files (default 127.0.0.1:7567).
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) files_listen: Option<String>,
    /// The administrator's token; without it one is made and printed.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) admin_token: Option<String>,
    /// How CPEs prove who they are: with `open` any CPE that connects is enrolled.
    #[arg(long, value_name = "open|basic|digest")]
    pub(crate) cpe_auth: Option<String>,
    /// The user name that CPEs without credentials of their own share.
    #[arg(long, value_name = "NAME")]
    pub(crate) cpe_user: Option<String>,
    /// Its password.
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) cpe_password: Option<String>,
    /// Certificate chain for CPEs and files (PEM); with --tls-key.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// What happens when a device is seen for the first time: none, credentials, or discover.
    #[arg(long, value_name = "none|credentials|discover")]
    pub(crate) first_contact: Option<String>,
}

impl DevOptions {
    /// The settings that `dev` runs with.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::defaults();
        settings.override_default("connection_requests.allow_loopback", true);
        settings.override_default("connection_requests.interval_seconds", 0);
        self.sources.add_to(&mut settings)?;
        for (flag, key, value) in [
            ("data-dir", "data.dir", &self.data_dir),
            ("fleet", "fleet.devices", &self.fleet),
            ("cwmp-listen", "cwmp.listen", &self.cwmp_listen),
            ("api-listen", "api.listen", &self.api_listen),
            ("files-listen", "files.listen", &self.files_listen),
            ("admin-token", "api.admin_token", &self.admin_token),
            ("cpe-auth", "cwmp.auth", &self.cpe_auth),
            ("cpe-user", "cwmp.user", &self.cpe_user),
            ("cpe-password", "cwmp.password", &self.cpe_password),
            ("tls-cert", "cwmp.tls_cert", &self.tls_cert),
            ("tls-key", "cwmp.tls_key", &self.tls_key),
            ("first-contact", "provisioning.first_contact", &self.first_contact),
        ] {
            settings.add_flag(flag, key, value.clone());
        }
        Ok(settings)
    }
}

/// Where settings come from beside flags.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// A configuration file; its keys win over the defaults.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One key of the configuration, such as cwmp.listen=0.0.0.0:7547; as often as needed.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl Sources {
    /// Lays file, environment and single keys over `settings`.
    pub(crate) fn add_to(&self, settings: &mut Settings) -> anyhow::Result<()> {
        if let Some(path) = &self.config {
            settings.add_file(&path.display().to_string(), &crate::settings::read_file(path)?);
        }
        settings.add_environment(std::env::vars());
        self.set.iter().for_each(|assignment| settings.add_assignment(assignment));
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows the merged configuration with the source of each value, without secrets, and what is wrong with it.
    Print {
        /// Of this role; without it of `dev`.
        #[arg(long, value_enum)]
        role: Option<Role>,
        #[command(flatten)]
        options: Box<DevOptions>,
    },
    /// Prints the commented default configuration file.
    Default,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Adds a new key, which becomes the active one; the old ones still open what they sealed.
    Rotate {
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "lastmile-data")]
        data_dir: PathBuf,
    },
    /// Lists the keys by id, the active one first.
    List {
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "lastmile-data")]
        data_dir: PathBuf,
    },
}
