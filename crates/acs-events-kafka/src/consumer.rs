use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_events::{CommitError, Cursor, Delivery, EventConsumer, LoggedEvent, Partition, Positions, ReadError, Topic};
use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::log::{KnownEnds, add, partition_of, reader};
use crate::message;
use crate::{ConfigError, KafkaConfig};

/// The topics that a projection works on: the others are told by it or only for others.
pub const WORK_TOPICS: [Topic; 3] = [Topic::Inform, Topic::Task, Topic::Session];

/// How long a question to the coordinator of the group may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long without a sign of life another member takes over.
const SESSION: Duration = Duration::from_secs(10);
/// A broker answers a fetch when it has so much, or after [`GATHER`]: at some hundred records a second each would be a fetch of
/// its own over all partitions else, and nobody sees the tenth of a second.
const FETCH_MIN_BYTES: u32 = 64 << 10;
const GATHER: Duration = Duration::from_millis(100);
/// What stands before the mark in the metadata of a commit.
const MARK: &str = "mark=";

/// A member of a consumer group. The group shares [`WORK_TOPICS`] so that one member has the same partition numbers of all of
/// them: everything about a device.
///
/// What is committed to Kafka is [`Cursor::done`] as the offset, so that every tool shows the true lag, with
/// [`Cursor::mark`] as its metadata.
pub struct KafkaConsumer {
    config: Arc<KafkaConfig>,
    consumer: Arc<StreamConsumer<Membership>>,
    /// To be given, oldest first.
    ready: VecDeque<Result<Delivery, ReadError>>,
    /// Given up to here, of its share.
    read: Positions,
}

impl KafkaConsumer {
    /// Joins `group`; the first share comes with [`EventConsumer::next`].
    pub fn join(config: KafkaConfig, group: &str) -> Result<Self, ConfigError> {
        let config = Arc::new(config);
        let mut settings = reader(&config)?;
        settings
            .set("group.id", format!("{}{group}", config.topic_prefix))
            // The same numbers of all topics to one member.
            .set("partition.assignment.strategy", "range")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            .set("fetch.min.bytes", FETCH_MIN_BYTES.to_string())
            .set("fetch.wait.max.ms", GATHER.as_millis().to_string())
            .set("heartbeat.interval.ms", (SESSION / 5).as_millis().to_string())
            .set("statistics.interval.ms", "1000");
        let refused = |e: KafkaError| ConfigError::Refused(e.to_string());
        let membership = Membership {
            config: Arc::clone(&config),
            changes: Mutex::default(),
            changed: Notify::new(),
            ends: KnownEnds::default(),
        };
        let consumer: StreamConsumer<Membership> = settings.create_with_context(membership).map_err(refused)?;
        subscribe(&config, &consumer).map_err(refused)?;
        Ok(Self { config, consumer: Arc::new(consumer), ready: VecDeque::new(), read: Positions::default() })
    }

    /// This message and those that are there already, with the changes of the share between them.
    fn gather(&mut self, first: BorrowedMessage<'_>, consumer: &StreamConsumer<Membership>, limit: usize) {
        let (mut events, mut next) = (Vec::new(), Some(first));
        while let Some(message) = next.take() {
            // What changed the share came before this message.
            let changes = consumer.context().take_changes();
            if !changes.is_empty() {
                self.give(&mut events);
                changes.into_iter().for_each(|change| self.change(change));
            }
            if let Some((partition, position)) = message::place(&self.config, &message)
                && self.is_next(partition, position)
            {
                match message::read(&self.config, &message) {
                    Ok(event) => events.extend(event),
                    Err(error) => {
                        self.give(&mut events);
                        self.ready.push_back(Err(error));
                        return;
                    }
                }
            }
            if events.len() < limit {
                next = consumer.recv().now_or_never().and_then(Result::ok);
            }
        }
        self.give(&mut events);
    }

    /// Whether a record is of its share and was not given yet. What is missing before it is said.
    fn is_next(&mut self, partition: Partition, position: u64) -> bool {
        let Some((_, at)) = self.read.iter().find(|(of, _)| *of == partition) else { return false };
        if position > at + 1 {
            tracing::error!(%partition, from = at, to = position - 1, "events are gone before they were projected");
        }
        if position > at {
            self.read.set(partition, position);
        }
        position > at
    }

    fn give(&mut self, events: &mut Vec<LoggedEvent>) {
        if !events.is_empty() {
            self.ready.push_back(Ok(Delivery::Events(std::mem::take(events))));
        }
    }

    fn change(&mut self, change: Result<Delivery, ReadError>) {
        match &change {
            Ok(Delivery::Assigned(share)) => {
                share.iter().for_each(|(partition, cursor)| self.read.set(*partition, cursor.mark));
            }
            Ok(Delivery::Revoked(gone)) => {
                self.read = self.read.iter().filter(|(partition, _)| !gone.contains(partition)).collect();
            }
            Ok(Delivery::Events(_)) => {}
            // Without a share nothing comes; leaving and joining again asks for another.
            Err(_) => {
                self.consumer.unsubscribe();
                if let Err(error) = subscribe(&self.config, &self.consumer) {
                    tracing::error!(%error, "the group could not be joined again");
                }
            }
        }
        self.ready.push_back(change);
    }
}

