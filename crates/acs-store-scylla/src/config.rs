use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use acs_types::{Secret, Tenant};

/// Where the CQL cluster is, who enters it, and how long things wait and stay.
#[derive(Debug, Clone)]
pub struct ScyllaConfig {
    /// `host:port` of some nodes; the others are found through them. 1 to [`Self::CONTACT_POINTS_MAX`].
    pub contact_points: Vec<String>,
    /// The keyspace: a small letter, then up to 47 small letters, digits and `_`.
    pub keyspace: String,
    /// The data centre whose nodes are asked and whose replicas make a quorum. May be left out where there is only one.
    pub local_datacenter: Option<String>,
    /// How the keyspace is made by [`crate::migrate()`]; one that exists keeps what it has.
    pub replication: Replication,
    /// Who enters; `None`: without a login.
    pub credentials: Option<CqlCredentials>,
    /// Encrypts the connections; `None`: plain text.
    pub tls: Option<CqlTls>,
    /// Whose records a store reads and writes: part of every partition key.
    pub tenant: Tenant,
    /// How long history stays.
    pub retention: Retention,
    /// How long one request may take before its outcome counts as unknown. Not zero.
    pub request_timeout: Duration,
    /// How long a connection may take to come. Not zero.
    pub connect_timeout: Duration,
}

/// How many copies there are, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replication {
    /// So many in one data centre: for tests and single nodes.
    Simple(u8),
    /// So many in each of these data centres.
    Datacenters(BTreeMap<String, u8>),
}

/// A role of the cluster.
#[derive(Debug, Clone)]
pub struct CqlCredentials {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

/// PEM files. The nodes' certificates have to name the addresses the nodes announce.
#[derive(Debug, Clone)]
pub struct CqlTls {
    /// The authorities that signed the nodes' certificates.
    pub ca: PathBuf,
    /// The client's certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How long history stays; `None`: until [`acs_store::History::drop_history`] takes it.
///
/// The time counts from the writing, and the store itself lets rows go: `drop_history` has nothing to do for what is older
/// anyway, and reads the history of every device only where it is asked for less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Sessions, faults, refused Informs and final tasks (P1).
    pub history: Option<Duration>,
    /// The audit log (P27).
    pub audit: Option<Duration>,
}

/// A [`ScyllaConfig`] that cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CQL store: {field} {problem}")]
pub struct ConfigError {
    /// The field of [`ScyllaConfig`].
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl ScyllaConfig {
    /// Contact points at most.
    pub const CONTACT_POINTS_MAX: usize = 64;
    const KEYSPACE_BYTES_MAX: usize = 48;

    /// The defaults: tenant `default`, three copies, 400 days, plain text without a login.
    pub fn new(contact_points: Vec<String>, keyspace: impl Into<String>) -> Self {
        Self {
            contact_points,
            keyspace: keyspace.into(),
            local_datacenter: None,
            replication: Replication::Simple(3),
            credentials: None,
            tls: None,
            tenant: Tenant::default(),
            retention: Retention::default(),
            request_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// Whether it can serve.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=Self::CONTACT_POINTS_MAX).contains(&self.contact_points.len()) {
            return wrong("contact_points", format!("needs 1 to {} addresses", Self::CONTACT_POINTS_MAX));
        }
        if !is_keyspace(&self.keyspace) {
            return wrong("keyspace", "needs a small letter, then up to 47 small letters, digits and `_`");
        }
        let copies: Vec<u8> = match &self.replication {
            Replication::Simple(copies) => vec![*copies],
            Replication::Datacenters(datacenters) => datacenters.values().copied().collect(),
        };
        if copies.is_empty() || copies.contains(&0) {
            return wrong("replication", "needs at least one copy in each data centre");
        }
        if matches!(&self.replication, Replication::Datacenters(all) if !all.keys().all(|name| is_datacenter(name))) {
            return wrong(
                "replication",
                "names a data centre with characters beside letters, digits, `-`, `_` and `.`",
            );
        }
        for (field, time) in [("request_timeout", self.request_timeout), ("connect_timeout", self.connect_timeout)] {
            if time.as_millis() == 0 {
                return wrong(field, "must be at least a millisecond");
            }
        }
        for (field, time) in [("retention.history", self.retention.history), ("retention.audit", self.retention.audit)]
        {
            if time.is_some_and(|time| !(1..=Retention::SECONDS_MAX).contains(&time.as_secs())) {
                return wrong(field, "must be between a second and 18 years");
            }
        }
        Ok(())
    }
}

impl Retention {
    /// CQL keeps no time to live over 20 years; windows are kept up to two months longer than their rows.
    const SECONDS_MAX: u64 = 18 * 365 * 24 * 3600;

    /// Nothing goes by itself.
    pub const FOR_EVER: Self = Self { history: None, audit: None };
}

impl Default for Retention {
    /// 400 days.
    fn default() -> Self {
        let days = Some(Duration::from_secs(400 * 24 * 3600));
        Self { history: days, audit: days }
    }
}

fn is_keyspace(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= ScyllaConfig::KEYSPACE_BYTES_MAX
        && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(rest)
}

fn is_datacenter(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn wrong<T>(field: &'static str, problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError { field, problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ScyllaConfig {
        ScyllaConfig::new(vec!["127.0.0.1:9042".into()], "lastmile")
    }

    fn refused(change: impl FnOnce(&mut ScyllaConfig)) -> &'static str {
        let mut config = config();
        change(&mut config);
        config.check().expect_err("it cannot serve").field
    }

    #[test]
    fn what_cannot_serve_is_refused_with_its_field() {
        assert_eq!(config().check(), Ok(()));
        assert_eq!(refused(|c| c.contact_points.clear()), "contact_points");
        assert_eq!(refused(|c| c.contact_points = vec![String::new(); 65]), "contact_points");
        for name in ["", "Lastmile", "1a", "a-b", "a\"; DROP", &"a".repeat(49)] {
            assert_eq!(refused(|c| c.keyspace = name.into()), "keyspace", "{name}");
        }
        assert_eq!(refused(|c| c.replication = Replication::Simple(0)), "replication");
        assert_eq!(refused(|c| c.replication = Replication::Datacenters(BTreeMap::new())), "replication");
        assert_eq!(
            refused(|c| c.replication = Replication::Datacenters([("a'b".to_owned(), 3)].into())),
            "replication"
        );
        assert_eq!(refused(|c| c.request_timeout = Duration::ZERO), "request_timeout");
        assert_eq!(refused(|c| c.retention.history = Some(Duration::ZERO)), "retention.history");
        assert_eq!(refused(|c| c.retention.audit = Some(Duration::from_secs(u64::MAX))), "retention.audit");
    }

    #[test]
    fn the_longest_keyspace_and_retention_serve() {
        let longest = Some(Duration::from_secs(Retention::SECONDS_MAX));
        let retention = Retention { history: longest, audit: longest };
        assert_eq!(ScyllaConfig { keyspace: "a".repeat(48), retention, ..config() }.check(), Ok(()));
    }

    #[test]
    fn p26_the_password_is_not_in_the_debug_text() {
        let credentials = Some(CqlCredentials { username: "acs".into(), password: Secret::new("canary-secret") });
        assert!(!format!("{:?}", ScyllaConfig { credentials, ..config() }).contains("canary-secret"));
    }
}
