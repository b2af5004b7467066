use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};
use tokio::sync::oneshot;

use crate::KafkaConfig;
use crate::message::Outgoing;
use crate::sink::Shared;

/// One look for answers. They are taken as they come; this is only how late the end of a producer may be seen, and how often the
/// client's look spins through its last millisecond: with the tenth of a second of its own thread (`ThreadedProducer`) that was
/// a hundredth of a processor in each process.
const LOOK: Duration = Duration::from_secs(1);

/// Which producer of a sink; each has its own.
pub(crate) type Generation = u64;

/// Who is told of a record.
#[derive(Debug)]
pub(crate) enum Receipt {
    Awaited(oneshot::Sender<Result<(), Outcome>>),
    Unawaited(u64),
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Failed(String),
    /// Given up with the producer.
    Purged,
    TooLarge {
        bytes: usize,
    },
}

/// What became of a record.
pub(crate) struct Delivered {
    pub(crate) receipt: Receipt,
    pub(crate) outcome: Result<(), Outcome>,
}

/// One producer, used until it fails.
pub(crate) struct Producer {
    /// Emptied only when it goes.
    client: Option<Polled>,
    topics: [String; acs_events::Topic::ALL.len()],
    generation: Generation,
}

impl Producer {
    pub(crate) fn new(
        producing: &ClientConfig,
        config: &KafkaConfig,
        sink: Weak<Shared>,
        generation: Generation,
    ) -> Result<Self, KafkaError> {
        let client = Polled::start(producing, Deliveries { sink, generation })?;
        let topics = acs_events::Topic::ALL.map(|topic| config.topic(topic));
        Ok(Self { client: Some(client), topics, generation })
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Puts a message into the client's queue. Its receipt is always given, unless this is an error.
    pub(crate) fn send(&self, message: &Outgoing, receipt: Receipt) -> Result<(), KafkaError> {
        let topic = &self.topics[message.topic as usize];
        let record = BaseRecord::with_opaque_to(topic, Box::new(receipt))
            .key(&message.key)
            .payload(&message.payload)
            .headers(message.headers.clone());
        self.client().send(record).map_err(|(error, _)| error)
    }

    /// Gives up everything that is not acknowledged; the receipts say so.
    pub(crate) fn purge(&self) {
        self.client().purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    /// Whether every partition of a topic has a leader.
    pub(crate) fn has_leaders(&self, topic: &str, timeout: Duration) -> Result<(), String> {
        let metadata = self.client().client().fetch_metadata(Some(topic), timeout).map_err(|e| e.to_string())?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let partitions = found.map(|topic| topic.partitions()).unwrap_or_default();
        if partitions.is_empty() || partitions.iter().any(|partition| partition.leader() < 0) {
            return Err(format!("not every partition of {topic} has a leader"));
        }
        Ok(())
    }

    fn client(&self) -> &BaseProducer<Deliveries> {
        &self.client.as_ref().expect("it is there until this is dropped").client
    }
}

impl Drop for Producer {
    /// Ending a client joins its threads, and the last hand on it may be one of them or one that must not block.
    fn drop(&mut self) {
        let client = self.client.take();
        let ending = Builder::new().name("kafka-end".into()).spawn(move || drop(client));
        if let Err(error) = ending {
            tracing::warn!(%error, "a Kafka producer was ended in place");
        }
    }
}

/// A client and the thread that takes its answers.
struct Polled {
    client: Arc<BaseProducer<Deliveries>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Polled {
    fn start(producing: &ClientConfig, deliveries: Deliveries) -> Result<Self, KafkaError> {
        let client = Arc::new(BaseProducer::from_config_and_context(producing, deliveries)?);
        let ends = Arc::new(AtomicBool::new(false));
        let (polled, ended) = (Arc::clone(&client), Arc::clone(&ends));
        let polling = Builder::new().name("kafka-answers".into()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                polled.poll(LOOK);
            }
        });
        let no_thread =
            |error: std::io::Error| KafkaError::ClientCreation(format!("no thread for its answers: {error}"));
        Ok(Self { client, ends, thread: Some(polling.map_err(no_thread)?) })
    }
}

impl Drop for Polled {
    /// Waits for the thread, so that the client ends here and not on a thread that it would have to join itself.
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that takes the answers of Kafka broke");
        }
    }
}

/// Takes what the client says of each record to the sink.
struct Deliveries {
    sink: Weak<Shared>,
    generation: Generation,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What it means is seen at the records.
        tracing::debug!(%error, reason, "Kafka producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Self::DeliveryOpaque) {
        let Some(sink) = self.sink.upgrade() else { return };
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, message)) => Err(outcome(error, message.payload().map_or(0, <[u8]>::len))),
        };
        sink.delivered(self.generation, Delivered { receipt: *receipt, outcome });
    }
}

fn outcome(error: &KafkaError, bytes: usize) -> Outcome {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => Outcome::Purged,
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => Outcome::TooLarge { bytes },
        Some(RDKafkaErrorCode::MessageTimedOut) => Outcome::Failed("not acknowledged in time".to_owned()),
        _ => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_told_from_what_failed() {
        let of = |code| outcome(&KafkaError::MessageProduction(code), 9);
        assert_eq!(of(RDKafkaErrorCode::PurgeInflight), Outcome::Purged);
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge), Outcome::TooLarge { bytes: 9 });
        assert!(matches!(of(RDKafkaErrorCode::MessageTimedOut), Outcome::Failed(_)));
        assert!(matches!(of(RDKafkaErrorCode::NotEnoughReplicas), Outcome::Failed(_)));
    }
}
