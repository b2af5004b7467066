use std::collections::VecDeque;
use std::time::Duration;

use cwmp_codec::{AcsRequest, AcsResponse, CpeRequest, CpeResponse, CwmpNamespace, Envelope, Fault, Header, Message};
use cwmp_model::Timestamp;

use super::authorization::Authorizer;
use super::{CpeFailure, Delivered, HttpResponse, Input, Output, Post, ResponseBody, Start};

/// How long the CPE waits for a response (CWMP-126).
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Redirects in a row (CWMP-025).
pub const REDIRECTS_MAX: u32 = 5;
/// Faults 8005 to one message.
pub const RETRY_REQUESTS_MAX: u32 = 10;
/// Requests of the device that wait in one session.
pub const REQUESTS_MAX: usize = 64;

/// Answered with a Fault by the session itself: the method is not known at all.
const METHOD_NOT_SUPPORTED: u32 = 9000;

/// One session, seen from the device. See the [module](super).
#[derive(Debug, Default)]
pub struct CpeSession {
    state: State,
    outputs: VecDeque<Output>,
    /// Requests that wait for their POST.
    requests: VecDeque<CpeRequest>,
}

/// What the session awaits.
#[derive(Debug, Default)]
enum State {
    #[default]
    ExpectStart,
    /// The response to a POST.
    ExpectReply(Box<ExpectReply>),
    /// The device to carry out a request.
    ExpectExecuted(Box<ExpectExecuted>),
    Closed,
}

/// What lasts for the whole session.
#[derive(Debug)]
struct Course {
    authorizer: Authorizer,
    namespace: Option<CwmpNamespace>,
    /// The ID of the Inform, and how many were used.
    id_base: Option<String>,
    ids: u32,
    /// Where the POSTs go after a redirect.
    url: Option<String>,
    /// The ACS holds requests back (CWMP-118).
    held: bool,
    /// The empty POST was sent with HoldRequests false (CWMP-117).
    empty_sent: bool,
}

#[derive(Debug)]
struct ExpectReply {
    course: Course,
    sent: Sent,
    envelope: Option<Envelope>,
    deadline: Timestamp,
    redirects: u32,
    retries: u32,
}

#[derive(Debug)]
struct ExpectExecuted {
    course: Course,
    /// The ID of the request.
    id: Option<String>,
}

/// What the last POST carried.
#[derive(Debug)]
enum Sent {
    Inform,
    Request(CpeRequest),
    Answer,
    Empty,
}

