//! Requirements of the CWMP list that provisioning holds, each by its number.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use acs_proto::{Provisioning, VerifierRequest, WakeOutcome};
use acs_provisioning::FirstContact;
use acs_store::{Credentials, Devices, Objects};
use acs_types::{
    CpeCredential, EventBody, EventRecord, Secret, TaskFault, TaskKind, TaskResult, TaskSpec, TaskState, TransferRecord,
};
use cwmp_codec::AcsRequest;
use cwmp_model::{Parameter, ParameterValue, Value};
use support::cpe::{Cpe, fault};
use support::*;

const HEARTBEAT: (&str, &str) = ("14 HEARTBEAT", "");
const CONNECTION_REQUEST: (&str, &str) = ("6 CONNECTION REQUEST", "");

fn on_first_contact(what: FirstContact) -> World {
    let mut config = config();
    config.first_contact = what;
    World::new(config)
}

#[tokio::test]
async fn cwmp_060_a_device_that_fell_back_to_its_factory_login_is_served() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    config.shared_credentials = Some(("factory".into(), Secret::new("factory")));
    let (world, mut cpe) = (World::new(config), new_cpe());
    world.session(&mut cpe, &[BOOTSTRAP]).await;
    let given = world.store.credential(&device()).await.unwrap().unwrap();
    let own = CpeCredential { username: "own".into(), password: Secret::new("own"), ..given.clone() };
    world.store.put_credential(&device(), Some(own)).await.unwrap();
    // The reset: what we gave it is gone, and it says so with the login it was made with.
    for leaf in ["ConnectionRequestUsername", "ConnectionRequestPassword", "ParameterKey"] {
        let name = path(&format!("Device.ManagementServer.{leaf}"));
        cpe.tree.set_value(&name, Value::string("")).unwrap();
    }
    cpe.key.clear();
    for login in ["factory", "own"] {
        let reply = world.service.verifier(VerifierRequest { username: login.into() }).await.unwrap();
        let verifier = reply.verifier.expect("CWMP-060: both are known");
        assert_eq!(verifier.password.reveal(), login, "CWMP-060");
    }
    world.session(&mut cpe, &[BOOTSTRAP, BOOT]).await;
    let after = world.store.credential(&device()).await.unwrap().unwrap();
    assert_eq!((&*after.username, after.password.reveal()), ("own", "own"), "its login stays for when it comes back");
    assert_ne!(after.connection_request_password, given.connection_request_password, "CWMP-060");
    let held = cpe.value("Device.ManagementServer.ConnectionRequestPassword");
    assert_eq!(after.connection_request_password.reveal(), held, "CWMP-060: it can be woken again");
}

#[tokio::test]
async fn cwmp_136_an_inform_may_miss_what_is_forced_and_have_what_is_unknown() {
    let world = on_first_contact(FirstContact::Discover);
    let mut cpe = new_cpe();
    let session = world.session_ref();
    let mut request = world.begin_request(&session, &cpe, &[BOOTSTRAP, BOOT]);
    request.inform.parameters = ["X_Acme_Root.Thing", "Device.X_Acme.Unknown", "NoRoot", "Device..Odd"]
        .map(|name| ParameterValue {
            name: cwmp_model::ParameterPath::from_device(name).unwrap(),
            value: Value::string("1"),
        })
        .into();
    assert!(world.service.begin(request).await.unwrap().work, "CWMP-136");
    world.go_on(&session, &mut cpe, Vec::new()).await;
    let mut bare = world.begin_request(&world.session_ref(), &cpe, &[("2 PERIODIC", "")]);
    bare.inform.parameters.clear();
    assert!(world.service.begin(bare).await.is_ok(), "CWMP-136: no parameter at all");
    let tasks = world.tasks().await;
    assert!(tasks.len() >= 2 && tasks.iter().all(|task| task.state.is_success()), "CWMP-136: {tasks:?}");
    let summary = world.store.summary(&device()).await.unwrap().unwrap();
    assert_eq!((summary.root.as_str(), &*summary.software_version), ("Device.", "1.0"), "read, as it was not told");
}

