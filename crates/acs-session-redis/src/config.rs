use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use acs_types::{Secret, Tenant};
use url::Url;

/// Where Redis is, who enters it, and how long a session may wait for it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://host:port`, or `rediss://host:port` by TLS: all the one or all the other, without credentials. One for
    /// [`RedisMode::Single`]; some of the Sentinels or of the Cluster's nodes for the others. 1 to [`Self::URLS_MAX`].
    pub urls: Vec<String>,
    /// What stands there.
    pub mode: RedisMode,
    /// Files for TLS.
    pub tls: RedisTls,
    /// Who enters Redis; `None`: without a login.
    pub credentials: Option<RedisCredentials>,
    /// Who enters the Sentinels, which have users of their own.
    pub sentinel_credentials: Option<RedisCredentials>,
    /// Begins each key, so that several installations may share a Redis: 1 to 64 letters, digits, `-`, `_`, `.`.
    pub key_prefix: String,
    /// Whose devices these are.
    pub tenant: Tenant,
    /// How long a call may take, with all that belongs to it; then it has failed. Not zero.
    pub time_budget: Duration,
    /// How long a connection may take to come, log-in and TLS included. It comes beside the calls. Not zero.
    pub connect_timeout: Duration,
    /// When calls are given up without trying.
    pub breaker: BreakerConfig,
    /// How long things are kept.
    pub lives: Lives,
    /// Bytes of a snapshot at most. Of a larger one nothing is kept, which costs a `resume`.
    pub snapshot_bytes_max: usize,
}

/// What kind of Redis it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Single,
    /// A master that Sentinels watch; they are asked for it at each connect.
    Sentinel {
        /// The master's name there.
        master: String,
    },
    /// A Redis Cluster.
    Cluster,
}

/// PEM files, read anew at each connect, so that rotated ones serve without a restart.
#[derive(Debug, Clone, Default)]
pub struct RedisTls {
    /// The authorities that signed the servers' certificates; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A user of Redis.
#[derive(Debug, Clone)]
pub struct RedisCredentials {
    /// The ACL user; `None`: the default user.
    pub username: Option<String>,
    /// The password.
    pub password: Secret,
}

/// When calls are given up without trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// It opens after so many failures without a success between. At least 1.
    pub failures: u32,
    /// How long it stays open; then one call tries for all. Not zero.
    pub pause: Duration,
}

/// How long things are kept. Every key has a life: nothing stays for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// A session, from its begin or its last touch; a touch counts once half of it is over.
    pub session: Duration,
    /// The last stamp and the work hint of a device, from its last session or hint.
    pub device: Duration,
    /// A (nonce, nc) pair: as long as any front-end may accept the nonce.
    pub nonce: Duration,
}

/// A [`RedisConfig`] that cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("redis: {field} {problem}")]
pub struct ConfigError {
    /// The field of [`RedisConfig`].
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl RedisConfig {
    /// Addresses at most.
    pub const URLS_MAX: usize = 64;
    const KEY_PREFIX_BYTES_MAX: usize = 64;
    /// Redis takes no larger one in a script without trouble; a snapshot has some KiB.
    const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

    /// Whether it can serve.
    ///
    /// # Errors
    /// Names the field. Credentials that stand in a URL are never repeated.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.addresses()?;
        let is_text = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let prefix = &self.key_prefix;
        if !(1..=Self::KEY_PREFIX_BYTES_MAX).contains(&prefix.len()) || !prefix.bytes().all(is_text) {
            return wrong("key_prefix", "needs 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        if matches!(&self.mode, RedisMode::Sentinel { master } if master.is_empty()) {
            return wrong("mode", "needs the name that the master has at the Sentinels");
        }
        let not_zero = [
            ("time_budget", self.time_budget),
            ("connect_timeout", self.connect_timeout),
            ("breaker.pause", self.breaker.pause),
            ("lives.session", self.lives.session),
            ("lives.device", self.lives.device),
            ("lives.nonce", self.lives.nonce),
        ];
        if let Some((field, _)) = not_zero.into_iter().find(|(_, time)| time.as_millis() == 0) {
            return wrong(field, "must be at least a millisecond");
        }
        if self.breaker.failures == 0 {
            return wrong("breaker.failures", "must be at least 1");
        }
        if self.snapshot_bytes_max > Self::SNAPSHOT_BYTES_MAX {
            return wrong("snapshot_bytes_max", format!("must be at most {}", Self::SNAPSHOT_BYTES_MAX));
        }
        Ok(())
    }

    /// Host and port of each URL; and whether TLS is spoken there.
    pub(crate) fn addresses(&self) -> Result<Addresses, ConfigError> {
        if !(1..=Self::URLS_MAX).contains(&self.urls.len()) {
            return wrong("urls", format!("needs 1 to {} addresses", Self::URLS_MAX));
        }
        if self.mode == RedisMode::Single && self.urls.len() != 1 {
            return wrong("urls", "names several servers: say whether they are Sentinels or a Cluster, or name one");
        }
        let parsed: Vec<(bool, String, u16)> = self.urls.iter().map(|url| parse(url)).collect::<Result<_, _>>()?;
        let tls = parsed.iter().any(|(tls, ..)| *tls);
        if parsed.iter().any(|(other, ..)| *other != tls) {
            return wrong("urls", "mixes redis:// and rediss://");
        }
        if !tls && (self.tls.ca.is_some() || self.tls.client.is_some()) {
            return wrong("tls", "names files, but the addresses are redis://; write rediss:// for TLS");
        }
        Ok(Addresses { tls, hosts: parsed.into_iter().map(|(_, host, port)| (host, port)).collect() })
    }
}

impl Default for RedisConfig {
    /// One Redis on this host, without TLS and login.
    fn default() -> Self {
        Self {
            urls: vec!["redis://127.0.0.1:6379".to_owned()],
            mode: RedisMode::Single,
            tls: RedisTls::default(),
            credentials: None,
            sentinel_credentials: None,
            key_prefix: "lastmile".to_owned(),
            tenant: Tenant::default(),
            time_budget: Duration::from_millis(30),
            connect_timeout: Duration::from_secs(2),
            breaker: BreakerConfig::default(),
            lives: Lives::default(),
            snapshot_bytes_max: 64 << 10,
        }
    }
}

impl Default for BreakerConfig {
    /// Open after 5 failures, for half a second.
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_millis(500) }
    }
}

