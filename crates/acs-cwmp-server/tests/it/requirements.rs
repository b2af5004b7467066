//! Requirements of the CWMP list that are held here and belong to no other file, each by its number.

use acs_cwmp_server::CpeAuthScheme;
use acs_events::AppendError;
use acs_types::{AuthLevel, RefusedReason, SessionOutcome};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn cwmp_060_a_device_may_fall_back_to_its_factory_login() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    world.provisioning.knows("own", "own-password", Some(DEVICE));
    world.provisioning.knows("factory", "factory-password", None);
    let mut cpe = world.connect().login("own", "own-password");
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    cpe.expect_end();
    let mut reset = world.connect().login("factory", "factory-password");
    reset.inform(&["0 BOOTSTRAP", "1 BOOT"]).await;
    reset.expect_inform_response();
    reset.empty_post().await;
    reset.expect_end();
    let levels: Vec<_> = world.informs().iter().map(|inform| inform.auth).collect();
    assert_eq!(levels, [AuthLevel::Device, AuthLevel::Shared], "CWMP-060");
    let devices: Vec<_> = world.provisioning.begins().iter().map(|b| b.session.device.to_string()).collect();
    assert_eq!(devices, [DEVICE, DEVICE], "CWMP-060: it is the same device");
}

#[tokio::test(start_paused = true)]
async fn cwmp_063_unknown_devices_are_refused_or_come_in_by_bootstrap_credentials() {
    let refuses = World::with(CpeAuthScheme::Digest, |_| {});
    let mut stranger = refuses.connect().login("factory", "factory-password");
    stranger.inform(&["0 BOOTSTRAP"]).await;
    stranger.expect_challenge("Digest");
    refuses.settle().await;
    assert_eq!(refuses.refusals()[0].reason, RefusedReason::UnknownUser, "CWMP-063: refused and listed");
    assert!(refuses.provisioning.begins().is_empty() && refuses.informs().is_empty(), "CWMP-063");

    let accepts = World::with(CpeAuthScheme::Digest, |_| {});
    accepts.provisioning.knows("factory", "factory-password", None);
    let mut stranger = accepts.connect().login("factory", "factory-password");
    stranger.inform(&["0 BOOTSTRAP"]).await;
    stranger.expect_inform_response();
    assert_eq!(accepts.provisioning.begins()[0].auth, AuthLevel::Shared, "CWMP-063: known to have proved little");

    let open = World::open();
    let mut anyone = open.connect();
    anyone.inform(&["0 BOOTSTRAP"]).await;
    anyone.expect_inform_response();
    assert_eq!(open.provisioning.begins()[0].auth, AuthLevel::Open, "CWMP-063: and to have proved nothing");
}

#[tokio::test(start_paused = true)]
async fn cwmp_134_oui_class_and_serial_number_together_are_the_device() {
    let world = World::open();
    let (oui, class, serial) = (
        format!("<OUI>{OUI}</OUI>"),
        format!("<ProductClass>{CLASS}</ProductClass>"),
        format!("<SerialNumber>{SERIAL}</SerialNumber>"),
    );
    let plain = inform(&["1 BOOT"]);
    let others = [
        plain.clone(),
        plain.replace(&oui, "<OUI>00AABC</OUI>"),
        plain.replace(&oui, "<OUI>00aabb</OUI>"),
        plain.replace(&class, "<ProductClass>igd</ProductClass>"),
        plain.replace(&class, "<ProductClass></ProductClass>"),
        plain.replace(&class, "<ProductClass>IGD-S1</ProductClass>"),
        plain.replace(&serial, "<SerialNumber>s1</SerialNumber>"),
        plain.replace(&serial, "<SerialNumber>01</SerialNumber>"),
        // The parts do not run together.
        plain.replace(&class, "<ProductClass></ProductClass>").replace(&serial, "<SerialNumber>IGD-S1</SerialNumber>"),
    ];
    let mut cpes = Vec::new();
    for other in &others {
        let mut cpe = world.connect();
        cpe.post(other).await;
        cpe.expect_inform_response();
        cpes.push(cpe);
    }
    assert_eq!(world.front_end.live_sessions(), others.len(), "CWMP-134: none replaced another");
    let devices: std::collections::BTreeSet<_> =
        world.provisioning.begins().into_iter().map(|begin| begin.session.device).collect();
    assert_eq!(devices.len(), others.len(), "CWMP-134: {devices:?}");
    // The manufacturer is no part of it, and the same device is the same.
    let mut again = world.connect();
    again.post(&plain.replace("<Manufacturer>Acme</Manufacturer>", "<Manufacturer>ACME Inc.</Manufacturer>")).await;
    again.expect_inform_response();
    assert_eq!(world.front_end.live_sessions(), others.len(), "CWMP-134: its older session is replaced");
    assert_eq!(world.accounts().await[0].outcome, SessionOutcome::Superseded);
}

#[tokio::test(start_paused = true)]
async fn cwmp_100_a_request_is_asked_for_again_a_few_times_only() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["7 TRANSFER COMPLETE"]).await;
    cpe.expect_inform_response();
    world.events.fail_with(Some(AppendError::NoSpace("the disk is full".to_owned())));
    let mut asked_again = 0;
    loop {
        cpe.post(&transfer_complete("key-1")).await;
        if cpe.answer.status != 200 {
            break;
        }
        cpe.expect_body("<FaultCode>8005</FaultCode>");
        asked_again += 1;
        assert!(asked_again <= 3, "CWMP-100: it goes on for ever");
    }
    assert_eq!(asked_again, 3, "CWMP-100");
    cpe.expect_status(503);
    assert!(cpe.answer.closes(), "CWMP-100: the session is over");
    assert_eq!(world.front_end.live_sessions(), 0, "CWMP-100");
    // An Inform is never asked for again in its session: without a durable place it gets 503 and comes back later (P11).
    for _ in 0..5 {
        let mut other = world.connect();
        other.inform(&["1 BOOT"]).await;
        other.expect_status(503);
        assert!(other.answer.closes() && other.answer.body.is_empty(), "CWMP-100: no Fault 8005 to an Inform");
        assert_eq!(world.front_end.live_sessions(), 0);
    }
}
