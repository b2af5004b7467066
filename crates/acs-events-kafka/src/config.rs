use std::path::PathBuf;
use std::time::Duration;

use acs_events::Topic;
use acs_types::Secret;
use rdkafka::ClientConfig;

/// Where Kafka is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// How brokers name this process in their logs and quotas.
    pub client_id: String,
    /// Before the name of each topic; for several installations on one cluster.
    pub topic_prefix: String,
    /// Partitions of each topic, the same for all and for ever: a device's records are where its id says.
    pub partitions: u32,
    /// Encryption to the brokers; `None`: plain text.
    pub tls: Option<Tls>,
    /// How this process proves who it is; `None`: by its certificate or not at all.
    pub sasl: Option<Sasl>,
    /// How records are written. Both forms are read, whatever this says.
    pub format: Format,
    /// How batches are packed.
    pub compression: Compression,
    /// How long a record waits for others of its partition; at most half of `delivery_deadline`.
    pub linger: Duration,
    /// A record that is not acknowledged so soon opens the breaker (`design.md` §3.5).
    pub delivery_deadline: Duration,
    /// Whether topics may be less durable than the receipt rule asks for: only where nothing is promised (`dev`, tests).
    pub allow_weak_topics: bool,
}

/// Encryption to the brokers.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Who may sign a broker's certificate, as a PEM file; `None`: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// PEM files of this process's certificate chain and of its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A name and a password.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// How they are shown.
    pub mechanism: SaslMechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How name and password are shown to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// As they are: only over TLS.
    Plain,
    /// RFC 7677.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
}

/// How records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// `lastmile.v1.EventRecord` in the binary form.
    #[default]
    Protobuf,
    /// The same message in the JSON form of protobuf.
    Json,
}

/// How batches are packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Quick.
    #[default]
    Lz4,
    /// Smaller, for more CPU.
    Zstd,
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No broker.
    #[error("no Kafka broker is configured; set bootstrap servers such as kafka-0:9092,kafka-1:9092")]
    NoBroker,
    /// Would show the password.
    #[error("SASL PLAIN shows the password to everyone on the way; use it with TLS, or SCRAM")]
    PlainWithoutTls,
    /// A count or time out of its range.
    #[error("{setting} is {value}; it must be {range}")]
    OutOfRange {
        /// Which.
        setting: &'static str,
        /// As given.
        value: String,
        /// What is possible.
        range: &'static str,
    },
    /// The Kafka client refuses it.
    #[error("the Kafka client does not take the settings: {0}")]
    Refused(String),
}

/// Partitions of a topic at most: the text of positions has a limit.
const PARTITIONS_MAX: u32 = 128;
/// Bytes that wait in the client to be sent.
const QUEUE_KIB: u32 = 128 << 10;

impl KafkaConfig {
    /// Plain text to these brokers, everything else as in the documentation.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "lastmile".to_owned(),
            topic_prefix: String::new(),
            partitions: 12,
            tls: None,
            sasl: None,
            format: Format::default(),
            compression: Compression::default(),
            linger: Duration::from_millis(2),
            delivery_deadline: Duration::from_secs(2),
            allow_weak_topics: false,
        }
    }

    /// The whole name of a topic.
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.topic_prefix, topic.as_str())
    }

    /// The topic that has this whole name.
    pub(crate) fn topic_of(&self, name: &str) -> Option<Topic> {
        Topic::parse(name.strip_prefix(&self.topic_prefix)?)
    }

    /// Whether these settings can work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.bootstrap_servers.trim().is_empty() {
            return Err(ConfigError::NoBroker);
        }
        if self.tls.is_none() && self.sasl.as_ref().is_some_and(|sasl| sasl.mechanism == SaslMechanism::Plain) {
            return Err(ConfigError::PlainWithoutTls);
        }
        let out = |setting, value: String, range| Err(ConfigError::OutOfRange { setting, value, range });
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return out("the number of partitions", self.partitions.to_string(), "1 to 128");
        }
        let deadline = self.delivery_deadline;
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&deadline) {
            return out("the delivery deadline", format!("{deadline:?}"), "100 ms to 60 s");
        }
        if self.linger > deadline / 2 {
            return out("linger", format!("{:?}", self.linger), "at most half of the delivery deadline");
        }
        Ok(())
    }

    /// What every client has.
    pub(crate) fn client(&self) -> Result<ClientConfig, ConfigError> {
        self.check()?;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", &self.client_id)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("allow.auto.create.topics", "false");
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        client.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            match &tls.ca_file {
                Some(file) => client.set("ssl.ca.location", file.to_string_lossy()),
                None => client.set("ssl.ca.location", "probe"),
            };
            if let Some((chain, key)) = &tls.certificate {
                client.set("ssl.certificate.location", chain.to_string_lossy());
                client.set("ssl.key.location", key.to_string_lossy());
            }
        }
        if let Some(sasl) = &self.sasl {
            client
                .set("sasl.mechanism", sasl.mechanism.as_str())
                .set("sasl.username", &sasl.username)
                .set("sasl.password", sasl.password.reveal());
        }
        Ok(client)
    }

    /// A producer's: each setting that the receipt rule stands on (`design.md` §7).
    pub(crate) fn producer(&self) -> Result<ClientConfig, ConfigError> {
        let deadline = self.delivery_deadline.as_millis().to_string();
        let mut client = self.client()?;
        client
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // One, and not the five of `design.md` §7: of a producer that it does not know yet a broker takes any number, and when
            // it refused a batch and took the next, the client calls the refused one acknowledged
            // (`rd_kafka_dr_implicit_ack`). What waits for its turn makes larger batches.
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.timeout.ms", &deadline)
            .set("request.timeout.ms", &deadline)
            // As the Java client chooses, so that others find a device where they expect it.
            .set("partitioner", "murmur2_random")
            .set("compression.type", self.compression.as_str())
            .set("linger.ms", self.linger.as_millis().to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string());
        Ok(client)
    }
}

