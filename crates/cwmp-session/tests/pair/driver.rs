//! A wire, a back end and a device between an `AcsSession` and a `CpeSession`, with a clock that steps to the next
//! deadline.

use std::collections::VecDeque;
use std::time::Duration;

use cwmp_codec::{
    AcsRequest, CpeRequest, CpeResponse, DownloadResponse, Envelope, Event, Fault, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, Message, SetParameterValues, SetParameterValuesResponse,
    TransferComplete,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value};
use cwmp_session::acs::{self, Answer, AnswerOutcome, Begun, Call, Config, End, NotDurable, ReplyBody, Step};
use cwmp_session::auth::{Authorization, DigestRules, DigestVerdict, NonceKey, Nonces, ReplayWindow, RequestTarget};
use cwmp_session::auth::{Challenge, Verifier, parse_authorization};
use cwmp_session::cpe::{self, CpeFailure, HttpResponse, ResponseBody};
use cwmp_session::{AcsSession, CpeSession, Snapshot};

/// What one message takes.
const FLIGHT: Duration = Duration::from_millis(100);
/// Far more than any of these sessions needs.
const STEPS_MAX: u32 = 10_000;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What the wire does to a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    /// It never arrives.
    Lost,
    /// It arrives, its response does not.
    ResponseLost,
}

/// What the back ends answer; what is not scripted is accepted, and when there is no step left there is nothing to do.
/// `None` is no answer at all.
#[derive(Default)]
pub(crate) struct BackEnd {
    pub(crate) begun: VecDeque<Option<Begun>>,
    pub(crate) recorded: VecDeque<Option<Result<(), NotDurable>>>,
    pub(crate) steps: VecDeque<Option<Step>>,
    /// What was made durable.
    pub(crate) informs: Vec<acs::InformFacts>,
    pub(crate) records: Vec<TransferComplete>,
    /// Everything that came back for calls.
    pub(crate) answers: Vec<Answer>,
}

/// Carries out requests.
pub(crate) type Device = Box<dyn FnMut(&AcsRequest) -> Result<CpeResponse, Fault>>;
/// Decides about the n-th POST, and may change it.
pub(crate) type Wire = Box<dyn FnMut(u32, &mut cpe::Post) -> Fate>;

pub(crate) struct Pair {
    pub(crate) now: Timestamp,
    pub(crate) acs: AcsSession,
    pub(crate) cpe: CpeSession,
    pub(crate) config: Config,
    pub(crate) back_end: BackEnd,
    /// Lay the session down and pick it up between every two POSTs.
    pub(crate) restore: bool,
    pub(crate) device: Device,
    pub(crate) wire: Wire,
    pub(crate) digest: Option<DigestServer>,
    pub(crate) transcript: Vec<String>,
    pub(crate) delivered: Vec<cpe::Delivered>,
    pub(crate) replies: Vec<acs::Reply>,
    pub(crate) remarks: Vec<acs::Remark>,
    pub(crate) end: Option<End>,
    pub(crate) cpe_end: Option<Result<(), CpeFailure>>,
    posts: u32,
    acs_deadline: Option<Timestamp>,
    cpe_deadline: Option<Timestamp>,
}

pub(crate) struct DigestServer {
    pub(crate) rules: DigestRules,
    pub(crate) keys: Vec<NonceKey>,
    pub(crate) window: ReplayWindow,
    pub(crate) verifier: Verifier,
}

