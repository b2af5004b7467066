//! The rules of the ACS, one by one, also against devices that do not keep theirs.

use std::time::Duration;

use cwmp_codec::{AcsRequest, AcsResponse, AnswerTo, CpeRequest, CwmpNamespace, CwmpVersion, Fault, Message};
use cwmp_session::AcsSession;
use cwmp_session::acs::{
    AnswerOutcome, Begun, Call, Config, EMPTY_ANSWERS_MAX, Input, LABEL_BYTES_MAX, Outcome, Phase, Post, ReadFailure,
    Remark, ReplyBody, ResumeFacts, RetryAfter, SEGMENT_CALLS_MAX, Step,
};
use expect_test::expect;

use crate::by_hand::{Hand, answer, envelope, message, open, request};
use crate::driver::{START, get, outcome, reboot, set, transfer};

const SECOND: Duration = Duration::from_secs(1);

fn fault() -> Message {
    Message::Fault(Fault { code: 9002, ..Fault::default() })
}

fn unknown(method: &str) -> Message {
    Message::Unknown { method: method.to_owned() }
}

// === opening ===

#[test]
fn nothing_but_an_inform_opens_a_session_cwmp_111() {
    let cases = [
        (Post::empty(), "204"),
        (request(Some("1"), transfer("k")), "400"),
        (message(None, fault()), "400"),
        (Post::unreadable(ReadFailure::NotAnEnvelope), "400"),
        (Post::unreadable(ReadFailure::TooLarge), "413"),
    ];
    for (post, sent) in cases {
        let outputs = Hand::new(Config::default()).post(post);
        assert_eq!((outputs.sent().as_str(), outputs.reply().close), (sent, true));
        assert!(outputs.end().is_some());
        assert_eq!(outputs.0.len(), 2, "nothing is begun");
    }
}

#[test]
fn an_inform_that_cannot_be_understood_is_fault_8003_cwmp_099() {
    let answer_to = AnswerTo { id: Some("x".to_owned()), namespace: Some(CwmpNamespace::V1_2) };
    let failure = ReadFailure::InvalidArguments { method: "Inform".to_owned(), answer_to };
    let outputs = Hand::new(Config::default()).post(Post::unreadable(failure));
    assert_eq!(outputs.sent(), "200 Fault 8003 #x");
    let sent = outputs.reply().envelope().unwrap();
    assert_eq!(sent.namespace, Some(CwmpNamespace::V1_2));
    assert_eq!(outputs.end().unwrap().outcome, Outcome::ProtocolError);
}

#[test]
fn the_phases_of_a_session() {
    let mut hand = Hand::new(Config::default());
    assert_eq!(hand.session.phase(), Phase::Initiation);
    assert_eq!(hand.give(Input::Challenge).sent(), "401");
    assert_eq!(hand.session.phase(), Phase::Authentication);
    hand.post(open());
    assert_eq!(hand.session.phase(), Phase::Identification);
    hand.give(Input::Begun(Begun::Accepted { work: false }));
    assert_eq!(hand.session.phase(), Phase::Tasks);
    hand.post(Post::empty());
    assert_eq!(hand.session.phase(), Phase::Closing);
}

#[test]
fn a_challenge_inside_the_session_does_not_restart_it_cwmp_045() {
    let call = get("1");
    let mut hand = Hand::calling(vec![call.clone()]);
    assert_eq!(hand.give(Input::Challenge).sent(), "401");
    assert!(!hand.session.is_closed());
    let outputs = hand.post(answer(Some("1"), &call));
    assert_eq!(outputs.need_step().map(<[_]>::len), Some(1));
}

#[test]
fn the_id_comes_back_as_sent_or_not_at_all_cwmp_087() {
    for id in [Some("  a<b>&\u{e9} "), None, Some("")] {
        let mut hand = Hand::new(Config::default());
        let mut open = envelope(id, Message::CpeRequest(CpeRequest::Inform(Default::default())));
        open.namespace = None;
        hand.post(Post::envelope(open));
        let outputs = hand.give(Input::Begun(Begun::Accepted { work: false }));
        assert_eq!(outputs.reply().envelope().unwrap().header.id.as_deref(), id);
        let outputs = hand.post(request(id, CpeRequest::GetRpcMethods));
        assert_eq!(outputs.reply().envelope().unwrap().header.id.as_deref(), id);
    }
}

// === who speaks when ===

