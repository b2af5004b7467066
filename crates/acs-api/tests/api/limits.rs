use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_api::Limits;
use acs_events::MemoryEventLog;
use acs_types::Scope;
use http::Method;
use serde_json::json;

use crate::bench::{Bench, request};

async fn with_task(limits: Limits) -> (Bench, String) {
    let bench = Bench::with(limits, MemoryEventLog::new()).await;
    let device = bench.add_device(2).await;
    let reply = bench.post(&format!("/devices/{device}/tasks"), &json!({"kind": "reboot"})).await;
    (bench, format!("/tasks/{}", reply.json["id"].as_str().unwrap()))
}

#[tokio::test]
async fn too_many_requests_at_once_are_turned_away() {
    // P19
    let (bench, task) = with_task(Limits { requests: 1, ..Limits::default() }).await;
    let waiting = format!("{task}?wait=1");
    let others = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let refused = bench.get("/devices").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (503, "overloaded"));
        assert_eq!(refused.header("retry-after"), "5");
        assert_eq!(bench.get("/health/live").await.status, 200, "a busy server is not a dead one");
    };
    let (waited, ()) = tokio::join!(bench.get(&waiting), others);
    assert_eq!(waited.status, 200);
    assert_eq!(bench.get("/devices").await.status, 200);
}

#[tokio::test]
async fn too_many_waits_at_once_are_turned_away() {
    let (bench, task) = with_task(Limits { waits: 1, ..Limits::default() }).await;
    let waiting = format!("{task}?wait=1");
    let others = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(bench.get(&waiting).await.status, 503);
        assert_eq!(bench.get(&task).await.status, 200);
        let device = bench.add_device(4).await;
        let created = bench.post(&format!("/devices/{device}/tasks?wait=1"), &json!({"kind": "reboot"})).await;
        assert_eq!(created.status, 202, "the task is kept though nobody waits for it (P1)");
    };
    let (waited, ()) = tokio::join!(bench.get(&waiting), others);
    assert_eq!(waited.status, 200);
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let limits = Limits { request_time: Duration::from_millis(100), ..Limits::default() };
    let bench = Bench::with(limits, MemoryEventLog::new()).await;
    let device = bench.add_device(2).await;
    bench.provisioning.wake_hangs.store(true, Ordering::Relaxed);
    let wake = request(Method::POST, &format!("/devices/{device}/wake"), Some(Scope::Write));
    let reply = bench.send(wake).await;
    assert_eq!((reply.status.as_u16(), reply.code(), reply.header("retry-after")), (503, "timeout", "1"));
}

#[tokio::test]
async fn a_panic_ends_one_request_alone() {
    // P20
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    bench.provisioning.wake_panics.store(true, Ordering::Relaxed);
    let wake = request(Method::POST, &format!("/devices/{device}/wake"), Some(Scope::Write));
    let reply = bench.send(wake).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (500, "internal"));
    assert_eq!(bench.get("/devices").await.status, 200);
}

#[tokio::test]
async fn health_and_version_are_told() {
    let bench = Bench::new().await;
    let live = bench.send(request(Method::GET, "/health/live", None)).await;
    assert_eq!((live.status.as_u16(), &live.json["live"]), (200, &json!(true)));
    let check = bench.health.check("store", acs_telemetry::Impact::NotReady);
    check.fail("no answer");
    let ready = bench.send(request(Method::GET, "/health/ready", None)).await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json["checks"][0],
        json!({
            "name": "store", "impact": "not_ready", "passing": false, "detail": "no answer"
        })
    );
    check.pass();
    assert_eq!(bench.send(request(Method::GET, "/health/ready", None)).await.status, 200);
    assert_eq!(bench.get("/version").await.json, json!({"version": "0.1.0", "revision": null}));
}

#[tokio::test]
async fn metrics_name_routes_and_never_ids() {
    let (bench, task) = with_task(Limits::default()).await;
    bench.get(&task).await;
    bench.get("/no-such-route-canary").await;
    let reply = bench.get_as(Scope::Admin, "/metrics").await;
    let line = r#"lastmile_api_requests_total{method="GET",route="/api/v1/tasks/{task}",status="200"} 1"#;
    assert!(reply.text.contains(line), "{}", reply.text);
    assert!(reply.text.contains(r#"route="none",status="404""#));
    assert!(!reply.text.contains("canary") && !reply.text.contains(&task));
}

#[tokio::test]
async fn a_caller_that_goes_away_breaks_nothing_off() {
    // P1: what was audited is done.
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    bench.provisioning.is_slow.store(true, Ordering::Relaxed);
    let body = json!({"kind": "reboot"});
    let path = format!("/devices/{device}/tasks");
    let gone = tokio::time::timeout(Duration::from_millis(30), bench.post_with_key(&path, "key", &body)).await;
    assert!(gone.is_err(), "the caller did not wait");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tasks = bench.get(&path).await;
    assert_eq!((tasks.json["items"].as_array().unwrap().len(), bench.audit().await.len()), (1, 1));
}
