//! A canary in every secret: it sings nowhere (P26).

use std::path::{Path, PathBuf};

use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, Fleet};
use serde_json::json;

use crate::support::api::in_path;
use crate::support::{Options, Server, fleet_config, id_of};

const SHARED: &str = "canary-1-of-the-configuration";
const ADMINISTRATOR: &str = "canary-2-of-the-administrator";
const SET_BY_TASK: &str = "canary-3-set-by-a-task";
const DOWNLOAD: &str = "canary-4-of-a-download";
const WRONG: &str = "canary-5-a-wrong-password";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_file_log_event_metric_or_answer_p26() {
    let options = Options::default()
        .flag("cpe-auth", "digest")
        .flag("cpe-user", "gateways")
        .flag("cpe-password", SHARED)
        .flag("admin-token", ADMINISTRATOR)
        .set("log.filter", "debug");
    let mut server = Server::start_with(options).await;
    let api = server.api();
    let credentials =
        |password| DeviceCredentials::Shared { username: "gateways".to_owned(), password: Password::new(password) };
    let mut config = fleet_config(&server, 2, 61);
    config.credentials = credentials(SHARED);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let mut config = fleet_config(&server, 1, 62);
    config.credentials = credentials(WRONG);
    let stranger = Fleet::start(config).await.expect("the fleet starts");
    let made = api.post("/tokens", &json!({"principal": "reader", "scopes": ["read"]})).await.expect(201);
    let token = made["token"].as_str().expect("shown this once").to_owned();
    let mut paths = Vec::new();
    for device in fleet.devices() {
        let id = id_of(&device);
        api.discovered(&id).await;
        let below = "LANDevice.1.WLANConfiguration.1.PreSharedKey.1.PreSharedKey";
        let keys = ["ManagementServer.Password", below, "WiFi.AccessPoint.1.Security.KeyPassphrase"];
        let known = keys.map(|below| device.path(below)).into_iter().filter(|path| device.value(path).is_some());
        // Not the password by which it logs in.
        let secret = known.filter(|path| path.leaf() != "Password").last().expect("a gateway has secrets");
        let values = json!([{"path": secret.as_str(), "value": SET_BY_TASK, "type": "string"}]);
        let ended = api.do_task(&id, json!({"kind": "set_values", "values": values})).await;
        assert!(!ended.to_string().contains(SET_BY_TASK), "{ended:#}");
        assert_eq!(device.value(&secret).as_deref(), Some(SET_BY_TASK), "the device has it");
        let download = json!({"kind": "download", "url": "http://127.0.0.1:9/none", "file_type": "web", "username": "u", "password": DOWNLOAD});
        api.run(&id, &download).await;
        // Refused values are not repeated either.
        let refused = json!({"kind": "set_values", "values": [{"path": "not a path", "value": SET_BY_TASK}]});
        let problem = api.create(&id, &refused, None).await.problem(422);
        assert!(!problem.to_string().contains(SET_BY_TASK), "{problem:#}");
        for list in ["parameters", "tasks", "sessions", "faults", "tree"] {
            paths.push(format!("/devices/{}/{list}", in_path(&id)));
        }
    }
    let mut own = Vec::new();
    for device in fleet.devices() {
        own.push(device.value(&device.path("ManagementServer.ConnectionRequestPassword")).expect("it has one"));
    }
    assert!(own.iter().all(|password| password.len() >= 16), "devices got passwords for connection requests");
    let mut canaries: Vec<&str> = vec![SHARED, ADMINISTRATOR, SET_BY_TASK, DOWNLOAD, WRONG, &token];
    canaries.extend(own.iter().map(String::as_str));

    paths.extend(
        ["/devices", "/tasks", "/faults", "/audit", "/tokens", "/refused-informs", "/metrics", "/files"]
            .map(str::to_owned),
    );
    for path in paths {
        let reply = api.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        holds_none(&path, reply.text.as_bytes(), &canaries);
    }
    for event in api.events().await {
        holds_none("the event log", event.to_string().as_bytes(), &canaries);
    }
    drop((fleet, stranger));
    // Twice, so that what is in memory is written and what is written is merged.
    server.stop(crate::support::SOON).await.expect("it stops");
    server.restart().await;
    server.stop(crate::support::SOON).await.expect("it stops");
    holds_none("the log", server.log().as_bytes(), &canaries);
    let mut looked_at = 0;
    for file in files_below(&server.data()) {
        if file.ends_with("endpoints.json") || file.ends_with("admin-token") {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
            continue;
        }
        holds_none(&file.display().to_string(), &std::fs::read(&file).unwrap(), &canaries);
        looked_at += 1;
    }
    assert!(looked_at > 5, "only {looked_at} files of the data folder were looked at");
    server.check_log();
}

fn holds_none(place: &str, bytes: &[u8], canaries: &[&str]) {
    for canary in canaries {
        let found = bytes.windows(canary.len()).position(|window| window == canary.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..(at + canary.len() + 20).min(bytes.len())];
            panic!("P26: `{canary}` is in {place}: …{}…", String::from_utf8_lossy(around));
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the data folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
