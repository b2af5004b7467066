//! Devices that do not answer: an unknown outcome is soon visible (P3), a poison task is put away (P4).

use std::time::{Duration, Instant};

use cwmp_codec::{AcsRequest, CpeResponse, GetParameterNamesResponse, ParameterInfo, SetParameterValuesResponse};
use cwmp_model::ParameterPath;
use serde_json::{Value, json};

use crate::support::cpe::{Answer, Cpe};
use crate::support::judge::{list, text};
use crate::support::{Api, Options, SOON, Server, until};

/// The shortest idle time-out there is.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// What P3 allows beyond a deadline.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);
const TABLE: &str = "Device.NAT.PortMapping.";

async fn start() -> Server {
    let options = Options::default().flag("first-contact", "none").set("cwmp.session_timeout_seconds", "30");
    Server::start_with(options).await
}

/// A known device with a task that waits for its next session.
async fn with_task(server: &Server, serial: &str, task: Value) -> (Cpe, String) {
    let api = server.api();
    let mut cpe = Cpe::new(&server.acs_url(), serial);
    cpe.inform(&[("0 BOOTSTRAP", ""), ("1 BOOT", "")]).await;
    assert_eq!(cpe.empty_post().await.status, 204);
    let id = cpe.id();
    until("the device is known", SOON, || async {
        (api.get(&format!("/devices/{id}")).await.status == 200).then_some(())
    })
    .await;
    let created = api.create(&id, &task, None).await.expect(202);
    (cpe, text(&created, "id").to_owned())
}

/// Opens a session and answers reads until a request that changes something comes.
async fn up_to_the_change(cpe: &mut Cpe, rows: &[u32]) -> Answer {
    cpe.inform(&[("2 PERIODIC", "")]).await;
    let mut answer = cpe.empty_post().await;
    while let Some(cwmp_codec::Message::AcsRequest(AcsRequest::GetParameterNames(_))) = &answer.message {
        let info =
            |row: &u32| ParameterInfo { name: ParameterPath::new(&format!("{TABLE}{row}.")).unwrap(), writable: true };
        let names = GetParameterNamesResponse { parameters: rows.iter().map(info).collect() };
        answer = cpe.answer(&answer.id.clone(), CpeResponse::GetParameterNames(names)).await;
    }
    answer
}

fn add_object() -> Value {
    json!({"kind": "add_object", "object": TABLE, "wanted": "next_session"})
}

