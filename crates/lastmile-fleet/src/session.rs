use std::time::Duration;

use bytes::Bytes;
use cwmp_codec::{
    AcsRequest, CpeRequest, CpeResponse, CwmpNamespace, Download, Envelope, Fault, Inform, Limits, Message,
    TransferComplete, decode_from_acs, encode, is_blank,
};
use cwmp_model::is_secret_name;
use cwmp_session::CpeSession;
use cwmp_session::auth::{Credentials, Password};
use cwmp_session::cpe::{
    CpeFailure, Delivered, HttpResponse, Input, Output, Post, RESPONSE_TIMEOUT, ResponseBody, Start,
};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Method};
use tokio::time::{Instant, timeout};

use crate::config::ConnectionUse;
use crate::fleet::Shared;
use crate::http::{Client, Cookies, HttpError, Outbound, Outgoing, Reply, Target};
use crate::ledger::{EventEntry, Fact};
use crate::slot::{Errand, Phase, Slot};
use crate::{Action, Gateway};

/// Files that a device fetches at a time; one more is refused with fault 9004.
const TRANSFERS_MAX: usize = 4;
/// Transfers that wait to be reported; with so many no other is begun, fault 9004.
const REPORTS_MAX: usize = 32;
/// The wait between two attempts to reach the ACS again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Longest SOAP body of the ACS that a device reads.
const BODY_MAX: usize = 16 << 20;

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// How one session of a device went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// The index of the device in its fleet.
    pub device: usize,
    /// Its number in the ledger.
    pub session: u64,
    /// From the first attempt to connect to the last response.
    pub duration: Duration,
    /// POSTs sent.
    pub posts: u32,
    /// Why it failed, if it did.
    pub failure: Option<SessionFailure>,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionFailure {
    /// ManagementServer.URL is none.
    #[error("{0}")]
    Url(String),
    /// The ACS cannot be reached.
    #[error("{0}")]
    Connect(String),
    /// The connection broke, or what came over it is no HTTP.
    #[error("{0}")]
    Broken(String),
    /// A message of the device cannot be written.
    #[error("a message cannot be written: {0}")]
    Unwritable(String),
    /// The ACS answered with something that ends the session.
    #[error(transparent)]
    Protocol(#[from] CpeFailure),
}

impl SessionFailure {
    /// In one word, for statistics and the ledger.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Unwritable(_) => "unwritable",
            Self::Protocol(CpeFailure::NoResponse(_)) => "no_response",
            Self::Protocol(CpeFailure::Unauthorized) => "unauthorized",
            Self::Protocol(CpeFailure::Redirects) => "redirects",
            Self::Protocol(CpeFailure::Busy { .. }) => "busy",
            Self::Protocol(CpeFailure::Status(_)) => "status",
            Self::Protocol(CpeFailure::Unreadable) => "unreadable",
            Self::Protocol(CpeFailure::Refused { .. }) => "refused",
            Self::Protocol(CpeFailure::Unexpected { .. }) => "unexpected",
        }
    }

    /// The Retry-After of a 503.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Protocol(CpeFailure::Busy { retry_after }) => Some(Duration::from_secs((*retry_after)?.into())),
            _ => None,
        }
    }
}

impl From<HttpError> for SessionFailure {
    fn from(error: HttpError) -> Self {
        let text = error.to_string();
        match error {
            HttpError::Url(_) => Self::Url(text),
            HttpError::Connect { .. } => Self::Connect(text),
            HttpError::Broken(_) | HttpError::TooLarge(_) => Self::Broken(text),
        }
    }
}

/// What a session leaves to do.
pub(crate) struct Ended {
    pub(crate) report: SessionReport,
    /// Files to fetch, in this life of the device.
    pub(crate) downloads: Vec<Download>,
    pub(crate) life: u64,
    /// Events of its Inform that were not delivered, though it completed.
    pub(crate) undelivered: bool,
}

/// The namespace that a gateway speaks by itself.
pub(crate) const fn namespace(gateway: Gateway) -> CwmpNamespace {
    match gateway {
        Gateway::Tr098 => CwmpNamespace::V1_0,
        Gateway::Tr181 | Gateway::Ont => CwmpNamespace::V1_2,
    }
}

