use std::time::Duration;

use cwmp_codec::{AcsRequest, SetParameterValues};
use cwmp_model::{ParameterValue, Value};
use cwmp_session::auth::{Credentials, DigestRequest, OfferedChallenge, Password, parse_challenges, respond};
use lastmile_fleet::{DeviceHandle, Fleet, FleetConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::acs::Acs;
use crate::{SOON, config, events, one_device};

/// Sends a connection request; the whole answer, or nothing.
async fn get(url: &str, authorization: Option<&str>) -> String {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let header = authorization.map(|text| format!("Authorization: {text}\r\n")).unwrap_or_default();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn url(device: &DeviceHandle) -> String {
    device.value(&device.path("ManagementServer.ConnectionRequestURL")).unwrap()
}

fn answer_to(refusal: &str, url: &str, username: &str, password: &str) -> String {
    let header = refusal.lines().find_map(|line| line.strip_prefix("www-authenticate: ")).expect("a challenge");
    let Some(OfferedChallenge::Digest(challenge)) = parse_challenges(header).into_iter().next() else { panic!() };
    let credentials = Credentials { username: username.to_owned(), password: Password::new(password) };
    let path = url.splitn(4, '/').nth(3).unwrap();
    let request = DigestRequest { method: "GET", uri: &format!("/{path}"), cnonce: "c", count: 1 };
    respond(&challenge, &credentials, &request)
}

#[tokio::test]
async fn a_connection_request_opens_a_session_at_once_cwmp_414() {
    let acs = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    let answer = get(&url(&device), None).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(device.wait_completed(2, SOON).await);
    assert_eq!(events(&acs)[1], ["6 CONNECTION REQUEST"]);
    let elsewhere = get(&format!("{}x", url(&device)), None).await;
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
}

#[tokio::test]
async fn credentials_set_by_the_acs_are_asked_for_cwmp_411() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let value = |name: &str, text: &str| ParameterValue { name: device.path(name), value: Value::string(text) };
    let parameters = vec![
        value("ManagementServer.ConnectionRequestUsername", "acs"),
        value("ManagementServer.ConnectionRequestPassword", "canary"),
    ];
    let call = SetParameterValues { parameters, parameter_key: "k".into() };
    acs.give(&device.identity().serial_number, AcsRequest::SetParameterValues(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await);
    let url = url(&device);
    let refusal = get(&url, None).await;
    assert!(refusal.starts_with("HTTP/1.1 401"), "{refusal}");
    let wrong = answer_to(&refusal, &url, "acs", "guess");
    let refusal = get(&url, Some(&wrong)).await;
    assert!(refusal.starts_with("HTTP/1.1 401"), "{refusal}");
    let right = answer_to(&refusal, &url, "acs", "canary");
    assert!(get(&url, Some(&right)).await.starts_with("HTTP/1.1 200"));
    assert!(device.wait_completed(3, SOON).await);
    let replayed = get(&url, Some(&right)).await;
    assert!(replayed.starts_with("HTTP/1.1 401") && replayed.contains("stale=true"), "X19: {replayed}");
    assert!(!format!("{:?}", fleet.ledger().lines()).contains("canary"), "P26");
}

#[tokio::test]
async fn a_device_without_credentials_may_refuse_and_one_that_is_off_says_nothing() {
    let acs = Acs::start().await;
    let shut = FleetConfig { open_until_configured: false, boot_time: Duration::from_secs(60), ..config(&acs) };
    let fleet = Fleet::start(shut).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await);
    assert!(get(&url(&device), None).await.starts_with("HTTP/1.1 401"));
    device.reboot();
    let off = async {
        while !get(&url(&device), None).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, off).await.unwrap();
}

#[tokio::test]
async fn in_a_session_one_more_is_accepted_and_others_are_busy_cwmp_415() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    acs.state().pause = Duration::from_millis(200);
    device.trigger("2 PERIODIC");
    let in_session = async {
        while acs.state().connections < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, in_session).await.unwrap();
    let url = url(&device);
    let statuses = [get(&url, None).await, get(&url, None).await];
    assert!(statuses[0].starts_with("HTTP/1.1 200") && statuses[1].starts_with("HTTP/1.1 503"), "{statuses:?}");
    assert!(device.wait_completed(3, SOON).await);
    assert!(device.wait_idle(SOON).await);
    assert_eq!(events(&acs)[1..], [["2 PERIODIC"], ["6 CONNECTION REQUEST"]]);
    assert_eq!(device.sessions().failed, 0, "the session was not ended early");
    let text = format!("{:?}", fleet.ledger().lines());
    assert!(text.contains("status: 503") && text.contains("status: 200"));
}
