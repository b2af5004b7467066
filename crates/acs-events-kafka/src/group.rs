use std::sync::Arc;
use std::time::Duration;

use acs_events::{EventGroup, EventLog, Partition, Positions, ReadError};
use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::log::{add, partition_of, reader};
use crate::{ConfigError, KafkaConfig, KafkaLog, WORK_TOPICS};

/// How long the coordinator of the group may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a group has come with [`WORK_TOPICS`], asked from outside: it does not become a member.
#[derive(Clone)]
pub struct KafkaGroup {
    config: Arc<KafkaConfig>,
    client: Arc<BaseConsumer>,
    log: KafkaLog,
}

impl KafkaGroup {
    /// The group that [`crate::KafkaConsumer::join`] joins. Does not wait for Kafka.
    pub fn new(config: KafkaConfig, group: &str) -> Result<Self, ConfigError> {
        let mut settings = reader(&config)?;
        settings.set("group.id", format!("{}{group}", config.topic_prefix));
        let client = settings.create().map_err(|e: KafkaError| ConfigError::Refused(e.to_string()))?;
        Ok(Self { log: KafkaLog::new(config.clone())?, config: Arc::new(config), client: Arc::new(client) })
    }

    /// What was committed; nothing of partitions where nothing was yet.
    async fn committed(&self) -> Result<Positions, ReadError> {
        let group = self.clone();
        let asked = tokio::task::spawn_blocking(move || group.ask()).await;
        let unavailable = |why: String| ReadError::Unavailable(format!("how far the group has come: {why}"));
        asked.map_err(|e| unavailable(e.to_string()))?.map_err(|e| unavailable(e.to_string()))
    }

    fn ask(&self) -> Result<Positions, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for topic in WORK_TOPICS {
            for number in 0..self.config.partitions {
                add(&mut asked, &self.config, Partition::of(topic, number), Offset::Invalid)?;
            }
        }
        let committed = self.client.committed_offsets(asked, PATIENCE)?;
        let mut done = Positions::default();
        for entry in committed.elements() {
            entry.error()?;
            let Some(partition) = partition_of(&self.config, entry.topic(), entry.partition()) else { continue };
            let Offset::Offset(offset) = entry.offset() else { continue };
            done.set(partition, u64::try_from(offset).unwrap_or(0));
        }
        Ok(done)
    }
}

#[async_trait]
impl EventGroup for KafkaGroup {
    async fn ends(&self) -> Result<Positions, ReadError> {
        Ok(of_work(&self.log.ends().await?))
    }

    async fn done(&self) -> Result<Positions, ReadError> {
        let (committed, starts) = tokio::try_join!(self.committed(), self.log.starts())?;
        let done = |(partition, start): (Partition, u64)| (partition, committed.get(partition).max(start));
        Ok(of_work(&starts).iter().map(done).collect())
    }
}

fn of_work(positions: &Positions) -> Positions {
    let is_worked_on = |(partition, _): &(Partition, _)| partition.topic.is_some_and(|t| WORK_TOPICS.contains(&t));
    positions.iter().filter(is_worked_on).collect()
}