async fn state_of(api: &Api, task: &str) -> String {
    text(&api.task(task).await, "state").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_an_unknown_outcome_within_seconds_and_evidence_settles_it_p3() {
    let server = start().await;
    let api = server.api();
    let (mut cpe, task) = with_task(&server, "SILENT", add_object()).await;
    let sent = up_to_the_change(&mut cpe, &[1]).await;
    let AcsRequest::AddObject(add) = sent.request().clone() else { panic!("no AddObject: {sent:?}") };
    let began = Instant::now();
    assert_eq!(state_of(&api, &task).await, "sending");
    until("the outcome is unknown", SESSION_TIMEOUT + VISIBLE_WITHIN, || async {
        (state_of(&api, &task).await == "unknown").then_some(())
    })
    .await;
    assert!(began.elapsed() >= SESSION_TIMEOUT - Duration::from_secs(1), "not before the deadline");

    // It had done it: its ParameterKey says so, the new row is read.
    cpe.parameter_key.clone_from(&add.parameter_key);
    let end = up_to_the_change(&mut cpe, &[1, 7]).await;
    assert_eq!(end.status, 204, "nothing is sent again: {end:?}");
    let settled = api.finished(&task).await;
    assert_eq!(
        (&settled["state"], &settled["result"]["object"]),
        (&json!("resolved_applied"), &json!(format!("{TABLE}7.")))
    );
    assert_eq!(list(&settled, "attempts").len(), 1);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_outlives_the_process_that_set_it_p3() {
    let mut server = start().await;
    let (mut cpe, task) = with_task(&server, "ORPHAN", json!({"kind": "reboot", "wanted": "next_session"})).await;
    let sent = up_to_the_change(&mut cpe, &[]).await;
    assert_eq!(sent.request().method(), "Reboot");
    server.kill();
    server.restart().await;
    let api = server.api();
    let sending = api.task(&task).await;
    assert_eq!(sending["state"], "sending", "{sending:#}");
    let deadline: jiff::Timestamp = text(&list(&sending, "attempts")[0], "deadline").parse().unwrap();
    let left = Duration::try_from(deadline.duration_since(jiff::Timestamp::now())).unwrap_or_default();
    assert!(left <= 2 * SESSION_TIMEOUT, "{left:?}");
    until("the outcome is unknown", left + VISIBLE_WITHIN, || async {
        (state_of(&api, &task).await == "unknown").then_some(())
    })
    .await;
    // No evidence: it is not sent again, however often the device comes.
    for _ in 0..3 {
        cpe.inform(&[("2 PERIODIC", "")]).await;
        assert_eq!(cpe.empty_post().await.status, 204);
    }
    assert_eq!(state_of(&api, &task).await, "unknown");
    // The event is evidence.
    let key = text(&list(&api.task(&task).await, "attempts")[0], "id").to_owned();
    cpe.inform(&[("1 BOOT", ""), ("M Reboot", &key)]).await;
    assert_eq!(api.finished(&task).await["state"], "resolved_applied");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_crashes_its_device_three_times_is_put_away_p4() {
    let server = start().await;
    let api = server.api();
    let set = json!({"kind": "set_values", "wanted": "next_session",
        "values": [{"path": "Device.DeviceInfo.ProvisioningCode", "value": "poison", "type": "string"}]});
    let (mut cpe, task) = with_task(&server, "POISON", set).await;
    let mut keys = Vec::new();
    for n in 1..=3 {
        cpe.inform(&[("1 BOOT", "")]).await;
        let sent = cpe.empty_post().await;
        let AcsRequest::SetParameterValues(set) = sent.request() else { panic!("session {n}: {sent:?}") };
        keys.push(set.parameter_key.clone());
    }
    cpe.inform(&[("1 BOOT", "")]).await;
    let end = cpe.empty_post().await;
    assert_eq!(end.status, 204, "it is not sent a fourth time: {end:?}");
    let ended = api.finished(&task).await;
    assert_eq!(ended["state"], "quarantined", "{ended:#}");
    let attempts = list(&ended, "attempts");
    let told: Vec<(&str, &str)> = attempts.iter().map(|a| (text(a, "id"), text(a, "reason"))).collect();
    assert_eq!(told, [(keys[0].as_str(), "first"), (&keys[1], "unanswered"), (&keys[2], "unanswered")], "P2");
    // Only a person sends it again.
    api.post(&format!("/tasks/{task}/retry"), &json!({})).await.expect(200);
    cpe.inform(&[("1 BOOT", "")]).await;
    assert_eq!(cpe.empty_post().await.request().method(), "SetParameterValues");
    assert_eq!(text(list(&api.task(&task).await, "attempts").last().unwrap(), "reason"), "operator");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost_with_the_server_do_not_count_against_a_task_p7_p4() {
    let mut server = start().await;
    let set = json!({"kind": "set_values", "wanted": "next_session",
        "values": [{"path": "Device.DeviceInfo.ProvisioningCode", "value": "good", "type": "string"}]});
    let (mut cpe, task) = with_task(&server, "SPARED", set).await;
    const KILLS: usize = 5;
    for n in 1..=KILLS {
        cpe.inform(&[("2 PERIODIC", "")]).await;
        let sent = cpe.empty_post().await;
        assert_eq!(sent.request().method(), "SetParameterValues", "session {n}");
        server.kill();
        server.restart().await;
        // Three that are counted before that is known would put the task away, until it is.
        until("it is known to be lost with the server", SOON, || async {
            let now = server.api().task(&task).await;
            (now["state"] == "queued" && now["unanswered"] == 0).then_some(())
        })
        .await;
    }
    let api = server.api();
    let spared = api.task(&task).await;
    let reasons: Vec<&str> = list(&spared, "attempts").iter().map(|attempt| text(attempt, "reason")).collect();
    assert!(reasons[0] == "first" && reasons[1..].iter().all(|reason| *reason == "unanswered"), "P2: {reasons:?}");
    assert_eq!(reasons.len(), KILLS);
    cpe.inform(&[("2 PERIODIC", "")]).await;
    let sent = cpe.empty_post().await;
    cpe.answer(&sent.id.clone(), CpeResponse::SetParameterValues(SetParameterValuesResponse { status: 0 })).await;
    assert_eq!(api.finished(&task).await["state"], "done");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_whose_session_died_is_followed_up_p7() {
    // F5: killed between the InformResponse and the next POST; the device does not come again by itself.
    let mut server = Server::start_with(Options::default().set("connection_requests.interval_seconds", "0")).await;
    let mut cpe = Cpe::new(&server.acs_url(), "ONCE");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    cpe.connection_request_url = format!("http://{}/wake", listener.local_addr().unwrap());
    cpe.inform(&[("0 BOOTSTRAP", ""), ("1 BOOT", "")]).await;
    server.kill();
    let woken = tokio::spawn(async move { listener.accept().await.is_ok() });
    server.restart().await;
    let api = server.api();
    let id = cpe.id();
    let tasks = until("what the BOOTSTRAP obliges us to is queued", SOON, || async {
        let tasks = api.list(&format!("/devices/{id}/tasks")).await;
        (!tasks.is_empty()).then_some(tasks)
    })
    .await;
    assert!(
        tasks.iter().any(|task| task["kind"] == "discover" && task["origin"]["obligation"] == "first_contact"),
        "{tasks:#?}"
    );
    let woken = tokio::time::timeout(SOON, woken).await.expect("the device is woken").unwrap();
    assert!(woken, "work without a session is a connection request");
    server.finish();
}
