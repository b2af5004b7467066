//! The sections of the roles that run as processes of their own: what they are reached by and what they stand on.

use std::net::SocketAddr;
use std::path::PathBuf;

use acs_events_kafka::{Compression, Format, KafkaConfig, NewTopics, Sasl, SaslMechanism, Tls};
use acs_proto::remote::{PeerName, TlsFiles};
use acs_session_redis::{RedisConfig, RedisCredentials, RedisMode, RedisTls};
use acs_store_scylla::{CqlCredentials, CqlTls, Replication, Retention, ScyllaConfig};
use acs_types::Secret;

use super::sections;
use crate::settings::Settings;

/// Where probes ask.
pub(crate) fn health_listen(s: &mut Settings) -> SocketAddr {
    sections::listen(s, "health.listen")
}

/// Where the key ring lies.
pub(crate) fn key_folder(s: &mut Settings) -> PathBuf {
    match s.text("keys.dir") {
        folder if folder.is_empty() => sections::data_folder(s).join(crate::keys::FOLDER),
        folder => folder.into(),
    }
}

/// What a process proves itself with to other roles.
pub(crate) fn identity(s: &mut Settings) -> TlsFiles {
    let file = |s: &mut Settings, key: &str, what: &str| {
        let path = s.text(key);
        if path.is_empty() {
            s.problem(key, &format!("{what} is needed: gRPC between roles is mutual TLS"));
        }
        PathBuf::from(path)
    };
    TlsFiles {
        certificates: file(s, "grpc.tls_cert", "a certificate"),
        key: file(s, "grpc.tls_key", "the certificate's key"),
        authorities: file(s, "grpc.tls_ca", "a file of authorities"),
    }
}

/// Where the processes of a role are.
pub(crate) fn peers(s: &mut Settings, key: &str) -> Vec<PeerName> {
    let names = s.list(key, "host:port");
    if names.is_empty() {
        s.problem(key, "at least one host:port is needed");
    }
    names
}

/// The event log.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    /// How it is spoken to.
    pub(crate) client: KafkaConfig,
    /// How topics are made.
    pub(crate) topics: NewTopics,
}

