use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_events::{EventLog, EventTail, LogPosition, LoggedEvent, Partition, Positions, ReadError, Topic};
use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::message;
use crate::{ConfigError, KafkaConfig};

/// How long a question to Kafka may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Bytes that a reader fetches ahead.
const FETCH_AHEAD_KIB: u32 = 8 << 10;

/// The event log as plain readers see it: every partition of every event topic. It belongs to no group and commits nothing.
#[derive(Clone)]
pub struct KafkaLog {
    config: Arc<KafkaConfig>,
    /// Answers questions; reads nothing.
    client: Arc<BaseConsumer<Quiet>>,
}

impl KafkaLog {
    /// Does not wait for Kafka.
    pub fn new(config: KafkaConfig) -> Result<Self, ConfigError> {
        let refused = |e: KafkaError| ConfigError::Refused(e.to_string());
        let client = reader(&config)?.create_with_context(Quiet).map_err(refused)?;
        Ok(Self { config: Arc::new(config), client: Arc::new(client) })
    }

    fn partitions(&self) -> impl Iterator<Item = Partition> {
        let count = self.config.partitions;
        Topic::ALL.into_iter().flat_map(move |topic| (0..count).map(move |number| Partition::of(topic, number)))
    }

    /// The offsets that Kafka names `Beginning` or `End` of every partition.
    async fn offsets(&self, of: Offset) -> Result<Positions, ReadError> {
        let (log, partitions) = (self.clone(), self.partitions().collect::<Vec<_>>());
        let ask = move || {
            let mut asked = TopicPartitionList::with_capacity(partitions.len());
            for partition in &partitions {
                add(&mut asked, &log.config, *partition, of)?;
            }
            ask_offsets(&log.client, &asked)
        };
        let answered = tokio::task::spawn_blocking(ask).await.map_err(|e| ReadError::Unavailable(e.to_string()))?;
        let answered = answered.map_err(|e| ReadError::Unavailable(e.to_string()))?;
        let mut positions = Positions::default();
        for found in answered.elements() {
            let unavailable = |why: String| {
                ReadError::Unavailable(format!("partition {} of {}: {why}", found.partition(), found.topic()))
            };
            let partition = partition_of(&self.config, found.topic(), found.partition())
                .ok_or_else(|| unavailable("it is none of the event log".to_owned()))?;
            let Offset::Offset(offset) = found.offset() else {
                return Err(unavailable(format!("its offset is {:?}", found.offset())));
            };
            positions.set(partition, u64::try_from(offset).unwrap_or(0));
        }
        Ok(positions)
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn ends(&self) -> Result<Positions, ReadError> {
        self.offsets(Offset::End).await
    }

    async fn starts(&self) -> Result<Positions, ReadError> {
        self.offsets(Offset::Beginning).await
    }

    async fn tail(&self, after: &Positions) -> Result<Box<dyn EventTail>, ReadError> {
        let starts = self.starts().await?;
        if let Some((partition, start)) = starts.iter().find(|(partition, start)| after.get(*partition) < *start) {
            return Err(ReadError::Gone { partition, start });
        }
        let ends = self.ends().await?;
        let unavailable = |e: KafkaError| ReadError::Unavailable(e.to_string());
        let mut from = TopicPartitionList::new();
        for partition in self.partitions() {
            // A place beyond the end is waited for from the end on.
            let offset = after.get(partition).min(ends.get(partition));
            add(&mut from, &self.config, partition, Offset::Offset(offset as i64)).map_err(unavailable)?;
        }
        let settings = reader(&self.config).map_err(|e| ReadError::Unavailable(e.to_string()))?;
        let consumer: StreamConsumer<Quiet> = settings.create_with_context(Quiet).map_err(unavailable)?;
        consumer.assign(&from).map_err(unavailable)?;
        Ok(Box::new(KafkaTail { log: self.clone(), consumer: Some(consumer), read: after.clone(), failed: None }))
    }
}

struct KafkaTail {
    log: KafkaLog,
    /// Emptied only when it goes.
    consumer: Option<StreamConsumer<Quiet>>,
    read: Positions,
    /// What stands behind the records given last, and where.
    failed: Option<Failed>,
}

/// A message that cannot be read.
struct Failed {
    partition: Partition,
    position: LogPosition,
    error: ReadError,
}

impl Failed {
    /// Said once, and passed.
    fn pass(self, read: &mut Positions) -> ReadError {
        read.set(self.partition, self.position);
        self.error
    }
}

#[async_trait]
impl EventTail for KafkaTail {
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Vec<LoggedEvent>, ReadError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed.pass(&mut self.read));
        }
        let deadline = Instant::now() + wait;
        let mut transient = None;
        loop {
            let Self { log, consumer, read, failed } = self;
            let Some(consumer) = consumer else { return Ok(Vec::new()) };
            let received = match tokio::time::timeout_at(deadline, consumer.recv()).await {
                Ok(received) => received,
                // Nothing came; why, if that is known.
                Err(_) => return transient.map_or(Ok(Vec::new()), Err),
            };
            match received {
                Ok(message) => {
                    let events = gather(&log.config, consumer, message, limit, read, failed);
                    if !events.is_empty() {
                        return Ok(events);
                    }
                    if let Some(failed) = failed.take() {
                        return Err(failed.pass(read));
                    }
                }
                Err(error) if is_out_of_range(&error) => return Err(log.gone(read).await?),
                Err(error) => transient = Some(ReadError::Unavailable(error.to_string())),
            }
        }
    }

    fn at(&self) -> &Positions {
        &self.read
    }
}

