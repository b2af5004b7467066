//! Whole sessions of conforming devices.

use cwmp_codec::{CpeRequest, CwmpNamespace, Fault};
use cwmp_session::acs::{Answer, Begun, Config, NotDurable, Outcome, Step};
use cwmp_session::auth::{Credentials, DigestRules, NonceKey, Password, ReplayWindow, Verifier};
use cwmp_session::cpe::{CpeFailure, Delivered};
use expect_test::{Expect, expect};

use crate::driver::{DigestServer, Fate, Pair, get, outcome, reboot, set, start, transfer};

fn check(pair: &Pair, expected: Expect) {
    expected.assert_eq(&pair.text());
}

fn labels(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(outcome).collect()
}

/// CWMP-110, CWMP-112, CWMP-117, CWMP-121, CWMP-123: Inform, InformResponse, empty POST, 204. CWMP-019: the cookie comes
/// with the InformResponse.
#[test]
fn bootstrap_without_work() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.run(start(&["0 BOOTSTRAP", "1 BOOT"]));
    check(
        &pair,
        expect![[r#"
            > Inform #1
              Begin: Some(Accepted { work: false })
            < 200 InformResponse #1 cookie
            > (empty)
            < 204
            ACS closed: completed
            CPE closed: Ok(())
        "#]],
    );
    assert_eq!(pair.back_end.informs.len(), 1);
    assert_eq!(pair.delivered, [Delivered::Inform]);
}

/// CWMP-114, CWMP-116, CWMP-119: requests one by one, each in answer to the empty POST or to an answer; CWMP-088: with the
/// ID of the call.
#[test]
fn tasks_in_segments() {
    let mut pair = Pair::with_segments(vec![vec![get("a-1"), set("a-2")], vec![get("a-3")]]);
    pair.run(start(&["2 PERIODIC"]));
    check(
        &pair,
        expect![[r#"
            > Inform #1
              Begin: Some(Accepted { work: true })
            < 200 InformResponse #1 cookie
            > (empty)
              NeedStep []: calls
            < 200 GetParameterValues #a-1
            > GetParameterValuesResponse #a-1
            < 200 SetParameterValues #a-2
            > SetParameterValuesResponse #a-2
              NeedStep [get-a-1 response, set-a-2 response]: calls
            < 200 GetParameterValues #a-3
            > GetParameterValuesResponse #a-3
              NeedStep [get-a-3 response]: nothing
            < 204
            ACS closed: completed
            CPE closed: Ok(())
        "#]],
    );
}

/// A Fault ends its segment; what was not sent comes back as such, and the session goes on.
#[test]
fn a_fault_ends_its_segment() {
    let mut pair = Pair::with_segments(vec![vec![get("1"), set("2"), get("3"), get("4")], vec![get("5")]]);
    pair.device = Box::new(|request| match request {
        cwmp_codec::AcsRequest::SetParameterValues(_) => Err(Fault { code: 9003, ..Fault::default() }),
        other => Ok(crate::driver::obey(other)),
    });
    pair.run(start(&["2 PERIODIC"]));
    let expected = ["get-1 response", "set-2 fault 9003", "get-3 not_sent", "get-4 not_sent", "get-5 response"];
    assert_eq!(labels(&pair.back_end.answers), expected);
    assert_eq!(pair.outcome(), Outcome::Completed);
}

/// CWMP-191, CWMP-192, P7: a TransferComplete is answered when it is durable. CWMP-100: until then with Fault 8005, and the
/// CPE sends it again.
#[test]
fn transfer_complete_is_durable_before_it_is_answered() {
    let mut pair = Pair::with_segments(vec![vec![get("1")]]);
    pair.back_end.recorded = [Some(Err(NotDurable)), Some(Ok(()))].into();
    pair.queue(transfer("key-1"));
    pair.run(start(&["7 TRANSFER COMPLETE", "M Download"]));
    check(
        &pair,
        expect![[r#"
            > Inform #1
              Begin: Some(Accepted { work: true })
            < 200 InformResponse #1 cookie
            > TransferComplete #1-2
              Record: Some(Err(NotDurable))
            < 200 Fault 8005 #1-2
            > TransferComplete #1-2
              Record: Some(Ok(()))
            < 200 TransferCompleteResponse #1-2
            > (empty)
              NeedStep []: calls
            < 200 GetParameterValues #1
            > GetParameterValuesResponse #1
              NeedStep [get-1 response]: nothing
            < 204
            ACS closed: completed
            CPE closed: Ok(())
        "#]],
    );
    assert!(pair.delivered.contains(&Delivered::TransferComplete { command_key: "key-1".to_owned() }));
}

/// CWMP-100, P11: after a few Faults 8005 the answer is 503, never a response that is not durable.
#[test]
fn a_completion_that_never_becomes_durable_is_never_confirmed() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.back_end.recorded = vec![Some(Err(NotDurable)); 4].into();
    pair.queue(transfer("key-1"));
    pair.run(start(&["7 TRANSFER COMPLETE"]));
    let faults = pair.transcript.iter().filter(|line| line.contains("Fault 8005")).count();
    assert_eq!(faults, 3, "the limit of Config::default");
    assert_eq!(pair.outcome(), Outcome::ServerError);
    assert_eq!(pair.cpe_end, Some(Err(CpeFailure::Busy { retry_after: Some(30) })));
    assert_eq!(pair.delivered, [Delivered::Inform]);
}

/// CWMP-090, CWMP-118, CWMP-122: while requests are held the CPE's empty POST ends nothing, nor does the 204 that ends the
/// hold.
#[test]
fn held_requests_come_after_the_hold() {
    let mut pair = Pair::new(Config { hold_requests: true, ..Config::default() });
    pair.back_end.begun.push_back(Some(Begun::Accepted { work: true }));
    pair.back_end.steps.push_back(Some(Step::Calls(vec![get("1")])));
    pair.queue(transfer("key-1"));
    pair.run(start(&["7 TRANSFER COMPLETE"]));
    check(
        &pair,
        expect![[r#"
            > Inform #1
              Begin: Some(Accepted { work: true })
            < 200 InformResponse #1 hold cookie
            > (empty)
              NeedStep []: calls
            < 200 GetParameterValues #1 hold
            > GetParameterValuesResponse #1
              NeedStep [get-1 response]: nothing
            < 204
            > TransferComplete #1-2
              Record: Some(Ok(()))
            < 200 TransferCompleteResponse #1-2
            > (empty)
            < 204
            ACS closed: completed
            CPE closed: Ok(())
        "#]],
    );
    assert!(pair.remarks.is_empty(), "{:?}", pair.remarks);
}

/// CWMP-139: nothing is sent after Reboot, and the rest of its segment comes back.
#[test]
fn reboot_is_the_last_request() {
    let mut pair = Pair::with_segments(vec![vec![get("1"), reboot("2"), get("3")], vec![get("4")]]);
    pair.run(start(&["2 PERIODIC"]));
    let sent: Vec<_> = pair.transcript.iter().filter(|line| line.starts_with("< 200")).collect();
    assert_eq!(sent.last().map(|line| line.as_str()), Some("< 200 Reboot #2"));
    assert_eq!(labels(&pair.back_end.answers), ["get-1 response", "reboot-2 response", "get-3 not_sent"]);
    assert_eq!((pair.outcome(), pair.cpe_end.clone()), (Outcome::Completed, Some(Ok(()))));
}

/// A device that is gone after Reboot, or sends an empty POST in place of its response, did what it was asked to.
#[test]
fn a_device_that_reboots_at_once_is_no_failure() {
    let mut gone = Pair::with_segments(vec![vec![reboot("1")]]);
    gone.wire = Box::new(|number, _| if number == 3 { Fate::Lost } else { Fate::Arrives });
    gone.run(start(&["2 PERIODIC"]));
    assert_eq!(labels(&gone.back_end.answers), ["reboot-1 timed_out"]);
    assert_eq!(gone.outcome(), Outcome::Completed);

    let mut hasty = Pair::with_segments(vec![vec![reboot("1")]]);
    hasty.wire = Box::new(|number, post| {
        if number == 3 {
            post.envelope = None;
        }
        Fate::Arrives
    });
    hasty.run(start(&["2 PERIODIC"]));
    assert_eq!(labels(&hasty.back_end.answers), ["reboot-1 empty_post"]);
    assert_eq!(hasty.outcome(), Outcome::Completed);
}

/// CWMP-221: the list of methods is true and holds what the ACS serves.
#[test]
fn the_acs_names_its_methods() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.queue(CpeRequest::GetRpcMethods);
    pair.run(start(&["1 BOOT"]));
    let methods = ["Inform", "GetRPCMethods", "TransferComplete"].map(str::to_owned).to_vec();
    assert_eq!(pair.delivered, [Delivered::Inform, Delivered::Methods(methods)]);
}

/// CWMP-040, CWMP-045, CWMP-046, CWMP-050: a challenged Inform and its repeat are one Inform of one session.
#[test]
fn a_challenged_inform_is_one_inform() {
    let mut pair = Pair::with_segments(vec![vec![get("1")]]);
    pair.digest = Some(digest_server("secret"));
    pair.run(with_credentials("secret"));
    assert_eq!(pair.transcript[..4], ["> Inform #1", "< 401", "> Inform #1", "  Begin: Some(Accepted { work: true })"]);
    assert_eq!(pair.back_end.informs.len(), 1);
    assert_eq!(pair.back_end.informs[0].inform.retry_count, 0);
    assert_eq!(pair.outcome(), Outcome::Completed);
}

/// CWMP-064: wrong credentials fail the session of the CPE, and nothing is begun.
#[test]
fn wrong_credentials_begin_nothing() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.digest = Some(digest_server("secret"));
    pair.run(with_credentials("guess"));
    assert_eq!(pair.cpe_end, Some(Err(CpeFailure::Unauthorized)));
    assert!(pair.back_end.informs.is_empty());
    assert_eq!(pair.outcome(), Outcome::TimedOut);
}

fn digest_server(password: &str) -> DigestServer {
    DigestServer {
        rules: DigestRules::new("acs"),
        keys: vec![NonceKey::new([5; 32])],
        window: ReplayWindow::new(100),
        verifier: Verifier::Password(Password::new(password)),
    }
}

fn with_credentials(password: &str) -> cwmp_session::cpe::Start {
    let mut start = start(&["2 PERIODIC"]);
    start.credentials = Some(Credentials { username: "00AA11-Box-1".to_owned(), password: Password::new(password) });
    start.target = "/cwmp".to_owned();
    start.cnonce = "c0ffee".to_owned();
    start
}

/// CWMP-100, CWMP-101: 8005 to the Inform is a repeat at once in the same session; a few times, then 503.
#[test]
fn an_inform_may_be_asked_for_again() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.back_end.begun = [Some(Begun::RetryRequest), Some(Begun::Accepted { work: false })].into();
    pair.run(start(&["2 PERIODIC"]));
    assert_eq!(pair.transcript[2], "< 200 Fault 8005 #1");
    assert_eq!(pair.outcome(), Outcome::Completed);

    let mut stuck = Pair::with_segments(Vec::new());
    stuck.back_end.begun = vec![Some(Begun::RetryRequest); 4].into();
    stuck.run(start(&["2 PERIODIC"]));
    assert_eq!(stuck.outcome(), Outcome::ServerError);
    assert!(matches!(stuck.cpe_end, Some(Err(CpeFailure::Busy { .. }))));
    assert_eq!(stuck.back_end.informs.len(), 4);
}

/// P11: an Inform that cannot be made durable gets 503 with Retry-After.
#[test]
fn an_inform_without_a_durable_place_gets_503() {
    let mut pair = Pair::with_segments(Vec::new());
    pair.back_end.begun = [Some(Begun::Unavailable)].into();
    pair.run(start(&["2 PERIODIC"]));
    assert_eq!(pair.transcript[2], "< 503 close later");
    assert_eq!(pair.cpe_end, Some(Err(CpeFailure::Busy { retry_after: Some(30) })));
}

/// CWMP-127: every POST has its response within 25 s, however slow the back ends are.
#[test]
fn slow_back_ends_do_not_hold_up_a_response() {
    let mut begin = Pair::with_segments(Vec::new());
    begin.back_end.begun = [None].into();
    begin.run(start(&["2 PERIODIC"]));
    assert_eq!(begin.transcript[2], "< 503 close later");
    assert!(matches!(begin.cpe_end, Some(Err(CpeFailure::Busy { .. }))), "within the 60 s of the CPE");

    let mut step = Pair::with_segments(vec![vec![get("1")]]);
    step.back_end.steps = [None].into();
    step.run(start(&["2 PERIODIC"]));
    assert_eq!((step.outcome(), step.cpe_end.clone()), (Outcome::ServerError, Some(Ok(()))));

    let mut record = Pair::with_segments(Vec::new());
    record.back_end.recorded = [None, Some(Ok(()))].into();
    record.queue(transfer("key-1"));
    record.run(start(&["7 TRANSFER COMPLETE"]));
    assert!(record.transcript.iter().any(|line| line == "< 200 Fault 8005 #1-2"));
    assert_eq!(record.outcome(), Outcome::Completed);
}

/// CWMP-124, CWMP-126, CWMP-133: a lost POST or response fails the session on both sides, and the request is reported as
/// unanswered.
#[test]
fn lost_messages_fail_the_session() {
    // A lost Inform is nothing to the ACS.
    for (fate, first) in [(Fate::Lost, 2), (Fate::ResponseLost, 1)] {
        for lost in first..=4 {
            let mut pair = Pair::with_segments(vec![vec![set("1"), set("2")]]);
            pair.wire = Box::new(move |number, _| if number == lost { fate } else { Fate::Arrives });
            pair.run(start(&["2 PERIODIC"]));
            let context = pair.text();
            if (fate, lost) == (Fate::ResponseLost, 4) {
                assert_eq!(pair.outcome(), Outcome::Completed, "only the last 204 is lost:\n{context}");
            } else {
                assert_eq!(pair.outcome(), Outcome::TimedOut, "{context}");
            }
            assert!(matches!(pair.cpe_end, Some(Err(CpeFailure::NoResponse(_)))), "{context}");
            let sent = pair.transcript.iter().filter(|line| line.contains("SetParameterValues #")).count();
            assert_eq!(pair.back_end.answers.len(), if sent == 0 { 0 } else { 2 }, "every call is accounted for");
        }
    }
}

/// CWMP-160 to CWMP-166: the version is learnt from the Inform, and all messages of the ACS are in one namespace (CWMP-165).
#[test]
fn one_namespace_for_the_whole_session() {
    use CwmpNamespace::{Invented1_4, V1_0, V1_1, V1_2};
    let cases = [
        (Some(V1_0), None, V1_0, None),
        (Some(V1_1), None, V1_1, None),
        (None, None, V1_0, None),
        (Some(V1_2), Some(vec!["1.0", "1.4", "1.9"]), V1_2, Some("1.4")),
        (Some(V1_0), Some(vec!["1.0", "1.1"]), V1_1, Some("1.1")),
        (Some(Invented1_4), None, Invented1_4, None),
    ];
    for (used, supported, expected, announced) in cases {
        let mut pair = Pair::with_segments(vec![vec![get("1")]]);
        pair.queue(CpeRequest::GetRpcMethods);
        let mut start = start(&["2 PERIODIC"]);
        start.namespace = used;
        start.supported_versions = supported.map(|texts| texts.into_iter().map(str::to_owned).collect());
        pair.run(start);
        let envelopes: Vec<_> = pair.replies.iter().filter_map(|reply| reply.envelope()).collect();
        assert_eq!(envelopes.len(), 3);
        assert!(envelopes.iter().all(|envelope| envelope.namespace == Some(expected)), "{used:?}");
        assert_eq!(envelopes[0].header.use_version.map(|version| version.as_str()), announced, "CWMP-161, CWMP-163");
        assert!(envelopes[1..].iter().all(|envelope| envelope.header.use_version.is_none()));
        assert_eq!(pair.outcome(), Outcome::Completed);
    }
}

/// CWMP-164: no common version is Fault 8006, and nothing is begun.
#[test]
fn no_common_version_is_fault_8006() {
    let mut pair = Pair::with_segments(Vec::new());
    let mut start = start(&["2 PERIODIC"]);
    start.supported_versions = Some(vec!["2.0".to_owned()]);
    pair.run(start);
    assert_eq!(pair.cpe_end, Some(Err(CpeFailure::Refused { method: "Inform".to_owned(), code: 8006 })));
    assert!(pair.back_end.informs.is_empty());
    assert_eq!(pair.outcome(), Outcome::ProtocolError);
}
