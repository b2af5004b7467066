//! Topics are refused unless they can hold what is promised.

use acs_events_kafka::{KafkaConfig, NewTopics, TopicsError, check_topics, create_topics};

use crate::service::{brokers, fresh, weak};

fn problems(result: Result<(), TopicsError>) -> Vec<String> {
    match result {
        Err(TopicsError::Unfit { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_topics_are_refused_unless_they_are_allowed() {
    let Some(config) = fresh(2).await else { return };
    check_topics(&config).await.unwrap();
    let strict = KafkaConfig { allow_weak_topics: false, ..config };
    let problems = problems(check_topics(&strict).await);
    assert_eq!(problems.len(), 10, "two for each of five topics: {problems:?}");
    let named = |text: &str| problems.iter().filter(|problem| problem.contains(text)).count();
    assert_eq!(named("has 1 copies of each record instead of 3"), 5);
    assert_eq!(named("has min.insync.replicas=1 instead of 2"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unclean_election_is_found() {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    let Some(config) = fresh(1).await else { return };
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &config.bootstrap_servers).create().unwrap();
    let topic = config.topic(acs_events::Topic::Inform);
    let unclean = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("unclean.leader.election.enable", "true");
    admin.alter_configs(&[unclean], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let strict = KafkaConfig { allow_weak_topics: false, ..config };
    let problems = problems(check_topics(&strict).await);
    let unclean: Vec<_> = problems.iter().filter(|problem| problem.contains("unclean")).collect();
    assert!(matches!(&unclean[..], [one] if one.contains("acs.inform.v1")), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_is_refused_always() {
    let Some(config) = fresh(2).await else { return };
    let other = KafkaConfig { partitions: 3, ..config };
    let problems = problems(check_topics(&other).await);
    assert!(problems.iter().all(|problem| problem.contains("has 2 partitions instead of 3")), "{problems:?}");
    assert_eq!(problems.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_topics_are_named_and_made_by_many_at_once() {
    let Some(brokers) = brokers() else { return };
    let mut config = KafkaConfig::new(brokers);
    config.topic_prefix = format!("test-{:016x}.", rand::random::<u64>());
    config.allow_weak_topics = true;
    let missing = problems(check_topics(&config).await);
    assert!(missing.iter().all(|problem| problem.ends_with("does not exist")) && missing.len() == 5, "{missing:?}");
    let new = weak();
    let (a, b, c) =
        tokio::join!(create_topics(&config, &new), create_topics(&config, &new), create_topics(&config, &new));
    a.and(b).and(c).unwrap();
    check_topics(&config).await.unwrap();
    create_topics(&config, &new).await.unwrap();
    let too_many = NewTopics { replication: 99, ..NewTopics::default() };
    config.topic_prefix.push_str("more.");
    let refused = create_topics(&config, &too_many).await;
    assert!(matches!(refused, Err(TopicsError::NotCreated { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_told_with_the_address() {
    let config = KafkaConfig::new("127.0.0.1:1");
    let refused = check_topics(&config).await.unwrap_err();
    assert!(refused.to_string().starts_with("Kafka at 127.0.0.1:1 did not say what its topics are"), "{refused}");
}
