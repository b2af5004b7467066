use acs_types::Scope;
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::bench::Bench;

/// Any JSON, with the names and words of this API more often than by chance.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "set_values",
        "get_values",
        "get_names",
        "refresh",
        "add_object",
        "delete_object",
        "download",
        "reboot",
        "Device.A",
        "Device.A.",
        "Device.A.1.",
        "",
        "unsignedInt",
        "now",
        "read",
        "http://h/f",
        "firmware",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "kind",
        "paths",
        "values",
        "path",
        "value",
        "type",
        "object",
        "next_level",
        "wanted",
        "expires_in_seconds",
        "url",
        "file_id",
        "file_type",
        "password",
        "subscriber_id",
        "principal",
        "scopes",
    ]);
    let name = prop_oneof![4 => name.prop_map(str::to_owned), 1 => any::<String>()];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A task that begins well.
fn task_like() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(acs_types::TaskKind::ALL.to_vec());
    (kinds, any_json()).prop_map(|(kind, rest)| {
        let mut task = rest.as_object().cloned().unwrap_or_default();
        task.insert("kind".into(), kind.as_str().into());
        Value::Object(task)
    })
}

/// Any query that can stand in a URL.
fn any_query() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{0,8}(=[!$-;=?-Z_a-z~]{0,8})?", "(wait|after|limit|name|version)=(%[0-9A-F]{2}|[0-9a-z]){0,4}"]
}

/// P22: no body and no query makes a 5xx, and every answer is as documented.
#[test]
fn nothing_sent_makes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (bench, device) = runtime.block_on(async {
        let bench = Bench::new().await;
        let device = bench.add_device(2).await;
        (bench, device)
    });
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) };
    let inputs = (prop_oneof![any_json(), task_like()], any_query());
    TestRunner::new(config)
        .run(&inputs, |(body, query)| {
            // A wait is kept short, for nothing ever happens to these tasks.
            let query = query.replace("wait=", "wait=0");
            let body = body.to_string();
            for (method, path, scope) in [
                (Method::POST, format!("/devices/{device}/tasks"), Scope::Write),
                (Method::POST, format!("/devices/{device}/tasks?{query}"), Scope::Write),
                (Method::PATCH, format!("/devices/{device}"), Scope::Write),
                (Method::POST, "/tokens".to_owned(), Scope::Admin),
                (Method::POST, format!("/files?name=a&file_type=1&{query}"), Scope::Files),
                (Method::GET, format!("/devices?{query}"), Scope::Read),
                (Method::GET, format!("/devices/{device}/parameters?{query}"), Scope::Read),
                (Method::GET, format!("/events?follow=false&{query}"), Scope::Read),
                (Method::GET, format!("/catalogue/complete?prefix={query}"), Scope::Read),
            ] {
                let reply = bench.send_json(method.clone(), &path, scope, &body);
                let reply = runtime.block_on(reply);
                prop_assert!(reply.status.as_u16() < 500, "{} {}: {}", method, path, reply.text);
            }
            Ok(())
        })
        .unwrap();
}
