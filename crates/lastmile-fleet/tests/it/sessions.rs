use std::time::Duration;

use cwmp_codec::{
    AcsRequest, AddObject, CpeResponse, DeleteObject, GetParameterNames, GetParameterValues, SetParameterValues,
};
use cwmp_model::{CwmpDateTime, ParameterValue, Timestamp, Value};
use cwmp_session::acs::AnswerOutcome;
use cwmp_session::auth::Password;
use lastmile_fleet::ledger::{Account, Fact, read_lines};
use lastmile_fleet::{ConnectionUse, DeviceCredentials, Fleet, FleetConfig, RetryRule, SessionFailure};

use crate::acs::Acs;
use crate::{SOON, config, events, one_device};

fn response(outcome: AnswerOutcome) -> CpeResponse {
    match outcome {
        AnswerOutcome::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_device_bootstraps_cwmp_110() {
    let acs = Acs::start().await;
    let (_fleet, device) = one_device(&acs).await;
    assert_eq!(events(&acs), [["0 BOOTSTRAP", "1 BOOT"]]);
    let inform = acs.state().informs[0].clone();
    assert_eq!(inform.device, device.identity());
    assert_eq!(inform.retry_count, 0);
    let names: Vec<&str> = inform.parameters.iter().map(|p| p.name.as_str()).collect();
    assert!(names.contains(&"InternetGatewayDevice.ManagementServer.ConnectionRequestURL"), "CWMP-137: {names:?}");
    assert_eq!(device.sessions().completed, 1);
    let heads = acs.state().heads.clone();
    assert_eq!(heads.len(), 2, "Inform and empty POST");
    assert!(heads[0].contains_key("soapaction") && !heads[1].contains_key("soapaction"), "CWMP-012");
    assert!(!heads[1].contains_key("content-type"), "CWMP-012");
    assert_eq!(heads[1]["cookie"], "s=1");
}

#[tokio::test]
async fn every_method_is_answered() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let serial = device.identity().serial_number;
    let code = device.path("DeviceInfo.ProvisioningCode");
    let table = device.path("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.");
    let set = ParameterValue { name: code.clone(), value: Value::string("blue") };
    for request in [
        AcsRequest::GetRpcMethods,
        AcsRequest::SetParameterValues(SetParameterValues {
            parameters: vec![set.clone()],
            parameter_key: "k1".into(),
        }),
        AcsRequest::GetParameterValues(GetParameterValues { names: vec![code.clone()] }),
        AcsRequest::GetParameterNames(GetParameterNames { path: table.clone(), next_level: true }),
        AcsRequest::AddObject(AddObject { object: table.clone(), parameter_key: "k2".into() }),
        AcsRequest::DeleteObject(DeleteObject { object: table.child("2.").unwrap(), parameter_key: "k3".into() }),
    ] {
        acs.give(&serial, request);
    }
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await, "{:?}", device.last_session());
    let CpeResponse::GetRpcMethods(methods) = response(acs.answer("GetRPCMethods")) else { panic!() };
    assert!(methods.methods.iter().any(|method| method == "Download"));
    let CpeResponse::GetParameterValues(values) = response(acs.answer("GetParameterValues")) else { panic!() };
    assert_eq!(values.parameters, [set]);
    let CpeResponse::GetParameterNames(names) = response(acs.answer("GetParameterNames")) else { panic!() };
    assert!(names.parameters.iter().any(|info| info.name == table.child("1.").unwrap()));
    let CpeResponse::AddObject(added) = response(acs.answer("AddObject")) else { panic!() };
    assert_eq!(added.instance, 2);
    response(acs.answer("DeleteObject"));
    assert_eq!(device.value(&code).as_deref(), Some("blue"));
    assert_eq!(device.instances(&table), [1]);
    assert_eq!(device.value(&device.path("ManagementServer.ParameterKey")).as_deref(), Some("k3"));

    let account = fleet.ledger().account();
    let keys: Vec<(&str, &str)> = account.requests.iter().map(|r| (r.method.as_str(), r.key.as_str())).collect();
    let expected = [
        ("GetRPCMethods", ""),
        ("SetParameterValues", "k1"),
        ("GetParameterValues", ""),
        ("GetParameterNames", ""),
        ("AddObject", "k2"),
        ("DeleteObject", "k3"),
    ];
    assert_eq!(keys, expected);
    assert!(account.requests.iter().all(|r| r.fault == Some(0) && r.answer_sent && r.answer_taken && !r.id.is_empty()));
    assert_eq!(account.executions("AddObject", "k2"), 1);
    let facts: Vec<Fact> = fleet.ledger().lines().into_iter().map(|line| line.fact).collect();
    assert!(
        facts.iter().any(|f| matches!(f, Fact::ValueSet { value: Some(v), key, .. } if v == "blue" && key == "k1"))
    );
    assert!(facts.iter().any(|f| matches!(f, Fact::InstanceAdded { row, .. } if row.ends_with("PortMapping.2."))));
    assert!(facts.iter().any(|f| matches!(f, Fact::InstanceDeleted { row, .. } if row.ends_with("PortMapping.2."))));
}