impl Pair {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: START,
            acs: AcsSession::new(config.clone(), START),
            cpe: CpeSession::new(),
            config,
            back_end: BackEnd::default(),
            restore: false,
            device: Box::new(|request| Ok(obey(request))),
            wire: Box::new(|_, _| Fate::Arrives),
            digest: None,
            transcript: Vec::new(),
            delivered: Vec::new(),
            replies: Vec::new(),
            remarks: Vec::new(),
            end: None,
            cpe_end: None,
            posts: 0,
            acs_deadline: None,
            cpe_deadline: None,
        }
    }

    /// A default session whose back end has these segments.
    pub(crate) fn with_segments(segments: Vec<Vec<Call>>) -> Self {
        let mut pair = Self::new(Config::default());
        pair.back_end.begun.push_back(Some(Begun::Accepted { work: !segments.is_empty() }));
        pair.back_end.steps = segments.into_iter().map(|calls| Some(Step::Calls(calls))).collect();
        pair
    }

    /// Runs a session with this Inform to the end of both sides.
    pub(crate) fn run(&mut self, start: cpe::Start) {
        self.cpe.handle(self.now, cpe::Input::Start(Box::new(start)));
        let mut arrived = self.drain_cpe();
        for _ in 0..STEPS_MAX {
            match arrived.take() {
                Some(post) => arrived = self.carry(post),
                None if self.end.is_some() && self.cpe_end.is_some() => return,
                None => arrived = self.sleep(),
            }
        }
        panic!("the session does not end:\n{}", self.transcript.join("\n"));
    }

    pub(crate) fn queue(&mut self, request: CpeRequest) {
        self.cpe.handle(self.now, cpe::Input::Request(request));
        assert!(self.drain_cpe().is_none());
    }

    pub(crate) fn outcome(&self) -> acs::Outcome {
        self.end.as_ref().expect("the session is over").outcome
    }

    pub(crate) fn text(&self) -> String {
        self.transcript.join("\n") + "\n"
    }

    // === the wire ===

    fn carry(&mut self, mut post: cpe::Post) -> Option<cpe::Post> {
        self.posts += 1;
        let fate = (self.wire)(self.posts, &mut post);
        self.note(format!("> {}", post.envelope.as_ref().map_or_else(|| "(empty)".to_owned(), describe)));
        if fate == Fate::Lost {
            self.note("  lost".to_owned());
            return None;
        }
        self.now = self.now.plus(FLIGHT);
        let response = self.serve(post)?;
        if fate == Fate::ResponseLost {
            self.note("  lost".to_owned());
            return None;
        }
        self.now = self.now.plus(FLIGHT);
        self.cpe.handle(self.now, cpe::Input::Response(response));
        self.drain_cpe()
    }

    /// The clock steps to the next deadline of either side.
    fn sleep(&mut self) -> Option<cpe::Post> {
        let next = [self.acs_deadline, self.cpe_deadline].into_iter().flatten().min().expect("somebody waits");
        self.now = self.now.max(next);
        if self.acs_deadline.is_some_and(|due| due <= self.now) {
            self.acs_deadline = None;
            self.acs.handle(self.now, acs::Input::Timeout);
            // Whoever asked is not there any more.
            self.drain_acs();
        }
        if self.cpe_deadline.is_some_and(|due| due <= self.now) {
            self.cpe_deadline = None;
            self.cpe.handle(self.now, cpe::Input::Timeout);
            return self.drain_cpe();
        }
        None
    }

    fn serve(&mut self, post: cpe::Post) -> Option<HttpResponse> {
        if self.restore {
            self.lay_down_and_pick_up();
        }
        if let Some(challenge) = self.challenge(&post) {
            self.acs.handle(self.now, acs::Input::Challenge);
            let mut response = self.drain_acs()?;
            response.www_authenticate.push(challenge);
            return Some(response);
        }
        let post =
            post.envelope.map_or_else(acs::Post::empty, |envelope| acs::Post::envelope(through_xml(envelope, true)));
        self.acs.handle(self.now, acs::Input::Post(post));
        match self.drain_acs() {
            Some(response) => Some(response),
            None => self.wait_for_back_end(),
        }
    }

    /// A question stays without answer: the session's own deadline brings the reply.
    fn wait_for_back_end(&mut self) -> Option<HttpResponse> {
        let due = self.acs_deadline.take()?;
        self.now = self.now.max(due);
        self.acs.handle(self.now, acs::Input::Timeout);
        self.drain_acs()
    }

    fn lay_down_and_pick_up(&mut self) {
        if let Some(snapshot) = self.acs.snapshot() {
            let read = Snapshot::from_bytes(&snapshot.to_bytes()).expect("what was written is read");
            assert!(read == snapshot, "a snapshot changes in its bytes");
            self.acs = AcsSession::restore(read, self.config.clone());
        }
    }

    /// Only the Inform needs credentials, as the cookie carries the rest.
    fn challenge(&mut self, post: &cpe::Post) -> Option<String> {
        let server = self.digest.as_mut()?;
        let inform =
            matches!(&post.envelope, Some(e) if matches!(e.message, Message::CpeRequest(CpeRequest::Inform(_))));
        if !inform {
            return None;
        }
        let verdict = post.authorization.as_deref().map(|header| match parse_authorization(header) {
            Ok(Authorization::Digest(answer)) => {
                let target = RequestTarget { target: "/cwmp", host: None };
                let nonces = Nonces { keys: &server.keys, window: &mut server.window };
                server.rules.check(&answer, "POST", target, &server.verifier, nonces, self.now)
            }
            other => panic!("{other:?}"),
        });
        if verdict == Some(DigestVerdict::Accepted) {
            return None;
        }
        let nonce = server.keys[0].issue(self.now, [u8::try_from(self.posts).unwrap_or(0); 8]);
        let stale = verdict == Some(DigestVerdict::Stale);
        let algorithm = server.rules.algorithms[0];
        Some(Challenge::new(&server.rules.realm, &nonce, algorithm, stale).to_header())
    }

    // === draining ===

    fn drain_cpe(&mut self) -> Option<cpe::Post> {
        let mut post = None;
        while let Some(output) = self.cpe.poll_output() {
            match output {
                cpe::Output::Post(next) => post = Some(next),
                cpe::Output::Execute { request } => {
                    let result = (self.device)(&request);
                    assert!(self.cpe.poll_output().is_none());
                    self.cpe.handle(self.now, cpe::Input::Executed(result));
                }
                cpe::Output::Delivered(delivered) => self.delivered.push(delivered),
                cpe::Output::Wait(deadline) => self.cpe_deadline = Some(deadline),
                cpe::Output::Closed(result) => {
                    self.cpe_deadline = None;
                    self.note(format!("CPE closed: {result:?}"));
                    assert!(self.cpe_end.replace(result).is_none(), "the CPE closes once");
                }
            }
        }
        post
    }

    fn drain_acs(&mut self) -> Option<HttpResponse> {
        let mut response = None;
        while let Some(output) = self.acs.poll_output() {
            match output {
                acs::Output::Reply(reply) => {
                    assert!(response.replace(self.http(&reply)).is_none(), "one reply to a POST");
                    self.replies.push(reply);
                }
                acs::Output::Remark(remark) => self.remarks.push(remark),
                acs::Output::Wait(deadline) => self.acs_deadline = Some(deadline),
                acs::Output::Closed(end) => {
                    self.acs_deadline = None;
                    self.note(format!("ACS closed: {}", end.outcome.as_str()));
                    self.back_end.answers.extend(end.answers.iter().cloned());
                    assert!(self.end.replace(end).is_none(), "the ACS closes once");
                }
                question => {
                    let answer = self.ask(question);
                    if let Some(input) = answer {
                        self.skip_wait();
                        self.acs.handle(self.now, input);
                    }
                }
            }
        }
        response
    }

    /// A question is followed by the time until which it stands.
    fn skip_wait(&mut self) {
        let wait = self.acs.poll_output();
        assert!(matches!(wait, Some(acs::Output::Wait(_))), "{wait:?}");
    }

    fn ask(&mut self, question: acs::Output) -> Option<acs::Input> {
        match question {
            acs::Output::Begin(facts) => {
                self.back_end.informs.push(*facts);
                let begun = self.back_end.begun.pop_front();
                let begun = begun.unwrap_or(Some(Begun::Accepted { work: false }));
                self.note(format!("  Begin: {begun:?}"));
                begun.map(acs::Input::Begun)
            }
            acs::Output::Record(transfer) => {
                self.back_end.records.push(*transfer);
                let recorded = self.back_end.recorded.pop_front().unwrap_or(Some(Ok(())));
                self.note(format!("  Record: {recorded:?}"));
                recorded.map(acs::Input::Recorded)
            }
            acs::Output::NeedStep { answers } => {
                let given = answers.iter().map(outcome).collect::<Vec<_>>().join(", ");
                self.back_end.answers.extend(answers);
                let step = self.back_end.steps.pop_front().unwrap_or(Some(Step::Nothing));
                self.note(format!("  NeedStep [{given}]: {}", step.as_ref().map_or("no answer", step_name)));
                step.map(acs::Input::Step)
            }
            other => panic!("no question: {other:?}"),
        }
    }

    fn http(&mut self, reply: &acs::Reply) -> HttpResponse {
        let mut response = HttpResponse::status(reply.status);
        response.connection_close = reply.close;
        response.retry_after = reply.retry_after.map(|_| 30);
        let mut line = format!("< {}", reply.status);
        match &reply.body {
            ReplyBody::Empty => {}
            ReplyBody::Envelope(envelope) => {
                line = format!("{line} {}", describe(envelope));
                response.body = ResponseBody::Envelope(Box::new(through_xml((**envelope).clone(), false)));
            }
            ReplyBody::MustUnderstandFault(_) => response.body = ResponseBody::Unreadable,
        }
        let marks = [(reply.set_cookie, " cookie"), (reply.close, " close"), (reply.retry_after.is_some(), " later")];
        line.extend(marks.into_iter().filter(|(set, _)| *set).map(|(_, mark)| mark));
        self.note(line);
        response
    }

    fn note(&mut self, line: String) {
        self.transcript.push(line);
    }
}

