//! A scripted ACS in this process: one hyper server on a free port, sessions by `cwmp_session::acs`, files with ranges.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cwmp_codec::{
    AcsRequest, CpeRequest, Download, Envelope, Inform, Limits, Message, TransferComplete, decode, encode, is_blank,
};
use cwmp_model::Timestamp;
use cwmp_session::AcsSession;
use cwmp_session::acs::{Answer, AnswerOutcome, Begun, Call, Config, Input, Output, Post, Reply, Step};
use cwmp_session::auth::{
    Algorithm, Authorization, Challenge, DigestRules, DigestVerdict, NonceKey, Nonces, Password, ReplayWindow,
    RequestTarget, Verifier, parse_authorization,
};
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The ACS; clones are the same one.
#[derive(Clone)]
pub(crate) struct Acs {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

/// What it does and what it saw.
pub(crate) struct State {
    /// What there is to do, by serial number.
    pub(crate) work: HashMap<String, VecDeque<AcsRequest>>,
    pub(crate) informs: Vec<Inform>,
    pub(crate) answers: Vec<(String, Answer)>,
    pub(crate) transfers: Vec<TransferComplete>,
    /// Answer the next Informs with 503 and this Retry-After.
    pub(crate) busy: VecDeque<Option<u32>>,
    /// Ask for this user's Digest answer.
    pub(crate) digest: Option<(String, String)>,
    /// Files by path.
    pub(crate) files: HashMap<String, Bytes>,
    /// Cut the next file bodies after so many bytes.
    pub(crate) cuts: VecDeque<usize>,
    /// Close the connection after each response.
    pub(crate) close: bool,
    /// Wait so long before each response to a POST.
    pub(crate) pause: std::time::Duration,
    /// The heads of all POSTs.
    pub(crate) heads: Vec<HeaderMap>,
    /// The `Range` headers of all file requests; empty where there was none.
    pub(crate) ranges: Vec<String>,
    pub(crate) connections: usize,
    sessions: HashMap<String, (String, AcsSession)>,
    last_cookie: u32,
    window: ReplayWindow,
}

impl Acs {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cwmp", listener.local_addr().unwrap());
        let state = State {
            work: HashMap::new(),
            informs: Vec::new(),
            answers: Vec::new(),
            transfers: Vec::new(),
            busy: VecDeque::new(),
            digest: None,
            files: HashMap::new(),
            cuts: VecDeque::new(),
            close: false,
            pause: std::time::Duration::ZERO,
            heads: Vec::new(),
            ranges: Vec::new(),
            connections: 0,
            sessions: HashMap::new(),
            last_cookie: 0,
            window: ReplayWindow::new(1000),
        };
        let acs = Self { url, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(acs.clone().accept(listener));
        acs
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn give(&self, serial: &str, request: AcsRequest) {
        self.state().work.entry(serial.to_owned()).or_default().push_back(request);
    }

    /// The answer to the last request of this method.
    pub(crate) fn answer(&self, method: &str) -> AnswerOutcome {
        let state = self.state();
        let found = state.answers.iter().rev().find(|(_, answer)| answer.request_method == method);
        found.unwrap_or_else(|| panic!("no answer to {method}: {:?}", state.answers)).1.outcome.clone()
    }

    /// A Download of a file of this server.
    pub(crate) fn download(&self, file: &str, content: &[u8], key: &str) -> Download {
        self.state().files.insert(format!("/{file}"), Bytes::copy_from_slice(content));
        Download {
            command_key: key.to_owned(),
            file_type: "1 Firmware Upgrade Image".to_owned(),
            url: self.url.replace("/cwmp", &format!("/{file}")),
            file_size: u32::try_from(content.len()).unwrap(),
            ..Download::default()
        }
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.state().connections += 1;
            let acs = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let acs = acs.clone();
                    async move { Ok::<_, std::io::Error>(acs.serve(request).await) }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if head.method == http::Method::GET {
            return self.file(head.uri.path(), &head.headers);
        }
        let body = body.collect().await.unwrap().to_bytes();
        let pause = self.state().pause;
        tokio::time::sleep(pause).await;
        let mut response = self.post(&head.headers, &body);
        let mut state = self.state();
        if state.close {
            response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
        }
        state.heads.push(head.headers);
        response
    }

    fn post(&self, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
        let mut state = self.state();
        if let Some(refusal) = state.authenticate(headers) {
            return refusal;
        }
        let envelope = (!is_blank(body)).then(|| decode(body, None, &Limits::default()).expect("readable").envelope);
        let cookie = match inform_of(envelope.as_ref()) {
            Some(inform) => {
                if let Some(retry_after) = state.busy.pop_front() {
                    return busy(retry_after);
                }
                state.open(inform)
            }
            None => headers[header::COOKIE].to_str().unwrap().to_owned(),
        };
        let post = envelope.map_or_else(Post::empty, Post::envelope);
        let reply = state.drive(&cookie, Input::Post(post));
        to_response(&reply, &cookie)
    }

    fn file(&self, path: &str, headers: &HeaderMap) -> Response<Body> {
        let mut state = self.state();
        let range = headers.get(header::RANGE).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        state.ranges.push(range.clone());
        let Some(content) = state.files.get(path).cloned() else { return empty(404) };
        let first: usize = range.strip_prefix("bytes=").map_or(0, |text| text.trim_end_matches('-').parse().unwrap());
        let rest = content.slice(first..);
        let length = rest.len();
        let sent = rest.slice(..state.cuts.pop_front().unwrap_or(length).min(length));
        let mut frames = vec![Ok(Frame::data(sent.clone()))];
        if sent.len() < length {
            frames.push(Err(std::io::Error::other("cut")));
        }
        let mut response = Response::new(StreamBody::new(stream::iter(frames).then(in_its_time)).boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::ETAG, "\"v1\"".parse().unwrap());
        if !range.is_empty() {
            let text = format!("bytes {first}-{}/{}", content.len() - 1, content.len());
            headers.insert(header::CONTENT_RANGE, text.parse().unwrap());
            *response.status_mut() = http::StatusCode::PARTIAL_CONTENT;
        }
        response
    }
}

impl State {
    fn open(&mut self, inform: &Inform) -> String {
        self.last_cookie += 1;
        let cookie = format!("s={}", self.last_cookie);
        let session = AcsSession::new(Config::default(), now());
        self.sessions.insert(cookie.clone(), (inform.device.serial_number.clone(), session));
        self.informs.push(inform.clone());
        cookie
    }

