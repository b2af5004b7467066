use std::time::Duration;

use acs_api::Limits;
use acs_events::{EventSink, MemoryEventLog};
use acs_types::{
    AuthLevel, DeviceChange, DeviceId, EventBody, EventId, EventRecord, InformEvent, InformRecord, Position, Scope,
    TaskFault, TaskKind, TaskTransition, Tenant, TransferRecord,
};
use axum::body::Body;
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, Value as CwmpValue};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::bench::{Bench, identity, request};
use crate::history::session;
use crate::schema;

pub(crate) fn record(n: u8, device: Option<&DeviceId>, body: EventBody) -> EventRecord {
    EventRecord {
        event_id: EventId::from_bytes([n; 16]),
        device: device.cloned(),
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: None,
        position: Position::default(),
        occurred_at: Timestamp::from_seconds(i64::from(n)),
        emitter: "fe.1".parse().unwrap(),
        emitter_seq: u64::from(n),
        late: false,
        body,
    }
}

/// One event of each kind that this service does not emit itself.
pub(crate) fn bodies(device: &DeviceId) -> Vec<EventBody> {
    let parameter = |name: &str| ParameterValue {
        name: ParameterPath::new(name).unwrap(),
        value: CwmpValue::string(if name.contains("Password") { "canary" } else { "1" }),
    };
    vec![
        EventBody::Inform(Box::new(InformRecord {
            identity: identity(2),
            events: vec![InformEvent { code: "2 PERIODIC".into(), command_key: "".into(), dedup_key: "d".into() }],
            retry_count: 0,
            current_time: "2026-01-31T12:00:00Z".into(),
            parameters: vec![parameter("Device.X"), parameter("Device.Password")],
            cwmp_version: "1.2".into(),
            remote: None,
            auth: AuthLevel::Open,
            tls: false,
        })),
        EventBody::Transfer(TransferRecord {
            command_key: "k".into(),
            fault: TaskFault { code: 0, text: String::new(), parameters: vec![] },
            start_time: "s".into(),
            complete_time: "c".into(),
            dedup_key: "d".into(),
        }),
        EventBody::SessionEnded(Box::new(session(device, 1))),
        EventBody::Task(Box::new(TaskTransition {
            task: "abc".parse().unwrap(),
            kind: TaskKind::Reboot,
            from: "queued".into(),
            to: "sending".into(),
            attempt: 1,
            revision: 2,
            fault: None,
        })),
        EventBody::Device(DeviceChange::FirmwareChanged { from: "1".into(), to: "2".into() }),
        EventBody::Refused(acs_types::RefusedInform {
            at: Timestamp::from_seconds(1),
            remote: None,
            identity: identity(3),
            username: String::new(),
            reason: acs_types::RefusedReason::UnknownUser,
        }),
        EventBody::ControlTotals(acs_types::ControlTotals { first: 1, last: 9, count: 9 }),
    ]
}

async fn bench_with_events(limits: Limits, log: MemoryEventLog) -> (Bench, DeviceId) {
    let bench = Bench::with(limits, log).await;
    let device = bench.add_device(2).await;
    let records = bodies(&device).into_iter().zip(1..);
    bench.log.append(records.map(|(body, n)| record(n, Some(&device), body)).collect()).await.unwrap();
    (bench, device)
}

/// The events of a stream that ends: (id, event, data).
fn parse(text: &str) -> Vec<(u64, String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        line.to_owned()
    };
    blocks
        .map(|block| {
            let data = serde_json::from_str(&field(block, "data")).unwrap();
            (field(block, "id").parse().unwrap(), field(block, "event"), data)
        })
        .collect()
}

async fn ids(bench: &Bench, query: &str, last: Option<&str>) -> Vec<u64> {
    let mut request = request(Method::GET, &format!("/events?follow=false{query}"), Some(Scope::Read));
    if let Some(last) = last {
        request.headers_mut().insert("Last-Event-ID", last.parse().unwrap());
    }
    let reply = bench.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    parse(&reply.text).into_iter().map(|(id, ..)| id).collect()
}

