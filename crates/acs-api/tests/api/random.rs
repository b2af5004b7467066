use acs_types::Scope;
use http::Method;
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// P22: no body makes a 5xx, and every answer is as documented.
    #[test]
    fn no_body_makes_a_server_error(body in prop_oneof![any_json(), task_like()], query in "[a-z_]{0,8}(=[ -~]{0,8})?") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let device = bench.add_device(2).await;
            let query: String = query.chars().filter(|c| !matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' | '#')).collect();
            for (method, path, scope) in [
                (Method::POST, format!("/devices/{device}/tasks"), Scope::Write),
                (Method::POST, format!("/devices/{device}/tasks?{query}"), Scope::Write),
                (Method::PATCH, format!("/devices/{device}"), Scope::Write),
                (Method::POST, "/tokens".to_owned(), Scope::Admin),
                (Method::POST, format!("/files?name=a&file_type=1&{query}"), Scope::Files),
            ] {
                let reply = bench.send_json(method.clone(), &path, scope, &body.to_string()).await;
                prop_assert!(reply.status.as_u16() < 500, "{} {}: {}", method, path, reply.text);
            }
            Ok(())
        })?;
    }
}
