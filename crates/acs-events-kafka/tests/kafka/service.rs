//! Where the Kafka of the tests is, and topics of a test's own.

use acs_events::{AppendError, EventLog, EventSink, EventTail, Positions, ReadError};
use acs_events_kafka::{KafkaConfig, KafkaLog, KafkaSink, Metrics, NewTopics, create_topics};
use acs_types::EventRecord;
use async_trait::async_trait;

const VARIABLE: &str = "LASTMILE_TEST_KAFKA";
const USUAL: &str = "127.0.0.1:19092";

/// The brokers, if some answer. Where they must (in CI, or when they are named), the test fails instead.
pub(crate) fn brokers() -> Option<String> {
    let named = std::env::var(VARIABLE).ok();
    let brokers = named.clone().unwrap_or_else(|| USUAL.to_owned());
    let first = brokers.split(',').next().unwrap_or_default();
    if std::net::TcpStream::connect(first).is_ok() {
        return Some(brokers);
    }
    let missing = format!("no Kafka answers at {first}; `cargo xtask services up` starts one");
    let is_wanted = named.is_some() || std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_wanted, "{missing}");
    eprintln!("left out: {missing}");
    None
}

/// Settings with topics of their own, which are there.
pub(crate) async fn fresh(partitions: u32) -> Option<KafkaConfig> {
    let mut config = KafkaConfig::new(brokers()?);
    config.topic_prefix = format!("test-{:016x}.", rand::random::<u64>());
    config.partitions = partitions;
    config.allow_weak_topics = true;
    create_topics(&config, &weak()).await.unwrap();
    Some(config)
}

/// The Kafka of the tests may be one broker.
pub(crate) fn weak() -> NewTopics {
    NewTopics { replication: 1, ..NewTopics::default() }
}

/// Both ends of the log.
pub(crate) struct Both {
    pub(crate) sink: KafkaSink,
    pub(crate) log: KafkaLog,
}

impl Both {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        let sink = KafkaSink::new(config.clone(), Metrics::default()).unwrap();
        Self { sink, log: KafkaLog::new(config.clone()).unwrap() }
    }
}

#[async_trait]
impl EventSink for Both {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.sink.append(records).await
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        self.sink.append_unawaited(records).await
    }

    async fn flush(&self) -> Result<(), AppendError> {
        self.sink.flush().await
    }
}

#[async_trait]
impl EventLog for Both {
    async fn ends(&self) -> Result<Positions, ReadError> {
        self.log.ends().await
    }

    async fn starts(&self) -> Result<Positions, ReadError> {
        self.log.starts().await
    }

    async fn tail(&self, after: &Positions) -> Result<Box<dyn EventTail>, ReadError> {
        self.log.tail(after).await
    }
}

/// Everything in the log, in order within each partition.
pub(crate) async fn read_all(log: &KafkaLog) -> Vec<acs_events::LoggedEvent> {
    let ends = log.ends().await.unwrap();
    let mut tail = log.tail(&Positions::default()).await.unwrap();
    let (mut at, mut events) = (Positions::default(), Vec::new());
    while !at.covers(&ends) {
        let page = tail.next(1000, std::time::Duration::from_secs(10)).await.unwrap();
        assert!(!page.is_empty(), "the log ends at {ends}, read came to {at}");
        page.iter().for_each(|event| at.advance(event));
        events.extend(page);
    }
    events
}