/// One session of the device, from the Inform to its end.
pub(crate) async fn run(fleet: &Shared, slot: &Slot) -> Ended {
    let started = Instant::now();
    let session = fleet.next_session();
    let opening = Opening::of(fleet, slot);
    fleet.note(&slot.serial, Fact::SessionOpened { session });
    let (inform, url) = (opening.inform.clone(), opening.url.clone());
    let mut driver = Driver {
        fleet,
        slot,
        session,
        inform: opening.inform.clone(),
        client: Client::new(fleet.tls.clone()),
        cookies: Cookies::default(),
        target: None,
        informed: false,
        request_id: String::new(),
        answering: false,
        posts: 0,
        actions: Vec::new(),
    };
    let result = driver.drive(opening).await;
    let report = SessionReport {
        device: slot.index,
        session,
        duration: started.elapsed(),
        posts: driver.posts,
        failure: result.err(),
    };
    let actions = driver.actions;
    fleet.note(&slot.serial, ended_fact(&report));
    close(slot, report, actions, &inform, &url)
}

/// All in one step, so that nobody sees the device idle between a session and what follows from it.
fn close(slot: &Slot, report: SessionReport, actions: Vec<Action>, inform: &Inform, url: &str) -> Ended {
    let mut state = slot.state();
    if report.failure.is_none() {
        state.device.session_completed();
        state.completed += 1;
    } else {
        state.device.session_failed();
        state.failed += 1;
    }
    state.last_report = Some(report.clone());
    let undelivered = report.failure.is_none() && state.device.still_has(&inform.events);
    state.leave_session();
    // A new ACS hears of the device for the first time.
    if state.device.model.text("ManagementServer.URL") != url {
        state.device.forget_events();
        state.add_event("0 BOOTSTRAP", "");
    }
    let mut downloads = Vec::new();
    for action in actions {
        match action {
            Action::Reboot { command_key } => {
                state.add_errand(Errand::Restart { command_key: Some(command_key) });
            }
            Action::FactoryReset => {
                state.add_errand(Errand::FactoryReset);
            }
            Action::Fetch(call) => {
                state.transfers_open += 1;
                downloads.push(*call);
            }
        }
    }
    Ended { report, downloads, life: state.life, undelivered }
}

fn ended_fact(report: &SessionReport) -> Fact {
    let failure = report.failure.as_ref();
    Fact::SessionEnded {
        session: report.session,
        outcome: failure.map_or("completed", SessionFailure::kind).to_owned(),
        detail: failure.map(ToString::to_string).unwrap_or_default(),
        micros: u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
    }
}

/// What a session begins with.
struct Opening {
    inform: Inform,
    transfers: Vec<TransferComplete>,
    url: String,
    credentials: Option<Credentials>,
    namespace: CwmpNamespace,
}

impl Opening {
    fn of(fleet: &Shared, slot: &Slot) -> Self {
        let mut state = slot.state();
        state.phase = Phase::InSession;
        state.urgent = false;
        // No two Informs of a device have the same CurrentTime.
        let after_last = state.last_inform.plus(Duration::from_micros(1));
        state.last_inform = fleet.clock.now().max(after_last);
        let device = &state.device;
        let username = device.model.text("ManagementServer.Username");
        let password = Password::new(device.model.text("ManagementServer.Password"));
        Self {
            inform: device.inform(state.last_inform.to_string()),
            transfers: device.transfers().to_vec(),
            url: device.model.text("ManagementServer.URL").to_owned(),
            credentials: (!username.is_empty()).then(|| Credentials { username: username.to_owned(), password }),
            namespace: namespace(device.model.gateway()),
        }
    }
}

/// Does what a [`CpeSession`] wants.
struct Driver<'a> {
    fleet: &'a Shared,
    slot: &'a Slot,
    session: u64,
    inform: Inform,
    client: Client,
    cookies: Cookies,
    /// Where the next POST goes.
    target: Option<(String, Target)>,
    /// The InformResponse came.
    informed: bool,
    /// The `ID` of the request in hand.
    request_id: String,
    /// The last POST carried the answer to it.
    answering: bool,
    posts: u32,
    actions: Vec<Action>,
}

