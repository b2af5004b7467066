//! An event record as a Kafka message: CloudEvents 1.0, Kafka protocol binding, binary mode.

use std::sync::LazyLock;

use acs_events::{AppendError, LoggedEvent, Partition, ReadError, Topic};
use acs_proto::records::{Record, Unsealed};
use acs_types::{EventRecord, EventType};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

use crate::KafkaConfig;
use crate::config::Format;

/// Bytes of one record (`design.md` §7).
pub const RECORD_MAX: usize = 512 << 10;
/// The schema of the payload, in both forms.
pub const SCHEMA: &str = "urn:lastmile:schema:lastmile.v1.EventRecord";

const ID: &str = "ce_id";
const TYPE: &str = "ce_type";
const CONTENT_TYPE: &str = "content-type";
const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";

/// A message to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic: Topic,
    pub(crate) key: String,
    pub(crate) headers: OwnedHeaders,
    pub(crate) payload: Vec<u8>,
}

impl Outgoing {
    /// The message of a record.
    pub(crate) fn of(record: &EventRecord, format: Format) -> Result<Self, AppendError> {
        let protobuf = record.to_bytes(&Unsealed);
        let (content_type, payload) = match format {
            Format::Protobuf => (PROTOBUF, protobuf),
            Format::Json => (JSON, to_json(&protobuf).map_err(AppendError::Unavailable)?),
        };
        if payload.len() > RECORD_MAX {
            return Err(AppendError::TooLarge { bytes: payload.len(), limit: RECORD_MAX });
        }
        let topic = Topic::of(record.event_type());
        Ok(Self { topic, key: key(record), headers: headers(record, content_type), payload })
    }
}

/// The device; a record of none keeps its place among those of its emitter.
fn key(record: &EventRecord) -> String {
    record.device.as_ref().map_or_else(|| record.emitter.to_string(), ToString::to_string)
}

fn headers(record: &EventRecord, content_type: &str) -> OwnedHeaders {
    let id = record.event_id.to_string();
    let source = format!("/lastmile/{}", record.emitter);
    let time = record.occurred_at.to_string();
    let device = record.device.as_ref().map(ToString::to_string);
    let headers = [
        ("ce_specversion", Some("1.0")),
        (ID, Some(&*id)),
        (TYPE, Some(record.event_type().as_str())),
        ("ce_source", Some(&*source)),
        ("ce_subject", device.as_deref()),
        ("ce_time", Some(&*time)),
        ("ce_dataschema", Some(SCHEMA)),
        (CONTENT_TYPE, Some(content_type)),
    ];
    let sent = headers.into_iter().filter_map(|(key, value)| Some(Header { key, value: Some(value?) }));
    sent.fold(OwnedHeaders::new_with_capacity(8), OwnedHeaders::insert)
}

/// What was read; `None`: a type that is newer than this version, which readers skip.
pub(crate) fn read(config: &KafkaConfig, message: &BorrowedMessage<'_>) -> Result<Option<LoggedEvent>, ReadError> {
    let (partition, position) = place(config, message)
        .ok_or_else(|| ReadError::Corrupt(format!("{} is none of the event topics", message.topic())))?;
    let corrupt = |why: String| ReadError::Corrupt(format!("{partition} position {position}: {why}"));
    match header(message, TYPE) {
        None => return Err(corrupt("it is no event of Lastmile: it has no ce_type".into())),
        Some(name) if !std::str::from_utf8(name).is_ok_and(|name| EventType::parse(name).is_some()) => return Ok(None),
        Some(_) => {}
    }
    let record = record_of(message).map_err(corrupt)?;
    Ok(Some(LoggedEvent { partition, position, record }))
}

fn record_of(message: &BorrowedMessage<'_>) -> Result<EventRecord, String> {
    let payload = message.payload().ok_or("it has no payload")?;
    let from_protobuf = |bytes: &[u8]| EventRecord::from_bytes(bytes, &Unsealed).map_err(|e| e.to_string());
    let record = match header(message, CONTENT_TYPE) {
        Some(name) if name == JSON.as_bytes() => from_protobuf(&from_json(payload)?)?,
        Some(name) if name == PROTOBUF.as_bytes() => from_protobuf(payload)?,
        _ => return Err(format!("its content-type is neither {PROTOBUF} nor {JSON}")),
    };
    if header(message, ID) != Some(record.event_id.to_string().as_bytes()) {
        return Err("its ce_id is not its event_id".into());
    }
    Ok(record)
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    message.headers()?.iter().find(|header| header.key == name)?.value
}

