use acs_events::EventSink;
use acs_proto::Provisioning;
use acs_store::{Credentials, History};
use acs_types::{CpeCredential, Scope, Secret, Task, TaskResult, TaskState};
use cwmp_model::{ParameterPath, ParameterValue, Value as CwmpValue};
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};

use crate::bench::request;
use crate::events::{bodies, record};
use crate::history::session;
use crate::parameters::with_tree;
use crate::schema::operations;

const CANARY: &str = "canary";

#[tokio::test]
async fn no_secret_comes_out_of_any_route() {
    // P26
    let (bench, device_path) = with_tree().await;
    let device = bench.add_device(2).await;
    let credential = CpeCredential {
        username: "cpe".into(),
        password: Secret::new(CANARY),
        connection_request_username: "cr".into(),
        connection_request_password: Secret::new(CANARY),
        pending_connection_request_password: Secret::new(CANARY),
        ..CpeCredential::default()
    };
    bench.store.put_credential(&device, Some(credential)).await.unwrap();
    bench.store.put_sessions(vec![session(&device, 1)]).await.unwrap();
    let records = bodies(&device).into_iter().zip(1..).map(|(body, n)| record(n, Some(&device), body));
    bench.log.append(records.collect()).await.unwrap();

    let secret = "Device.WiFi.AccessPoint.1.Security.KeyPassphrase";
    let tasks = format!("{device_path}/tasks");
    let mut answers = String::new();
    let mut ids = Vec::new();
    for body in [
        json!({"kind": "set_values", "values": [{"path": secret, "value": CANARY}]}),
        json!({"kind": "add_object", "object": "Device.Users.User.", "values": [{"path": "Password", "value": CANARY}]}),
        json!({"kind": "download", "url": "http://h/f", "file_type": "1", "username": "u", "password": CANARY}),
        // Answers to wrong requests are no leak either.
        json!({"kind": "set_values", "values": CANARY}),
        json!({"kind": "set_values", "values": [{"path": secret, "value": CANARY, "type": "int"}]}),
        json!({"kind": "set_values", "values": [{"path": secret, "value": format!("{CANARY}\u{1}")}]}),
        json!({"kind": "set_values", "values": [{"path": secret, "value": CANARY, "type": CANARY}]}),
        json!({"kind": "set_values", "values": [{"path": secret, "value": [CANARY]}]}),
        json!({"kind": "download", "url": "http://h/f", "file_type": "1", "password": {"x": CANARY}}),
    ] {
        let reply = bench.post(&tasks, &body).await;
        ids.extend(reply.json["id"].as_str().map(str::to_owned));
        answers.push_str(&reply.text);
        answers.push_str(&format!("{:?}", reply.headers));
    }
    assert_eq!(ids.len(), 3);
    let task: Task = {
        let id = ids[0].parse().unwrap();
        let mut states = bench.provisioning.watch(&device, &id).await.unwrap();
        states.next().await.unwrap().unwrap()
    };
    let name = ParameterPath::new(secret).unwrap();
    let value = ParameterValue { name, value: CwmpValue::string(CANARY) };
    let done = Task { result: Some(TaskResult::Values(vec![value])), ..task };
    bench.provisioning.put(&done, TaskState::Done { applied: acs_types::Applied::Now }).await;

    let mut count = 0;
    for (_, template, _) in operations().into_iter().filter(|(method, ..)| method == Method::GET) {
        let path = template.strip_prefix("/api/v1").unwrap().replace("/devices/{device}", &device_path);
        let path = path.replace("{session}", &"01".repeat(16)).replace("{file}", "none");
        let path = if path == "/events" { "/events?follow=false".to_owned() } else { path };
        for id in &ids {
            let path = path.replace("{task}", id);
            for scope in Scope::ALL {
                let reply = bench.send(request(Method::GET, &path, Some(scope))).await;
                count += usize::from(reply.status == 200);
                answers.push_str(&reply.text);
            }
        }
    }
    assert!(count > 60, "{count} answers with data");
    assert!(answers.contains("KeyPassphrase") && answers.contains("task.create"), "the answers were seen");
    let place = answers.find(CANARY).map(|at| &answers[at.saturating_sub(200)..at]);
    assert_eq!(place, None);
}

#[tokio::test]
async fn what_is_no_secret_is_shown() {
    let (bench, device) = with_tree().await;
    let body = json!({"kind": "set_values", "values": [{"path": "Device.WiFi.SSID.2.SSID", "value": "home"}]});
    let reply = bench.post(&format!("{device}/tasks"), &body).await;
    let expected: Value = json!({"path": "Device.WiFi.SSID.2.SSID", "value": "home", "type": null, "secret": false});
    assert_eq!(reply.json["values"][0], expected);
}
