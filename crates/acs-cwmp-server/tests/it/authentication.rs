//! Group B, and X19.

use std::time::Duration;

use acs_cwmp_server::{CpeAuthScheme, ModelMatch, ModelRule};
use acs_types::{AuthLevel, RefusedReason, SessionPhase};
use cwmp_session::auth::{Credentials, Password, basic_authorization};

use crate::support::*;

fn required() -> World {
    let world = World::with(CpeAuthScheme::Auto, |_| {});
    world.provisioning.knows("user", "pass", Some(DEVICE));
    world
}

fn user(password: &str) -> Credentials {
    Credentials { username: "user".to_owned(), password: Password::new(password) }
}

#[tokio::test(start_paused = true)]
async fn cwmp_041_046_047_050_digest_without_tls() {
    let world = required();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_status(401);
    let challenge = cpe.answer.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with("Digest ") && challenge.contains("qop=\"auth\""), "CWMP-050: {challenge}");
    assert_eq!(cpe.answer.header("content-length"), Some("0"), "CWMP-047");
    assert!(!cpe.answer.closes(), "CWMP-047");
    assert_eq!(world.records().len(), 0, "CWMP-532: nothing but a counter");
    assert_eq!(world.provisioning.called().len(), 0, "CWMP-532");
    assert!(world.metric("challenges_total") >= 1.0);
    cpe.credentials = Some(user("pass"));
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    cpe.expect_end();
    assert_eq!(world.informs().len(), 1, "CWMP-046: one Inform");
    assert_eq!(world.informs()[0].auth, AuthLevel::Device);
    let account = &world.accounts().await[0];
    let phases: Vec<_> = account.exchanges.iter().map(|e| (e.message.as_str(), e.phase)).collect();
    assert_eq!(phases[0], ("Inform", SessionPhase::Initiation));
    assert_eq!(phases[1], ("401", SessionPhase::Authentication));
    assert_eq!(phases[2], ("Inform", SessionPhase::Authentication));
    assert_eq!(phases[3], ("InformResponse", SessionPhase::Identification));
    assert_eq!(phases[5], ("204", SessionPhase::Closing));
}