/// Where a message stands: the offset counts from 0, a position from 1.
pub(crate) fn place(config: &KafkaConfig, message: &BorrowedMessage<'_>) -> Option<(Partition, u64)> {
    let number = u32::try_from(message.partition()).ok()?;
    let offset = u64::try_from(message.offset()).ok()?;
    Some((Partition::of(config.topic_of(message.topic())?, number), offset + 1))
}

static EVENT_RECORD: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(acs_proto::FILE_DESCRIPTOR_SET).expect("the build made it from /proto");
    pool.get_message_by_name("lastmile.v1.EventRecord").expect("it is in /proto")
});

/// The JSON form of protobuf.
fn to_json(protobuf: &[u8]) -> Result<Vec<u8>, String> {
    let message = DynamicMessage::decode(EVENT_RECORD.clone(), protobuf).map_err(|e| e.to_string())?;
    serde_json::to_vec(&message).map_err(|e| e.to_string())
}

fn from_json(json: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    // Readers skip fields of newer versions, in this form as in the other.
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(EVENT_RECORD.clone(), &mut reader, &options);
    message.map(|message| message.encode_to_vec()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use acs_events::contract::record;
    use acs_types::{EventBody, RefusedInform, RefusedReason};
    use cwmp_model::DeviceIdentity;
    use expect_test::expect;

    use super::*;

    fn shown(message: &Outgoing) -> String {
        let header = |h: Header<'_, &[u8]>| format!("{}: {}\n", h.key, String::from_utf8_lossy(h.value.unwrap()));
        let headers: String = message.headers.iter().map(header).collect();
        format!("topic: {}\nkey: {}\n{headers}", message.topic.as_str(), message.key)
    }

    #[test]
    fn headers_are_those_of_the_contract() {
        let message = Outgoing::of(&record(7, 1_700_000_000_000_001), Format::Protobuf).unwrap();
        expect![[r#"
            topic: acs.device.v1
            key: 00AABB-IGD-1
            ce_specversion: 1.0
            ce_id: 0000000700060a24181e400100000000
            ce_type: acs.device_change.v1
            ce_source: /lastmile/host.7
            ce_subject: 00AABB-IGD-1
            ce_time: 2023-11-14T22:13:20.000001Z
            ce_dataschema: urn:lastmile:schema:lastmile.v1.EventRecord
            content-type: application/protobuf
        "#]]
        .assert_eq(&shown(&message));
    }

    #[test]
    fn a_record_of_no_device_has_the_key_of_its_emitter_and_no_subject() {
        let body = RefusedInform {
            at: cwmp_model::Timestamp::from_micros(0),
            remote: None,
            identity: DeviceIdentity::default(),
            username: "guess".into(),
            reason: RefusedReason::UnknownUser,
        };
        let refused = EventRecord { device: None, body: EventBody::Refused(body), ..record(7, 1) };
        let message = Outgoing::of(&refused, Format::Protobuf).unwrap();
        assert_eq!((message.topic, message.key.as_str()), (Topic::Inform, "host.7"));
        assert!(!shown(&message).contains("ce_subject"));
    }

    #[test]
    fn the_json_form_is_that_of_protobuf_and_is_read_back() {
        let message = Outgoing::of(&record(7, 1_700_000_000_000_001), Format::Json).unwrap();
        expect![[r#"{"eventId":"AAAABwAGCiQYHkABAAAAAA==","deviceId":"00AABB-IGD-1","tenant":"default","occurredAt":"1700000000000001","emitter":"host.7","emitterSeq":"1700000000000001","device":{"name":"DEVICE_CHANGE_NAME_BOOTED"}}"#]]
        .assert_eq(std::str::from_utf8(&message.payload).unwrap());
        assert!(shown(&message).contains("content-type: application/json"));
        let newer = String::from_utf8(message.payload).unwrap().replacen('{', r#"{"fieldOfTomorrow":[1],"#, 1);
        let read = EventRecord::from_bytes(&from_json(newer.as_bytes()).unwrap(), &Unsealed).unwrap();
        assert_eq!(read, record(7, 1_700_000_000_000_001));
        assert!(from_json(b"{").is_err() && from_json(b"[]").is_err());
    }

    #[test]
    fn p19_a_record_has_a_limit() {
        let with = |length: usize| EventRecord { subscriber_id: "x".repeat(length), ..record(1, 1) };
        let rest = Outgoing::of(&with(400_000), Format::Protobuf).unwrap().payload.len() - 400_000;
        assert!(Outgoing::of(&with(RECORD_MAX - rest), Format::Protobuf).is_ok());
        let over = Outgoing::of(&with(RECORD_MAX - rest + 1), Format::Protobuf);
        assert!(matches!(over, Err(AppendError::TooLarge { bytes, .. }) if bytes == RECORD_MAX + 1));
    }
}
