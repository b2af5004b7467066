//! Groups C and D as far as the front-end holds them, and how sessions begin, go on and end.

use std::time::Duration;

use acs_cwmp_server::CpeAuthScheme;
use acs_proto::{AnswerOutcome, UnansweredReason};
use acs_store::SessionCache;
use acs_types::SessionOutcome;
use cwmp_codec::AcsRequest;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn cwmp_065_086_103_what_is_no_envelope_gets_400_and_close() {
    let world = World::open();
    let soap12 = inform(&["1 BOOT"])
        .replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    let doctype = inform(&["1 BOOT"]).replace("?><soap", "?><!DOCTYPE x [<!ENTITY a \"b\">]><soap");
    for body in ["hello", "<html/>", "<a", &soap12, &doctype, &inform(&["1 BOOT"])[..600]] {
        let mut cpe = world.connect();
        cpe.post(body).await;
        cpe.expect_status(400);
        assert!(cpe.is_closed().await, "CWMP-103");
    }
    assert!(world.metric("posts_rejected_total{reason=\"truncated\"}") >= 1.0);
    assert!(world.metric("posts_rejected_total{reason=\"soap_1_2\"}") >= 1.0, "CWMP-065");
    assert!(world.metric("posts_rejected_total{reason=\"forbidden_xml\"}") >= 1.0, "CWMP-086");
}

#[tokio::test(start_paused = true)]
async fn cwmp_092_098_099_faults_come_in_a_200() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.post(&envelope("7", "<cwmp:Kicked/>")).await;
    cpe.expect_status(200);
    cpe.expect_body("<FaultCode>8000</FaultCode>");
    cpe.post(&envelope("8", "<cwmp:TransferComplete><CommandKey>k</CommandKey></cwmp:TransferComplete>")).await;
    cpe.expect_status(200);
    cpe.expect_body("<FaultCode>8003</FaultCode>");
    let strange = get_rpc_methods()
        .replace("<soap-env:Header>", "<soap-env:Header><x:Y xmlns:x=\"urn:x\" soap-env:mustUnderstand=\"1\">1</x:Y>");
    cpe.post(&strange).await;
    cpe.expect_status(200);
    cpe.expect_body("MustUnderstand");
    cpe.empty_post().await;
    cpe.expect_end();
    let mut fresh = world.connect();
    fresh.post(&envelope("1", "<cwmp:Inform><MaxEnvelopes>1</MaxEnvelopes></cwmp:Inform>")).await;
    fresh.expect_status(200);
    fresh.expect_body("<FaultCode>8003</FaultCode>");
}

