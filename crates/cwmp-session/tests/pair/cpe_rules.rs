//! The rules of the CPE side, one by one.

use std::time::Duration;

use cwmp_codec::{AcsRequest, AcsResponse, CpeRequest, CwmpVersion, Fault, InformResponse, Message};
use cwmp_model::Timestamp;
use cwmp_session::CpeSession;
use cwmp_session::auth::{Credentials, Password};
use cwmp_session::cpe::{
    CpeFailure, Delivered, HttpResponse, Input, Output, Post, REDIRECTS_MAX, REQUESTS_MAX, RESPONSE_TIMEOUT,
    RETRY_REQUESTS_MAX, ResponseBody, Start,
};

use crate::by_hand::envelope;
use crate::driver::{START, describe, obey, start, transfer};

struct Device {
    session: CpeSession,
    now: Timestamp,
}

impl Device {
    fn started(start: Start) -> (Self, Post) {
        let mut device = Self { session: CpeSession::new(), now: START };
        let outputs = device.give(Input::Start(Box::new(start)));
        let post = post(&outputs);
        (device, post)
    }

    /// The Inform was accepted; this is what it posts next.
    fn opened() -> (Self, Post) {
        let (mut device, _) = Self::started(start(&["2 PERIODIC"]));
        let post = post(&device.respond(accepted()));
        (device, post)
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(self.now, input);
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn respond(&mut self, response: HttpResponse) -> Vec<Output> {
        self.give(Input::Response(response))
    }
}

fn accepted() -> HttpResponse {
    HttpResponse::envelope(envelope(Some("1"), Message::AcsResponse(AcsResponse::Inform(InformResponse))))
}

fn asks(id: &str, request: AcsRequest) -> HttpResponse {
    HttpResponse::envelope(envelope(Some(id), Message::AcsRequest(request)))
}

fn refuses(code: u32) -> HttpResponse {
    HttpResponse::envelope(envelope(None, Message::Fault(Fault { code, ..Fault::default() })))
}

fn post(outputs: &[Output]) -> Post {
    let found = outputs.iter().find_map(|output| match output {
        Output::Post(post) => Some(post.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no POST in {outputs:?}"))
}

fn name(post: &Post) -> String {
    post.envelope.as_ref().map_or_else(|| "(empty)".to_owned(), describe)
}

fn closed(outputs: &[Output]) -> Option<&Result<(), CpeFailure>> {
    outputs.iter().find_map(|output| match output {
        Output::Closed(result) => Some(result),
        _ => None,
    })
}

#[test]
fn it_waits_for_a_response_for_a_limited_time_cwmp_126() {
    assert!(RESPONSE_TIMEOUT >= Duration::from_secs(30));
    let (mut device, _) = Device::opened();
    device.now = START.plus(RESPONSE_TIMEOUT - Duration::from_millis(1));
    assert_eq!(device.give(Input::Timeout), [Output::Wait(START.plus(RESPONSE_TIMEOUT))]);
    device.now = START.plus(RESPONSE_TIMEOUT);
    let outputs = device.give(Input::Timeout);
    assert_eq!(closed(&outputs), Some(&Err(CpeFailure::NoResponse(RESPONSE_TIMEOUT))));
}

#[test]
fn the_id_of_a_request_comes_back_with_its_answer_cwmp_087() {
    let (mut device, empty) = Device::opened();
    assert_eq!(name(&empty), "(empty)");
    let request = AcsRequest::FactoryReset;
    assert_eq!(device.respond(asks(" x&y ", request.clone())), [Output::Execute { request: request.clone() }]);
    let answer = post(&device.give(Input::Executed(Ok(obey(&request)))));
    assert_eq!(name(&answer), "FactoryResetResponse # x&y ");
    let unknown = Message::Unknown { method: "X_Vendor".to_owned() };
    let fault = post(&device.respond(HttpResponse::envelope(envelope(None, unknown))));
    assert_eq!(name(&fault), "Fault 9000");
}

#[test]
fn requests_come_before_the_empty_post_and_not_after_it_cwmp_117() {
    let (mut device, _) = Device::started(start(&["7 TRANSFER COMPLETE"]));
    device.give(Input::Request(transfer("a")));
    device.give(Input::Request(CpeRequest::GetRpcMethods));
    assert_eq!(name(&post(&device.respond(accepted()))), "TransferComplete #1-2");
    let response = envelope(Some("1-2"), Message::AcsResponse(AcsResponse::TransferComplete));
    let outputs = device.respond(HttpResponse::envelope(response));
    assert!(outputs.contains(&Output::Delivered(Delivered::TransferComplete { command_key: "a".to_owned() })));
    assert_eq!(name(&post(&outputs)), "GetRPCMethods #1-3");
    // CWMP-102: a Fault to it, and the session goes on.
    let outputs = device.respond(refuses(8000));
    assert!(matches!(&outputs[0], Output::Delivered(Delivered::Refused { method, .. }) if method == "GetRPCMethods"));
    assert_eq!(name(&post(&outputs)), "(empty)");
    device.give(Input::Request(transfer("late")));
    let outputs = device.respond(HttpResponse::status(204));
    assert_eq!(closed(&outputs), Some(&Ok(())));
    assert_eq!(device.session.unsent().cloned().collect::<Vec<_>>(), [transfer("late")]);
}

#[test]
fn what_waits_to_be_sent_is_limited() {
    let (mut device, _) = Device::opened();
    for _ in 0..=REQUESTS_MAX {
        device.give(Input::Request(transfer("k")));
    }
    device.give(Input::Request(CpeRequest::Inform(Default::default())));
    assert_eq!(device.session.unsent().count(), REQUESTS_MAX);
}

#[test]
fn faults_to_the_inform_fail_the_session_but_8005_repeats_it_cwmp_100_cwmp_101() {
    for code in [8001, 8002, 8006] {
        let (mut device, _) = Device::started(start(&["1 BOOT"]));
        let outputs = device.respond(refuses(code));
        assert_eq!(closed(&outputs), Some(&Err(CpeFailure::Refused { method: "Inform".to_owned(), code })));
    }
    let (mut device, first) = Device::started(start(&["1 BOOT"]));
    for _ in 0..RETRY_REQUESTS_MAX {
        assert_eq!(post(&device.respond(refuses(8005))), first);
    }
    assert!(matches!(closed(&device.respond(refuses(8005))), Some(Err(CpeFailure::Refused { code: 8005, .. }))));
}

#[test]
fn redirects_are_followed_five_times_cwmp_025() {
    for status in [302, 307] {
        let (mut device, first) = Device::started(start(&["1 BOOT"]));
        for n in 1..=REDIRECTS_MAX {
            let location = format!("http://acs{n}.example/cwmp");
            let response = HttpResponse { location: Some(location.clone()), ..HttpResponse::status(status) };
            let again = post(&device.respond(response));
            assert_eq!((again.url, &again.envelope), (Some(location), &first.envelope));
        }
        let more = HttpResponse { location: Some("http://x/".to_owned()), ..HttpResponse::status(status) };
        assert_eq!(closed(&device.respond(more)), Some(&Err(CpeFailure::Redirects)));
    }
    assert_eq!(REDIRECTS_MAX, 5);
    let (mut device, _) = Device::started(start(&["1 BOOT"]));
    assert_eq!(closed(&device.respond(HttpResponse::status(302))), Some(&Err(CpeFailure::Redirects)));
}

#[test]
fn the_rest_of_the_session_goes_where_the_redirect_led_cwmp_025() {
    let (mut device, _) = Device::started(start(&["1 BOOT"]));
    let location = Some("http://acs2.example/x".to_owned());
    device.respond(HttpResponse { location: location.clone(), ..HttpResponse::status(307) });
    assert_eq!(post(&device.respond(accepted())).url, location);
}

#[test]
fn credentials_go_with_every_post_after_a_challenge_cwmp_044() {
    let (mut device, first) = Device::started(with_credentials(false));
    assert_eq!(first.authorization, None);
    let second = post(&device.respond(challenged(r#"Digest realm="r", nonce="n", qop="auth""#)));
    assert_eq!(second.envelope, first.envelope);
    assert!(second.authorization.unwrap().contains("nc=00000001"));
    let third = post(&device.respond(accepted()));
    let header = third.authorization.unwrap();
    assert!(header.contains("nc=00000002") && header.contains("uri=\"/cwmp\""), "{header}");
}

#[test]
fn basic_is_used_where_it_is_asked_for_or_by_itself_cwmp_041_cwmp_042() {
    let (mut device, _) = Device::started(with_credentials(false));
    let second = post(&device.respond(challenged("Basic realm=\"r\"")));
    assert_eq!(second.authorization.as_deref(), Some("Basic dTpw"));
    let (mut device, first) = Device::started(with_credentials(true));
    assert_eq!(first.authorization.as_deref(), Some("Basic dTpw"));
    // A Digest server challenges all the same.
    let second = post(&device.respond(challenged(r#"Digest realm="r", nonce="n", qop="auth""#)));
    assert!(second.authorization.unwrap().starts_with("Digest "));
}

#[test]
fn a_second_401_is_final_unless_the_nonce_was_stale_cwmp_052_cwmp_064() {
    let digest = r#"Digest realm="r", nonce="n", qop="auth""#;
    let (mut device, _) = Device::started(with_credentials(false));
    post(&device.respond(challenged(digest)));
    assert_eq!(closed(&device.respond(challenged(digest))), Some(&Err(CpeFailure::Unauthorized)));

    let (mut device, _) = Device::started(with_credentials(false));
    post(&device.respond(challenged(digest)));
    let stale = format!("{digest}, stale=true");
    assert!(post(&device.respond(challenged(&stale))).authorization.unwrap().contains("nc=00000001"));
    assert_eq!(closed(&device.respond(challenged(&stale))), Some(&Err(CpeFailure::Unauthorized)), "not for ever");

    let (mut device, _) = Device::started(start(&["1 BOOT"]));
    assert_eq!(closed(&device.respond(challenged(digest))), Some(&Err(CpeFailure::Unauthorized)), "no credentials");
}

fn with_credentials(basic_unasked: bool) -> Start {
    let credentials = Credentials { username: "u".to_owned(), password: Password::new("p") };
    Start {
        credentials: Some(credentials),
        basic_unasked,
        target: "/cwmp".to_owned(),
        cnonce: "c".to_owned(),
        ..start(&["1 BOOT"])
    }
}

fn challenged(header: &str) -> HttpResponse {
    HttpResponse { www_authenticate: vec![header.to_owned()], ..HttpResponse::status(401) }
}

#[test]
fn the_version_that_the_acs_chose_is_spoken_cwmp_161() {
    let (mut device, _) = Device::started(start(&["1 BOOT"]));
    device.give(Input::Request(CpeRequest::GetRpcMethods));
    let mut chosen = envelope(Some("1"), Message::AcsResponse(AcsResponse::Inform(InformResponse)));
    chosen.header.use_version = Some(CwmpVersion::V1_4);
    let next = post(&device.respond(HttpResponse::envelope(chosen)));
    assert_eq!(next.envelope.unwrap().namespace, Some(CwmpVersion::V1_4.namespace()));
}

#[test]
fn other_responses_fail_the_session() {
    let unreadable = HttpResponse { body: ResponseBody::Unreadable, ..HttpResponse::status(200) };
    let busy = HttpResponse { retry_after: Some(7), ..HttpResponse::status(503) };
    let cases = [
        (unreadable, CpeFailure::Unreadable),
        (busy, CpeFailure::Busy { retry_after: Some(7) }),
        (HttpResponse::status(400), CpeFailure::Status(400)),
        (HttpResponse::status(500), CpeFailure::Status(500)),
    ];
    for (response, failure) in cases {
        let (mut device, _) = Device::opened();
        assert_eq!(closed(&device.respond(response)), Some(&Err(failure)));
        assert!(device.session.is_closed());
    }
    let (mut device, _) = Device::started(start(&["1 BOOT"]));
    let outputs = device.respond(HttpResponse::status(204));
    assert!(matches!(closed(&outputs), Some(Err(CpeFailure::Unexpected { .. }))), "an Inform needs its response");
    let (mut device, _) = Device::opened();
    assert!(matches!(closed(&device.respond(accepted())), Some(Err(CpeFailure::Unexpected { .. }))));
}
