use std::sync::atomic::Ordering;

use acs_events::SequenceLog;
use acs_store::{CachedSession, Devices, SessionCache, Tasks};
use acs_types::{DeviceChange, EventBody, EventType, Scope, SessionId, SessionStamp, TaskState};
use http::Method;
use serde_json::json;

use crate::bench::{Bench, in_url, request};

#[tokio::test]
async fn the_list_pages_through_all_devices_once() {
    let bench = Bench::new().await;
    for n in 0..25 {
        bench.add_device(n).await;
    }
    let mut seen = Vec::new();
    let mut query = String::new();
    loop {
        let reply = bench.get(&format!("/devices?limit=10{query}")).await;
        assert_eq!(reply.status, 200);
        let items = reply.json["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        seen.extend(items.iter().map(|device| device["id"].as_str().unwrap().to_owned()));
        match reply.json["next"].as_str() {
            Some(next) => query = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn the_list_is_filtered() {
    let bench = Bench::new().await;
    for n in 0..6 {
        bench.add_device(n).await;
    }
    for (query, count) in [
        ("serial_number=000003", 1),
        ("oui=00AABB", 6),
        ("oui=other", 0),
        ("product_class=IGD", 3),
        ("product_class=IGD&serial_number=000003", 0),
        ("software_version=1.0", 6),
        ("subscriber_id=nobody", 0),
        ("text=acme", 6),
        ("text=00004", 1),
        ("informed_since=1970-01-01T00:00:04Z", 2),
        ("informed_before=1970-01-01T01:00:04%2B01:00", 4),
    ] {
        let reply = bench.get(&format!("/devices?{query}")).await;
        assert_eq!(reply.json["items"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn bad_queries_name_the_field() {
    let bench = Bench::new().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("after=***", "after"),
        ("after=AAAA", "after"),
        ("informed_since=yesterday", "informed_since"),
    ] {
        let reply = bench.get(&format!("/devices?{query}")).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "bad_parameter"), "{query}");
        assert_eq!(reply.json["errors"][0]["field"], field, "{query}: {}", reply.text);
    }
    assert_eq!(bench.get("/devices?unknown=1").await.status, 400);
    assert_eq!(bench.get("/devices?limit=1&limit=2").await.status, 400);
}

#[tokio::test]
async fn a_device_is_shown_with_what_happens_on_it() {
    let bench = Bench::new().await;
    // An id with `%` in it.
    let device = bench.add_device(1).await;
    assert_eq!(device.as_str(), "00AABB-a%2Db-000001");
    let reply = bench.get(&format!("/devices/{}", in_url(&device))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json["serial_number"], "000001");
    assert_eq!(reply.json["last_inform"], "1970-01-01T00:00:01.000000Z");
    assert_eq!((&reply.json["live_session"], &reply.json["open_tasks"]), (&json!(null), &json!(0)));
    let session = CachedSession {
        session: SessionId::from_bytes([7; 16]),
        device: device.clone(),
        stamp: SessionStamp::from_micros(9),
        front_end: "fe.1".parse().unwrap(),
        snapshot: Vec::new(),
    };
    bench.sessions.begin(&session).await.unwrap();
    bench.post(&format!("/devices/{}/tasks", in_url(&device)), &json!({"kind": "reboot"})).await;
    let reply = bench.get(&format!("/devices/{}", in_url(&device))).await;
    assert_eq!(reply.json["live_session"], "07".repeat(16));
    assert_eq!(reply.json["open_tasks"], 1);
}

#[tokio::test]
async fn unknown_and_bad_ids_are_told_apart() {
    let bench = Bench::new().await;
    let reply = bench.get("/devices/00AABB-IGD-999999").await;
    assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"));
    let reply = bench.get("/devices/00AABB-a%20b-1").await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "bad_parameter"));
    assert!(reply.json["detail"].as_str().unwrap().contains("%25"), "{}", reply.text);
    assert_eq!(bench.get("/devices/%FF-a").await.status, 400);
}

#[tokio::test]
async fn a_subscriber_is_assigned_and_the_change_is_audited() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}");
    for subscriber in ["customer-1", "customer-2", ""] {
        let body = json!({"subscriber_id": subscriber}).to_string();
        let reply = bench.send_json(Method::PATCH, &path, Scope::Write, &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json["subscriber_id"]), (200, &json!(subscriber)));
    }
    // P27
    let change = ("write".to_owned(), "device.change".to_owned(), format!("devices/{device}"));
    assert_eq!(bench.audit().await, vec![change; 3]);
    let too_long = json!({"subscriber_id": "x".repeat(129)}).to_string();
    assert_eq!(bench.send_json(Method::PATCH, &path, Scope::Write, &too_long).await.status, 422);
    let longest = json!({"subscriber_id": "x".repeat(128)}).to_string();
    assert_eq!(bench.send_json(Method::PATCH, &path, Scope::Write, &longest).await.status, 200);
    let reply = bench.send_json(Method::PATCH, "/devices/0-1", Scope::Write, r#"{"subscriber_id": ""}"#).await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn deletion_cancels_what_is_open_and_loses_no_task() {
    // P1
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}");
    let queued = bench.post(&format!("{path}/tasks"), &json!({"kind": "reboot"})).await;
    let reply = bench.send(request(Method::DELETE, &path, Some(Scope::Write))).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    assert_eq!(bench.get(&path).await.status, 404);
    let reply = bench.get(&format!("/tasks/{}", queued.json["id"].as_str().unwrap())).await;
    assert_eq!(reply.json["state"], "cancelled", "{}", reply.text);
    let actions: Vec<_> = bench.audit().await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(actions, ["task.create", "device.delete"]);
    let last = bench.log.records().pop().unwrap();
    assert_eq!((last.device.as_ref(), &last.body), (Some(&device), &EventBody::Device(DeviceChange::Deleted)));
    assert_eq!(bench.send(request(Method::DELETE, &path, Some(Scope::Write))).await.status, 404);
}

