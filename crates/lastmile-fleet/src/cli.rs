use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cwmp_session::auth::Password;
use lastmile_fleet::load::{LoadConfig, Pace};
use lastmile_fleet::{ConnectionUse, DeviceCredentials, FirstContact, FleetConfig, ModelMix, RetryRule, Trust};

/// How long sessions in progress may take to end at a stop.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Simulated CPEs for an ACS.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Devices in service: bootstrap, periodic Informs, connection requests, downloads, reboots.
    Run(RunArguments),
    /// Sessions at a rate or so many at a time, and how long they took. Exits with 1 when too many failed.
    Load(LoadArguments),
}

/// Which devices, and how they reach the ACS.
#[derive(Debug, Args)]
pub(crate) struct FleetArguments {
    /// URL of the ACS, http or https
    #[arg(long, value_name = "URL")]
    acs: String,
    /// How many devices
    #[arg(long, default_value_t = 10)]
    devices: usize,
    /// Data model of the devices
    #[arg(long, value_enum, default_value_t = Model::Mix)]
    model: Model,
    /// Serial numbers and all that differs from device to device follow from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the devices prove who they are; digest answers whatever challenge comes, basic does not wait for one
    #[arg(long, value_enum, default_value_t = Auth::None)]
    auth: Auth,
    /// User name of all devices; without it each has <OUI>-<ProductClass>-<SerialNumber>
    #[arg(long)]
    user: Option<String>,
    /// Password of all devices
    #[arg(long, env = "LASTMILE_FLEET_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,
    /// Give each device a password of its own: 32 hexadecimal digits of SHA-256 over <password>:<SerialNumber>
    #[arg(long, conflicts_with = "user")]
    own_passwords: bool,
    /// PEM file with the roots to trust on https
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    tls_ca: Option<PathBuf>,
    /// Trust any certificate on https
    #[arg(long)]
    insecure: bool,
    /// Open a new connection for every POST in place of every session
    #[arg(long)]
    connection_per_post: bool,
    /// Do not return cookies
    #[arg(long)]
    no_cookies: bool,
    /// Send bodies chunked
    #[arg(long)]
    chunked: bool,
    /// Where to take connection requests; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Append what the devices see to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// `lastmile-fleet run`
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// PeriodicInformInterval from the factory; 0 turns periodic Informs off
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    periodic: u64,
    /// Spread the first contacts over this time
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    spread: u64,
    /// How long a reboot takes
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    boot_time: u64,
    /// Retry a failed session after this time in place of the standard's table
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
    /// Do as if a 503 had no Retry-After
    #[arg(long)]
    ignore_retry_after: bool,
    /// Keep what the devices become in this folder, so that the same devices are there again after a restart
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Stop after this time; without it at a signal
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
}

/// `lastmile-fleet load`
#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// For how long, up to 86400
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    duration: u64,
    /// Begin so many sessions per second, whatever becomes of them
    #[arg(long, value_name = "SESSIONS_PER_SECOND", conflicts_with = "connections")]
    rate: Option<f64>,
    /// Keep so many sessions open; the next begins when one ends
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// The event that sessions are opened for
    #[arg(long, default_value = "2 PERIODIC")]
    event: String,
    /// Count from the first session of each device on, the bootstrap
    #[arg(long)]
    no_warm_up: bool,
    /// Write the summary to this file in place of the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Share of failed sessions, 0 to 1, up to which the exit code is 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) failures_max: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Model {
    /// A gateway with InternetGatewayDevice:1
    Tr098,
    /// A gateway with Device:2
    Tr181,
    /// A bridge at the end of a fibre with Device:2, some 300 parameters
    Ont,
    /// The two gateways in turn
    Mix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auth {
    None,
    Basic,
    Digest,
}

impl FleetArguments {
    /// The fleet, first contacts spread over `within`.
    pub(crate) fn config(&self, within: Duration) -> anyhow::Result<FleetConfig> {
        if self.auth != Auth::None && self.password.is_empty() {
            anyhow::bail!("the devices need a password: give --password or LASTMILE_FLEET_PASSWORD");
        }
        Ok(FleetConfig {
            devices: self.devices,
            model: match self.model {
                Model::Tr098 => ModelMix::Tr098,
                Model::Tr181 => ModelMix::Tr181,
                Model::Ont => ModelMix::Ont,
                Model::Mix => ModelMix::Both,
            },
            seed: self.seed,
            first_contact: FirstContact::Within(within),
            credentials: self.credentials(),
            basic_unasked: self.auth == Auth::Basic,
            trust: match &self.tls_ca {
                Some(path) => Trust::Roots(path.clone()),
                None if self.insecure => Trust::Anybody,
                None => Trust::Nobody,
            },
            cookies: !self.no_cookies,
            connections: if self.connection_per_post { ConnectionUse::Post } else { ConnectionUse::Session },
            chunked: self.chunked,
            listen: self.listen,
            ledger: self.ledger.clone(),
            ledger_lines_max: 0,
            ..FleetConfig::new(&self.acs)
        })
    }

    fn credentials(&self) -> DeviceCredentials {
        let password = Password::new(self.password.as_str());
        match &self.user {
            _ if self.auth == Auth::None => DeviceCredentials::None,
            Some(username) => DeviceCredentials::Shared { username: username.clone(), password },
            None if self.own_passwords => DeviceCredentials::Derived { secret: password },
            None => DeviceCredentials::Own { password },
        }
    }
}

impl RunArguments {
    pub(crate) const fn within(&self) -> Duration {
        Duration::from_secs(self.spread)
    }

    pub(crate) fn apply(&self, config: FleetConfig) -> FleetConfig {
        FleetConfig {
            periodic: Duration::from_secs(self.periodic),
            boot_time: Duration::from_secs(self.boot_time),
            retry: self.retry_after.map_or(RetryRule::Table, |seconds| RetryRule::After(Duration::from_secs(seconds))),
            honour_retry_after: !self.ignore_retry_after,
            state: self.state.clone(),
            ..config
        }
    }

    /// When the time is over.
    pub(crate) async fn over(&self) {
        match self.duration {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    }
}

impl LoadArguments {
    pub(crate) fn load(&self) -> LoadConfig {
        LoadConfig {
            pace: self.rate.map_or(Pace::Concurrency(self.connections), Pace::Rate),
            duration: Duration::from_secs(self.duration),
            event: self.event.clone(),
            warm_up: !self.no_warm_up,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_password_is_not_printed_p26() {
        let cli = Cli::try_parse_from(["x", "load", "--acs", "http://a", "--auth", "digest", "--password", "canary"]);
        let Command::Load(arguments) = cli.unwrap().command else { panic!() };
        let config = arguments.fleet.config(Duration::ZERO).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
        assert!(matches!(config.credentials, DeviceCredentials::Own { .. }));
    }

    #[test]
    fn credentials_without_password_are_refused() {
        let cli = Cli::try_parse_from(["x", "run", "--acs", "http://a", "--auth", "basic"]).unwrap();
        let Command::Run(arguments) = cli.command else { panic!() };
        assert!(arguments.fleet.config(Duration::ZERO).is_err());
    }
}