impl Default for Lives {
    /// 30 minutes for a session, as long as its cookie is valid; a day for a device; 11 minutes for a nonce, which serves
    /// 60 s at a clock that may be 10 minutes behind the one that made it.
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self { session: minutes(30), device: minutes(24 * 60), nonce: minutes(11) }
    }
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<(String, u16)>,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}

/// Whether it is TLS, host, port.
fn parse(text: &str) -> Result<(bool, String, u16), ConfigError> {
    const FORM: &str = "must have the form redis://host:port, or rediss://host:port for TLS";
    let Ok(url) = Url::parse(text) else { return wrong("urls", FORM) };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("urls", "holds a user or a password; give them as credentials");
    }
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return wrong("urls", FORM),
    };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    match url.host_str().filter(|host| bare && !host.is_empty()) {
        // The driver wants an IPv6 address without its brackets.
        Some(host) => Ok((tls, host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(6379))),
        None => wrong("urls", FORM),
    }
}

fn wrong<T>(field: &'static str, problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError { field, problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut RedisConfig)) -> Result<(), ConfigError> {
        let mut config = RedisConfig::default();
        change(&mut config);
        config.check()
    }

    fn urls(urls: &[&str], mode: RedisMode) -> Result<Addresses, ConfigError> {
        let urls = urls.iter().map(|&url| url.to_owned()).collect();
        RedisConfig { urls, mode, ..RedisConfig::default() }.addresses()
    }

    #[test]
    fn addresses_are_read() {
        let hosts = |hosts: &[(&str, u16)]| hosts.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
        let single = urls(&["rediss://cache.example"], RedisMode::Single);
        assert_eq!(single, Ok(Addresses { tls: true, hosts: hosts(&[("cache.example", 6379)]) }));
        let cluster = urls(&["redis://10.0.0.1:1/", "redis://[::1]:2"], RedisMode::Cluster).unwrap();
        assert_eq!(cluster, Addresses { tls: false, hosts: hosts(&[("10.0.0.1", 1), ("::1", 2)]) });
        assert_eq!(cluster.to_string(), "10.0.0.1:1, ::1:2");
    }

    #[test]
    fn wrong_addresses_are_refused() {
        let (a, b) = ("redis://a", "redis://b");
        assert!(urls(&[a, b], RedisMode::Cluster).is_ok());
        for refused in
            [&[][..], &[a, b], &["http://a"], &["a:6379"], &["redis://a/1"], &["redis://"], &["redis://a?x=1"]]
        {
            assert_eq!(urls(refused, RedisMode::Single).unwrap_err().field, "urls", "{refused:?}");
        }
        assert_eq!(urls(&[a, "rediss://b"], RedisMode::Cluster).unwrap_err().field, "urls");
        assert!(urls(&[a; RedisConfig::URLS_MAX], RedisMode::Cluster).is_ok());
        assert!(urls(&[a; RedisConfig::URLS_MAX + 1], RedisMode::Cluster).is_err());
    }

    #[test]
    fn values_at_their_edges() {
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|c| c.key_prefix = "a".repeat(64)), Ok(()));
        assert_eq!(with(|c| c.snapshot_bytes_max = RedisConfig::SNAPSHOT_BYTES_MAX), Ok(()));
        let field = |change: fn(&mut RedisConfig)| with(change).unwrap_err().field;
        assert_eq!(field(|c| c.key_prefix = "a".repeat(65)), "key_prefix");
        assert_eq!(field(|c| c.key_prefix = String::new()), "key_prefix");
        assert_eq!(field(|c| c.key_prefix = "a{b}".to_owned()), "key_prefix");
        assert_eq!(field(|c| c.time_budget = Duration::from_micros(999)), "time_budget");
        assert_eq!(field(|c| c.breaker.failures = 0), "breaker.failures");
        assert_eq!(field(|c| c.snapshot_bytes_max = RedisConfig::SNAPSHOT_BYTES_MAX + 1), "snapshot_bytes_max");
        assert_eq!(field(|c| c.mode = RedisMode::Sentinel { master: String::new() }), "mode");
        assert_eq!(field(|c| c.tls.ca = Some("ca.pem".into())), "tls");
    }

    #[test]
    fn a_password_is_never_repeated_p26() {
        let error = with(|c| c.urls = vec!["redis://user:correct-horse@a".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "redis: urls holds a user or a password; give them as credentials");
        let credentials = RedisCredentials { username: None, password: Secret::new("correct-horse") };
        let config = RedisConfig { credentials: Some(credentials), ..RedisConfig::default() };
        assert!(!format!("{config:?}").contains("correct-horse"));
    }
}