#[tokio::test]
async fn a_refused_set_changes_nothing_cwmp_225() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let code = device.path("DeviceInfo.ProvisioningCode");
    let parameters = vec![
        ParameterValue { name: code.clone(), value: Value::string("blue") },
        ParameterValue { name: device.path("DeviceInfo.SoftwareVersion"), value: Value::string("9") },
    ];
    let call = SetParameterValues { parameters, parameter_key: "k".into() };
    acs.give(&device.identity().serial_number, AcsRequest::SetParameterValues(call));
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await);
    let AnswerOutcome::Fault(fault) = acs.answer("SetParameterValues") else { panic!() };
    assert_eq!((fault.code, fault.parameters[0].code), (9003, 9008));
    assert_eq!(device.value(&code).as_deref(), Some(""));
    assert_eq!(fleet.ledger().account().requests[0].fault, Some(9003));
}

#[tokio::test]
async fn reboot_and_factory_reset_take_place() {
    let acs = Acs::start().await;
    let (fleet, device) = one_device(&acs).await;
    let serial = device.identity().serial_number;
    acs.give(&serial, AcsRequest::Reboot { command_key: "again".into() });
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(3, SOON).await);
    assert!(device.wait_idle(SOON).await);
    assert_eq!(events(&acs)[2], ["1 BOOT", "M Reboot"]);
    assert_eq!(acs.state().informs[2].events[1].command_key, "again", "CWMP-247");
    let code = device.path("DeviceInfo.ProvisioningCode");
    assert!(device.set_local(&code, "changed"));
    assert!(device.wait_completed(4, SOON).await);
    assert_eq!(events(&acs)[3], ["4 VALUE CHANGE"]);
    assert!(acs.state().informs[3].parameters.iter().any(|p| p.name == code && p.value.text == "changed"), "CWMP-188");
    acs.give(&serial, AcsRequest::FactoryReset);
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(6, SOON).await);
    assert_eq!(events(&acs)[5], ["0 BOOTSTRAP", "1 BOOT"], "CWMP-248");
    assert_eq!(device.value(&code).as_deref(), Some(""));
    let url = device.value(&device.path("ManagementServer.ConnectionRequestURL")).unwrap();
    assert!(url.contains(&fleet.listen_address().to_string()));
    let account = fleet.ledger().account();
    assert_eq!((account.reboots, account.factory_resets), (2, 1));
}

#[tokio::test]
async fn digest_is_answered_by_challenge_cwmp_044() {
    let acs = Acs::start().await;
    acs.state().digest = Some(("user".into(), "secret".into()));
    let credentials =
        |password| DeviceCredentials::Shared { username: "user".into(), password: Password::new(password) };
    let right = FleetConfig { credentials: credentials("secret"), ..config(&acs) };
    let fleet = Fleet::start(right).await.unwrap();
    assert!(fleet.wait_idle(SOON).await);
    let account = fleet.ledger().account();
    assert_eq!(account.informs.len(), 1, "CWMP-046: one Inform");
    assert_eq!((account.informs[0].sent, account.informs[0].answered), (2, true));
    assert_eq!(acs.state().informs.len(), 1);
    drop(fleet);

    let wrong = FleetConfig { credentials: credentials("guess"), retry: RetryRule::Never, ..config(&acs) };
    let fleet = Fleet::start(wrong).await.unwrap();
    let device = fleet.device(0).unwrap();
    let refused = async {
        while device.sessions().failed == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
    assert_eq!(device.last_session().unwrap().failure.unwrap().kind(), "unauthorized");
}

#[tokio::test]
async fn a_failed_session_is_repeated_with_the_next_retry_count_cwmp_199() {
    let acs = Acs::start().await;
    acs.state().busy.extend([Some(1), None]);
    let retry = RetryRule::After(Duration::from_millis(10));
    let fleet = Fleet::start(FleetConfig { retry, ..config(&acs) }).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await);
    assert_eq!((device.sessions().failed, device.sessions().completed), (2, 1));
    let account = fleet.ledger().account();
    let seen: Vec<(u32, bool)> = account.informs.iter().map(|i| (i.retry_count, i.answered)).collect();
    assert_eq!(seen, [(0, false), (1, false), (2, true)]);
    let opened = opened(&fleet);
    assert!(opened[1].since(opened[0]) >= Duration::from_secs(1), "Retry-After is honoured");
    assert_eq!(events(&acs), [["0 BOOTSTRAP", "1 BOOT"]], "what was not delivered is still there");
    device.trigger("2 PERIODIC");
    assert!(device.wait_completed(2, SOON).await);
    assert_eq!(acs.state().informs[1].retry_count, 0);
}

