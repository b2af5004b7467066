//! The event log on Apache Kafka: what billing, BSS and data lakes read (`docs/events.md` is their contract).
//!
//! [`KafkaSink`] appends: all in-sync replicas have a record, or the caller is told within the deadline. [`KafkaLog`] is read
//! by the API and by `lastmile events`; [`KafkaConsumer`] is a member of a group that works on every record.
//! [`check_topics`] refuses topics that cannot hold what is promised, [`create_topics`] makes them.
//!
//! Invariants:
//! - A record's bytes and headers are CloudEvents 1.0 in binary mode, key and partition follow from the device alone.
//! - `Ok` of an append means acknowledged by all in-sync replicas (P7); the same record again has the same id (P8).
//! - The client's queue is never the only copy of what a receipt stands on.
//! - Nothing but this crate knows the driver.
//!
//! Others decide what is emitted and where a record goes while Kafka is away (`acs-cwmp-server`, `acs-provisioning`).
//!
//! Where to start: [`KafkaSink`]; then `tests/`.

mod config;
mod consumer;
mod group;
mod log;
mod message;
mod metrics;
mod producer;
mod sink;
mod topics;

pub use config::{Compression, ConfigError, Format, KafkaConfig, Sasl, SaslMechanism, Tls};
pub use consumer::{KafkaConsumer, WORK_TOPICS};
pub use group::KafkaGroup;
pub use log::KafkaLog;
pub use message::{RECORD_MAX, SCHEMA};
pub use metrics::Metrics;
pub use sink::KafkaSink;
pub use topics::{NewTopics, TopicsError, check_topics, cluster_id, create_topics};

use rdkafka::config::RDKafkaLogLevel;

/// A line of the client's log. It retries by itself, so most of what it calls an error is none for us yet.
fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "Kafka client");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "Kafka client"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(facility, message, "Kafka client");
        }
    }
}

/// The driver: only for tests that play other programs, which put foreign messages into topics or take some out.
#[doc(hidden)]
pub use rdkafka;