#[test]
fn a_late_request_is_answered_and_nothing_else_is_sent_with_it_cwmp_115_cwmp_120_cwmp_128() {
    let call = get("1");
    let mut hand = Hand::calling(vec![call.clone(), get("2")]);
    let outputs = hand.post(request(Some("late"), transfer("k")));
    assert_eq!(outputs.remarks(), [Remark::LateRequest]);
    assert_eq!(hand.session.outstanding(), Some(&call));
    assert_eq!(hand.give(Input::Recorded(Ok(()))).sent(), "200 TransferCompleteResponse #late");
    assert_eq!(hand.post(request(Some("late2"), CpeRequest::GetRpcMethods)).sent(), "200 GetRPCMethodsResponse #late2");
    assert_eq!(hand.post(answer(Some("1"), &call)).sent(), "200 GetParameterValues #2");
}

#[test]
fn an_unknown_method_is_fault_8000_and_the_session_goes_on_cwmp_098() {
    for (mut hand, phase) in [(Hand::opened(Config::default(), true), "turn"), (Hand::calling(vec![get("1")]), "call")]
    {
        for method in [unknown("RequestDownload"), Message::AcsRequest(AcsRequest::FactoryReset)] {
            let outputs = hand.post(message(Some("7"), method));
            assert_eq!(outputs.sent(), "200 Fault 8000 #7", "{phase}");
            assert!(outputs.remarks().contains(&Remark::UnknownMethod));
            assert!(!hand.session.is_closed());
        }
    }
}

#[test]
fn bad_arguments_of_a_request_are_fault_8003_cwmp_099() {
    for mut hand in [Hand::opened(Config::default(), true), Hand::calling(vec![get("1")])] {
        let answer_to = AnswerTo { id: Some("7".to_owned()), namespace: None };
        let failure = ReadFailure::InvalidArguments { method: "TransferComplete".to_owned(), answer_to };
        assert_eq!(hand.post(Post::unreadable(failure)).sent(), "200 Fault 8003 #7");
        assert!(!hand.session.is_closed());
    }
}

#[test]
fn a_header_that_must_be_understood_gets_the_soap_fault_cwmp_092() {
    let answer_to = AnswerTo { id: Some("7".to_owned()), namespace: None };
    let mut hand = Hand::opened(Config::default(), true);
    let outputs = hand.post(Post::unreadable(ReadFailure::MustUnderstand(answer_to.clone())));
    assert_eq!(outputs.reply().body, ReplyBody::MustUnderstandFault(answer_to));
    assert_eq!(outputs.reply().status, 200);
    assert!(!hand.session.is_closed());
}

#[test]
fn a_body_that_is_no_envelope_is_400_and_close_cwmp_103() {
    let mut hand = Hand::calling(vec![set("1"), set("2")]);
    let outputs = hand.post(Post::unreadable(ReadFailure::NotAnEnvelope));
    assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("400", true));
    let end = outputs.end().unwrap();
    assert_eq!(end.outcome, Outcome::ProtocolError);
    assert_eq!(end.answers.iter().map(outcome).collect::<Vec<_>>(), ["set-1 unreadable", "set-2 not_sent"]);
}

#[test]
fn a_body_that_is_too_large_is_413_and_close_cwmp_030() {
    let outputs = Hand::calling(vec![get("1")]).post(Post::unreadable(ReadFailure::TooLarge));
    assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("413", true));
    assert_eq!(outputs.end().unwrap().outcome, Outcome::LimitExceeded);
}

#[test]
fn faults_without_request_are_ignored_and_a_204_ends_nothing_cwmp_096_cwmp_122() {
    let mut hand = Hand::opened(Config::default(), true);
    for post in [message(None, fault()), message(None, unknown("FooResponse"))] {
        let outputs = hand.post(post);
        assert_eq!(outputs.sent(), "204");
        assert_eq!(outputs.remarks().len(), 1);
        assert!(!hand.session.is_closed());
    }
    assert!(hand.post(Post::empty()).need_step().is_some());
}

#[test]
fn an_inform_inside_a_session_ends_it_safely_cwmp_130() {
    for mut hand in [Hand::opened(Config::default(), true), Hand::calling(vec![get("1")])] {
        let outputs = hand.post(open());
        assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("400", true));
        assert_eq!(outputs.end().unwrap().outcome, Outcome::ProtocolError);
    }
}