#[tokio::test]
async fn a_closed_connection_is_replaced_within_the_session_cwmp_018() {
    let acs = Acs::start().await;
    acs.state().close = true;
    let (_fleet, device) = one_device(&acs).await;
    assert_eq!(device.sessions().completed, 1);
    assert_eq!(acs.state().connections, 2);

    let acs = Acs::start().await;
    let each = FleetConfig { connections: ConnectionUse::Post, chunked: true, ..config(&acs) };
    let fleet = Fleet::start(each).await.unwrap();
    assert!(fleet.wait_idle(SOON).await);
    assert_eq!(acs.state().connections, 2);
    assert_eq!(acs.state().heads[0]["transfer-encoding"], "chunked");
}

#[tokio::test]
async fn an_acs_that_is_not_there_is_a_failure_and_no_panic() {
    let gone = FleetConfig { retry: RetryRule::Never, ..FleetConfig::new("http://127.0.0.1:1/cwmp") };
    let fleet = Fleet::start(gone).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(!device.wait_idle(Duration::from_millis(300)).await);
    let failure = device.last_session().unwrap().failure.unwrap();
    assert!(matches!(failure, SessionFailure::Connect(_)), "{failure}");
    let account = fleet.ledger().account();
    assert_eq!(account.informs, [], "nothing was sent");
    assert_eq!(account.sessions_failed, 1);
}

#[tokio::test]
async fn the_ledger_file_says_the_same_as_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let acs = Acs::start().await;
    let many = FleetConfig { devices: 20, ledger: Some(path.clone()), ..config(&acs) };
    let fleet = Fleet::start(many).await.unwrap();
    assert!(fleet.wait_idle(SOON).await);
    let lines = read_lines(&path).unwrap();
    assert_eq!(lines, fleet.ledger().lines());
    let account: Account = lines.iter().collect();
    assert_eq!(account.answered_informs().count(), 20);
    assert_eq!((account.sessions_completed, account.sessions_open), (20, 0));
    // A line that was cut by the end of the process is left out.
    std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"at\":".to_vec()].concat()).unwrap();
    assert_eq!(read_lines(&path).unwrap(), lines);
}

#[tokio::test]
async fn periodic_informs_come_by_themselves() {
    let acs = Acs::start().await;
    let fleet = Fleet::start(FleetConfig { periodic: Duration::from_secs(1), ..config(&acs) }).await.unwrap();
    assert!(fleet.device(0).unwrap().wait_completed(3, SOON).await);
    let events = events(&acs);
    assert!(events[1..].iter().all(|codes| codes == &["2 PERIODIC"]), "{events:?}");
}

/// With the time of the runtime, which leaps to the next wait.
#[tokio::test(start_paused = true)]
async fn retries_wait_longer_and_longer_cwmp_175() {
    let fleet = Fleet::start(FleetConfig { periodic: Duration::ZERO, ..FleetConfig::new("http://127.0.0.1:1/") });
    let fleet = fleet.await.unwrap();
    tokio::time::sleep(Duration::from_secs(10_000)).await;
    let opened: Vec<Timestamp> = opened(&fleet);
    let waits: Vec<f64> = opened.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
    assert!(waits.len() >= 9, "{waits:?}");
    for (n, wait) in waits.into_iter().enumerate() {
        let least = 5.0 * 2.0_f64.powi(n.min(9) as i32);
        assert!((least - 0.01..=2.0 * least + 0.01).contains(&wait), "after failure {} came {wait} s", n + 1);
    }
    // A new event does not wait.
    let before = fleet.device(0).unwrap().sessions().failed;
    fleet.device(0).unwrap().trigger("4 VALUE CHANGE");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fleet.device(0).unwrap().sessions().failed, before + 1);
}

/// When the sessions of the first device opened.
fn opened(fleet: &Fleet) -> Vec<Timestamp> {
    let moment = |text: &str| CwmpDateTime::parse(text).unwrap().moment().unwrap();
    let lines = fleet.ledger().lines();
    lines.iter().filter(|line| matches!(line.fact, Fact::SessionOpened { .. })).map(|line| moment(&line.at)).collect()
}