/// Every message goes as bytes. A device that declares no namespace cannot be written strictly, so it goes as it is.
fn through_xml(envelope: Envelope, from_cpe: bool) -> Envelope {
    if envelope.namespace.is_none() {
        return envelope;
    }
    let body = cwmp_codec::encode(&envelope).expect("both sides send what can be written");
    let limits = cwmp_codec::Limits::default();
    let decoded = if from_cpe {
        cwmp_codec::decode(&body, None, &limits)
    } else {
        cwmp_codec::decode_from_acs(&body, None, &limits)
    };
    let decoded = decoded.expect("what was written is read").envelope;
    assert_eq!(decoded, envelope, "{}", String::from_utf8_lossy(&body));
    decoded
}

// === short forms ===

pub(crate) fn describe(envelope: &Envelope) -> String {
    let name = match &envelope.message {
        Message::CpeRequest(request) => request.method().to_owned(),
        Message::AcsRequest(request) => request.method().to_owned(),
        Message::CpeResponse(response) => format!("{}Response", response.method()),
        Message::AcsResponse(cwmp_codec::AcsResponse::Inform(_)) => "InformResponse".to_owned(),
        Message::AcsResponse(cwmp_codec::AcsResponse::TransferComplete) => "TransferCompleteResponse".to_owned(),
        Message::AcsResponse(cwmp_codec::AcsResponse::GetRpcMethods(_)) => "GetRPCMethodsResponse".to_owned(),
        Message::Fault(fault) => format!("Fault {}", fault.code),
        Message::Unknown { method } => method.clone(),
    };
    let id = envelope.header.id.as_ref().map(|id| format!(" #{id}")).unwrap_or_default();
    let hold = if envelope.header.hold_requests == Some(true) { " hold" } else { "" };
    format!("{name}{id}{hold}")
}