impl Driver<'_> {
    async fn drive(&mut self, opening: Opening) -> Result<(), SessionFailure> {
        let target = Target::parse(&opening.url)?;
        let mut session = CpeSession::new();
        let start = Start {
            id: Some(self.session.to_string()),
            namespace: Some(opening.namespace),
            credentials: opening.credentials,
            basic_unasked: self.fleet.config.basic_unasked,
            target: target.path.clone(),
            cnonce: format!("{:016x}", rand::random::<u64>()),
            ..Start::new(opening.inform)
        };
        self.target = Some((opening.url, target));
        for transfer in opening.transfers {
            session.handle(self.fleet.clock.now(), Input::Request(CpeRequest::TransferComplete(transfer)));
        }
        let mut input = Some(Input::Start(Box::new(start)));
        while let Some(next) = input.take() {
            session.handle(self.fleet.clock.now(), next);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Post(post) => input = Some(Input::Response(self.post(post).await?)),
                    Output::Execute { request } => input = Some(Input::Executed(self.execute(&request))),
                    Output::Delivered(delivered) => self.delivered(delivered),
                    // The wait for a response has its end in `post`.
                    Output::Wait(_) => {}
                    Output::Closed(result) => return Ok(result?),
                }
            }
        }
        Ok(())
    }

    async fn post(&mut self, post: Post) -> Result<HttpResponse, SessionFailure> {
        let body = match &post.envelope {
            Some(envelope) => encode(envelope).map_err(|error| SessionFailure::Unwritable(error.to_string()))?,
            None => Vec::new(),
        };
        if let Some(url) = &post.url
            && self.target.as_ref().is_none_or(|(held, _)| held != url)
        {
            self.target = Some((url.clone(), Target::parse(url)?));
        }
        let Some((_, target)) = self.target.clone() else { return Err(SessionFailure::Url("no URL".to_owned())) };
        let exchange = async {
            self.reach(&target).await?;
            self.note_sent(post.envelope.as_ref());
            self.posts += 1;
            self.exchange(&target, &post, body.into()).await
        };
        let reply = timeout(RESPONSE_TIMEOUT, exchange).await;
        let reply = reply.map_err(|_| SessionFailure::Protocol(CpeFailure::NoResponse(RESPONSE_TIMEOUT)))??;
        if self.fleet.config.cookies {
            self.cookies.take(&reply.headers);
        }
        if self.fleet.config.connections == ConnectionUse::Post {
            self.client.close();
        }
        let response = to_response(reply);
        self.note_received(&response);
        Ok(response)
    }

    /// In a session, another front-end may be there in a moment.
    async fn reach(&mut self, target: &Target) -> Result<(), SessionFailure> {
        let since = Instant::now();
        loop {
            match self.client.connect(target).await {
                Ok(()) => return Ok(()),
                Err(_) if self.informed && since.elapsed() < self.fleet.config.reconnect_within => {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn exchange(&mut self, target: &Target, post: &Post, body: Bytes) -> Result<Reply, SessionFailure> {
        let cookie = self.cookies.header();
        let mut headers = Vec::new();
        headers.extend(cookie.as_deref().map(|text| (COOKIE, text)));
        headers.extend(post.authorization.as_deref().map(|text| (AUTHORIZATION, text)));
        // CWMP-010, CWMP-012
        if post.envelope.is_some() {
            headers.push((CONTENT_TYPE, "text/xml; charset=\"utf-8\""));
            headers.push((SOAP_ACTION, ""));
        }
        let body = Outgoing::new(body, self.fleet.config.chunked);
        let request = Outbound { method: Method::POST, headers, body };
        Ok(self.client.exchange(target, request, BODY_MAX).await?)
    }

    fn note(&self, fact: Fact) {
        self.fleet.note(&self.slot.serial, fact);
    }

    fn note_sent(&mut self, envelope: Option<&Envelope>) {
        let session = self.session;
        match envelope.map(|envelope| &envelope.message) {
            Some(Message::CpeRequest(CpeRequest::Inform(inform))) => self.note(Fact::InformSent {
                session,
                current_time: inform.current_time.clone(),
                retry_count: inform.retry_count,
                events: inform.events.iter().map(entry).collect(),
            }),
            Some(Message::CpeRequest(CpeRequest::TransferComplete(transfer))) => {
                self.note(Fact::TransferSent {
                    session,
                    key: transfer.command_key.clone(),
                    fault: transfer.fault.code,
                });
            }
            Some(Message::CpeResponse(_) | Message::Fault(_)) => {
                self.answering = true;
                self.note(Fact::AnswerSent { session, id: self.request_id.clone() });
            }
            _ => {}
        }
    }

    fn note_received(&mut self, response: &HttpResponse) {
        if self.answering && matches!(response.status, 200 | 204) {
            self.answering = false;
            self.note(Fact::AnswerTaken { session: self.session, id: self.request_id.clone() });
        }
        if let ResponseBody::Envelope(envelope) = &response.body {
            self.request_id = envelope.header.id.clone().unwrap_or_default();
        }
    }

    fn delivered(&mut self, delivered: Delivered) {
        let session = self.session;
        match delivered {
            Delivered::Inform => {
                self.informed = true;
                self.note(Fact::InformAnswered {
                    session,
                    current_time: self.inform.current_time.clone(),
                    retry_count: self.inform.retry_count,
                });
                self.slot.state().device.informed(&self.inform);
            }
            Delivered::TransferComplete { command_key } => {
                self.note(Fact::TransferAnswered { session, key: command_key.clone() });
                self.slot.state().device.transfer_delivered(&command_key);
            }
            Delivered::Methods(_) => {}
            Delivered::Refused { method, fault } => {
                tracing::debug!(device = self.slot.serial, method, code = fault.code, "the ACS refused a request");
            }
        }
    }

    fn execute(&mut self, request: &AcsRequest) -> Result<CpeResponse, Fault> {
        let (session, id, method, key) =
            (self.session, self.request_id.clone(), request.method().to_owned(), key_of(request).to_owned());
        self.note(Fact::RequestReceived { session, id: id.clone(), method: method.clone(), key: key.clone() });
        let (result, action) = {
            let mut state = self.slot.state();
            let fetches = self.actions.iter().filter(|action| matches!(action, Action::Fetch(_))).count();
            let full = state.transfers_open + fetches >= TRANSFERS_MAX || state.device.transfers().len() >= REPORTS_MAX;
            if matches!(request, AcsRequest::Download(_)) && full {
                let text = "too many transfers at a time".to_owned();
                (Err(Fault { code: 9004, text, parameters: Vec::new() }), None)
            } else {
                state.device.execute(request)
            }
        };
        self.actions.extend(action);
        if let Ok(response) = &result {
            for fact in effects(session, request, response) {
                self.note(fact);
            }
        }
        let fault = result.as_ref().err().map_or(0, |fault| fault.code);
        self.note(Fact::RequestExecuted { session, id, method, key, fault });
        result
    }
}

fn entry(event: &cwmp_codec::Event) -> EventEntry {
    EventEntry { code: event.code.clone(), key: event.command_key.clone() }
}

/// ParameterKey or CommandKey.
fn key_of(request: &AcsRequest) -> &str {
    match request {
        AcsRequest::SetParameterValues(call) => &call.parameter_key,
        AcsRequest::AddObject(call) => &call.parameter_key,
        AcsRequest::DeleteObject(call) => &call.parameter_key,
        AcsRequest::Download(call) => &call.command_key,
        AcsRequest::Reboot { command_key } => command_key,
        _ => "",
    }
}

/// What a request that succeeded changed.
fn effects(session: u64, request: &AcsRequest, response: &CpeResponse) -> Vec<Fact> {
    match (request, response) {
        (AcsRequest::SetParameterValues(call), _) => {
            let fact = |parameter: &cwmp_model::ParameterValue| Fact::ValueSet {
                session,
                name: parameter.name.as_str().to_owned(),
                value: (!is_secret_name(&parameter.name)).then(|| parameter.value.text.clone()),
                key: call.parameter_key.clone(),
            };
            call.parameters.iter().map(fact).collect()
        }
        (AcsRequest::AddObject(call), CpeResponse::AddObject(added)) => {
            let row = format!("{}{}.", call.object.as_str(), added.instance);
            vec![Fact::InstanceAdded { session, row, key: call.parameter_key.clone() }]
        }
        (AcsRequest::DeleteObject(call), _) => {
            let row = call.object.as_str().to_owned();
            vec![Fact::InstanceDeleted { session, row, key: call.parameter_key.clone() }]
        }
        _ => Vec::new(),
    }
}

fn to_response(reply: Reply) -> HttpResponse {
    let texts = |name| reply.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let text = |name| texts(name).next();
    let charset =
        text(CONTENT_TYPE).and_then(|value| value.split_once("charset=")).map(|(_, set)| set.trim_matches('"'));
    let body = match &reply.body {
        body if is_blank(body) => ResponseBody::Empty,
        body => decode_from_acs(body, charset, &Limits::default())
            .map_or(ResponseBody::Unreadable, |decoded| ResponseBody::Envelope(Box::new(decoded.envelope))),
    };
    HttpResponse {
        status: reply.status,
        body,
        www_authenticate: texts(WWW_AUTHENTICATE).map(str::to_owned).collect(),
        retry_after: text(RETRY_AFTER).and_then(|value| value.trim().parse().ok()),
        connection_close: texts(CONNECTION).any(|value| value.eq_ignore_ascii_case("close")),
        location: text(LOCATION).map(str::to_owned),
    }
}
