//! The rows of `quirks.md`, "On the wire", that HTTP has to do with.

use acs_cwmp_server::{CpeAuthScheme, ModelMatch, ModelRule};
use acs_types::SessionOutcome;
use cwmp_codec::EncodeOptions;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn cookies_come_back_in_every_form_cwmp_022() {
    let world = World::open();
    for form in ["{}; Path=/; HttpOnly", "Path=/; {}", "$Version=\"1\"; {}; $Path=\"/\"", "other=1, {}", "{}, other=1"]
    {
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        let cookie = cpe.cookie.clone().unwrap();
        drop(cpe);
        let mut next = world.connect();
        next.send(Sent::post(get_rpc_methods()).with("Cookie", &form.replace("{}", &cookie))).await;
        next.expect_body("GetRPCMethodsResponse");
    }
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let cookie = cpe.cookie.clone().unwrap();
    let mut next = world.connect();
    next.send(Sent::post("").and("Cookie", "other=1").and("Cookie", &cookie)).await;
    next.expect_end();
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_for_every_request() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    world.provisioning.knows("user", "pass", Some(DEVICE));
    world.provisioning.wants_values(1);
    let mut challenged = world.connect().login("user", "pass");
    let credentials = challenged.credentials.take().unwrap();
    challenged.inform(&["1 BOOT"]).await;
    let authorization = challenged.authorization(&credentials, 1);
    drop(challenged);
    let mut cpe = world.connect();
    cpe.send(Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
    cpe.expect_inform_response();
    for (body, expected) in [(String::new(), 200), (values_response("call-1", "v"), 204)] {
        let mut next = world.connect().with_cookie_of(&cpe);
        next.post(&body).await;
        next.expect_status(expected);
    }
    assert_eq!(world.accounts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_probe_connection_before_the_inform() {
    let world = World::open();
    drop(world.connect());
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn basic_first_to_a_digest_server_recovers() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    world.provisioning.knows("user", "pass", Some(DEVICE));
    let mut cpe = world.connect().login("user", "pass");
    cpe.send(Sent::post(inform(&["1 BOOT"])).with("Authorization", "Basic dXNlcjpwYXNz")).await;
    cpe.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn one_nonce_for_ever_with_the_same_count_recovers() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    world.provisioning.knows("user", "pass", Some(DEVICE));
    let mut cpe = world.connect().login("user", "pass");
    let mut old: Option<String> = None;
    for _ in 0..3 {
        let request = Sent::post(inform(&["2 PERIODIC"]));
        let request = match &old {
            Some(authorization) => request.with("Authorization", authorization),
            None => request,
        };
        cpe.cookie = None;
        cpe.exchange(&request).await;
        cpe.expect_status(401);
        let authorization = cpe.authorization(&cpe.credentials.clone().unwrap(), 1);
        cpe.exchange(&Sent::post(inform(&["2 PERIODIC"])).with("Authorization", &authorization)).await;
        cpe.expect_inform_response();
        old = Some(authorization);
        cpe.empty_post().await;
    }
    assert_eq!(world.informs().len(), 3);
    assert!(world.refusals().is_empty());
}

#[tokio::test(start_paused = true)]
async fn credentials_with_every_post_do_no_harm() {
    let world = World::with(CpeAuthScheme::Digest, |_| {});
    world.provisioning.knows("user", "pass", Some(DEVICE));
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let credentials = cwmp_session::auth::Credentials {
        username: "user".to_owned(),
        password: cwmp_session::auth::Password::new("pass"),
    };
    let authorization = cpe.authorization(&credentials, 1);
    cpe.send(Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization)).await;
    cpe.expect_inform_response();
    cpe.send(Sent::post("").with("Authorization", &authorization)).await;
    cpe.expect_end();
}

#[tokio::test(start_paused = true)]
async fn empty_posts_in_place_of_answers_do_not_loop() {
    let world = World::open();
    for _ in 0..10 {
        world.provisioning.wants_values(1);
    }
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let mut posts = 0;
    loop {
        cpe.empty_post().await;
        posts += 1;
        if cpe.answer.status != 200 {
            break;
        }
    }
    assert!(posts <= 6, "{posts}");
    assert_eq!(world.accounts().await[0].outcome, SessionOutcome::ProtocolError);
    assert!(world.metric("remarks_total{remark=\"empty_answer\"}") >= 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_content_length_counted_in_characters_is_told_apart() {
    let world = World::open();
    let mut cpe = world.connect();
    let body = inform_of("S\u{e9}\u{e9}", &["1 BOOT"], 0);
    let characters = body.chars().count().to_string();
    cpe.write(&Sent::post(body).with("Content-Length", &characters).bytes()).await;
    cpe.read().await;
    cpe.expect_status(400);
    assert!(cpe.is_closed().await, "the stray bytes are no request");
    assert_eq!(world.metric("posts_rejected_total{reason=\"truncated\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_holds_a_url_and_odd_lines() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.send(Sent::post(inform(&["1 BOOT"])).with("Host", "http://acs.example:7547/cwmp")).await;
    cpe.expect_inform_response();
    let mut odd = world.connect();
    odd.send(Sent::post(inform(&["1 BOOT"])).line("POST  /cwmp  HTTP/1.1")).await;
    odd.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_600_kb_is_read() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.post(&values_response("call-1", &"v".repeat(600_000))).await;
    cpe.expect_end();
    let answers = &world.provisioning.nexts()[1].answers;
    assert!(matches!(answers[0].outcome, acs_proto::AnswerOutcome::Response(_)));
}

#[tokio::test(start_paused = true)]
async fn headers_are_written_as_small_clients_look_for_them() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    let names: Vec<_> = cpe.answer.headers.iter().map(|(n, _)| n.as_str()).collect();
    for name in ["Content-Type", "Content-Length", "Set-Cookie"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn leniencies_are_counted_and_stand_in_the_ladder_cwmp_535() {
    let world = World::open();
    let mut cpe = world.connect();
    let bare = inform(&["1 BOOT"]).replace("soap-enc:arrayType=\"cwmp:EventStruct[1]\"", "");
    cpe.post(&bare).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    assert_eq!(world.metric("remarks_total{remark=\"array_type_missing\"}"), 1.0, "CWMP-535");
    assert_eq!(world.accounts().await[0].exchanges[0].remarks, ["array_type_missing"], "CWMP-535");
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_per_model_cwmp_007() {
    let devices =
        ModelMatch { manufacturer: "Acme".to_owned(), software_version: "1.0".to_owned(), ..ModelMatch::default() };
    let encode = EncodeOptions { declaration: false, ..EncodeOptions::default() };
    let rule = ModelRule { devices, empty_as_200: true, encode, ..ModelRule::default() };
    let world = World::with(CpeAuthScheme::Open, |config| config.models = vec![rule]);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    assert!(!cpe.answer.body.starts_with("<?xml"), "a device refuses replies with a declaration");
    cpe.empty_post().await;
    cpe.expect_status(200);
    assert_eq!(cpe.answer.header("content-length"), Some("0"), "CWMP-007");
    assert_eq!(cpe.answer.header("content-type"), None);
    let mut other = World::open().connect();
    other.inform(&["1 BOOT"]).await;
    assert!(other.answer.body.starts_with("<?xml"), "a device refuses replies without one");
}