    fn drive(&mut self, cookie: &str, first: Input) -> Reply {
        let (serial, mut session) = self.sessions.remove(cookie).expect("a known cookie");
        let mut input = Some(first);
        let mut written = None;
        while let Some(next) = input.take() {
            session.handle(now(), next);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Begin(_) => input = Some(Input::Begun(Begun::Accepted { work: true })),
                    Output::Record(transfer) => {
                        self.transfers.push(*transfer);
                        input = Some(Input::Recorded(Ok(())));
                    }
                    Output::NeedStep { answers } => {
                        self.answers.extend(answers.into_iter().map(|answer| (serial.clone(), answer)));
                        input = Some(Input::Step(self.step(&serial)));
                    }
                    Output::Reply(reply) => written = Some(reply),
                    Output::Closed(end) => {
                        self.answers.extend(end.answers.into_iter().map(|answer| (serial.clone(), answer)));
                    }
                    Output::Remark(remark) => panic!("forgiven: {}", remark.as_str()),
                    Output::Wait(_) => {}
                }
            }
        }
        self.sessions.insert(cookie.to_owned(), (serial, session));
        written.expect("a reply to each POST")
    }

    fn step(&mut self, serial: &str) -> Step {
        let Some(request) = self.work.get_mut(serial).and_then(VecDeque::pop_front) else { return Step::Nothing };
        let id = format!("call-{}", self.answers.len());
        Step::Calls(vec![Call { id, request, label: "work".to_owned() }])
    }

    fn authenticate(&mut self, headers: &HeaderMap) -> Option<Response<Body>> {
        let (username, password) = self.digest.clone()?;
        let key = NonceKey::new([7; 32]);
        let challenge = |random: u8, stale| {
            let nonce = NonceKey::new([7; 32]).issue(now(), [random; 8]);
            let mut response = empty(401);
            let header = Challenge::new("acs", &nonce, Algorithm::Md5, stale).to_header();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header.parse().unwrap());
            Some(response)
        };
        let random = self.window.len() as u8;
        let Some(header) = headers.get(header::AUTHORIZATION) else { return challenge(random, false) };
        let Ok(Authorization::Digest(answer)) = parse_authorization(header.to_str().unwrap()) else {
            return challenge(random, false);
        };
        let verifier = Verifier::Password(Password::new(password));
        let nonces = Nonces { keys: &[key], window: &mut self.window };
        let request = RequestTarget { target: "/cwmp", host: None };
        let verdict = DigestRules::new("acs").check(&answer, "POST", request, &verifier, nonces, now());
        match verdict {
            DigestVerdict::Accepted if answer.username == username => None,
            DigestVerdict::Stale => challenge(random, true),
            _ => challenge(random, false),
        }
    }
}

/// What was written before an error has to be flushed to arrive.
async fn in_its_time<T>(frame: T) -> T {
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    frame
}

fn inform_of(envelope: Option<&Envelope>) -> Option<&Inform> {
    match &envelope?.message {
        Message::CpeRequest(CpeRequest::Inform(inform)) => Some(inform),
        _ => None,
    }
}

fn to_response(reply: &Reply, cookie: &str) -> Response<Body> {
    let mut response = empty(reply.status);
    if let Some(envelope) = reply.envelope() {
        *response.body_mut() = full(encode(envelope).unwrap().into());
        response.headers_mut().insert(header::CONTENT_TYPE, "text/xml; charset=utf-8".parse().unwrap());
    }
    if reply.set_cookie {
        response.headers_mut().insert(header::SET_COOKIE, format!("{cookie}; Path=/").parse().unwrap());
    }
    response
}

fn busy(retry_after: Option<u32>) -> Response<Body> {
    let mut response = empty(503);
    response.headers_mut().extend(retry_after.map(|seconds| (header::RETRY_AFTER, seconds.into())));
    response
}

fn empty(status: u16) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status.try_into().unwrap();
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn now() -> Timestamp {
    Timestamp::from_micros(0).plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}