impl Drop for KafkaTail {
    /// Ending a client joins its threads, which must not block who reads.
    fn drop(&mut self) {
        let consumer = self.consumer.take();
        let ending = std::thread::Builder::new().name("kafka-end".into()).spawn(move || drop(consumer));
        if let Err(error) = ending {
            tracing::warn!(%error, "a Kafka reader was ended in place");
        }
    }
}

impl KafkaLog {
    /// Which partition does not keep any more what comes after `read`.
    async fn gone(&self, read: &Positions) -> Result<ReadError, ReadError> {
        let starts = self.starts().await?;
        let gone = starts.iter().find(|(partition, start)| read.get(*partition) < *start);
        Ok(gone.map_or_else(
            || ReadError::Unavailable("Kafka did not know a place that it has".to_owned()),
            |(partition, start)| ReadError::Gone { partition, start },
        ))
    }
}

/// This message and those that are there already; stops at one that cannot be read.
fn gather(
    config: &KafkaConfig,
    consumer: &StreamConsumer<Quiet>,
    first: BorrowedMessage<'_>,
    limit: usize,
    read: &mut Positions,
    failed: &mut Option<Failed>,
) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    let mut message = first;
    loop {
        if let Some((partition, position)) = message::place(config, &message)
            && position > read.get(partition)
        {
            match message::read(config, &message) {
                Ok(event) => events.extend(event),
                Err(error) => {
                    *failed = Some(Failed { partition, position, error });
                    return events;
                }
            }
            read.set(partition, position);
        }
        if events.len() >= limit {
            return events;
        }
        message = match consumer.recv().now_or_never() {
            Some(Ok(next)) => next,
            // Said again by the next look, if it lasts.
            Some(Err(_)) | None => return events,
        };
    }
}

/// Asks until every leader is known: they move, and new topics have none for a moment. Topics that are missing for longer are
/// an error in the end.
fn ask_offsets(client: &BaseConsumer<Quiet>, asked: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let answered = client.offsets_for_times(asked.clone(), PATIENCE).and_then(|answered| {
            answered.elements().iter().try_for_each(|entry| entry.error())?;
            Ok(answered)
        });
        match answered {
            Err(error) if is_moving(&error) && std::time::Instant::now() < until => std::thread::sleep(ASK_AGAIN),
            answered => return answered,
        }
    }
}

/// A broker that was just started, or that has just got new topics, knows less than its clients for a moment.
fn is_moving(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        FencedLeaderEpoch, LeaderNotAvailable, NotLeaderForPartition, UnknownLeaderEpoch, UnknownPartition,
        UnknownTopicOrPartition,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            NotLeaderForPartition
                | LeaderNotAvailable
                | UnknownLeaderEpoch
                | FencedLeaderEpoch
                | UnknownPartition
                | UnknownTopicOrPartition
        )
    )
}

/// A client that reads.
pub(crate) fn reader(config: &KafkaConfig) -> Result<ClientConfig, ConfigError> {
    let mut client = config.client()?;
    client
        // The client asks for one; without subscription nothing is joined.
        .set("group.id", format!("{}lastmile-readers", config.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", FETCH_AHEAD_KIB.to_string());
    Ok(client)
}

pub(crate) fn add(
    list: &mut TopicPartitionList,
    config: &KafkaConfig,
    partition: Partition,
    offset: Offset,
) -> Result<(), KafkaError> {
    let Some(topic) = partition.topic else { return Ok(()) };
    list.add_partition_offset(&config.topic(topic), partition.number as i32, offset)
}

pub(crate) fn partition_of(config: &KafkaConfig, topic: &str, number: i32) -> Option<Partition> {
    Some(Partition::of(config.topic_of(topic)?, u32::try_from(number).ok()?))
}

fn is_out_of_range(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

/// The ends of partitions as the client's statistics tell them.
#[derive(Debug, Default)]
pub(crate) struct KnownEnds(Mutex<HashMap<Partition, LogPosition>>);

impl KnownEnds {
    pub(crate) fn learn(&self, config: &KafkaConfig, statistics: &rdkafka::Statistics) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                if let (Some(partition), Ok(end)) =
                    (partition_of(config, name, *number), u64::try_from(partition.hi_offset))
                {
                    ends.insert(partition, end);
                }
            }
        }
    }

    /// How many records of these partitions stand behind these places.
    pub(crate) fn behind(&self, read: &Positions) -> u64 {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().map(|(partition, at)| ends.get(&partition).map_or(0, |end| end.saturating_sub(at))).sum()
    }
}

/// Logs by `tracing`.
#[derive(Debug, Clone, Copy)]
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka reader");
    }
}

impl ConsumerContext for Quiet {}