#[tokio::test]
async fn cwmp_178_repeated_events_have_no_double_effect() {
    let world = on_first_contact(FirstContact::Discover);
    let mut cpe = new_cpe();
    let events = [BOOTSTRAP, BOOT];
    // Its first session breaks off after the InformResponse, so the next Inform has all events again.
    world.begin(&world.session_ref(), &cpe, &events).await;
    for retry_count in 1..=3 {
        let session = world.session_ref();
        let mut request = world.begin_request(&session, &cpe, &events);
        request.inform.retry_count = retry_count;
        world.service.begin(request).await.unwrap();
        assert_eq!(world.tasks().await.len(), 2, "CWMP-178: retry {retry_count}");
    }
    world.session(&mut cpe, &events).await;
    let credential = world.store.credential(&device()).await.unwrap().unwrap();
    let held = cpe.value("Device.ManagementServer.ConnectionRequestPassword");
    assert_eq!(credential.connection_request_password.reveal(), held, "CWMP-178");
    // A command's own event, again and again: one Reboot, done once.
    let reboot = world.enqueue("1", TaskSpec::Reboot).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    let key = world.task(&reboot).await.attempts[0].id.to_string();
    world.session(&mut cpe, &[BOOT, ("M Reboot", &key)]).await;
    let done = world.task(&reboot).await;
    assert!(done.state.is_success(), "{done:?}");
    for _ in 0..2 {
        world.session(&mut cpe, &[BOOT, ("M Reboot", &key)]).await;
    }
    assert_eq!(world.task(&reboot).await, done, "CWMP-178");
    assert_eq!(cpe.seen.iter().filter(|seen| *seen == "Reboot").count(), 1, "CWMP-178");
}

fn transfer_record(world: &World, command_key: &str) -> EventRecord {
    let session = world.session_ref();
    let mut record = world.inform_record(&session, &new_cpe(), &[]);
    record.body = EventBody::Transfer(TransferRecord {
        command_key: command_key.into(),
        fault: TaskFault { code: 0, text: String::new(), parameters: Vec::new() },
        start_time: String::new(),
        complete_time: String::new(),
        dedup_key: String::new(),
    });
    record
}

#[tokio::test]
async fn cwmp_183_events_find_their_command_by_its_key_and_other_keys_are_no_error() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    let fetched = world.enqueue("1", download()).await.task.id;
    let reboot = world.enqueue("2", TaskSpec::Reboot).await.task.id;
    world.session(&mut cpe, &[PERIODIC]).await;
    let key = |task: &acs_types::Task| task.attempts[0].id.to_string();
    let (fetched_key, reboot_key) = (key(&world.task(&fetched).await), key(&world.task(&reboot).await));
    let open = (world.task(&fetched).await, world.task(&reboot).await);
    assert!(matches!((&open.0.state, &open.1.state), (TaskState::Awaiting { .. }, TaskState::Awaiting { .. })));
    // Keys of others, of nobody, of the other command, and methods that nobody knows.
    let strange: [&[(&str, &str)]; 4] = [
        &[("M Reboot", "someone-else"), ("M Download", "someone-else"), BOOT],
        &[("M Reboot", ""), ("M ScheduleInform", "x"), ("M X_ACME_Own", "y"), ("99 UNKNOWN", "z")],
        &[("M Reboot", &fetched_key)],
        &[("2 PERIODIC", &reboot_key)],
    ];
    for events in strange {
        world.session(&mut cpe, events).await;
        world.service.observe(vec![transfer_record(&world, "someone-else")]).await.unwrap();
        assert_eq!((world.task(&fetched).await, world.task(&reboot).await), open, "CWMP-183: {events:?}");
    }
    world.session(&mut cpe, &[("M Reboot", "someone-else"), ("M Reboot", &reboot_key)]).await;
    assert!(world.task(&reboot).await.state.is_success(), "CWMP-183");
    assert_eq!(world.task(&fetched).await, open.0, "CWMP-183");
    world.service.observe(vec![transfer_record(&world, &fetched_key)]).await.unwrap();
    assert!(world.task(&fetched).await.state.is_success(), "CWMP-183");
}

