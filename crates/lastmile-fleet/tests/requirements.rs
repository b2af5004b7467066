//! Duties of the CPE that the simulated ones keep, each by its number, against a scripted ACS over real sockets.

#![allow(dead_code, reason = "the scripted ACS can do more than is needed here")]
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

#[path = "it/acs.rs"]
mod acs;

use std::time::Duration;

use acs::Acs;
use cwmp_codec::{AcsRequest, Download, GetParameterValues};
use cwmp_session::acs::AnswerOutcome;
use http::HeaderMap;
use lastmile_fleet::ledger::{Fact, Line};
use lastmile_fleet::{DeviceHandle, Fleet, FleetConfig};

/// Longest wait for something that takes milliseconds.
const SOON: Duration = Duration::from_secs(20);

/// One device after its first session.
async fn one_device(acs: &Acs) -> (Fleet, DeviceHandle) {
    let usual = FleetConfig::new(&acs.url);
    let config = FleetConfig { periodic: Duration::ZERO, boot_time: Duration::from_millis(50), ..usual };
    let fleet = Fleet::start(config).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await, "{:?}", device.last_session());
    (fleet, device)
}

/// Gives the device work and lets it fetch that in its second session.
async fn second_session(acs: &Acs, device: &DeviceHandle, requests: Vec<AcsRequest>) {
    for request in requests {
        acs.give(&device.identity().serial_number, request);
    }
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await, "{:?}", device.last_session());
}

fn text<'a>(head: &'a HeaderMap, name: &str) -> Option<&'a str> {
    head.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn cwmp_010_012_soapaction_is_empty_with_a_message_and_absent_without() {
    let acs = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    let first = acs.state().heads.len();
    let known = GetParameterValues { names: vec![device.path("DeviceInfo.ProvisioningCode")] };
    let unknown = GetParameterValues { names: vec![device.path("No.Such.Parameter")] };
    let requests = vec![AcsRequest::GetParameterValues(known), AcsRequest::GetParameterValues(unknown)];
    second_session(&acs, &device, requests).await;
    assert!(matches!(acs.answer("GetParameterValues"), AnswerOutcome::Fault(_)), "the second one is a Fault");
    let heads = acs.state().heads[first..].to_vec();
    let [inform, empty, response, fault] = &heads[..] else { panic!("{heads:#?}") };
    for (head, what) in [(inform, "an Inform"), (response, "a response"), (fault, "a Fault")] {
        assert_eq!(text(head, "soapaction"), Some(""), "CWMP-010: {what}: no value, not even quotes");
        assert!(text(head, "content-type").unwrap().starts_with("text/xml"), "CWMP-010: {what}");
    }
    assert_eq!((text(empty, "soapaction"), text(empty, "content-type")), (None, None), "CWMP-012");
}

fn position(lines: &[Line], found: impl Fn(&Fact) -> bool) -> usize {
    lines.iter().position(|line| found(&line.fact)).unwrap_or_else(|| panic!("it is not there: {lines:#?}"))
}

#[tokio::test]
async fn cwmp_337_a_download_with_a_delay_does_not_start_in_its_session() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let call = |key: &str, delay_seconds| {
        AcsRequest::Download(Download {
            file_type: "2 Web Content".to_owned(),
            delay_seconds,
            ..acs.download(key, b"content", key)
        })
    };
    // The ACS goes on after the Download: the session is longer than the delay, and nothing starts in it.
    acs.state().pause = Duration::from_millis(400);
    let value = || AcsRequest::GetParameterValues(GetParameterValues { names: vec![device.path("DeviceInfo.")] });
    second_session(&acs, &device, vec![call("late", 1), call("now", 0), value(), value(), value(), value()]).await;
    acs.state().pause = Duration::ZERO;
    assert!(device.wait_idle(SOON).await);
    let lines = fleet.ledger().lines();
    let asked = position(&lines, |f| matches!(f, Fact::RequestReceived { key, .. } if key == "late"));
    let ended = asked + position(&lines[asked..], |fact| matches!(fact, Fact::SessionEnded { .. }));
    let started = |key: &str| position(&lines, |f| matches!(f, Fact::DownloadStarted { key: of, .. } if of == key));
    assert!(started("late") > ended, "CWMP-337: with a delay, not in the same session");
    assert!(started("late") > started("now"), "CWMP-337: without one, as soon as it can");
    let mut keys: Vec<String> = acs.state().transfers.iter().map(|t| t.command_key.clone()).collect();
    keys.sort();
    assert_eq!(keys, ["late", "now"], "both are reported");
}

#[tokio::test]
async fn cwmp_352_a_file_of_another_host_or_port_has_a_connection_of_its_own() {
    let acs = Acs::start().await;
    let files = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    let before = acs.state().connections;
    let call = Download { file_type: "2 Web Content".to_owned(), ..files.download("elsewhere", b"content", "dl") };
    let value = GetParameterValues { names: vec![device.path("DeviceInfo.")] };
    second_session(&acs, &device, vec![AcsRequest::Download(call), AcsRequest::GetParameterValues(value)]).await;
    assert!(device.wait_idle(SOON).await);
    assert_eq!(acs.state().transfers[0].fault.code, 0, "it was fetched");
    assert_eq!(files.state().connections, 1, "CWMP-352: from there");
    assert_eq!(files.state().ranges.len(), 1, "CWMP-352: from there");
    assert!(files.state().heads.is_empty(), "CWMP-352: no message of the session went there");
    assert!(acs.state().ranges.is_empty(), "CWMP-352: and no file request to the ACS");
    assert!(matches!(acs.answer("GetParameterValues"), AnswerOutcome::Response(_)), "CWMP-352: the session went on");
    // One for the session, one for the report of the transfer.
    assert_eq!(acs.state().connections, before + 2, "CWMP-352");
    assert_eq!(device.sessions().failed, 0);
}
