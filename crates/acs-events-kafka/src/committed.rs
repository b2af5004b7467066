use std::sync::Arc;
use std::time::Duration;

use acs_events::{Partition, Positions, ReadError};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::log::{add, partition_of, reader};
use crate::{ConfigError, KafkaConfig, WORK_TOPICS};

/// How long the coordinator of the group may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a group has come, asked from outside: it does not become a member.
#[derive(Clone)]
pub struct KafkaGroup {
    config: Arc<KafkaConfig>,
    client: Arc<BaseConsumer>,
}

impl KafkaGroup {
    /// The group that [`crate::KafkaConsumer::join`] joins. Does not wait for Kafka.
    pub fn new(config: KafkaConfig, group: &str) -> Result<Self, ConfigError> {
        let mut settings = reader(&config)?;
        settings.set("group.id", format!("{}{group}", config.topic_prefix));
        let client = settings.create().map_err(|e: KafkaError| ConfigError::Refused(e.to_string()))?;
        Ok(Self { config: Arc::new(config), client: Arc::new(client) })
    }

    /// Up to where all work is done, in every partition of [`WORK_TOPICS`]; 0 where nothing was committed yet.
    pub async fn done(&self) -> Result<Positions, ReadError> {
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