#[tokio::test(start_paused = true)]
async fn cwmp_041_042_basic_over_tls() {
    let world = required();
    let mut cpe = world.connect_from("192.0.2.1", true);
    cpe.inform(&["1 BOOT"]).await;
    assert!(cpe.answer.header("www-authenticate").unwrap().starts_with("Basic realm="), "CWMP-041");
    let unasked = basic_authorization(&user("pass"));
    let mut other = world.connect_from("192.0.2.1", true);
    other.send(Sent::post(inform(&["1 BOOT"])).with("Authorization", &unasked)).await;
    other.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_043_basic_without_tls_is_refused_unless_configured() {
    let basic = Sent::post(inform(&["1 BOOT"])).with("Authorization", &basic_authorization(&user("pass")));
    let world = required();
    let mut cpe = world.connect();
    cpe.send(basic.clone()).await;
    cpe.expect_status(401);
    cpe.expect_challenge("Digest");
    world.settle().await;
    assert_eq!(world.refusals()[0].reason, RefusedReason::BasicWithoutTls);
    let world = World::with(CpeAuthScheme::Basic, |config| config.auth.allow_basic_over_http = true);
    world.provisioning.knows("user", "pass", Some(DEVICE));
    let mut cpe = world.connect();
    cpe.send(basic).await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_045_only_the_inform_carries_credentials() {
    let world = required();
    let mut cpe = world.connect().login("user", "pass");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    cpe.credentials = None;
    cpe.empty_post().await;
    cpe.expect_end();
}

#[tokio::test(start_paused = true)]
async fn cwmp_048_an_answer_is_good_on_another_connection_and_front_end() {
    let world = required();
    let other = world.restarted(CpeAuthScheme::Auto);
    let mut first = world.connect();
    first.inform(&["1 BOOT"]).await;
    let authorization = first.authorization(&user("pass"), 1);
    drop(first);
    let mut second = other.connect();
    second.send(Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
    second.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_049_each_challenge_has_its_own_nonce_of_32_characters() {
    let world = required();
    let mut nonces = std::collections::HashSet::new();
    for _ in 0..5 {
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        let header = cpe.answer.header("www-authenticate").unwrap();
        let nonce = header.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(nonce.len(), 32, "longer ones overflow in some devices");
        assert!(nonces.insert(nonce.to_owned()), "CWMP-049");
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_051_sha_256_is_offered_by_configuration_only() {
    let world = World::with(CpeAuthScheme::Digest, |config| config.auth.offer_sha256 = true);
    world.provisioning.knows("user", "pass", Some(DEVICE));
    let mut cpe = world.connect().login("user", "pass");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let mut plain = world.connect();
    plain.inform(&["1 BOOT"]).await;
    let offered: Vec<_> =
        plain.answer.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("www-authenticate")).collect();
    assert_eq!(offered.len(), 2);
    assert!(offered[0].1.contains("algorithm=SHA-256") && offered[1].1.contains("algorithm=MD5"), "CWMP-051");
}

#[tokio::test(start_paused = true)]
async fn cwmp_052_a_replayed_or_old_nonce_is_stale_and_recovers_x19() {
    let world = required();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let authorization = cpe.authorization(&user("pass"), 1);
    let request = Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization);
    cpe.exchange(&request).await;
    cpe.expect_inform_response();
    // X19: replayed by somebody who listened.
    let mut thief = world.connect_from("198.51.100.9", false);
    thief.exchange(&request).await;
    thief.expect_status(401);
    assert!(thief.answer.header("www-authenticate").unwrap().contains("stale=true"), "CWMP-052");
    let mut other = world.connect();
    other.inform(&["1 BOOT"]).await;
    let old = other.authorization(&user("pass"), 1);
    tokio::time::sleep(Duration::from_secs(62)).await;
    let mut late = world.connect().login("user", "pass");
    late.exchange(&Sent::post(inform(&["1 BOOT"])).with("Authorization", &old)).await;
    late.expect_status(401);
    assert!(late.answer.header("www-authenticate").unwrap().contains("stale=true"), "CWMP-052");
    late.inform(&["1 BOOT"]).await;
    late.expect_inform_response();
    world.settle().await;
    assert!(world.refusals().is_empty(), "an old nonce is no failed login");
}

#[tokio::test(start_paused = true)]
async fn cwmp_053_054_uri_forms_and_a_missing_qop() {
    let world = required();
    // The digest is computed over the `uri` that is sent.
    let answer = |cpe: &Cpe, qop: bool, uri: &str| {
        let header = cpe.answer.header("www-authenticate").unwrap().to_owned();
        let mut challenge = match cwmp_session::auth::parse_challenges(&header).remove(0) {
            cwmp_session::auth::OfferedChallenge::Digest(challenge) => challenge,
            other => panic!("{other:?}"),
        };
        challenge.qop_auth = qop;
        let request = cwmp_session::auth::DigestRequest { method: "POST", uri, cnonce: "c", count: 1 };
        cwmp_session::auth::respond(&challenge, &user("pass"), &request)
    };
    for uri in ["/cwmp", "http://acs.example/cwmp", ""] {
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        let authorization = answer(&cpe, true, uri);
        cpe.exchange(&Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
        cpe.expect_inform_response();
    }
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let authorization = answer(&cpe, true, "/elsewhere");
    cpe.exchange(&Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
    cpe.expect_status(401);
    // CWMP-054: without qop only by a switch for the model.
    for (switched, status) in [(false, 401), (true, 200)] {
        let world = World::with(CpeAuthScheme::Auto, |config| {
            if switched {
                let devices =
                    ModelMatch { oui: OUI.to_owned(), product_class: CLASS.to_owned(), ..ModelMatch::default() };
                config.models = vec![ModelRule { devices, digest_without_qop: true, ..ModelRule::default() }];
            }
        });
        world.provisioning.knows("user", "pass", Some(DEVICE));
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        let authorization = answer(&cpe, false, "/cwmp");
        cpe.exchange(&Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
        cpe.expect_status(status);
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_058_another_device_with_good_credentials_is_refused_p24() {
    let world = required();
    let mut cpe = world.connect().login("user", "pass");
    cpe.post(&inform_of("OTHER", &["1 BOOT"], 0)).await;
    cpe.expect_status(401);
    world.settle().await;
    let refused = &world.refusals()[0];
    assert_eq!((refused.reason, refused.identity.serial_number.as_str()), (RefusedReason::OtherDevice, "OTHER"));
    assert_eq!(world.provisioning.begins().len(), 0);
    // A shared credential whose user name names a device is good for that device only (CWMP-057).
    world.provisioning.knows("00AABB-IGD-S1", "pass", None);
    let mut own = world.connect().login("00AABB-IGD-S1", "pass");
    own.inform(&["1 BOOT"]).await;
    own.expect_inform_response();
    let mut other = world.connect().login("00AABB-IGD-S1", "pass");
    other.post(&inform_of("OTHER", &["1 BOOT"], 0)).await;
    other.expect_status(401);
}

#[tokio::test(start_paused = true)]
async fn cwmp_062_064_guesses_get_401_and_are_limited_and_listed_p24_x19() {
    let world = required();
    for n in 0..12 {
        let mut cpe = world.connect_from("198.51.100.9", false).login("user", &format!("guess-{n}"));
        cpe.inform(&["1 BOOT"]).await;
        cpe.expect_status(401);
        cpe.expect_challenge("Digest");
        world.settle().await;
    }
    let reasons: Vec<_> = world.refusals().into_iter().map(|r| r.reason).collect();
    assert_eq!(reasons.iter().filter(|r| **r == RefusedReason::WrongPassword).count(), 10, "CWMP-062: {reasons:?}");
    assert_eq!(world.metric("informs_refused_total{reason=\"rate_limited\"}"), 2.0, "CWMP-062");
    let mut right = world.connect_from("198.51.100.9", false).login("user", "pass");
    right.inform(&["1 BOOT"]).await;
    right.expect_status(401);
    let mut device = world.connect().login("user", "pass");
    device.inform(&["1 BOOT"]).await;
    device.expect_inform_response();
    let mut unknown = world.connect().login("nobody", "pass");
    unknown.inform(&["1 BOOT"]).await;
    unknown.expect_status(401);
    assert_eq!(world.metric("informs_refused_total{reason=\"unknown_user\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_stolen_cookie_is_worth_nothing_elsewhere_x19() {
    let world = required();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect().login("user", "pass");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let mut thief = world.connect_from("198.51.100.9", false).with_cookie_of(&cpe);
    thief.empty_post().await;
    thief.expect_status(401);
    assert_eq!(thief.answer.body, "");
    world.provisioning.knows("thief", "own", Some("00AABB-IGD-S9"));
    let mut insider = world.connect_from("198.51.100.9", false).with_cookie_of(&cpe).login("thief", "own");
    insider.empty_post().await;
    insider.expect_status(401);
    // The device itself, from another address: one challenge, then the session goes on (CWMP-045).
    let mut moved = world.connect_from("203.0.113.5", false).with_cookie_of(&cpe).login("user", "pass");
    moved.empty_post().await;
    moved.expect_body("GetParameterValues");
    moved.credentials = None;
    moved.post(&values_response("call-1", "a")).await;
    moved.expect_end();
    assert_eq!(world.accounts().await.len(), 1, "CWMP-045: the same session");
}

#[tokio::test(start_paused = true)]
async fn a_cookie_of_a_tls_session_is_nothing_without_tls() {
    let world = World::open();
    let mut cpe = world.connect_from("192.0.2.1", true);
    cpe.inform(&["1 BOOT"]).await;
    let mut plain = world.connect().with_cookie_of(&cpe);
    plain.post(&get_rpc_methods()).await;
    plain.expect_status(400);
}

#[tokio::test(start_paused = true)]
async fn known_devices_are_served_while_provisioning_is_away_p16() {
    let world = required();
    let mut cpe = world.connect().login("user", "pass");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    world.provisioning.set_down(true);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let mut again = world.connect().login("user", "pass");
    again.inform(&["2 PERIODIC"]).await;
    again.expect_inform_response();
    again.empty_post().await;
    again.expect_end();
    assert_eq!(world.informs().len(), 2, "P16: only tasks wait");
    let mut unknown = world.connect().login("user-2", "pass");
    unknown.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    unknown.expect_status(503);
    assert!(unknown.answer.header("retry-after").is_some(), "P16");
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_counts_at_once() {
    let world = required();
    let mut cpe = world.connect().login("user", "pass");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let asked = world.provisioning.verifier_calls();
    let mut again = world.connect().login("user", "pass");
    again.inform(&["1 BOOT"]).await;
    assert_eq!(world.provisioning.verifier_calls(), asked, "a verifier is remembered");
    world.provisioning.knows("user", "new", Some(DEVICE));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut changed = world.connect().login("user", "new");
    changed.inform(&["1 BOOT"]).await;
    changed.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn cwmp_111_an_empty_post_before_any_inform_is_challenged() {
    let world = required();
    let mut cpe = world.connect();
    cpe.empty_post().await;
    cpe.expect_status(401);
    let mut open = World::open().connect();
    open.empty_post().await;
    open.expect_end();
    assert!(open.answer.closes(), "CWMP-111");
}

#[tokio::test(start_paused = true)]
async fn secrets_reach_neither_log_nor_events_p26_x36() {
    let world = required();
    world.provisioning.knows("user", "canary-secret", Some(DEVICE));
    let mut wrong = world.connect().login("user", "canary-secret-2");
    wrong.inform(&["1 BOOT"]).await;
    let mut cpe = world.connect_from("192.0.2.1", true).login("user", "canary-secret");
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    world.settle().await;
    let shown = format!("{:?} {}", world.records(), world.metrics.exposition());
    assert!(shown.contains("Device.DeviceInfo.SoftwareVersion"), "what is no secret is there");
    assert!(!shown.contains("canary"), "P26");
}
