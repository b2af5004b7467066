//! From settings to the configuration of each service. Every problem is noted in the settings.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_cwmp_server::{CpeAuth, CpeAuthScheme};
use acs_provisioning::FirstContact;
use acs_telemetry::{LogConfig, LogFormat};
use acs_types::{EmitterId, Secret};

use crate::settings::Settings;

/// Everything that `lastmile dev` runs with.
#[derive(Debug)]
pub(crate) struct DevConfig {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Free space that is never used, in bytes.
    pub(crate) disk_reserve_bytes: u64,
    /// How long finished work is kept.
    pub(crate) history: Duration,
    /// How long the event log is kept.
    pub(crate) events_age: Duration,
    /// How much of it is kept, in bytes.
    pub(crate) events_bytes: u64,
    /// Where CPEs connect.
    pub(crate) cwmp_listen: SocketAddr,
    /// Certificate chain and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// How CPEs prove who they are.
    pub(crate) auth: CpeAuth,
    /// What devices share.
    pub(crate) shared_credentials: Option<(String, Secret)>,
    /// The idle time-out of sessions.
    pub(crate) session_timeout: Duration,
    /// Connections in all and from one address.
    pub(crate) connections: (usize, usize),
    /// Sessions at a time.
    pub(crate) sessions: usize,
    /// The largest message.
    pub(crate) message_bytes: usize,
    /// Where people connect.
    pub(crate) api_listen: SocketAddr,
    /// The administrator's token; empty: make one.
    pub(crate) admin_token: Secret,
    /// Where devices fetch files.
    pub(crate) files_listen: SocketAddr,
    /// How they reach it; empty: by the listen address.
    pub(crate) files_public_url: String,
    /// The largest file.
    pub(crate) file_bytes: u64,
    /// What first contact does.
    pub(crate) first_contact: FirstContact,
    /// Connection requests.
    pub(crate) connection_requests: acs_connreq::Config,
    /// Whether Basic is answered to connection-request challenges.
    pub(crate) connection_request_basic: bool,
    /// Simulated devices.
    pub(crate) fleet_devices: usize,
    /// Their PeriodicInformInterval.
    pub(crate) fleet_periodic: Duration,
    /// The log.
    pub(crate) log: LogConfig,
}

impl DevConfig {
    /// Reads all of it; the error has every problem, one a line.
    pub(crate) fn from_settings(mut settings: Settings) -> Result<Self, ConfigErrors> {
        let s = &mut settings;
        let config = Self {
            data: data_folder(s),
            disk_reserve_bytes: s.number("data.disk_reserve_mib", 0..=1 << 30) << 20,
            history: days(s.number("data.history_days", 1..=36_500)),
            events_age: days(s.number("data.events_days", 1..=36_500)),
            events_bytes: s.number("data.events_mib", 16..=1 << 30) << 20,
            cwmp_listen: listen(s, "cwmp.listen"),
            tls: tls(s),
            auth: auth(s),
            shared_credentials: shared_credentials(s),
            session_timeout: Duration::from_secs(s.number("cwmp.session_timeout_seconds", 30..=3600)),
            connections: (count(s, "cwmp.connections"), count(s, "cwmp.connections_per_address")),
            sessions: count(s, "cwmp.sessions"),
            message_bytes: bounded(s.number("cwmp.message_kib", 32..=1 << 20) << 10),
            api_listen: listen(s, "api.listen"),
            admin_token: admin_token(s),
            files_listen: listen(s, "files.listen"),
            files_public_url: s.text("files.public_url"),
            file_bytes: s.number("files.file_mib", 1..=1 << 20) << 20,
            first_contact: first_contact(s),
            connection_requests: connection_requests(s),
            connection_request_basic: s.flag("connection_requests.basic"),
            fleet_devices: bounded(s.number("fleet.devices", 0..=100_000)),
            fleet_periodic: Duration::from_secs(s.number("fleet.periodic_seconds", 1..=86_400)),
            log: log(s),
        };
        if settings.problems().is_empty() { Ok(config) } else { Err(ConfigErrors(settings.problems().to_vec())) }
    }
}