#[tokio::test]
async fn the_newest_events_come_first_if_asked_for() {
    let (bench, _) = bench_with_events(Limits::default(), MemoryEventLog::new()).await;
    let all = bench.get("/events?follow=false").await;
    let last = bench.get("/events?follow=false&last=2").await;
    let data =
        |text: &str| text.lines().filter(|line| line.starts_with("data:")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(data(&last.text), data(&all.text)[5..]);
    let places: Vec<_> = last.text.lines().filter(|line| line.starts_with("id:")).collect();
    assert_eq!(places, ["id: 7"], "the last one is where a reader goes on");
    for wrong in ["last=0", "last=1001", "last=1&after=1"] {
        assert_eq!(bench.get(&format!("/events?follow=false&{wrong}")).await.status, 400, "{wrong}");
    }
    assert_eq!(ids(&bench, "&last=2", Some("3")).await, [4, 5, 6, 7], "a reader that comes back goes on");
}

#[tokio::test]
async fn every_kind_of_event_is_streamed_as_documented() {
    let (bench, device) = bench_with_events(Limits::default(), MemoryEventLog::new()).await;
    let reply = bench.get("/events?follow=false").await;
    assert_eq!(reply.header("content-type"), "text/event-stream");
    let events = parse(&reply.text);
    assert_eq!(events.len(), 7);
    for (id, name, data) in &events {
        schema::check(data, &json!({"$ref": "#/components/schemas/Event"}), "").unwrap();
        assert_eq!((&data["position"], &data["type"]), (&json!(id), &json!(name)));
        assert_eq!(data["device_id"], device.as_str());
    }
    assert_eq!(
        events[0].2["data"]["parameters"][1],
        json!({
            "path": "Device.Password", "value": null, "type": "string", "secret": true
        })
    );
    assert_eq!(events[4].2["data"], json!({"change": "firmware_changed", "from": "1", "to": "2"}));
}

#[tokio::test]
async fn a_stream_goes_on_where_the_reader_was() {
    let (bench, device) = bench_with_events(Limits::default(), MemoryEventLog::new()).await;
    assert_eq!(ids(&bench, "", None).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(ids(&bench, "&after=0", None).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(ids(&bench, "&after=4", None).await, [5, 6, 7]);
    assert_eq!(ids(&bench, "&after=1", Some("6")).await, [7], "Last-Event-ID wins");
    assert_eq!(ids(&bench, "", Some("7")).await, [0u64; 0]);
    assert_eq!(ids(&bench, "&type=acs.inform.v1,acs.device_change.v1", None).await, [1, 5]);
    assert_eq!(ids(&bench, &format!("&device={device}"), None).await.len(), 7);
    assert_eq!(ids(&bench, "&device=00AABB-other", None).await, [0u64; 0]);
    for query in ["type=x", "device=x", "after=-1", "follow=maybe"] {
        assert_eq!(bench.get(&format!("/events?{query}")).await.status, 400, "{query}");
    }
    let mut bad = request(Method::GET, "/events", Some(Scope::Read));
    bad.headers_mut().insert("Last-Event-ID", "x".parse().unwrap());
    assert_eq!(bench.send(bad).await.status, 400);
}

#[tokio::test]
async fn more_events_than_are_read_at_once_all_come() {
    let bench = Bench::new().await;
    let records = (0..600).map(|_| record(1, None, EventBody::Device(DeviceChange::Booted))).collect();
    bench.log.append(records).await.unwrap();
    assert_eq!(ids(&bench, "", None).await, (1..=600).collect::<Vec<u64>>());
    assert_eq!(ids(&bench, "&type=acs.audit.v1", None).await, [0u64; 0]);
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_told() {
    let (bench, _) = bench_with_events(Limits::default(), MemoryEventLog::with_limit(2)).await;
    let reply = bench.get("/events?after=1").await;
    assert_eq!((reply.status.as_u16(), reply.code()), (410, "events_gone"));
    assert!(reply.json["detail"].as_str().unwrap().contains("after=5"), "{}", reply.text);
    assert_eq!(ids(&bench, "&after=0", None).await, [6, 7], "0 is the oldest kept");
}

async fn next_frame(body: &mut Body) -> String {
    let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.unwrap().unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

fn open(bench: &Bench) -> impl Future<Output = axum::response::Response> {
    let request: Request<Body> = request(Method::GET, "/events", Some(Scope::Read));
    let stream = bench.router().oneshot(request);
    async { stream.await.unwrap() }
}

#[tokio::test]
async fn a_follower_gets_new_events_and_comments_in_silence() {
    let limits = Limits { keep_alive: Duration::from_millis(50), ..Limits::default() };
    let (bench, device) = bench_with_events(limits, MemoryEventLog::new()).await;
    let mut body = open(&bench).await.into_body();
    assert_eq!(next_frame(&mut body).await, ":\n\n", "a comment");
    bench.log.append(vec![record(9, Some(&device), EventBody::Device(DeviceChange::Booted))]).await.unwrap();
    let mut text = next_frame(&mut body).await;
    while !text.contains("data:") {
        text = next_frame(&mut body).await;
    }
    assert_eq!(parse(&text)[0].0, 8, "only what is new");
}

#[tokio::test]
async fn streams_are_bounded_and_give_their_place_back() {
    // P19
    let limits = Limits { event_streams: 1, ..Limits::default() };
    let (bench, _) = bench_with_events(limits, MemoryEventLog::new()).await;
    let first = open(&bench).await;
    assert_eq!(first.status(), 200);
    let refused = open(&bench).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(first);
    assert_eq!(open(&bench).await.status(), 200);
}
