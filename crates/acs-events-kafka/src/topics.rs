use std::sync::Arc;
use std::time::Duration;

use acs_events::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use crate::{ConfigError, KafkaConfig};

/// How long a question about topics may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Copies of each record (`design.md` §7).
const REPLICATION: i32 = 3;
/// Of them, those that have it before it is acknowledged.
const IN_SYNC: i32 = 2;

/// Topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The settings cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Kafka does not answer, or refuses.
    #[error("Kafka at {servers} did not say what its topics are: {reason}")]
    Unavailable {
        /// The brokers asked.
        servers: String,
        /// What happened.
        reason: String,
    },
    /// Some topics are not as the receipt rule needs them.
    #[error(
        "the event topics cannot hold what is promised: {}; create them with `lastmile migrate` or correct them",
        problems.join("; ")
    )]
    Unfit {
        /// One for each fault found.
        problems: Vec<String>,
        /// All of them exist with their partitions, so that they can be read.
        readable: bool,
    },
    /// A topic could not be created.
    #[error("topic {topic} could not be created: {reason}")]
    NotCreated {
        /// Its name.
        topic: String,
        /// What Kafka said.
        reason: String,
    },
}

/// How new topics are made.
#[derive(Debug, Clone)]
pub struct NewTopics {
    /// How long records are kept.
    pub retention: Duration,
    /// Copies of each record; less than 3 only with [`KafkaConfig::allow_weak_topics`].
    pub replication: u32,
}

impl Default for NewTopics {
    fn default() -> Self {
        Self { retention: Duration::from_secs(7 * 24 * 3600), replication: REPLICATION as u32 }
    }
}

/// Whether every topic exists with the configured partitions and keeps what it acknowledged: replication of at least 3,
/// `min.insync.replicas` of at least 2, no unclean leader election. With [`KafkaConfig::allow_weak_topics`] what is weak is
/// only logged. To be asked at start.
pub async fn check_topics(config: &KafkaConfig) -> Result<(), TopicsError> {
    let admin = admin(config)?;
    let names: Vec<_> = Topic::ALL.iter().map(|topic| config.topic(*topic)).collect();
    let specifiers: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let metadata = metadata(config, &admin).await?;
    let described = admin.describe_configs(&specifiers, &options()).await.map_err(|e| unavailable(config, &e))?;
    let (mut unusable, mut weak) = (Vec::new(), Vec::new());
    for (name, settings) in names.iter().zip(described) {
        let settings = settings.ok();
        judge(config, name, &metadata, settings.as_ref(), &mut unusable, &mut weak);
    }
    let readable = unusable.is_empty();
    if !config.allow_weak_topics {
        unusable.append(&mut weak);
    }
    for problem in weak {
        tracing::warn!(problem, "an event topic is weaker than promises need");
    }
    if unusable.is_empty() { Ok(()) } else { Err(TopicsError::Unfit { problems: unusable, readable }) }
}

/// Makes the topics that do not exist yet; those that do stay as they are. Safe to repeat and to run at once.
pub async fn create_topics(config: &KafkaConfig, new: &NewTopics) -> Result<(), TopicsError> {
    let admin = admin(config)?;
    let names: Vec<_> = Topic::ALL.iter().map(|topic| config.topic(*topic)).collect();
    let retention = new.retention.as_millis().to_string();
    let replication = i32::try_from(new.replication).unwrap_or(REPLICATION);
    let in_sync = IN_SYNC.min(replication).to_string();
    let topics: Vec<_> = names
        .iter()
        .map(|name| {
            NewTopic::new(name, config.partitions as i32, TopicReplication::Fixed(replication))
                .set("min.insync.replicas", &in_sync)
                .set("unclean.leader.election.enable", "false")
                .set("cleanup.policy", "delete")
                .set("retention.ms", &retention)
        })
        .collect();
    let options = options().operation_timeout(Some(PATIENCE));
    let made = admin.create_topics(&topics, &options).await.map_err(|e| unavailable(config, &e))?;
    for result in made {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicsError::NotCreated { topic, reason: code.to_string() }),
        }
    }
    Ok(())
}

fn judge(
    config: &KafkaConfig,
    name: &str,
    metadata: &Metadata,
    settings: Option<&ConfigResource>,
    unusable: &mut Vec<String>,
    weak: &mut Vec<String>,
) {
    let topic = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
    let Some(topic) = topic.filter(|topic| !topic.partitions().is_empty()) else {
        unusable.push(format!("{name} does not exist"));
        return;
    };
    let partitions = topic.partitions();
    if partitions.len() != config.partitions as usize {
        let there = partitions.len();
        unusable.push(format!("{name} has {there} partitions instead of {}", config.partitions));
    }
    let copies = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
    if copies < REPLICATION as usize {
        weak.push(format!("{name} has {copies} copies of each record instead of {REPLICATION}"));
    }
    let setting = |key: &str| settings.and_then(|s| s.get(key)).and_then(|entry| entry.value.as_deref());
    let in_sync = setting("min.insync.replicas").and_then(|value| value.parse::<i32>().ok());
    match in_sync {
        Some(in_sync) if in_sync >= IN_SYNC => {}
        Some(in_sync) => weak.push(format!("{name} has min.insync.replicas={in_sync} instead of {IN_SYNC}")),
        None => weak.push(format!("{name} does not show its min.insync.replicas")),
    }
    if setting("unclean.leader.election.enable") != Some("false") {
        weak.push(format!("{name} does not show unclean.leader.election.enable=false"));
    }
}

fn admin(config: &KafkaConfig) -> Result<Arc<AdminClient<DefaultClientContext>>, TopicsError> {
    let made = config.client()?.create().map(Arc::new);
    Ok(made.map_err(|e: KafkaError| ConfigError::Refused(e.to_string()))?)
}

/// The id of the cluster behind the brokers: the same whichever of its names they are given by.
pub async fn cluster_id(config: &KafkaConfig) -> Result<String, TopicsError> {
    let untold = || "no broker told the id of its cluster".to_owned();
    ask(config, &admin(config)?, move |admin| admin.inner().fetch_cluster_id(PATIENCE).ok_or_else(untold)).await
}

async fn metadata(
    config: &KafkaConfig,
    admin: &Arc<AdminClient<DefaultClientContext>>,
) -> Result<Metadata, TopicsError> {
    ask(config, admin, |admin| admin.inner().fetch_metadata(None, PATIENCE)).await
}

/// A question that blocks who asks it.
async fn ask<T: Send + 'static, E: ToString + Send + 'static>(
    config: &KafkaConfig,
    admin: &Arc<AdminClient<DefaultClientContext>>,
    question: impl FnOnce(&AdminClient<DefaultClientContext>) -> Result<T, E> + Send + 'static,
) -> Result<T, TopicsError> {
    let admin = Arc::clone(admin);
    let asked = tokio::task::spawn_blocking(move || question(&admin)).await;
    let unavailable = |reason| TopicsError::Unavailable { servers: config.bootstrap_servers.clone(), reason };
    asked.map_err(|e| unavailable(e.to_string()))?.map_err(|e| unavailable(e.to_string()))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE))
}

fn unavailable(config: &KafkaConfig, error: &KafkaError) -> TopicsError {
    TopicsError::Unavailable { servers: config.bootstrap_servers.clone(), reason: error.to_string() }
}
