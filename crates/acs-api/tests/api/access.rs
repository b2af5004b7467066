use acs_types::Scope;
use axum::body::Body;
use http::{Method, Request};

use crate::bench::{Bench, request};
use crate::schema::operations;

/// A path with sample ids.
fn sample(template: &str) -> String {
    template
        .replace("{device}", "00AABB-IGD-000002")
        .replace("{task}", "abc")
        .replace("{session}", &"0".repeat(32))
        .replace("{file}", "abc")
        .replace("{token}", "abc")
        .strip_prefix("/api/v1")
        .unwrap()
        .to_owned()
}

/// The routes that need no token. A new one has to be thought about here.
const PUBLIC: [&str; 3] = ["/api/v1/health/live", "/api/v1/health/ready", "/api/v1/openapi.json"];

#[tokio::test]
async fn no_route_gives_data_without_a_token_or_with_a_wrong_one() {
    // P23
    let bench = Bench::new().await;
    let mut count = 0;
    for (method, template, operation) in operations() {
        let path = sample(&template);
        let needs = operation["security"][0]["bearer"][0].as_str().and_then(Scope::parse);
        assert_eq!(needs.is_none(), PUBLIC.contains(&template.as_str()), "{method} {template}");
        let Some(needs) = needs else { continue };
        count += 1;
        let reply = bench.send(request(method.clone(), &path, None)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (401, "unauthenticated"), "{method} {path}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        for scope in Scope::ALL.into_iter().filter(|scope| *scope != needs) {
            let reply = bench.send(request(method.clone(), &path, Some(scope))).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (403, "missing_scope"), "{method} {path} as {scope:?}");
        }
        // An event stream that follows would not end.
        let path = if path == "/events" { "/events?follow=false".to_owned() } else { path };
        let reply = bench.send(request(method.clone(), &path, Some(needs))).await;
        assert!(!matches!(reply.status.as_u16(), 401 | 403), "{method} {path}: {}", reply.text);
    }
    assert_eq!(count, operations().len() - PUBLIC.len());
    assert_eq!(bench.audit().await, [], "nothing was changed");
}

#[tokio::test]
async fn a_get_route_needs_the_same_token_for_head() {
    // P23: the router answers HEAD by the handler of GET.
    let bench = Bench::new().await;
    let head = |scope| {
        let mut request = request(Method::HEAD, "/devices", scope);
        *request.body_mut() = Body::empty();
        tower::ServiceExt::oneshot(bench.router(), request)
    };
    assert_eq!(head(None).await.unwrap().status(), 401);
    assert_eq!(head(Some(Scope::Admin)).await.unwrap().status(), 403);
    assert_eq!(head(Some(Scope::Read)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_of_another_shape_is_nobody() {
    let bench = Bench::new().await;
    for value in ["Bearer wrong-token-wrong-token", "Basic YTpi", "Bearer", "Bearer  ", ""] {
        let request =
            Request::builder().uri("/api/v1/devices").header("Authorization", value).body(Body::empty()).unwrap();
        assert_eq!(bench.send(request).await.status, 401, "{value:?}");
    }
}

#[test]
fn the_routes_of_the_first_release_are_all_there() {
    // Paths and scopes are for ever: the sample only grows.
    let now: Vec<String> = operations()
        .into_iter()
        .map(|(method, path, operation)| {
            let scope = operation["security"][0]["bearer"][0].as_str().unwrap_or("public");
            format!("{method} {path} {scope}")
        })
        .collect();
    for old in include_str!("../../testdata/routes-v1.txt").lines() {
        assert!(now.iter().any(|route| route == old), "{old} is gone");
    }
}
