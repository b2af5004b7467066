use acs_store::Error;
use acs_types::Scope;
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::bench::{Bench, json_request, request};

#[tokio::test]
async fn what_is_no_route_is_a_problem() {
    let bench = Bench::new().await;
    for path in ["/api/v1/nothing", "/", "/api", "/api/v1", "/api/v1/devices/", "/api/v1/devices/a/b/c/d/e"] {
        let reply = bench.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, "no_such_route"), "{path}");
        assert_eq!(reply.json["type"], "/problems/no_such_route");
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let bench = Bench::new().await;
    for (method, path, allow) in [
        (Method::PUT, "/devices", "GET,HEAD"),
        (Method::POST, "/devices/0-1", "GET,HEAD,PATCH,DELETE"),
        (Method::GET, "/tasks/a/cancel", "POST"),
        (Method::DELETE, "/health/live", "GET,HEAD"),
    ] {
        let reply = bench.send(request(method, path, None)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (405, "method_not_allowed"), "{path}");
        let mut allowed: Vec<_> = reply.header("allow").split(',').collect();
        let mut expected: Vec<_> = allow.split(',').collect();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[tokio::test]
async fn bad_bodies_are_problems() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let send = |body: &str| bench.send(json_request(Method::POST, &path, Scope::Write, body));
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("{", 400, "malformed_json"),
        ("{\"kind\": \"reboot\"} x", 400, "malformed_json"),
        (&"[".repeat(200), 400, "malformed_json"),
        ("[]", 422, "invalid_body"),
        ("{}", 422, "invalid_body"),
        ("{\"kind\": \"no\"}", 422, "invalid_body"),
        ("{\"kind\": \"reboot\", \"kind\": \"reboot\"}", 422, "invalid_body"),
    ] {
        let reply = send(body).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, code), "{body}: {}", reply.text);
    }
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "json"] {
        let mut request = json_request(Method::POST, &path, Scope::Write, "{\"kind\": \"reboot\"}");
        request.headers_mut().insert("Content-Type", media_type.parse().unwrap());
        let reply = bench.send(request).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (415, "unsupported_media_type"), "{media_type}");
    }
    let without = request(Method::POST, &path, Some(Scope::Write));
    assert_eq!(bench.send(without).await.status, 415);
    let mut with_charset = json_request(Method::POST, &path, Scope::Write, "{\"kind\": \"reboot\"}");
    with_charset.headers_mut().insert("Content-Type", "application/json; charset=utf-8".parse().unwrap());
    assert_eq!(bench.send(with_charset).await.status, 202);
}

#[tokio::test]
async fn a_body_holds_at_the_limit() {
    // P19
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let path = format!("/devices/{device}/tasks");
    let body = |bytes: usize| {
        let task = r#"{"kind": "reboot"}"#;
        format!("{task}{}", " ".repeat(bytes - task.len()))
    };
    assert_eq!(bench.send_json(Method::POST, &path, Scope::Write, &body(1 << 20)).await.status, 202);
    let reply = bench.send_json(Method::POST, &path, Scope::Write, &body((1 << 20) + 1)).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_store_that_is_away_says_come_back() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    for (error, status, code) in [
        (Error::Unavailable("node down".into()), 503, "unavailable"),
        (Error::NoSpace("disk full".into()), 503, "unavailable"),
        (Error::Corrupt("row 1".into()), 500, "internal"),
    ] {
        bench.store.fail_with(Some(error));
        let reply = bench.post(&format!("/devices/{device}/tasks"), &json!({"kind": "reboot"})).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, code));
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503);
    }
    bench.store.fail_with(None);
    assert_eq!(bench.audit().await, [], "no change without its audit record (P27)");
    assert_eq!(bench.get(&format!("/devices/{device}/tasks")).await.json["items"], json!([]));
}