impl Kafka {
    pub(crate) fn read(s: &mut Settings) -> Self {
        let brokers: Vec<String> = s.list("kafka.brokers", "host:port");
        let client = KafkaConfig {
            topic_prefix: s.text("kafka.topic_prefix"),
            partitions: narrow(s.number("kafka.partitions", 1..=128)),
            tls: kafka_tls(s),
            sasl: sasl(s),
            format: one_of(s, "kafka.format", &[("protobuf", Format::Protobuf), ("json", Format::Json)]),
            compression: one_of(
                s,
                "kafka.compression",
                &[("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)],
            ),
            allow_weak_topics: s.flag("kafka.allow_weak_topics"),
            ..KafkaConfig::new(brokers.join(","))
        };
        let topics = NewTopics {
            retention: sections::days(s.number("kafka.retention_days", 1..=3650)),
            replication: narrow(s.number("kafka.replication", 1..=9)),
        };
        if let Err(error) = client.check() {
            s.problem("kafka.brokers", &error.to_string());
        }
        Self { client, topics }
    }
}

fn kafka_tls(s: &mut Settings) -> Option<Tls> {
    let tls =
        Tls { ca_file: optional(s.text("kafka.tls_ca")), certificate: pair(s, "kafka.tls_cert", "kafka.tls_key") };
    let is_on = s.flag("kafka.tls");
    if !is_on && (tls.ca_file.is_some() || tls.certificate.is_some()) {
        s.problem("kafka.tls", "files for TLS are named, but it is off");
    }
    is_on.then_some(tls)
}

fn sasl(s: &mut Settings) -> Option<Sasl> {
    const NAMES: [(&str, Option<SaslMechanism>); 4] = [
        ("", None),
        ("plain", Some(SaslMechanism::Plain)),
        ("scram-sha-256", Some(SaslMechanism::ScramSha256)),
        ("scram-sha-512", Some(SaslMechanism::ScramSha512)),
    ];
    let (username, password) = (s.text("kafka.sasl_user"), Secret::new(s.text("kafka.sasl_password")));
    let mechanism = one_of(s, "kafka.sasl", &NAMES);
    match (mechanism, username.is_empty()) {
        (Some(_), true) => s.problem("kafka.sasl_user", "a user name is needed for SASL"),
        (None, false) => s.problem("kafka.sasl", "a user name is given, but no mechanism"),
        _ => {}
    }
    mechanism.map(|mechanism| Sasl { mechanism, username, password })
}

/// The store.
pub(crate) fn store(s: &mut Settings) -> ScyllaConfig {
    let nodes: Vec<PeerName> = s.list("store.nodes", "host:port");
    if nodes.is_empty() {
        s.problem("store.nodes", "at least one host:port is needed");
        // That is all to say about it.
        return ScyllaConfig::new(Vec::new(), "");
    }
    let copies = u8::try_from(s.number("store.replication", 1..=9)).unwrap_or(u8::MAX);
    let datacenter = Some(s.text("store.datacenter")).filter(|name| !name.is_empty());
    let (username, password) = (s.text("store.user"), Secret::new(s.text("store.password")));
    if username.is_empty() && !password.reveal().is_empty() {
        s.problem("store.user", "a user name is needed beside the password");
    }
    let (ca, client) = (optional(s.text("store.tls_ca")), pair(s, "store.tls_cert", "store.tls_key"));
    if ca.is_none() && client.is_some() {
        s.problem("store.tls_ca", "authorities are needed beside a client certificate");
    }
    let history = Some(sections::history(s));
    let config = ScyllaConfig {
        replication: match &datacenter {
            Some(name) => Replication::Datacenters([(name.clone(), copies)].into()),
            None => Replication::Simple(copies),
        },
        local_datacenter: datacenter,
        credentials: (!username.is_empty()).then_some(CqlCredentials { username, password }),
        tls: ca.map(|ca| CqlTls { ca, client }),
        retention: Retention { history, audit: history },
        ..ScyllaConfig::new(nodes.iter().map(ToString::to_string).collect(), s.text("store.keyspace"))
    };
    if let Err(error) = config.check() {
        s.problem("store.nodes", &error.to_string());
    }
    config
}

/// The session cache.
pub(crate) fn redis(s: &mut Settings) -> RedisConfig {
    let sentinel = RedisMode::Sentinel { master: s.text("redis.sentinel_master") };
    let modes = [("single", RedisMode::Single), ("sentinel", sentinel), ("cluster", RedisMode::Cluster)];
    let config = RedisConfig {
        urls: s.list("redis.urls", "redis://host:port"),
        mode: one_of(s, "redis.mode", &modes),
        tls: RedisTls { ca: optional(s.text("redis.tls_ca")), client: pair(s, "redis.tls_cert", "redis.tls_key") },
        credentials: redis_login(s, "redis.user", "redis.password"),
        sentinel_credentials: redis_login(s, "redis.sentinel_user", "redis.sentinel_password"),
        key_prefix: s.text("redis.key_prefix"),
        ..RedisConfig::default()
    };
    if let Err(error) = config.check() {
        s.problem("redis.urls", &error.to_string());
    }
    config
}

fn redis_login(s: &Settings, user: &str, password: &str) -> Option<RedisCredentials> {
    let (user, password) = (s.text(user), s.text(password));
    let username = (!user.is_empty()).then_some(user);
    (username.is_some() || !password.is_empty()).then(|| RedisCredentials { username, password: Secret::new(password) })
}

/// The choice named by a key; a name that is none of them is a problem.
fn one_of<T: Clone>(s: &mut Settings, key: &str, choices: &[(&str, T)]) -> T {
    let name = s.text(key);
    if let Some((_, choice)) = choices.iter().find(|(choice, _)| *choice == name) {
        return choice.clone();
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    s.problem(key, &format!("`{name}` is none of {}", names.join(", ")));
    choices[0].1.clone()
}

fn optional(path: String) -> Option<PathBuf> {
    (!path.is_empty()).then(|| path.into())
}

/// Two files of which neither does without the other.
fn pair(s: &mut Settings, certificate: &str, key: &str) -> Option<(PathBuf, PathBuf)> {
    match (optional(s.text(certificate)), optional(s.text(key))) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (None, Some(_)) => {
            s.problem(certificate, "a certificate is needed beside its key");
            None
        }
        (Some(_), None) => {
            s.problem(key, "a key is needed beside the certificate");
            None
        }
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::defaults();
        let enough = [("kafka.brokers", "k:9092"), ("store.nodes", "c:9042"), ("grpc.tls_ca", "ca.pem")];
        for (key, value) in enough.iter().chain(pairs) {
            settings.add_flag("x", key, Some((*value).to_owned()));
        }
        settings
    }

    fn all(s: &mut Settings) -> (Kafka, ScyllaConfig, RedisConfig) {
        (Kafka::read(s), store(s), redis(s))
    }

    #[test]
    fn what_is_configured_reaches_the_adapters() {
        let settings = settings(&[
            ("kafka.brokers", "k1:9092, k2:9092"),
            ("kafka.tls", "true"),
            ("kafka.sasl", "scram-sha-512"),
            ("kafka.sasl_user", "acs"),
            ("kafka.format", "json"),
            ("store.datacenter", "north"),
            ("store.user", "acs"),
            ("data.history_days", "10"),
            ("redis.mode", "cluster"),
            ("redis.urls", "redis://r1:6379,redis://r2:6379"),
        ]);
        let (kafka, store, redis) = read(settings, all).unwrap();
        assert_eq!(kafka.client.bootstrap_servers, "k1:9092,k2:9092");
        assert_eq!(kafka.client.format, Format::Json);
        assert_eq!(kafka.client.sasl.map(|sasl| sasl.mechanism), Some(SaslMechanism::ScramSha512));
        assert_eq!((kafka.topics.replication, kafka.client.allow_weak_topics), (3, false));
        assert_eq!(store.replication, Replication::Datacenters([("north".to_owned(), 3)].into()));
        assert_eq!(store.retention.history.map(|time| time.as_secs()), Some(10 * 24 * 3600));
        assert_eq!((redis.mode, redis.urls.len()), (RedisMode::Cluster, 2));
    }

    #[test]
    fn halves_are_told_and_nothing_is_passed_over() {
        for (key, value, told) in [
            ("kafka.tls_ca", "ca.pem", "kafka.tls (default): files for TLS are named, but it is off"),
            ("kafka.tls_cert", "c.pem", "kafka.tls_key (default): a key is needed beside the certificate"),
            ("kafka.sasl_user", "acs", "kafka.sasl (default): a user name is given, but no mechanism"),
            ("kafka.sasl", "plain", "kafka.sasl_user (default): a user name is needed for SASL"),
            ("kafka.sasl", "none", "`none` is none of ``, `plain`, `scram-sha-256`, `scram-sha-512`"),
            ("store.password", "secret", "store.user (default): a user name is needed beside the password"),
            ("store.nodes", "c", "`c` is not host:port"),
            ("store.replication", "0", "0 is not a whole number from 1 to 9"),
            ("redis.urls", "r:6379", "must have the form redis://host:port"),
        ] {
            let problems = read(settings(&[(key, value)]), all).unwrap_err().to_string();
            assert!(problems.contains(told), "{key}: {told:?} is missing in:\n{problems}");
            assert!(!problems.contains("secret"), "P26: {problems}");
        }
        let halves = settings(&[("store.tls_cert", "c.pem"), ("store.tls_key", "k.pem")]);
        let problems = read(halves, all).unwrap_err().to_string();
        assert!(problems.contains("store.tls_ca (default): authorities are needed"), "{problems}");
    }
}