pub(crate) fn outcome(answer: &Answer) -> String {
    let what = match &answer.outcome {
        AnswerOutcome::Response(_) => "response".to_owned(),
        AnswerOutcome::Fault(fault) => format!("fault {}", fault.code),
        AnswerOutcome::Unanswered(reason) => reason.as_str().to_owned(),
    };
    format!("{} {what}", if answer.label.is_empty() { "?" } else { &answer.label })
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Calls(_) => "calls",
        Step::Nothing => "nothing",
        Step::Unavailable => "unavailable",
    }
}

pub(crate) fn inform(codes: &[&str]) -> Inform {
    let event = |code: &&str| Event { code: (*code).to_owned(), command_key: String::new() };
    Inform {
        device: DeviceIdentity {
            manufacturer: "Example".to_owned(),
            oui: "00AA11".to_owned(),
            product_class: "Box".to_owned(),
            serial_number: "1".to_owned(),
        },
        events: codes.iter().map(event).collect(),
        max_envelopes: 1,
        current_time: "2027-01-15T08:00:00Z".to_owned(),
        retry_count: 0,
        parameters: Vec::new(),
    }
}

pub(crate) fn start(codes: &[&str]) -> cpe::Start {
    cpe::Start::new(inform(codes))
}

pub(crate) fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).expect("a path")
}

pub(crate) fn get(id: &str) -> Call {
    let request = AcsRequest::GetParameterValues(GetParameterValues { names: vec![path("Device.DeviceInfo.")] });
    Call { id: id.to_owned(), request, label: format!("get-{id}") }
}

pub(crate) fn set(id: &str) -> Call {
    let parameters = vec![ParameterValue { name: path("Device.X.Y"), value: Value::string("z") }];
    let request = AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key: id.to_owned() });
    Call { id: id.to_owned(), request, label: format!("set-{id}") }
}

pub(crate) fn reboot(id: &str) -> Call {
    let request = AcsRequest::Reboot { command_key: id.to_owned() };
    Call { id: id.to_owned(), request, label: format!("reboot-{id}") }
}

pub(crate) fn transfer(command_key: &str) -> CpeRequest {
    CpeRequest::TransferComplete(TransferComplete {
        command_key: command_key.to_owned(),
        fault: Fault::default(),
        start_time: "2027-01-15T07:58:00Z".to_owned(),
        complete_time: "2027-01-15T07:59:00Z".to_owned(),
    })
}

/// What a healthy device answers.
pub(crate) fn obey(request: &AcsRequest) -> CpeResponse {
    match request {
        AcsRequest::GetRpcMethods => {
            CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods: vec!["GetParameterValues".to_owned()] })
        }
        AcsRequest::SetParameterValues(_) => CpeResponse::SetParameterValues(SetParameterValuesResponse { status: 0 }),
        AcsRequest::GetParameterValues(_) => CpeResponse::GetParameterValues(GetParameterValuesResponse {
            parameters: vec![ParameterValue {
                name: path("Device.DeviceInfo.SoftwareVersion"),
                value: Value::string("1.2.3"),
            }],
        }),
        AcsRequest::GetParameterNames(_) => CpeResponse::GetParameterNames(Default::default()),
        AcsRequest::AddObject(_) => CpeResponse::AddObject(cwmp_codec::AddObjectResponse { instance: 3, status: 0 }),
        AcsRequest::DeleteObject(_) => CpeResponse::DeleteObject(Default::default()),
        AcsRequest::Download(_) => CpeResponse::Download(DownloadResponse { status: 1, ..DownloadResponse::default() }),
        AcsRequest::Reboot { .. } => CpeResponse::Reboot,
        AcsRequest::FactoryReset => CpeResponse::FactoryReset,
    }
}
