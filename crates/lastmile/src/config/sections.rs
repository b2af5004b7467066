//! The sections of the configuration that are the same for `dev` and for the roles.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use acs_cwmp_server::{CpeAuth, CpeAuthScheme};
use acs_provisioning::FirstContact;
use acs_telemetry::{LogConfig, LogFormat};
use acs_types::Secret;

use crate::settings::Settings;

/// What a front-end is told.
#[derive(Debug)]
pub(crate) struct Cwmp {
    /// Where CPEs connect.
    pub(crate) listen: SocketAddr,
    /// Certificate chain and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// How CPEs prove who they are.
    pub(crate) auth: CpeAuth,
    /// The idle time-out of sessions.
    pub(crate) session_timeout: Duration,
    /// Connections in all and from one address.
    pub(crate) connections: (usize, usize),
    /// Sessions at a time.
    pub(crate) sessions: usize,
    /// The largest message.
    pub(crate) message_bytes: usize,
}

impl Cwmp {
    pub(crate) fn read(s: &mut Settings) -> Self {
        Self {
            listen: listen(s, "cwmp.listen"),
            tls: tls(s),
            auth: auth(s),
            session_timeout: Duration::from_secs(s.number("cwmp.session_timeout_seconds", 30..=3600)),
            connections: (count(s, "cwmp.connections"), count(s, "cwmp.connections_per_address")),
            sessions: count(s, "cwmp.sessions"),
            message_bytes: bounded(s.number("cwmp.message_kib", 32..=1 << 20) << 10),
        }
    }
}

/// What the API is told.
#[derive(Debug)]
pub(crate) struct Api {
    /// Where people and programs connect.
    pub(crate) listen: SocketAddr,
    /// The administrator's token; empty: none configured.
    pub(crate) admin_token: Secret,
}

impl Api {
    pub(crate) fn read(s: &mut Settings) -> Self {
        Self { listen: listen(s, "api.listen"), admin_token: admin_token(s) }
    }
}

/// What the file server is told.
#[derive(Debug)]
pub(crate) struct Files {
    /// Where devices fetch files.
    pub(crate) listen: SocketAddr,
    /// Certificate chain and key, those of the front-end.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// How devices reach it; empty: by the listen address.
    pub(crate) public_url: String,
    /// The largest file.
    pub(crate) file_bytes: u64,
}

impl Files {
    pub(crate) fn read(s: &mut Settings) -> Self {
        Self {
            listen: listen(s, "files.listen"),
            tls: tls(s),
            public_url: s.text("files.public_url"),
            file_bytes: s.number("files.file_mib", 1..=1 << 20) << 20,
        }
    }
}

/// What provisioning is told.
#[derive(Debug)]
pub(crate) struct Provisioning {
    /// What first contact does.
    pub(crate) first_contact: FirstContact,
    /// What devices share.
    pub(crate) shared_credentials: Option<(String, Secret)>,
    /// Whether Basic is answered to connection-request challenges.
    pub(crate) connection_request_basic: bool,
    /// How long finished work is kept.
    pub(crate) history: Duration,
}

impl Provisioning {
    pub(crate) fn read(s: &mut Settings) -> Self {
        Self {
            first_contact: first_contact(s),
            shared_credentials: shared_credentials(s),
            connection_request_basic: s.flag("connection_requests.basic"),
            history: history(s),
        }
    }
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// How long finished work is kept.
pub(crate) fn history(s: &mut Settings) -> Duration {
    days(s.number("data.history_days", 1..=36_500))
}

pub(crate) fn bounded(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) fn count(s: &mut Settings, key: &str) -> usize {
    bounded(s.number(key, 1..=10_000_000))
}

pub(crate) fn listen(s: &mut Settings, key: &str) -> SocketAddr {
    let fallback = SocketAddr::from(([127, 0, 0, 1], 0));
    s.parsed(key, "an address and port, such as 127.0.0.1:7547 or [::]:7547", fallback)
}

pub(crate) fn data_folder(s: &mut Settings) -> PathBuf {
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

pub(crate) fn connection_requests(s: &mut Settings) -> acs_connreq::Config {
    let mut config = acs_connreq::Config::default();
    let interval = Duration::from_secs(s.number("connection_requests.interval_seconds", 0..=3600));
    config.min_interval = interval;
    config.policy.allow_loopback = s.flag("connection_requests.allow_loopback");
    config.policy.only = s.list("connection_requests.only", "a network such as 10.0.0.0/8");
    config.policy.own_networks = s.list("connection_requests.own_networks", "a network such as 10.0.0.0/8");
    config
}

pub(crate) fn log(s: &mut Settings) -> LogConfig {
    let name = s.text("log.format");
    let format = LogFormat::parse(&name).unwrap_or_else(|| {
        s.problem("log.format", &format!("`{name}` is not `text` or `json`"));
        LogFormat::Text
    });
    LogConfig { format, filter: s.text("log.filter") }
}