#[tokio::test]
async fn a_device_with_a_task_on_its_way_is_not_deleted() {
    // P1, P2
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}");
    bench.post(&format!("{path}/tasks"), &json!({"kind": "reboot"})).await;
    let task = bench.store.partition(&device).await.unwrap().tasks.pop().unwrap();
    bench.provisioning.put(&task, TaskState::Sending { attempt: 1 }).await;
    let reply = bench.send(request(Method::DELETE, &path, Some(Scope::Write))).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (409, "task_in_flight"));
    assert!(bench.store.summary(&device).await.unwrap().is_some());
    assert!(bench.store.task(&device, &task.id).await.unwrap().unwrap().cancel_requested);
}

#[tokio::test]
async fn a_task_created_during_the_deletion_is_not_lost() {
    // P1
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}");
    bench.post(&format!("{path}/tasks"), &json!({"kind": "reboot"})).await;
    bench.provisioning.creates_meanwhile.store(true, Ordering::Relaxed);
    let reply = bench.send(request(Method::DELETE, &path, Some(Scope::Write))).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (409, "tasks_open"), "{}", reply.text);
    let partition = bench.store.partition(&device).await.unwrap();
    assert!(partition.summary.is_some());
    assert_eq!(partition.tasks.len(), 1, "the one that was created meanwhile");

    bench.provisioning.creates_meanwhile.store(false, Ordering::Relaxed);
    let reply = bench.send(request(Method::DELETE, &path, Some(Scope::Write))).await;
    assert_eq!(reply.status, 204, "trying again cancels that one too");
    let task = bench.store.task(&device, &partition.tasks[0].id).await.unwrap().unwrap();
    assert_eq!(task.state, TaskState::Cancelled);
}

#[tokio::test]
async fn a_wake_says_what_happened() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let reply = bench.send(request(Method::POST, &format!("/devices/{device}/wake"), Some(Scope::Write))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json, json!({"outcome": "unreachable", "reason": "no answer"}));
    assert_eq!(*bench.provisioning.audits.lock().unwrap(), ["device.wake"]); // P27
    let reply = bench.send(request(Method::POST, "/devices/0-1/wake", Some(Scope::Write))).await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn audit_records_are_events_without_gaps() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    for _ in 0..3 {
        bench.send(request(Method::POST, &format!("/devices/{device}/wake"), Some(Scope::Write))).await;
    }
    let events = bench.log.read(0, 10).await.unwrap();
    let seqs: Vec<_> = events.iter().map(|event| (event.record.event_type(), event.record.emitter_seq)).collect();
    assert_eq!(seqs, [(EventType::Audit, 1), (EventType::Audit, 2), (EventType::Audit, 3)]);
}
