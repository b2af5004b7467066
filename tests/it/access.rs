//! Who may talk: devices by their credentials (P24), people and programs by their tokens (P23).

use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, Fleet};
use serde_json::{Value, json};

use crate::support::{Options, SOON, Server, fleet_config, id_of, until};

const USER: &str = "every-gateway";
const PASSWORD: &str = "correct horse battery staple";

fn shared(password: &str) -> DeviceCredentials {
    DeviceCredentials::Shared { username: USER.to_owned(), password: Password::new(password) }
}

async fn server_with(scheme: &str) -> Server {
    let options = Options::default().flag("cpe-auth", scheme).flag("cpe-user", USER).flag("cpe-password", PASSWORD);
    Server::start_with(options.set("cwmp.basic_without_tls", "true")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_log_in_with_digest_and_sessions_show_five_phases() {
    let server = server_with("digest").await;
    let mut config = fleet_config(&server, 2, 31);
    config.credentials = shared(PASSWORD);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    for device in fleet.devices() {
        let known = api.discovered(&id_of(&device)).await;
        assert_eq!(known["auth"], "shared", "{known:#}");
        let detail = api.first_session(&id_of(&device)).await;
        let mut phases: Vec<&str> =
            detail["exchanges"].as_array().unwrap().iter().map(|e| e["phase"].as_str().unwrap()).collect();
        phases.dedup();
        assert_eq!(phases, ["initiation", "authentication", "identification", "tasks", "closing"], "{detail:#}");
        assert_eq!(device.sessions().failed, 0);
        // CWMP-419: who proved who it is gets credentials of its own for connection requests; the API does not show them.
        let username = device.value(&device.path("ManagementServer.ConnectionRequestUsername"));
        assert_ne!(username.as_deref(), Some(""));
        let password = device.path("ManagementServer.ConnectionRequestPassword").to_string();
        assert_eq!(api.parameter(&id_of(&device), &password).await["value"], Value::Null, "P26");
    }
    drop(fleet);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_log_in_with_basic_asked_and_unasked() {
    let server = server_with("basic").await;
    let api = server.api();
    for (seed, unasked) in [(32, false), (33, true)] {
        let mut config = fleet_config(&server, 2, seed);
        config.credentials = shared(PASSWORD);
        config.basic_unasked = unasked;
        let fleet = Fleet::start(config).await.expect("the fleet starts");
        for device in fleet.devices() {
            assert_eq!(api.discovered(&id_of(&device)).await["auth"], "shared");
        }
    }
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_listed_p24() {
    let server = server_with("digest").await;
    let api = server.api();
    let mut config = fleet_config(&server, 1, 34);
    config.credentials = shared("guessed");
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let device = fleet.device(0).unwrap();
    let refused =
        until("the refusal is listed", SOON, || async { api.list("/refused-informs").await.into_iter().next() }).await;
    assert_eq!(refused["reason"], "wrong_password", "{refused:#}");
    assert_eq!(refused["serial_number"], device.identity().serial_number.as_str());
    assert_eq!(refused["username"], USER);
    assert_eq!(api.list("/devices").await, Vec::<Value>::new(), "nothing is known of who did not prove it");
    let events = api.events().await;
    assert!(events.iter().any(|event| event["type"] == "acs.inform_refused.v1"), "a security event");
    assert!(events.iter().all(|event| event["type"] != "acs.inform.v1"));
    assert!(fleet.ledger().account().answered_informs().next().is_none());
    assert!(!refused.to_string().contains("guessed"), "P26");
    drop(fleet);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_wants_a_token_p23() {
    let server = Server::start().await;
    let api = server.api();
    let document = api.with_token("").get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().expect("paths");
    let (mut guarded, mut open) = (0, Vec::new());
    for (path, operations) in paths {
        let below = path.strip_prefix("/api/v1").expect("all are below /api/v1");
        // Ids that are well-formed: a 404 would tell who has no token that something is not there.
        let place = below
            .replace("{device}", "00005E-X-1")
            .replace("{task}", "abcdefghijklmnopqrstuvwxyz")
            .replace("{session}", "000102030405060708090a0b0c0d0e0f")
            .replace("{file}", "abcdefghijklmnopqrstuvwxyz")
            .replace("{token}", "abcdefghijkl");
        for method in operations.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            let method: http::Method = method.to_uppercase().parse().unwrap();
            for token in ["", "lm_admin_guessed-guessed-guessed"] {
                let reply = api.with_token(token).call(method.clone(), &place, Some(&json!({})), None).await.unwrap();
                match reply.status {
                    401 => guarded += 1,
                    _ => open.push(format!("{method} {below}")),
                }
            }
        }
    }
    open.dedup();
    assert!(guarded >= 50, "{guarded} refusals");
    assert_eq!(open, ["GET /health/live", "GET /health/ready", "GET /openapi.json"]);

    // A token may do what its scopes say.
    let reader = json!({"principal": "reader", "scopes": ["read"]});
    let made = api.post("/tokens", &reader).await.expect(201);
    let reader = api.with_token(made["token"].as_str().expect("the secret is shown once"));
    reader.get("/devices").await.expect(200);
    reader.post("/devices/00005E-X-1/tasks", &json!({"kind": "reboot"})).await.problem(403);
    reader.get("/tokens").await.problem(403);
    let place = format!("/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(api.delete(&place).await.status, 204);
    reader.get("/devices").await.problem(401);

    // The other two listeners give nothing either.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (port, path) in
        [(server.cwmp_port(), ""), (server.files_port(), ""), (server.files_port(), "files/abcdefghijklmnopqrstuvwxyz")]
    {
        let reply = http.get(format!("http://127.0.0.1:{port}/{path}")).send().await.expect("an answer");
        assert!(reply.status().is_client_error(), "{port} {path}: {}", reply.status());
    }
    server.finish();
}