impl CpeSession {
    /// A session that awaits [`Input::Start`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input. Drain [`poll_output`](Self::poll_output) to its end before the next. Inputs that do not fit the
    /// state are ignored.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        debug_assert!(self.outputs.is_empty(), "the outputs of the last input were not drained");
        let state = std::mem::take(&mut self.state);
        self.state = match (state, input) {
            (state, Input::Request(request)) => {
                self.queue(request);
                state
            }
            (State::ExpectStart, Input::Start(start)) => self.start(now, *start),
            (State::ExpectReply(state), Input::Response(response)) => self.on_response(now, *state, response),
            (State::ExpectReply(state), Input::Timeout) => self.on_timeout(now, state),
            (State::ExpectExecuted(state), Input::Executed(result)) => self.on_executed(now, *state, result),
            (state, _) => state,
        };
        if let State::ExpectReply(state) = &self.state {
            self.outputs.push_back(Output::Wait(state.deadline));
        }
    }

    /// The next thing to do; `None` when all was given out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Requests that were not sent: they wait for the next session.
    pub fn unsent(&self) -> impl Iterator<Item = &CpeRequest> {
        self.requests.iter()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    // === sending ===

    fn queue(&mut self, request: CpeRequest) {
        if self.requests.len() < REQUESTS_MAX && !matches!(request, CpeRequest::Inform(_)) {
            self.requests.push_back(request);
        }
    }

    /// CWMP-110.
    fn start(&mut self, now: Timestamp, start: Start) -> State {
        let Start { inform, id, namespace, session_timeout, supported_versions, .. } = start;
        let course = Course {
            authorizer: Authorizer::new(start.credentials, start.basic_unasked, start.target, start.cnonce),
            namespace,
            id_base: id.clone(),
            ids: 1,
            url: None,
            held: false,
            empty_sent: false,
        };
        let header = Header { id, session_timeout, supported_versions, ..Header::default() };
        let envelope = Envelope { namespace, header, message: Message::CpeRequest(CpeRequest::Inform(inform)) };
        self.post(now, course, Sent::Inform, Some(envelope))
    }

    /// The CPE has the word: its next request, else the empty POST (CWMP-117, CWMP-118).
    fn speak(&mut self, now: Timestamp, mut course: Course) -> State {
        let may_request = !course.held && !course.empty_sent;
        if may_request && let Some(request) = self.requests.pop_front() {
            let id = course.next_id();
            let envelope = course.envelope(id, Message::CpeRequest(request.clone()));
            return self.post(now, course, Sent::Request(request), Some(envelope));
        }
        course.empty_sent |= !course.held;
        self.post(now, course, Sent::Empty, None)
    }

    fn post(&mut self, now: Timestamp, course: Course, sent: Sent, envelope: Option<Envelope>) -> State {
        let deadline = now.plus(RESPONSE_TIMEOUT);
        self.send(ExpectReply { course, sent, envelope, deadline, redirects: 0, retries: 0 })
    }

    fn send(&mut self, mut state: ExpectReply) -> State {
        self.outputs.push_back(Output::Post(Post {
            envelope: state.envelope.clone(),
            authorization: state.course.authorizer.header(),
            url: state.course.url.clone(),
        }));
        State::ExpectReply(Box::new(state))
    }

    fn send_again(&mut self, now: Timestamp, mut state: ExpectReply) -> State {
        state.deadline = now.plus(RESPONSE_TIMEOUT);
        self.send(state)
    }

    // === receiving ===

    fn on_timeout(&mut self, now: Timestamp, state: Box<ExpectReply>) -> State {
        if now < state.deadline {
            return State::ExpectReply(state);
        }
        self.fail(CpeFailure::NoResponse(RESPONSE_TIMEOUT))
    }

    fn on_response(&mut self, now: Timestamp, state: ExpectReply, response: HttpResponse) -> State {
        match response.status {
            200 | 204 => self.on_message(now, state, response.body),
            401 => self.on_challenge(now, state, &response.www_authenticate),
            302 | 307 => self.on_redirect(now, state, response.location),
            503 => self.fail(CpeFailure::Busy { retry_after: response.retry_after }),
            status => self.fail(CpeFailure::Status(status)),
        }
    }

    /// The same message again, with credentials (CWMP-044, CWMP-046).
    fn on_challenge(&mut self, now: Timestamp, mut state: ExpectReply, headers: &[String]) -> State {
        if !state.course.authorizer.challenged(headers) {
            return self.fail(CpeFailure::Unauthorized);
        }
        self.send_again(now, state)
    }

    /// The same message again, there, and all that follow (CWMP-025).
    fn on_redirect(&mut self, now: Timestamp, mut state: ExpectReply, location: Option<String>) -> State {
        state.redirects += 1;
        let Some(location) = location.filter(|_| state.redirects <= REDIRECTS_MAX) else {
            return self.fail(CpeFailure::Redirects);
        };
        state.course.authorizer.retarget(crate::auth::request_target(&location).to_owned());
        state.course.url = Some(location);
        self.send_again(now, state)
    }

    fn on_message(&mut self, now: Timestamp, mut state: ExpectReply, body: ResponseBody) -> State {
        state.course.authorizer.accepted();
        match body {
            ResponseBody::Empty => self.on_empty(now, state),
            ResponseBody::Unreadable => self.fail(CpeFailure::Unreadable),
            ResponseBody::Envelope(envelope) => {
                state.course.held = envelope.header.hold_requests == Some(true);
                match state.sent {
                    Sent::Inform => self.on_inform_answer(now, state, *envelope),
                    Sent::Request(_) => self.on_request_answer(now, state, *envelope),
                    Sent::Answer | Sent::Empty => self.on_request(now, state.course, *envelope),
                }
            }
        }
    }

    /// The ACS has nothing to say: the end, unless the CPE has (CWMP-123).
    fn on_empty(&mut self, now: Timestamp, state: ExpectReply) -> State {
        let mut course = state.course;
        course.held = false;
        match state.sent {
            Sent::Inform => self.unexpected("an empty response", "InformResponse"),
            Sent::Request(_) => self.unexpected("an empty response", "the response to a request"),
            Sent::Answer | Sent::Empty if course.empty_sent => {
                self.outputs.push_back(Output::Closed(Ok(())));
                State::Closed
            }
            Sent::Answer | Sent::Empty => self.speak(now, course),
        }
    }

    fn on_inform_answer(&mut self, now: Timestamp, mut state: ExpectReply, envelope: Envelope) -> State {
        match envelope.message {
            Message::AcsResponse(AcsResponse::Inform(_)) => {
                if let Some(version) = envelope.header.use_version {
                    // CWMP-161: from here on the namespace of that version.
                    state.course.namespace = Some(version.namespace());
                }
                self.outputs.push_back(Output::Delivered(Delivered::Inform));
                self.speak(now, state.course)
            }
            Message::Fault(fault) if fault.code == RETRY_REQUEST => self.on_retry_request(now, state, "Inform"),
            Message::Fault(fault) => self.fail(CpeFailure::Refused { method: "Inform".to_owned(), code: fault.code }),
            other => self.unexpected(name(&other), "InformResponse"),
        }
    }

    fn on_request_answer(&mut self, now: Timestamp, state: ExpectReply, envelope: Envelope) -> State {
        let Sent::Request(request) = &state.sent else { return self.unexpected(name(&envelope.message), "a request") };
        let delivered = match (request, envelope.message) {
            (CpeRequest::TransferComplete(transfer), Message::AcsResponse(AcsResponse::TransferComplete)) => {
                Delivered::TransferComplete { command_key: transfer.command_key.clone() }
            }
            (CpeRequest::GetRpcMethods, Message::AcsResponse(AcsResponse::GetRpcMethods(methods))) => {
                Delivered::Methods(methods)
            }
            // The response to GetRPCMethods looks the same in both directions.
            (CpeRequest::GetRpcMethods, Message::CpeResponse(CpeResponse::GetRpcMethods(answer))) => {
                Delivered::Methods(answer.methods)
            }
            (request, Message::Fault(fault)) if fault.code == RETRY_REQUEST => {
                let method = request.method();
                return self.on_retry_request(now, state, method);
            }
            (request, Message::Fault(fault)) => Delivered::Refused { method: request.method().to_owned(), fault },
            (_, other) => return self.unexpected(name(&other), "the response to a request"),
        };
        self.outputs.push_back(Output::Delivered(delivered));
        self.speak(now, state.course)
    }

    /// The same request at once (CWMP-100).
    fn on_retry_request(&mut self, now: Timestamp, mut state: ExpectReply, method: &str) -> State {
        state.retries += 1;
        if state.retries > RETRY_REQUESTS_MAX {
            return self.fail(CpeFailure::Refused { method: method.to_owned(), code: RETRY_REQUEST });
        }
        self.send_again(now, state)
    }

    fn on_request(&mut self, now: Timestamp, course: Course, envelope: Envelope) -> State {
        let id = envelope.header.id;
        let request = match envelope.message {
            Message::AcsRequest(request) => request,
            // It looks the same in both directions.
            Message::CpeRequest(CpeRequest::GetRpcMethods) => AcsRequest::GetRpcMethods,
            Message::Unknown { .. } => {
                let text = "Method not supported".to_owned();
                let fault = Fault { code: METHOD_NOT_SUPPORTED, text, parameters: Vec::new() };
                return self.answer(now, course, id, Message::Fault(fault));
            }
            other => return self.unexpected(name(&other), "a request of the ACS"),
        };
        self.outputs.push_back(Output::Execute { request });
        State::ExpectExecuted(Box::new(ExpectExecuted { course, id }))
    }

    fn on_executed(&mut self, now: Timestamp, state: ExpectExecuted, result: Result<CpeResponse, Fault>) -> State {
        let message = result.map_or_else(Message::Fault, Message::CpeResponse);
        self.answer(now, state.course, state.id, message)
    }

    /// The ID comes back as it was sent (CWMP-087).
    fn answer(&mut self, now: Timestamp, course: Course, id: Option<String>, message: Message) -> State {
        let envelope = course.envelope(id, message);
        self.post(now, course, Sent::Answer, Some(envelope))
    }

    // === the end ===

    fn unexpected(&mut self, found: &str, expected: &'static str) -> State {
        self.fail(CpeFailure::Unexpected { found: found.to_owned(), expected })
    }

    fn fail(&mut self, failure: CpeFailure) -> State {
        self.outputs.push_back(Output::Closed(Err(failure)));
        State::Closed
    }
}

/// CWMP-100.
const RETRY_REQUEST: u32 = 8005;

impl Course {
    fn envelope(&self, id: Option<String>, message: Message) -> Envelope {
        Envelope { namespace: self.namespace, header: Header { id, ..Header::default() }, message }
    }

    fn next_id(&mut self) -> Option<String> {
        self.ids += 1;
        self.id_base.as_ref().map(|base| format!("{base}-{}", self.ids))
    }
}

fn name(message: &Message) -> &str {
    match message {
        Message::CpeRequest(request) => request.method(),
        Message::AcsRequest(request) => request.method(),
        Message::CpeResponse(_) => "a response of a CPE",
        Message::AcsResponse(_) => "another response",
        Message::Fault(_) => "a Fault",
        Message::Unknown { method } => method,
    }
}