impl SaslMechanism {
    /// Its name in RFC 4422.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Compression {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> KafkaConfig {
        KafkaConfig::new("127.0.0.1:9092")
    }

    fn sasl(mechanism: SaslMechanism) -> Option<Sasl> {
        Some(Sasl { mechanism, username: "lastmile".into(), password: Secret::new("correct-horse") })
    }

    #[test]
    fn a_producer_has_what_the_receipt_rule_stands_on() {
        let producer = config().producer().unwrap();
        for (setting, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "1"),
            ("message.timeout.ms", "2000"),
            ("partitioner", "murmur2_random"),
            ("compression.type", "lz4"),
            ("linger.ms", "2"),
            ("security.protocol", "plaintext"),
        ] {
            assert_eq!(producer.get(setting), Some(value), "{setting}");
        }
    }

    #[test]
    fn tls_and_sasl_are_told_to_the_client() {
        let files = ("chain.pem".into(), "key.pem".into());
        let tls = Some(Tls { ca_file: Some("ca.pem".into()), certificate: Some(files) });
        let client = KafkaConfig { tls, sasl: sasl(SaslMechanism::ScramSha512), ..config() }.client().unwrap();
        let told = ["security.protocol", "sasl.mechanism", "ssl.ca.location", "ssl.certificate.location"];
        let told = told.map(|setting| client.get(setting).unwrap());
        assert_eq!(told, ["sasl_ssl", "SCRAM-SHA-512", "ca.pem", "chain.pem"]);
        let without = KafkaConfig { sasl: sasl(SaslMechanism::ScramSha256), ..config() }.client().unwrap();
        assert_eq!(without.get("security.protocol"), Some("sasl_plaintext"));
    }

    #[test]
    fn a_password_is_not_shown_p26() {
        let plain = KafkaConfig { sasl: sasl(SaslMechanism::Plain), ..config() };
        assert_eq!(plain.check(), Err(ConfigError::PlainWithoutTls));
        assert!(!format!("{plain:?}").contains("correct-horse"));
        assert_eq!(KafkaConfig { tls: Some(Tls::default()), ..plain }.check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_range() {
        assert_eq!(KafkaConfig::new(" ").check(), Err(ConfigError::NoBroker));
        for (partitions, good) in [(0, false), (1, true), (128, true), (129, false)] {
            assert_eq!(KafkaConfig { partitions, ..config() }.check().is_ok(), good, "{partitions} partitions");
        }
        for (millis, good) in [(99, false), (100, true), (60_000, true), (60_001, false)] {
            let delivery_deadline = Duration::from_millis(millis);
            assert_eq!(KafkaConfig { delivery_deadline, ..config() }.check().is_ok(), good, "{millis} ms");
        }
        for (millis, good) in [(1000, true), (1001, false)] {
            let linger = Duration::from_millis(millis);
            assert_eq!(KafkaConfig { linger, ..config() }.check().is_ok(), good, "linger {millis} ms");
        }
    }

    #[test]
    fn topics_have_the_prefix() {
        let config = KafkaConfig { topic_prefix: "north.".into(), ..config() };
        assert_eq!(config.topic(Topic::Inform), "north.acs.inform.v1");
        assert_eq!(config.topic_of("north.acs.inform.v1"), Some(Topic::Inform));
        assert_eq!(config.topic_of("acs.inform.v1"), None);
    }
}