#[test]
fn a_pipelined_post_ends_the_session_with_a_reply_to_both_cwmp_024() {
    let mut hand = Hand::asked();
    let outputs = hand.post(Post::empty());
    assert_eq!(outputs.replies().map(|reply| reply.status).collect::<Vec<_>>(), [400, 400]);
    assert_eq!(outputs.end().unwrap().outcome, Outcome::ProtocolError);
}

#[test]
fn after_its_end_a_session_refuses_posts_cwmp_111() {
    let mut hand = Hand::opened(Config::default(), false);
    assert!(hand.post(Post::empty()).end().is_some());
    assert_eq!(hand.post(Post::empty()).sent(), "204");
    assert_eq!(hand.post(request(None, transfer("k"))).sent(), "400");
    assert_eq!(hand.give(Input::Challenge).sent(), "400");
    for input in [Input::Timeout, Input::Superseded, Input::Disconnected, Input::Step(Step::Nothing)] {
        assert!(hand.give(input).0.is_empty());
    }
}

// === answers ===

#[test]
fn answers_without_id_or_with_a_padded_one_are_taken_cwmp_089() {
    let cases = [
        (None, vec![Remark::AnswerWithoutId]),
        (Some(" "), vec![Remark::AnswerWithoutId]),
        (Some(" 1\n"), vec![Remark::PaddedId]),
        (Some("1"), vec![]),
    ];
    for (id, remarks) in cases {
        let call = get("1");
        let outputs = Hand::calling(vec![call.clone()]).post(answer(id, &call));
        assert_eq!(outputs.remarks(), remarks);
        assert!(matches!(outputs.need_step().unwrap()[0].outcome, AnswerOutcome::Response(_)));
    }
}

#[test]
fn wrong_answers_fail_the_request_and_end_the_session_cwmp_089_cwmp_104() {
    let call = set("1");
    let bad_arguments = ReadFailure::InvalidArguments {
        method: "SetParameterValuesResponse".to_owned(),
        answer_to: AnswerTo::default(),
    };
    let cases = [
        (answer(Some("2"), &call), "wrong_answer"),
        (message(Some("2"), fault()), "wrong_answer"),
        (answer(Some("1"), &get("1")), "wrong_answer"),
        (message(Some("1"), unknown("FooResponse")), "wrong_answer"),
        (message(Some("1"), Message::AcsResponse(AcsResponse::TransferComplete)), "wrong_answer"),
        (Post::unreadable(bad_arguments), "unreadable"),
    ];
    for (post, reason) in cases {
        let outputs = Hand::calling(vec![call.clone(), get("9")]).post(post);
        assert_eq!(outputs.sent(), "400");
        let end = outputs.end().unwrap();
        assert_eq!(end.outcome, Outcome::ProtocolError);
        let answers: Vec<_> = end.answers.iter().map(outcome).collect();
        assert_eq!(answers, [format!("set-1 {reason}"), "get-9 not_sent".to_owned()]);
    }
}

#[test]
fn the_detail_of_an_end_says_what_happened_cwmp_104() {
    let outputs = Hand::calling(vec![set("1")]).post(answer(Some("1"), &get("1")));
    expect!["the CPE answered SetParameterValues with GetParameterValuesResponse"]
        .assert_eq(&outputs.end().unwrap().detail);
}

#[test]
fn a_response_to_get_rpc_methods_is_taken_in_either_reading() {
    let call = Call { id: "1".to_owned(), request: AcsRequest::GetRpcMethods, label: "rpc".to_owned() };
    let methods = Message::AcsResponse(AcsResponse::GetRpcMethods(vec!["Reboot".to_owned()]));
    let outputs = Hand::calling(vec![call]).post(message(Some("1"), methods));
    assert_eq!(outputs.need_step().unwrap().iter().map(outcome).collect::<Vec<_>>(), ["rpc response"]);
    let asked = Message::AcsRequest(AcsRequest::GetRpcMethods);
    let outputs = Hand::opened(Config::default(), false).post(message(Some("1"), asked));
    assert_eq!(outputs.sent(), "200 GetRPCMethodsResponse #1");
}

