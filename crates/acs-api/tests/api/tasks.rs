use std::time::{Duration, Instant};

use acs_store::Tasks;
use acs_types::{AttemptReason, Evidence, Task, TaskId, TaskState};
use cwmp_model::Timestamp;
use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, request};
use acs_types::Scope;

/// A bench with a device, the path of its tasks, and one reboot in the queue.
async fn with_task() -> (Bench, String, Task) {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let reply = bench.post(&path, &json!({"kind": "reboot"})).await;
    let id: TaskId = reply.json["id"].as_str().unwrap().parse().unwrap();
    let task = bench.store.task(&device, &id).await.unwrap().unwrap();
    (bench, path, task)
}

#[tokio::test]
async fn a_task_is_created_and_found_again() {
    // P1
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let body = json!({
        "kind": "set_values", "wanted": "next_session", "expires_in_seconds": 60,
        "values": [{"path": "Device.A", "value": "1", "type": "unsignedInt"}],
    });
    let reply = bench.post(&path, &body).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json["created"], true);
    assert_eq!(reply.json["state"], "queued");
    assert_eq!(reply.json["wake"], json!({"outcome": "accepted", "reason": null}));
    assert_eq!(reply.json["wanted"], "next_session");
    assert_eq!(reply.json["origin"], json!({"kind": "request", "principal": "write"}));
    assert_eq!(reply.json["values"][0]["value"], "1");
    let id = reply.json["id"].as_str().unwrap();
    assert_eq!(reply.header("location"), format!("/api/v1{path}/{id}"));
    assert!(!reply.header("idempotency-key").is_empty(), "the server's own key is named");
    for place in [format!("{path}/{id}"), format!("/tasks/{id}")] {
        let shown = bench.get(&place).await;
        assert_eq!((shown.status.as_u16(), &shown.json["id"]), (200, &json!(id)), "{place}");
    }
    assert_eq!(*bench.provisioning.audits.lock().unwrap(), ["task.create"]); // P27
    let object = format!("devices/{device}/tasks/{id}");
    assert_eq!(bench.audit().await, [("write".to_owned(), "task.create".to_owned(), object)]);
}

#[tokio::test]
async fn the_same_key_gives_the_same_task() {
    // P5
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let first = bench.post_with_key(&path, "key-1", &json!({"kind": "reboot"})).await;
    let again = bench.post_with_key(&path, "key-1", &json!({"kind": "reboot"})).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json["id"], again.json["id"]);
    assert_eq!((&first.json["created"], &again.json["created"]), (&json!(true), &json!(false)));
    assert_eq!(again.header("idempotency-key"), "key-1");
    let other = bench.post_with_key(&path, "key-2", &json!({"kind": "reboot"})).await;
    assert_ne!(first.json["id"], other.json["id"]);
    let reused = bench.post_with_key(&path, "key-1", &json!({"kind": "factory_reset"})).await;
    assert_eq!((reused.status.as_u16(), reused.code()), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn keys_hold_at_their_edges() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    assert_eq!(bench.post_with_key(&path, &"k".repeat(128), &json!({"kind": "reboot"})).await.status, 202);
    for key in [&"k".repeat(129), "", "with space", "t\u{e4}st"] {
        let reply = bench.post_with_key(&path, key, &json!({"kind": "reboot"})).await;
        assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (400, &json!("Idempotency-Key")));
    }
}