#[tokio::test]
async fn cwmp_190_any_session_serves_whether_its_request_arrived_or_not() {
    for outcome in [WakeOutcome::Accepted, WakeOutcome::Busy, WakeOutcome::Unreachable { reason: "gone".into() }] {
        for events in [&[PERIODIC][..], &[BOOT], &[CONNECTION_REQUEST]] {
            let (world, mut cpe) = (World::new(config()), new_cpe());
            world.known_device(&mut cpe).await;
            *world.wakes.outcome.lock().unwrap() = outcome.clone();
            let id = world.enqueue("1", get_values("Device.DeviceInfo.")).await.task.id;
            assert_eq!(world.task(&id).await.state, TaskState::Queued, "CWMP-190: {outcome:?} is no session");
            world.session(&mut cpe, events).await;
            assert!(world.task(&id).await.state.is_success(), "CWMP-190: {outcome:?} {events:?}");
        }
    }
    // Nobody asked for it: a session like any other.
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.session(&mut cpe, &[CONNECTION_REQUEST]).await;
    assert!(world.tasks().await.is_empty() && cpe.seen.is_empty(), "CWMP-190");
}

#[tokio::test]
async fn cwmp_193_a_heartbeat_session_is_one_like_any_other() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.session(&mut cpe, &[HEARTBEAT]).await;
    assert!(world.tasks().await.is_empty() && cpe.seen.is_empty(), "CWMP-193: it obliges to nothing");
    let set = world.enqueue("1", set_values("Device.X_Group0.P1", "a")).await.task.id;
    let get = world.enqueue("2", get_values("Device.DeviceInfo.")).await.task.id;
    world.session(&mut cpe, &[HEARTBEAT]).await;
    for id in [set, get] {
        assert!(world.task(&id).await.state.is_success(), "CWMP-193");
    }
}

#[tokio::test]
async fn cwmp_223_what_a_firmware_lacks_is_tried_again_with_the_next_one() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    cpe.habit = Box::new(|request| matches!(request, AcsRequest::FactoryReset).then(|| fault(9000)));
    let try_it = async |world: &World, cpe: &mut Cpe, key: &str| {
        let id = world.enqueue(key, TaskSpec::FactoryReset).await.task.id;
        world.session(cpe, &[PERIODIC]).await;
        world.task(&id).await
    };
    let sent = |cpe: &Cpe| cpe.seen.iter().filter(|seen| *seen == "FactoryReset").count();
    let first = try_it(&world, &mut cpe, "1").await;
    assert_eq!((first.state, first.fault.unwrap().code, sent(&cpe)), (TaskState::Failed, 9000, 1));
    world.restart();
    let second = try_it(&world, &mut cpe, "2").await;
    assert_eq!((second.state, second.fault.unwrap().code, sent(&cpe)), (TaskState::Failed, 9000, 1), "CWMP-223");
    // The Inform tells the new version; the summary is not projected yet.
    cpe.tree.set_value(&path("Device.DeviceInfo.SoftwareVersion"), Value::string("2.0")).unwrap();
    cpe.habit = Box::new(|_| None);
    let third = try_it(&world, &mut cpe, "3").await;
    assert!(matches!(third.state, TaskState::Awaiting { .. }), "CWMP-223: {third:?}");
    assert_eq!(sent(&cpe), 2, "CWMP-223");
}

#[tokio::test]
async fn cwmp_223_nothing_is_remembered_of_a_firmware_without_a_version() {
    let (world, mut cpe) = (World::new(config()), new_cpe());
    cpe.tree.set_value(&path("Device.DeviceInfo.SoftwareVersion"), Value::string("")).unwrap();
    world.known_device(&mut cpe).await;
    cpe.habit = Box::new(|request| matches!(request, AcsRequest::Reboot { .. }).then(|| fault(9000)));
    for key in ["1", "2"] {
        world.enqueue(key, TaskSpec::Reboot).await;
        world.session(&mut cpe, &[PERIODIC]).await;
    }
    assert_eq!(cpe.seen.iter().filter(|seen| *seen == "Reboot").count(), 2, "nothing would ever lift it");
}