/// An empty POST in place of an answer counts as none, and a device that keeps doing so is not asked for ever.
#[test]
fn empty_answers_do_not_loop() {
    let mut hand = Hand::calling(vec![set("0"), get("x")]);
    for round in 1..=EMPTY_ANSWERS_MAX {
        let outputs = hand.post(Post::empty());
        assert_eq!(outputs.remarks(), [Remark::EmptyAnswer]);
        let answers = outputs.need_step().expect("the session goes on").iter().map(outcome).collect::<Vec<_>>();
        assert!(answers[0].ends_with("empty_post"), "{answers:?}");
        assert!(answers[1..].iter().all(|answer| answer.ends_with("not_sent")), "{answers:?}");
        assert_eq!(hand.give(Input::Step(Step::Calls(vec![set(&round.to_string())]))).reply().status, 200);
    }
    let outputs = hand.post(Post::empty());
    assert_eq!(outputs.sent(), "204");
    assert_eq!(outputs.end().unwrap().outcome, Outcome::ProtocolError);
    assert_eq!(outputs.end().unwrap().answers.len(), 1);
}

// === segments ===

#[test]
fn segments_that_break_the_rules_are_not_sent_cwmp_088() {
    let long = "a".repeat(32);
    for id in ["a", "A-9", long.as_str()] {
        assert_eq!(Hand::asked().give(Input::Step(Step::Calls(vec![get(id)]))).reply().status, 200);
    }
    let too_long = "a".repeat(33);
    for id in ["", "a b", "a_b", "\u{e9}", too_long.as_str()] {
        assert_not_sent(Hand::asked(), vec![get("ok"), get(id)]);
    }
    assert_not_sent(Hand::asked(), vec![get("1"), set("1")]);
    let mut hand = Hand::calling(vec![get("1")]);
    hand.post(answer(Some("1"), &get("1")));
    assert_not_sent(hand, vec![set("1")]);
}

#[test]
fn segments_and_labels_have_limits() {
    let calls = |count: usize| (0..count).map(|n| get(&n.to_string())).collect::<Vec<_>>();
    let outputs = Hand::asked().give(Input::Step(Step::Calls(calls(SEGMENT_CALLS_MAX))));
    assert_eq!(outputs.reply().status, 200);
    assert_not_sent(Hand::asked(), calls(SEGMENT_CALLS_MAX + 1));
    let labelled = |bytes: usize| vec![Call { label: "l".repeat(bytes), ..get("1") }];
    assert_eq!(Hand::asked().give(Input::Step(Step::Calls(labelled(LABEL_BYTES_MAX)))).reply().status, 200);
    assert_not_sent(Hand::asked(), labelled(LABEL_BYTES_MAX + 1));
}

fn assert_not_sent(mut hand: Hand, calls: Vec<Call>) {
    let count = calls.len();
    let outputs = hand.give(Input::Step(Step::Calls(calls)));
    assert_eq!(outputs.sent(), "204");
    let end = outputs.end().expect("the session ends");
    assert_eq!((end.outcome, end.answers.len()), (Outcome::ServerError, count));
    assert!(end.answers.iter().all(|answer| outcome(answer).ends_with("not_sent")));
}

#[test]
fn an_empty_segment_is_nothing_to_do() {
    let outputs = Hand::asked().give(Input::Step(Step::Calls(Vec::new())));
    assert_eq!((outputs.sent().as_str(), outputs.end().unwrap().outcome), ("204", Outcome::Completed));
}

#[test]
fn a_step_is_asked_for_only_when_work_waits() {
    assert!(Hand::opened(Config::default(), false).post(Post::empty()).need_step().is_none());
    assert!(Hand::opened(Config::default(), true).post(Post::empty()).need_step().is_some());
    let always = Config { ask_always: true, ..Config::default() };
    assert!(Hand::opened(always, false).post(Post::empty()).need_step().is_some());
    let mut hinted = Hand::opened(Config::default(), false);
    hinted.session.work_waits();
    assert!(hinted.post(Post::empty()).need_step().is_some());
}

#[test]
fn work_that_comes_up_while_a_step_is_asked_for_is_asked_for_once_more() {
    let mut hand = Hand::asked();
    hand.session.work_waits();
    assert_eq!(hand.give(Input::Step(Step::Nothing)).need_step(), Some(&[][..]));
    assert_eq!(hand.give(Input::Step(Step::Nothing)).sent(), "204");
    assert!(hand.session.is_closed());
}

#[test]
fn nothing_is_asked_for_after_reboot_cwmp_139() {
    let call = reboot("1");
    let mut hand = Hand::calling(vec![call.clone()]);
    hand.session.work_waits();
    let outputs = hand.post(answer(Some("1"), &call));
    assert_eq!(outputs.sent(), "204");
    assert_eq!(outputs.end().unwrap().answers.iter().map(outcome).collect::<Vec<_>>(), ["reboot-1 response"]);
}

