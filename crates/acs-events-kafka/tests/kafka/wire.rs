//! What a consumer of another maker finds in Kafka.

use std::time::Duration;

use acs_events::contract::record;
use acs_events::{EventSink, Topic};
use acs_events_kafka::{Compression, Format, KafkaConfig};
use acs_types::{AuditRecord, DeviceId, EventBody, EventRecord, Tenant};
use expect_test::expect;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Headers, OwnedMessage};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::service::{Both, fresh, read_all};

/// Every message of a topic, by a plain client.
async fn messages(config: &KafkaConfig, topic: Topic, count: usize) -> Vec<OwnedMessage> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.bootstrap_servers).set("group.id", "plain");
    let consumer: StreamConsumer = client.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..config.partitions {
        all.add_partition_offset(&config.topic(topic), partition as i32, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut messages = Vec::new();
    while messages.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), consumer.recv());
        messages.push(next.await.expect("it comes").unwrap().detach());
    }
    messages
}

fn of_device(id: &str, seq: u64) -> EventRecord {
    EventRecord { device: Some(id.parse::<DeviceId>().unwrap()), ..record(1, seq) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_a_cloud_event_in_binary_mode() {
    let Some(config) = fresh(1).await else { return };
    Both::new(&config).append(vec![record(7, 1_700_000_000_000_001)]).await.unwrap();
    let message = messages(&config, Topic::Device, 1).await.remove(0);
    let headers = message.headers().unwrap();
    let shown: String =
        headers.iter().map(|h| format!("{}: {}\n", h.key, String::from_utf8_lossy(h.value.unwrap()))).collect();
    expect![[r#"
        ce_specversion: 1.0
        ce_id: 0000000700060a24181e400100000000
        ce_type: acs.device_change.v1
        ce_source: /lastmile/host.7
        ce_subject: 00AABB-IGD-1
        ce_time: 2023-11-14T22:13:20.000001Z
        ce_dataschema: urn:lastmile:schema:lastmile.v1.EventRecord
        content-type: application/protobuf
    "#]]
    .assert_eq(&shown);
    assert_eq!(message.key(), Some(&b"00AABB-IGD-1"[..]));
    let hex: String = message.payload().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    expect!["0a100000000700060a24181e400100000000120c3030414142422d4947442d311a0764656661756c74488180f9c0c1c48203"]
        .assert_eq(&hex[..100]);
}

/// The partitions that `org.apache.kafka.common.utils.Utils` gives: `toPositive(murmur2(key)) % partitions`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_in_the_partition_where_java_looks_for_it() {
    let Some(config) = fresh(12).await else { return };
    let java = [
        ("00AABB-IGD-1", 6),
        ("00AABB-IGD-2", 8),
        ("00AABB-IGD-1234567", 1),
        ("F4CA24-HG%2D531-000000001", 8),
        ("00AABB-S%C3%84RIAL", 6),
        ("001122-x", 11),
    ];
    let both = Both::new(&config);
    both.append(java.iter().map(|(id, _)| of_device(id, 1)).collect()).await.unwrap();
    for message in messages(&config, Topic::Device, java.len()).await {
        let key = std::str::from_utf8(message.key().unwrap()).unwrap();
        let (_, partition) = java.iter().find(|(id, _)| *id == key).unwrap();
        assert_eq!(message.partition(), *partition, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_to_the_topic_of_their_kind_and_keep_their_device_together() {
    let Some(config) = fresh(12).await else { return };
    let audit = AuditRecord {
        at: cwmp_model::Timestamp::from_micros(1),
        tenant: Tenant::default(),
        principal: "anna".into(),
        token: None,
        action: "task.create".into(),
        object: "00AABB-IGD-1".into(),
        detail: String::new(),
    };
    let audit = EventRecord { device: None, body: EventBody::Audit(audit), ..record(1, 2) };
    let both = Both::new(&config);
    both.append(vec![record(1, 1), audit.clone()]).await.unwrap();
    let found = messages(&config, Topic::Audit, 1).await.remove(0);
    assert_eq!(found.key(), Some(audit.emitter.as_str().as_bytes()), "no device: the emitter keeps the order");
    let found = messages(&config, Topic::Device, 1).await.remove(0);
    assert_eq!(found.partition(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_and_packing_is_read_back() {
    let Some(config) = fresh(2).await else { return };
    let mut expected = Vec::new();
    for format in [Format::Protobuf, Format::Json] {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let record = record(1, expected.len() as u64 + 1);
            let config = KafkaConfig { format, compression, ..config.clone() };
            Both::new(&config).append(vec![record.clone()]).await.unwrap();
            expected.push(record);
        }
    }
    let read: Vec<_> = read_all(&Both::new(&config).log).await.into_iter().map(|event| event.record).collect();
    assert_eq!(read, expected);
    let json = messages(&config, Topic::Device, 6).await.remove(5);
    expect![[r#"{"eventId":"AAAAAQAAAAAAAAAGAAAAAA==","deviceId":"00AABB-IGD-1","tenant":"default","occurredAt":"6","emitter":"host.1","emitterSeq":"6","device":{"name":"DEVICE_CHANGE_NAME_BOOTED"}}"#]]
    .assert_eq(std::str::from_utf8(json.payload().unwrap()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_record_is_said_once_and_passed_p20() {
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let Some(config) = fresh(1).await else { return };
    let both = Both::new(&config);
    both.append(vec![record(1, 1)]).await.unwrap();
    let foreign: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &config.bootstrap_servers).create().unwrap();
    let topic = config.topic(Topic::Device);
    let garbage = FutureRecord::to(&topic).key("x").payload(&[0xff_u8; 40]);
    foreign.send(garbage, Duration::from_secs(10)).await.unwrap();
    both.append(vec![record(1, 2)]).await.unwrap();
    let mut tail = acs_events::EventLog::tail(&both, &acs_events::Positions::default()).await.unwrap();
    let (mut seqs, mut failures) = (Vec::new(), 0);
    while seqs.len() < 2 {
        match tail.next(10, Duration::from_secs(10)).await {
            Ok(events) => seqs.extend(events.into_iter().map(|event| event.record.emitter_seq)),
            Err(acs_events::ReadError::Corrupt(why)) => {
                assert!(why.contains("acs.device.v1-0 position 2"), "it says which: {why}");
                failures += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((seqs, failures), (vec![1, 2], 1));
}