#[tokio::test]
async fn cwmp_372_a_model_that_nobody_knows_is_handled() {
    let world = on_first_contact(FirstContact::Discover);
    let mut cpe = new_cpe();
    // No DeviceInfo at all, tables without a count parameter, vendor names anywhere.
    cpe.tree.remove(&path("Device.DeviceInfo."));
    let mut put = |name: &str| {
        let parameter = Parameter { writable: true, value: Some(Value::string("old")) };
        cpe.tree.insert_parameter(&path(name), parameter).unwrap();
    };
    for name in [
        "Device.X_00D09E_Top",
        "Device.X_ACME-COM_Group.Sub.X_00D09E_Deep",
        "Device.ManagementServer.X_ACME_Own",
        "Device.WiFi.SSID.7.X_ACME_Own",
        "Device.X_ACME_Table.3.Name",
        "Device.X_ACME_Table.9.X_Inner.1.Value",
    ] {
        put(name);
    }
    world.session(&mut cpe, &[BOOTSTRAP, BOOT]).await;
    let tasks = world.tasks().await;
    let discovered = tasks.iter().find(|task| task.spec.kind() == TaskKind::Discover).unwrap();
    assert!(discovered.state.is_success(), "CWMP-372: {discovered:?}");
    for (object, leaf) in [
        ("Device.", "X_00D09E_Top"),
        ("Device.X_ACME-COM_Group.Sub.", "X_00D09E_Deep"),
        ("Device.ManagementServer.", "X_ACME_Own"),
        ("Device.WiFi.SSID.7.", "X_ACME_Own"),
        ("Device.X_ACME_Table.9.X_Inner.1.", "Value"),
    ] {
        let object = world.store.object(&device(), &path(object)).await.unwrap().expect(object);
        let found = object.parameters.iter().find(|p| p.name == leaf).expect(leaf);
        assert_eq!(found.value, Some(Value::string("old")), "CWMP-372: {leaf}");
    }
    let set = world.enqueue("1", set_values("Device.X_ACME-COM_Group.Sub.X_00D09E_Deep", "new")).await.task.id;
    let add = world.enqueue("2", TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() }).await;
    world.session(&mut cpe, &[PERIODIC]).await;
    assert!(world.task(&set).await.state.is_success(), "CWMP-372");
    assert_eq!(cpe.value("Device.X_ACME-COM_Group.Sub.X_00D09E_Deep"), "new");
    let added = world.task(&add.task.id).await;
    assert_eq!(added.result, Some(TaskResult::Instance { object: path("Device.X_Table.1.") }), "CWMP-372");
}

#[tokio::test]
async fn cwmp_423_the_caller_is_told_what_became_of_the_connection_request() {
    let outcomes = [
        WakeOutcome::NotSent { reason: "no URL is known".into() },
        WakeOutcome::Refused { reason: "own_network".into() },
        WakeOutcome::Busy,
        WakeOutcome::Accepted,
        WakeOutcome::Unreachable { reason: "refused".into() },
        WakeOutcome::WrongCredentials,
    ];
    for outcome in outcomes {
        let (world, mut cpe) = (World::new(config()), new_cpe());
        world.known_device(&mut cpe).await;
        *world.wakes.outcome.lock().unwrap() = outcome.clone();
        assert_eq!(world.service.wake(&device()).await.unwrap(), outcome, "CWMP-423");
        let told = world.enqueue("1", get_values("Device.DeviceInfo.")).await;
        assert_eq!(told.wake, Some(outcome), "CWMP-423: together with the task");
        // The session is seen in the task: its answer is there.
        let before = world.task(&told.task.id).await.state;
        world.session(&mut cpe, &[CONNECTION_REQUEST]).await;
        let after = world.task(&told.task.id).await;
        assert_eq!((before, after.state.is_success()), (TaskState::Queued, true), "CWMP-423");
    }
}