#[test]
fn a_lost_connection_after_reboot_is_no_failure_and_before_it_is_cwmp_139() {
    let outputs = Hand::calling(vec![reboot("1")]).give(Input::Disconnected);
    assert_eq!(outputs.end().unwrap().outcome, Outcome::Completed);
    let outputs = Hand::calling(vec![set("1")]).give(Input::Disconnected);
    let end = outputs.end().unwrap();
    assert_eq!(end.outcome, Outcome::TimedOut);
    assert_eq!(end.answers.iter().map(outcome).collect::<Vec<_>>(), ["set-1 disconnected"]);
}

// === time ===

#[test]
fn the_session_timeout_of_the_inform_is_followed_within_bounds_cwmp_124_cwmp_125() {
    for (asked, seconds) in [(None, 60), (Some(10), 30), (Some(30), 30), (Some(90), 90), (Some(601), 600)] {
        let mut hand = Hand::new(Config::default());
        let mut open = envelope(Some("1"), Message::CpeRequest(CpeRequest::Inform(Default::default())));
        open.header.session_timeout = asked;
        hand.post(Post::envelope(open));
        let outputs = hand.give(Input::Begun(Begun::Accepted { work: true }));
        let deadline = START.plus(SECOND * seconds);
        assert_eq!(outputs.wait(), Some(deadline), "{asked:?}");
        hand.now = deadline.minus(SECOND);
        assert!(hand.give(Input::Timeout).end().is_none(), "too early");
        hand.now = deadline;
        assert_eq!(hand.give(Input::Timeout).end().unwrap().outcome, Outcome::TimedOut);
    }
}

#[test]
fn no_configuration_makes_the_idle_time_shorter_than_30_s_cwmp_124() {
    let hasty = Config { idle_timeout: SECOND, idle_timeout_max: SECOND, ..Config::default() };
    let mut hand = Hand::new(hasty);
    hand.post(open());
    let outputs = hand.give(Input::Begun(Begun::Accepted { work: true }));
    assert_eq!(outputs.wait(), Some(START.plus(SECOND * 30)));
}

#[test]
fn questions_stand_for_25_s_cwmp_127() {
    let within = Some(START.plus(SECOND * 25));
    let mut hand = Hand::new(Config::default());
    assert_eq!(hand.post(open()).wait(), within);
    hand.later(SECOND * 25);
    let outputs = hand.give(Input::Timeout);
    assert_eq!((outputs.sent().as_str(), outputs.reply().retry_after), ("503", Some(RetryAfter::Slow)));

    let mut hand = Hand::opened(Config::default(), true);
    assert_eq!(hand.post(request(Some("t"), transfer("k"))).wait(), within);
    hand.later(SECOND * 25);
    assert_eq!(hand.give(Input::Timeout).sent(), "200 Fault 8005 #t");

    let mut hand = Hand::opened(Config::default(), true);
    assert_eq!(hand.post(Post::empty()).wait(), within);
    hand.later(SECOND * 25);
    let outputs = hand.give(Input::Timeout);
    assert_eq!((outputs.sent().as_str(), outputs.end().unwrap().outcome), ("204", Outcome::ServerError));
}

#[test]
fn a_session_is_bounded_by_messages_cwmp_140() {
    let mut hand = Hand::opened(Config { messages_max: 5, ..Config::default() }, true);
    for _ in 2..=5 {
        assert_eq!(hand.post(request(None, CpeRequest::GetRpcMethods)).reply().status, 200);
    }
    let outputs = hand.post(request(None, CpeRequest::GetRpcMethods));
    assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("400", true));
    assert_eq!(outputs.end().unwrap().outcome, Outcome::LimitExceeded);
    assert_eq!(Config::default().messages_max, 1000);
}

#[test]
fn challenges_count_as_messages_cwmp_140() {
    let mut hand = Hand::new(Config { messages_max: 3, ..Config::default() });
    for _ in 1..=3 {
        assert_eq!(hand.give(Input::Challenge).sent(), "401");
    }
    assert_eq!(hand.give(Input::Challenge).end().unwrap().outcome, Outcome::LimitExceeded);
}