/// What is wrong with the configuration: all of it.
#[derive(Debug)]
pub(crate) struct ConfigErrors(Vec<String>);

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Who this process is in records: host and boot, so that its numbers are dense from 1.
pub(crate) fn emitter(role: &str, booted_at_micros: i64) -> EmitterId {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
    let host = if host.is_empty() { "localhost" } else { &host };
    let text = format!("{host}.{role}.{booted_at_micros}");
    text.parse().expect("letters, digits, dashes and dots make an emitter id")
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

fn bounded(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn count(s: &mut Settings, key: &str) -> usize {
    bounded(s.number(key, 1..=10_000_000))
}

fn listen(s: &mut Settings, key: &str) -> SocketAddr {
    let fallback = SocketAddr::from(([127, 0, 0, 1], 0));
    s.parsed(key, "an address and port, such as 127.0.0.1:7547 or [::]:7547", fallback)
}

fn data_folder(s: &mut Settings) -> PathBuf {
    let text = s.text("data.dir");
    if text.trim().is_empty() {
        s.problem("data.dir", "a folder is needed");
    }
    PathBuf::from(text)
}

fn tls(s: &mut Settings) -> Option<(PathBuf, PathBuf)> {
    let (certificates, key) = (s.text("cwmp.tls_cert"), s.text("cwmp.tls_key"));
    match (certificates.is_empty(), key.is_empty()) {
        (true, true) => return None,
        (false, false) => {}
        (true, false) => s.problem("cwmp.tls_cert", "a certificate is needed beside tls_key"),
        (false, true) => s.problem("cwmp.tls_key", "a key is needed beside tls_cert"),
    }
    Some((certificates.into(), key.into()))
}

fn auth(s: &mut Settings) -> CpeAuth {
    let name = s.text("cwmp.auth");
    let scheme = match name.as_str() {
        "open" => CpeAuthScheme::Open,
        "basic" => CpeAuthScheme::Basic,
        "digest" => CpeAuthScheme::Digest,
        _ => {
            s.problem("cwmp.auth", &format!("`{name}` is not `open`, `basic` or `digest`"));
            CpeAuthScheme::Digest
        }
    };
    let mut auth = CpeAuth::new(scheme);
    auth.realm = s.text("cwmp.realm");
    if auth.realm.is_empty() || auth.realm.contains(['"', '\\']) || auth.realm.chars().any(char::is_control) {
        s.problem("cwmp.realm", "it must have at least one character, and no quotation marks or backslashes");
    }
    auth.allow_basic_over_http = s.flag("cwmp.basic_without_tls");
    auth
}

fn shared_credentials(s: &mut Settings) -> Option<(String, Secret)> {
    let (user, password) = (s.text("cwmp.user"), s.text("cwmp.password"));
    match (user.is_empty(), password.is_empty()) {
        (true, true) => None,
        (false, false) => Some((user, Secret::new(password))),
        (true, false) => {
            s.problem("cwmp.user", "a user name is needed beside the password");
            None
        }
        (false, true) => {
            s.problem("cwmp.password", "a password is needed beside the user name");
            None
        }
    }
}

fn admin_token(s: &mut Settings) -> Secret {
    let token = s.text("api.admin_token");
    if !token.is_empty() && (token.len() < 16 || !token.bytes().all(|b| b.is_ascii_graphic())) {
        s.problem("api.admin_token", "a token has at least 16 characters and no spaces");
    }
    Secret::new(token)
}

fn first_contact(s: &mut Settings) -> FirstContact {
    let name = s.text("provisioning.first_contact");
    FirstContact::parse(&name).unwrap_or_else(|| {
        s.problem("provisioning.first_contact", &format!("`{name}` is not `none`, `credentials` or `discover`"));
        FirstContact::None
    })
}

fn connection_requests(s: &mut Settings) -> acs_connreq::Config {
    let mut config = acs_connreq::Config::default();
    let interval = Duration::from_secs(s.number("connection_requests.interval_seconds", 0..=3600));
    config.min_interval = interval;
    config.policy.allow_loopback = s.flag("connection_requests.allow_loopback");
    config.policy.only = s.list("connection_requests.only", "a network such as 10.0.0.0/8");
    config.policy.own_networks = s.list("connection_requests.own_networks", "a network such as 10.0.0.0/8");
    config
}

fn log(s: &mut Settings) -> LogConfig {
    let name = s.text("log.format");
    let format = LogFormat::parse(&name).unwrap_or_else(|| {
        s.problem("log.format", &format!("`{name}` is not `text` or `json`"));
        LogFormat::Text
    });
    LogConfig { format, filter: s.text("log.filter") }
}

/// The address that others use for a listener: loopback stands for "any".
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let loopback = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(loopback, listener.port())
}

/// The key ring as the seal of stored secrets.
pub(crate) struct StoreSeal(pub(crate) Arc<acs_keyring::KeyRing>);

impl acs_proto::records::SecretSeal for StoreSeal {
    fn seal(&self, plain: &str) -> Vec<u8> {
        self.0.seal(acs_keyring::Purpose::Secret, plain.as_bytes(), &[])
    }

    fn open(&self, sealed: &[u8]) -> Option<String> {
        String::from_utf8(self.0.unseal(acs_keyring::Purpose::Secret, sealed, &[]).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        let config = DevConfig::from_settings(Settings::defaults()).unwrap();
        assert_eq!(config.cwmp_listen.to_string(), "127.0.0.1:7547");
        assert!(!config.connection_requests.policy.allow_loopback, "P25");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let mut settings = Settings::defaults();
        for (key, value) in [
            ("cwmp.auth", "none"),
            ("cwmp.tls_key", "key.pem"),
            ("cwmp.user", "acs"),
            ("api.admin_token", "short"),
            ("provisioning.first_contact", "all"),
            ("connection_requests.only", "10.0.0.0/99"),
            ("log.format", "xml"),
        ] {
            settings.add_flag("x", key, Some(value.to_owned()));
        }
        let told = DevConfig::from_settings(settings).unwrap_err().to_string();
        assert!(told.starts_with("the configuration has 7 problem(s):"), "{told}");
    }
}