#[tokio::test(start_paused = true)]
async fn cwmp_104_an_answer_that_does_not_fit_ends_the_session() {
    let world = World::open();
    world.provisioning.wants("call-1", AcsRequest::FactoryReset);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_body("FactoryReset");
    cpe.post(&reboot_response("call-1")).await;
    cpe.expect_status(400);
    let account = &world.accounts().await[0];
    assert_eq!(account.outcome, SessionOutcome::ProtocolError, "CWMP-104");
    let end = &world.provisioning.ends()[0];
    assert_eq!(end.answers[0].outcome, AnswerOutcome::Unanswered(UnansweredReason::Unusable), "CWMP-104");
    assert_eq!(end.answers[0].attempt, Some("attempt-1".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn cwmp_111_nothing_but_an_inform_opens_a_session() {
    let world = World::open();
    for body in [get_rpc_methods(), transfer_complete("k"), values_response("1", "x"), fault("1", 9001)] {
        let mut cpe = world.connect();
        cpe.post(&body).await;
        cpe.expect_status(400);
        assert!(cpe.answer.closes(), "CWMP-111");
    }
    assert!(world.records().is_empty() && world.provisioning.called().is_empty());
}

#[tokio::test(start_paused = true)]
async fn cwmp_124_p3_silence_ends_the_session_and_is_told_at_once() {
    let world = World::open();
    world.provisioning.wants("call-1", AcsRequest::Reboot { command_key: "k".to_owned() });
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_body("Reboot");
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(world.front_end.live_sessions(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.front_end.live_sessions(), 0, "P3: within 5 s of the deadline");
    let end = &world.provisioning.ends()[0];
    assert_eq!(end.outcome, SessionOutcome::Completed, "silence after a Reboot is no failure (design.md §5.5)");
    assert_eq!(end.answers[0].outcome, AnswerOutcome::Unanswered(UnansweredReason::Silence));
    let mut silent = world.connect();
    silent.inform(&["1 BOOT"]).await;
    silent.empty_post().await;
    silent.expect_body("GetParameterValues");
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert_eq!(world.accounts().await[1].outcome, SessionOutcome::TimedOut, "CWMP-124");
}

#[tokio::test(start_paused = true)]
async fn cwmp_129_130_a_new_inform_supersedes_the_session_of_its_device() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut first = world.connect();
    first.inform(&["1 BOOT"]).await;
    first.empty_post().await;
    first.expect_body("GetParameterValues");
    let old = first.cookie.clone();
    // On the same connection, with the old cookie, while the old session is open.
    first.inform(&["1 BOOT"]).await;
    first.expect_inform_response();
    assert_ne!(first.cookie, old, "CWMP-130: a new session");
    world.settle().await;
    let end = &world.provisioning.ends()[0];
    assert_eq!((end.outcome, end.answers.len()), (SessionOutcome::Superseded, 1), "CWMP-129");
    let mut stale = world.connect();
    stale.cookie = old;
    stale.post(&values_response("call-1", "v")).await;
    stale.expect_status(400);
    first.empty_post().await;
    first.expect_end();
    let stamps: Vec<_> = world.provisioning.begins().iter().map(|b| b.session.stamp).collect();
    assert!(stamps[0] < stamps[1], "stamps grow");
}

#[tokio::test(start_paused = true)]
async fn cwmp_131_devices_that_share_a_connection_stay_apart() {
    let world = World::open();
    let mut proxy = world.connect();
    proxy.post(&inform_of("S1", &["1 BOOT"], 0)).await;
    let one = proxy.cookie.take();
    proxy.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    let two = proxy.cookie.take();
    world.provisioning.wants_values(1);
    world.cache.hint_work(&DEVICE.parse().unwrap()).await.unwrap();
    proxy.empty_post().await;
    proxy.expect_status(204);
    assert!(proxy.answer.closes(), "CWMP-131: without a cookie nobody knows whose POST it is");
    let mut proxy = world.connect();
    proxy.cookie.clone_from(&one);
    proxy.empty_post().await;
    proxy.expect_body("GetParameterValues");
    proxy.cookie.clone_from(&two);
    proxy.empty_post().await;
    proxy.expect_end();
    proxy.cookie = one;
    proxy.post(&values_response("call-1", "v")).await;
    proxy.expect_end();
    let devices: Vec<_> = world.provisioning.nexts().iter().map(|n| n.session.device.to_string()).collect();
    assert_eq!(devices, [DEVICE, DEVICE], "CWMP-131, CWMP-538");
}

#[tokio::test(start_paused = true)]
async fn cwmp_132_a_session_goes_on_from_its_cookie_after_kill_9_p13() {
    let world = World::open();
    let mut before = world.connect();
    before.inform(&["1 BOOT"]).await;
    before.expect_inform_response();
    let after = world.restarted(CpeAuthScheme::Open);
    world.provisioning.wants_values(1);
    let mut cpe = after.connect().with_cookie_of(&before);
    cpe.post(&transfer_complete("k")).await;
    cpe.expect_body("TransferCompleteResponse");
    cpe.empty_post().await;
    cpe.expect_body("GetParameterValues");
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    let begun = world.provisioning.begins()[0].session.clone();
    let next = world.provisioning.nexts()[0].session.clone();
    assert_eq!((&next.session, next.stamp), (&begun.session, begun.stamp), "P13: no new Inform");
    assert!(next.resume > begun.resume, "design.md §4.4");
    let account = &after.accounts().await[0];
    assert_eq!((account.outcome, account.complete), (SessionOutcome::Completed, false), "P9");
    let mut ids: Vec<_> = after.records().iter().map(|r| r.event_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), after.records().len(), "P8: no two records with one id");
    assert_eq!(after.metric("sessions_resumed_total"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_of_a_dead_front_end_is_evidence() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut before = world.connect();
    before.inform(&["1 BOOT"]).await;
    before.empty_post().await;
    before.expect_body("call-1");
    let after = world.restarted(CpeAuthScheme::Open);
    let mut cpe = after.connect().with_cookie_of(&before);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    let nexts = world.provisioning.nexts();
    let answer = &nexts.last().unwrap().answers[0];
    assert_eq!((answer.id.as_str(), answer.task.as_ref()), ("call-1", None), "design.md §4.4");
}

#[tokio::test(start_paused = true)]
async fn cwmp_061_the_cookie_of_an_ended_session_is_good_for_nothing() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_end();
    let mut again = world.connect().with_cookie_of(&cpe);
    again.post(&get_rpc_methods()).await;
    again.expect_status(400);
    let mut empty = world.connect().with_cookie_of(&cpe);
    empty.empty_post().await;
    empty.expect_end();
    assert_eq!(world.metric("sessions_resumed_total"), 0.0, "CWMP-061");
}

#[tokio::test(start_paused = true)]
async fn cwmp_127_a_slow_back_end_gets_a_204_in_time() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    world.provisioning.set_delay(Duration::from_secs(3600));
    let before = tokio::time::Instant::now();
    cpe.empty_post().await;
    cpe.expect_end();
    assert!(before.elapsed() <= Duration::from_secs(25), "CWMP-127");
}

#[tokio::test(start_paused = true)]
async fn cwmp_140_a_session_is_bounded_by_messages() {
    let world = World::with(CpeAuthScheme::Open, |config| config.session.messages_max = 5);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    for _ in 0..4 {
        cpe.post(&get_rpc_methods()).await;
        cpe.expect_body("GetRPCMethodsResponse");
    }
    cpe.post(&get_rpc_methods()).await;
    cpe.expect_status(400);
    assert_eq!(world.accounts().await[0].outcome, SessionOutcome::LimitExceeded, "CWMP-140");
}

#[tokio::test(start_paused = true)]
async fn work_that_comes_up_during_a_session_is_done_in_it() {
    let world = World::open();
    let device = DEVICE.parse().unwrap();
    let mut cpe = world.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    world.provisioning.wants_values(1);
    assert!(world.cache.hint_work(&device).await.unwrap().is_some(), "a session is live");
    cpe.empty_post().await;
    cpe.expect_body("GetParameterValues");
    // Once more, while the last answer is under way.
    world.provisioning.wants_values(1);
    world.cache.hint_work(&device).await.unwrap();
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_body("GetParameterValues");
    cpe.post(&values_response("call-2", "v")).await;
    cpe.expect_end();
    world.settle().await;
    assert_eq!(world.cache.current(&device).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn work_that_comes_up_in_the_last_moment_is_told_at_the_end() {
    let world = World::open();
    let device = DEVICE.parse().unwrap();
    let mut cpe = world.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    world.cache.hint_work(&device).await.unwrap();
    drop(cpe);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(world.provisioning.ends().len(), 1, "design.md §4.8: provisioning wakes the device again");
}

#[tokio::test(start_paused = true)]
async fn a_superseded_holder_ends_the_session() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.provisioning.supersede();
    cpe.empty_post().await;
    assert!(cpe.answer.closes());
    assert_eq!(world.accounts().await[0].outcome, SessionOutcome::Superseded);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_written_fails_its_task_and_never_leaves() {
    let world = World::open();
    world.provisioning.wants("call-1", AcsRequest::Reboot { command_key: "k".repeat(33) });
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_end();
    world.settle().await;
    let end = &world.provisioning.ends()[0];
    assert_eq!(end.outcome, SessionOutcome::ServerError);
    let AnswerOutcome::Fault(fault) = &end.answers[0].outcome else { panic!("{end:?}") };
    assert!(fault.text.contains("was not sent"), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_only_its_own_session_p20() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.provisioning.panic_on_next();
    cpe.empty_post().await;
    cpe.expect_status(500);
    assert!(cpe.is_closed().await);
    world.settle().await;
    assert_eq!(world.front_end.live_sessions(), 0);
    assert_eq!(world.metric("panics_total"), 1.0);
    assert_eq!(world.accounts().await[0].outcome, SessionOutcome::ServerError);
    let mut other = world.connect();
    other.post(&inform_of("S2", &["1 BOOT"], 0)).await;
    other.expect_inform_response();
}

#[tokio::test(start_paused = true)]
async fn two_posts_of_one_session_take_turns() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.provisioning.set_delay(Duration::from_secs(5));
    let mut twin = world.connect().with_cookie_of(&cpe);
    let (one, two) = tokio::join!(async { cpe.empty_post().await.clone() }, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        twin.empty_post().await.clone()
    });
    assert!(one.body.contains("GetParameterValues"), "{one:?}");
    assert_eq!(two.status, 204, "an empty POST in place of an answer: {two:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_does_not_stop_what_was_begun() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.provisioning.set_delay(Duration::from_secs(5));
    let mut again = world.connect().with_cookie_of(&cpe);
    cpe.write(&Sent::post("").with("Cookie", cpe.cookie.as_ref().unwrap()).bytes()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(cpe);
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.provisioning.set_delay(Duration::ZERO);
    again.post(&values_response("call-1", "v")).await;
    again.expect_end();
    assert_eq!(world.provisioning.nexts().len(), 2, "the segment was not lost");
}

#[tokio::test(start_paused = true)]
async fn the_session_cache_may_be_emptied_at_any_time_p14() {
    let world = World::open();
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.cache.clear();
    cpe.empty_post().await;
    cpe.expect_body("GetParameterValues");
    world.cache.clear();
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    cpe.inform(&["1 BOOT"]).await;
    let stamps: Vec<_> = world.provisioning.begins().iter().map(|b| b.session.stamp).collect();
    assert!(stamps[0] < stamps[1]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_as_long_as_its_session_may_be_silent_p3_cwmp_125() {
    for (asked, seconds) in [("", 120), ("<cwmp:SessionTimeout>600</cwmp:SessionTimeout>", 1200)] {
        let world = World::open();
        world.provisioning.wants_values(1);
        let mut cpe = world.connect();
        cpe.post(&inform(&["2 PERIODIC"]).replace("</soap-env:Header>", &format!("{asked}</soap-env:Header>"))).await;
        cpe.expect_inform_response();
        cpe.empty_post().await;
        cpe.expect_body("GetParameterValues");
        let next = &world.provisioning.nexts()[0];
        let time = next.deadline.since(next.at);
        assert_eq!(time.as_secs(), seconds, "P3: nothing counts as unanswered while its session may still answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_as_long_as_its_session_cwmp_023() {
    let world = World::with(CpeAuthScheme::Open, |config| config.session.idle_timeout = Duration::from_secs(300));
    world.provisioning.wants_values(1);
    let mut cpe = world.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.cookie = None;
    cpe.empty_post().await;
    cpe.expect_body("GetParameterValues");
    tokio::time::sleep(Duration::from_secs(299)).await;
    cpe.post(&values_response("call-1", "x")).await;
    cpe.expect_end();
}