#[tokio::test]
async fn a_task_for_nobody_is_refused_and_leaves_nothing() {
    let bench = Bench::new().await;
    let reply = bench.post("/devices/00AABB-IGD-999999/tasks", &json!({"kind": "reboot"})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"));
    assert_eq!(bench.audit().await, []);
}

#[tokio::test]
async fn wrong_bodies_name_every_field() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let body = json!({
        "kind": "set_values", "expires_in_seconds": 0,
        "values": [{"path": "Device..A", "value": "1"}, {"path": "Device.B", "value": "x", "type": "int"}],
    });
    let reply = bench.post(&path, &body).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (422, "invalid_body"));
    let fields: Vec<&Value> = reply.json["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["expires_in_seconds", "values[0].path", "values[1].value"]);
    let reply = bench.post(&path, &json!({"kind": "download", "file_id": "nosuchfile"})).await;
    assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (422, &json!("file_id")));
    assert_eq!(bench.post(&path, &json!({"kind": "discover"})).await.status, 422, "the server's own kind");
    assert_eq!(bench.post(&path, &json!({"kind": "reboot", "more": 1})).await.status, 422);
    assert_eq!(bench.audit().await, [], "nothing was done");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (bench, path, task) = with_task().await;
    for _ in 0..4 {
        bench.post(&path, &json!({"kind": "get_names"})).await;
    }
    bench.provisioning.put(&task, TaskState::Failed).await;
    for (list, count) in [
        (path.clone(), 5),
        (format!("{path}?state=failed"), 1),
        (format!("{path}?state=failed,queued"), 5),
        (format!("{path}?kind=get_names"), 4),
        (format!("{path}?kind=get_names&state=failed"), 0),
        ("/tasks".to_owned(), 4),
        ("/tasks?kind=reboot".to_owned(), 0),
        ("/devices/00AABB-IGD-999999/tasks".to_owned(), 0),
    ] {
        let reply = bench.get(&list).await;
        assert_eq!(reply.json["items"].as_array().unwrap().len(), count, "{list}");
    }
    let page = bench.get(&format!("{path}?limit=3")).await;
    let rest = bench.get(&format!("{path}?limit=3&after={}", page.json["next"].as_str().unwrap())).await;
    assert_eq!((rest.json["items"].as_array().unwrap().len(), &rest.json["next"]), (2, &json!(null)));
    for (query, field) in [("state=lost", "state"), ("kind=", "kind"), ("after=AA", "after")] {
        let reply = bench.get(&format!("{path}?{query}")).await;
        assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (400, &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_outcome() {
    let (bench, path, task) = with_task().await;
    let waits = [
        (TaskState::Done { applied: acs_types::Applied::Now }, "done"),
        (TaskState::Awaiting { attempt: 1, evidence: Evidence::Reboot, until: Timestamp::from_seconds(9) }, "awaiting"),
    ];
    for (state, name) in waits {
        bench.provisioning.put(&task, TaskState::Queued).await;
        let later = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            bench.provisioning.put(&task, state).await;
        };
        let place = format!("{path}/{}?wait=60", task.id);
        let (reply, ()) = tokio::join!(bench.get(&place), later);
        assert_eq!((reply.status.as_u16(), &reply.json["state"]), (200, &json!(name)));
    }
    let shown = bench.get(&format!("/tasks/{}?wait=60", task.id)).await;
    assert_eq!(shown.json["awaiting"], json!({"evidence": "reboot", "until": "1970-01-01T00:00:09.000000Z"}));
}

#[tokio::test]
async fn a_creation_that_waits_answers_200_only_with_an_outcome() {
    let (bench, path, task) = with_task().await;
    let begin = Instant::now();
    let reply = bench.post_with_key(&format!("{path}?wait=1"), "slow", &json!({"kind": "reboot"})).await;
    assert_eq!((reply.status.as_u16(), &reply.json["state"]), (202, &json!("queued")));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let id = reply.json["id"].as_str().unwrap().parse().unwrap();
    let slow = bench.store.task(&task.device, &id).await.unwrap().unwrap();
    bench.provisioning.put(&slow, TaskState::Done { applied: acs_types::Applied::AfterReboot }).await;
    let reply = bench.post_with_key(&format!("{path}?wait=1"), "slow", &json!({"kind": "reboot"})).await;
    assert_eq!((reply.status.as_u16(), &reply.json["applied"]), (200, &json!("after_reboot")));
    for wait in ["61", "-1", "x", "1.5"] {
        let reply = bench.get(&format!("{path}/{}?wait={wait}", task.id)).await;
        assert_eq!((reply.status.as_u16(), &reply.json["errors"][0]["field"]), (400, &json!("wait")), "{wait}");
    }
}

#[tokio::test]
async fn tasks_are_cancelled_and_retried() {
    let (bench, path, task) = with_task().await;
    let post = async |place: String| bench.send(request(Method::POST, &place, Some(Scope::Write))).await;
    for place in [format!("{path}/{}", task.id), format!("/tasks/{}", task.id)] {
        let reply = post(format!("{place}/retry")).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (409, "not_retryable"));
        let reply = post(format!("{place}/cancel")).await;
        assert_eq!((reply.status.as_u16(), &reply.json["state"]), (200, &json!("cancelled")));
        let reply = post(format!("{place}/cancel")).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (409, "task_final"));
        let reply = post(format!("{place}/retry")).await;
        assert_eq!((reply.status.as_u16(), &reply.json["state"]), (200, &json!("queued")));
    }
    // P27: each call found its own record.
    let expected = ["task.retry", "task.cancel", "task.cancel", "task.retry"];
    assert_eq!(bench.provisioning.audits.lock().unwrap()[1..], [expected, expected].concat());
    for place in ["/tasks/nosuch/cancel", "/tasks/nosuch/retry", &format!("{path}/nosuch/cancel")] {
        assert_eq!(post(place.to_owned()).await.status, 404, "{place}");
    }
    assert_eq!(bench.get(&format!("/devices/00AABB-IGD-000004/tasks/{}", task.id)).await.status, 404);
}

#[tokio::test]
async fn attempts_results_and_faults_are_shown() {
    let (bench, path, task) = with_task().await;
    let attempt = acs_types::Attempt {
        number: 1,
        id: acs_types::AttemptId::of(&task.id, 1),
        session: acs_types::SessionId::from_bytes([1; 16]),
        reason: AttemptReason::First,
        method: "Reboot".into(),
        started_at: Timestamp::from_seconds(1),
        deadline: Timestamp::from_seconds(2),
        answered_at: None,
        outcome: Some(acs_types::AttemptOutcome::Fault(9002)),
        key_before: String::new(),
        instances_before: vec![],
    };
    let fault = acs_types::TaskFault {
        code: 9003,
        text: "Invalid arguments".into(),
        parameters: vec![acs_types::ParameterFaultRecord {
            name: cwmp_model::ParameterPath::new("Device.A").unwrap(),
            code: 9007,
            text: "Invalid value".into(),
        }],
    };
    let result = acs_types::TaskResult::Counts { names: 3, values: 2 };
    let failed = Task { attempts: vec![attempt], fault: Some(fault), result: Some(result), ..task.clone() };
    bench.provisioning.put(&failed, TaskState::Failed).await;
    let reply = bench.get(&format!("{path}/{}", task.id)).await;
    assert_eq!(reply.json["attempts"][0]["outcome"], "fault");
    assert_eq!(reply.json["attempts"][0]["fault_code"], 9002);
    assert_eq!(
        reply.json["fault"]["parameters"][0],
        json!({"path": "Device.A", "code": 9007, "text": "Invalid value"})
    );
    assert_eq!(reply.json["result"], json!({"kind": "counts", "names": 3, "values": 2}));
    assert_eq!((&reply.json["final"], &reply.json["state"]), (&json!(true), &json!("failed")));
}