#[async_trait]
impl EventConsumer for KafkaConsumer {
    async fn next(&mut self, limit: usize, wait: Duration) -> Result<Delivery, ReadError> {
        let deadline = Instant::now() + wait;
        let consumer = Arc::clone(&self.consumer);
        let mut transient = None;
        loop {
            let changes = consumer.context().take_changes();
            changes.into_iter().for_each(|change| self.change(change));
            if let Some(ready) = self.ready.pop_front() {
                return ready;
            }
            tokio::select! {
                received = consumer.recv() => match received {
                    Ok(message) => self.gather(message, &consumer, limit.max(1)),
                    Err(error) => transient = Some(ReadError::Unavailable(error.to_string())),
                },
                () = consumer.context().changed.notified() => {}
                () = tokio::time::sleep_until(deadline) => {
                    return transient.map_or(Ok(Delivery::Events(Vec::new())), Err);
                }
            }
        }
    }

    async fn commit(&mut self, cursors: &[(Partition, Cursor)]) -> Result<(), CommitError> {
        let failed = |e: KafkaError| CommitError(e.to_string());
        let mut offsets = TopicPartitionList::with_capacity(cursors.len());
        for (partition, cursor) in cursors {
            add(&mut offsets, &self.config, *partition, Offset::Offset(cursor.done as i64)).map_err(failed)?;
            let Some(topic) = partition.topic else { continue };
            if let Some(mut entry) = offsets.find_partition(&self.config.topic(topic), partition.number as i32) {
                entry.set_metadata(format!("{MARK}{}", cursor.mark));
            }
        }
        let consumer = Arc::clone(&self.consumer);
        let committed = tokio::task::spawn_blocking(move || consumer.commit(&offsets, CommitMode::Sync)).await;
        committed.map_err(|e| CommitError(e.to_string()))?.map_err(failed)
    }

    fn lag(&self) -> u64 {
        self.consumer.context().ends.behind(&self.read)
    }
}

/// What the group tells a member.
struct Membership {
    config: Arc<KafkaConfig>,
    changes: Mutex<Vec<Result<Delivery, ReadError>>>,
    changed: Notify,
    ends: KnownEnds,
}

impl Membership {
    fn take_changes(&self) -> Vec<Result<Delivery, ReadError>> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, change: Result<Delivery, ReadError>) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        self.changed.notify_one();
    }

    /// Begins to read its share after the marks.
    fn assign(&self, consumer: &BaseConsumer<Self>, share: &TopicPartitionList) -> Result<(), KafkaError> {
        let committed = consumer.committed_offsets(share.clone(), PATIENCE)?;
        let (mut from, mut assigned) = (TopicPartitionList::new(), Vec::new());
        for entry in committed.elements() {
            entry.error()?;
            let Some(partition) = partition_of(&self.config, entry.topic(), entry.partition()) else { continue };
            let cursor = cursor(entry.offset(), entry.metadata());
            add(&mut from, &self.config, partition, Offset::Offset(cursor.mark as i64))?;
            assigned.push((partition, cursor));
        }
        consumer.assign(&from)?;
        self.tell(Ok(Delivery::Assigned(assigned)));
        Ok(())
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka consumer");
    }

    fn stats(&self, statistics: rdkafka::Statistics) {
        self.ends.learn(&self.config, &statistics);
    }
}

impl ConsumerContext for Membership {
    /// Called within a look for messages, so never while a batch is worked on.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, share: &mut TopicPartitionList) {
        let result = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, share),
            _ => {
                let of = |entry: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
                    partition_of(&self.config, entry.topic(), entry.partition())
                };
                self.tell(Ok(Delivery::Revoked(share.elements().iter().filter_map(of).collect())));
                consumer.unassign()
            }
        };
        if let Err(error) = result {
            self.tell(Err(ReadError::Unavailable(format!("its share could not be taken: {error}"))));
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "a share of the event log could not be given back");
            }
        }
    }
}

fn subscribe(config: &KafkaConfig, consumer: &StreamConsumer<Membership>) -> Result<(), KafkaError> {
    let topics = WORK_TOPICS.map(|topic| config.topic(topic));
    consumer.subscribe(&topics.each_ref().map(String::as_str))
}

/// The cursor of a commit; the default: there is none.
fn cursor(offset: Offset, metadata: &str) -> Cursor {
    let Offset::Offset(done) = offset else { return Cursor::default() };
    let done = u64::try_from(done).unwrap_or(0);
    // Another tool may have set the offset: then nothing is known to be unfinished.
    let mark = metadata.strip_prefix(MARK).and_then(|mark| mark.parse().ok()).unwrap_or(done);
    Cursor { done, mark: mark.min(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_holds_the_whole_cursor() {
        assert_eq!(cursor(Offset::Offset(9), "mark=4"), Cursor { done: 9, mark: 4 });
        assert_eq!(cursor(Offset::Invalid, ""), Cursor::default());
        for foreign in ["", "mark=", "mark=x", "mark=10", "by hand"] {
            assert_eq!(cursor(Offset::Offset(9), foreign), Cursor { done: 9, mark: 9 }, "{foreign}");
        }
    }
}