#[test]
fn a_session_is_bounded_by_time_cwmp_140() {
    let age_max = SECOND * 100;
    let config = Config { age_max, ..Config::default() };
    let mut hand = Hand::opened(config.clone(), true);
    hand.later(SECOND * 59);
    let outputs = hand.post(request(None, CpeRequest::GetRpcMethods));
    assert_eq!(outputs.wait(), Some(START.plus(age_max)), "the end of its life comes before the idle time-out");
    hand.now = START.plus(age_max);
    assert_eq!(hand.give(Input::Timeout).end().unwrap().outcome, Outcome::LimitExceeded);

    let mut hand = Hand::opened(config, true);
    hand.now = START.plus(age_max);
    assert_eq!(hand.post(Post::empty()).end().unwrap().outcome, Outcome::LimitExceeded);
    assert_eq!(Config::default().age_max, SECOND * 1800);
}

// === other ends ===

#[test]
fn a_newer_session_ends_the_older_one_cwmp_129_cwmp_133() {
    let outputs = Hand::calling(vec![set("1"), get("2")]).give(Input::Superseded);
    let end = outputs.end().unwrap();
    assert_eq!(end.outcome, Outcome::Superseded);
    assert_eq!(end.answers.iter().map(outcome).collect::<Vec<_>>(), ["set-1 session_ended", "get-2 not_sent"]);
    assert_eq!(outputs.replies().count(), 0);

    let outputs = Hand::asked().give(Input::Superseded);
    assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("400", true));
    assert_eq!(outputs.end().unwrap().outcome, Outcome::Superseded);

    let outputs = Hand::calling(vec![reboot("1")]).give(Input::Superseded);
    assert_eq!(outputs.end().unwrap().outcome, Outcome::Completed, "it came back from its reboot");
}

#[test]
fn a_drain_waits_for_the_reply_in_hand_and_leaves_a_snapshot_cwmp_132() {
    let mut hand = Hand::asked();
    let outputs = hand.give(Input::Drain);
    assert!(outputs.end().is_none(), "a reply is owed");
    let call = get("1");
    let outputs = hand.give(Input::Step(Step::Calls(vec![call.clone()])));
    assert_eq!((outputs.sent().as_str(), outputs.reply().close), ("200 GetParameterValues #1", true));
    assert_eq!(outputs.end().unwrap().outcome, Outcome::Drained);
    assert!(outputs.end().unwrap().answers.is_empty(), "they are in the snapshot");

    let snapshot = hand.session.snapshot().expect("for the next front-end");
    let session = AcsSession::restore(snapshot, Config::default());
    let outputs = Hand { session, now: hand.now }.post(answer(Some("1"), &call));
    assert_eq!(outputs.need_step().unwrap().iter().map(outcome).collect::<Vec<_>>(), ["get-1 response"]);
}

#[test]
fn a_drain_between_posts_lets_go_at_once_cwmp_132() {
    let mut hand = Hand::calling(vec![get("1")]);
    let outputs = hand.give(Input::Drain);
    assert_eq!(outputs.0.len(), 1);
    assert_eq!(outputs.end().unwrap().outcome, Outcome::Drained);
    assert!(hand.session.snapshot().is_some());
    let mut unopened = Hand::new(Config::default());
    assert_eq!(unopened.give(Input::Drain).end().unwrap().outcome, Outcome::Drained);
    assert!(unopened.session.snapshot().is_none());
}

#[test]
fn without_snapshot_an_answer_is_evidence_only_and_the_session_goes_on_cwmp_132() {
    let facts = ResumeFacts { version: CwmpVersion::V1_4, namespace: CwmpNamespace::V1_2, started_at: START };
    let resumed = || Hand { session: AcsSession::resume(facts, Config::default(), START), now: START.plus(SECOND) };
    for post in [answer(Some("a-7"), &set("a-7")), message(Some("a-7"), fault())] {
        let mut hand = resumed();
        let outputs = hand.post(post);
        let answers = outputs.need_step().expect("a step comes next");
        assert_eq!((answers.len(), answers[0].label.as_str(), answers[0].id.as_str()), (1, "", "a-7"));
        let outputs = hand.give(Input::Step(Step::Calls(vec![get("b-1")])));
        assert_eq!(outputs.reply().envelope().unwrap().namespace, Some(CwmpNamespace::V1_2), "CWMP-165");
        assert!(!outputs.reply().set_cookie, "CWMP-019: once only");
    }
    assert!(resumed().post(Post::empty()).need_step().is_some());
    let mut hand = resumed();
    hand.post(request(Some("t"), transfer("k")));
    assert_eq!(hand.give(Input::Recorded(Ok(()))).sent(), "200 TransferCompleteResponse #t");
}
