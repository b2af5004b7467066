//! A broker that refuses a batch and takes the one behind it. A real one does so only in the moment in which it becomes the
//! leader of a partition, so this is the client library's simulated one, told when.

use std::time::Duration;

use acs_events::contract::record;
use acs_events::{EventSink as _, Topic};
use acs_events_kafka::{KafkaConfig, KafkaSink, Metrics};
use acs_types::EventRecord;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

/// How long an answer takes.
const ROUND_TRIP: Duration = Duration::from_millis(300);

/// Of an idempotent producer that it does not know yet a broker takes a batch with any number. When the first one was refused and the
/// second taken, the client library infers that the first was taken, too, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_refused_is_not_acknowledged_by_the_next_one_p7_p10() {
    let kafka = MockCluster::new(1).unwrap();
    let config = KafkaConfig {
        partitions: 2,
        delivery_deadline: Duration::from_secs(10),
        ..KafkaConfig::new(kafka.bootstrap_servers())
    };
    for topic in Topic::ALL {
        kafka.create_topic(&config.topic(topic), 2, 1).unwrap();
    }
    kafka.broker_round_trip_time(1, ROUND_TRIP).unwrap();
    let sink = KafkaSink::new(config.clone(), Metrics::default()).unwrap();
    // The connection stands, and the producer has its number; of the other partition the broker knows nothing yet.
    let other = EventRecord { device: Some("00AABB-IGD-1234567".parse().unwrap()), ..record(1, 9) };
    sink.append(vec![other]).await.unwrap();
    kafka.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
    let after = |wait: u32, seq| {
        let sink = sink.clone();
        async move {
            tokio::time::sleep(ROUND_TRIP / 10 * wait).await;
            sink.append(vec![record(1, seq)]).await
        }
    };
    // Each could be on its way before the answer to the one before. The client stops at five messages of a partition.
    let written = tokio::join!(after(0, 1), after(2, 2), after(4, 3));
    assert!(matches!(written, (Ok(()), Ok(()), Ok(()))), "{written:?}");
    kafka.broker_round_trip_time(1, Duration::ZERO).unwrap();
    assert_eq!(messages(&config, Topic::Device), 3, "acknowledged, and not in Kafka");
}

/// How many messages the first partition of a topic has.
fn messages(config: &KafkaConfig, topic: Topic) -> usize {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("group.id", "plain")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(&config.topic(topic), 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let mut found = std::collections::BTreeSet::new();
    // Its end is told as an error.
    while let Some(Ok(message)) = consumer.poll(Duration::from_secs(10)) {
        found.insert(message.payload().map(<[u8]>::to_vec));
    }
    found.len()
}
