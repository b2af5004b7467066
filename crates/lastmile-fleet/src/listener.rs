//! Connection requests (CWMP-410 to CWMP-419): one listener for the whole fleet, a path for each device.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cwmp_session::auth::{
    Algorithm, Authorization, Challenge, DigestRules, DigestVerdict, NonceKey, Nonces, Password, ReplayWindow,
    RequestTarget, Verifier, parse_authorization,
};
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fleet::Shared;
use crate::ledger::Fact;
use crate::slot::{Phase, Slot};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// Longest wait for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// Most bytes of a request's head, which is hyper's least.
const HEAD_MAX: usize = 8192;
/// (nonce, nc) pairs that are remembered.
const REPLAY_WINDOW: usize = 65_536;
const REALM: &str = "cpe";

/// What connection requests are judged by.
pub(crate) struct Gate {
    rules: DigestRules,
    keys: [NonceKey; 1],
    window: Mutex<ReplayWindow>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            rules: DigestRules::new(REALM),
            keys: [NonceKey::new(rand::random())],
            window: Mutex::new(ReplayWindow::new(REPLAY_WINDOW)),
        }
    }
}

/// Takes connection requests until its task ends.
pub(crate) async fn run(fleet: Arc<Shared>, slots: Arc<[Arc<Slot>]>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection request was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (served, slots) = (fleet.clone(), slots.clone());
        fleet.spawn(async move {
            let _permit = permit;
            let _ = timeout(CONNECTION_LIFE, serve(served, slots, stream)).await;
        });
    }
}

async fn serve(fleet: Arc<Shared>, slots: Arc<[Arc<Slot>]>, stream: TcpStream) {
    let service = service_fn(|request| std::future::ready(answer(&fleet, &slots, &request)));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // It ends with an error where a device is off, as planned.
    let _ = serving.await;
}

fn answer(fleet: &Shared, slots: &[Arc<Slot>], request: &Request<Incoming>) -> io::Result<Response<Empty<Bytes>>> {
    let Some(slot) = find(slots, request.uri().path()) else { return Ok(status(StatusCode::NOT_FOUND)) };
    if slot.state().phase == Phase::Off {
        fleet.note(&slot.serial, Fact::ConnectionRequest { status: 0 });
        return Err(io::Error::other("the device is off"));
    }
    let response = judge(fleet, slot, request).unwrap_or_else(|response| response);
    fleet.note(&slot.serial, Fact::ConnectionRequest { status: response.status().as_u16() });
    if response.status() == StatusCode::OK {
        slot.wake.notify_one();
    }
    Ok(response)
}

/// `Err` holds a refusal.
fn judge(
    fleet: &Shared,
    slot: &Slot,
    request: &Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Response<Empty<Bytes>>> {
    if request.method() != Method::GET {
        return Err(status(StatusCode::METHOD_NOT_ALLOWED));
    }
    authenticate(fleet, slot, request)?;
    let mut state = slot.state();
    if state.phase != Phase::InSession {
        state.add_event("6 CONNECTION REQUEST", "");
        return Ok(status(StatusCode::OK));
    }
    // One more session after this one, not two (CWMP-415).
    if std::mem::replace(&mut state.request_waits, true) {
        return Err(status(StatusCode::SERVICE_UNAVAILABLE));
    }
    Ok(status(StatusCode::OK))
}

fn authenticate(fleet: &Shared, slot: &Slot, request: &Request<Incoming>) -> Result<(), Response<Empty<Bytes>>> {
    let (username, password) = {
        let state = slot.state();
        let text = |name| state.device.model.text(name).to_owned();
        (text("ManagementServer.ConnectionRequestUsername"), text("ManagementServer.ConnectionRequestPassword"))
    };
    if username.is_empty() && fleet.config.open_until_configured {
        return Ok(());
    }
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(Ok(Authorization::Digest(answer))) = header.map(parse_authorization) else {
        return Err(challenge(fleet, false));
    };
    if username.is_empty() || answer.username != username {
        return Err(challenge(fleet, false));
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let verifier = Verifier::Password(Password::new(password));
    let gate = &fleet.gate;
    let verdict = {
        let mut window = gate.window.lock().unwrap_or_else(PoisonError::into_inner);
        let nonces = Nonces { keys: &gate.keys, window: &mut window };
        gate.rules.check(&answer, "GET", RequestTarget { target, host }, &verifier, nonces, fleet.clock.now())
    };
    match verdict {
        DigestVerdict::Accepted => Ok(()),
        DigestVerdict::Stale => Err(challenge(fleet, true)),
        DigestVerdict::Refused(_) => Err(challenge(fleet, false)),
    }
}

fn challenge(fleet: &Shared, stale: bool) -> Response<Empty<Bytes>> {
    let nonce = fleet.gate.keys[0].issue(fleet.clock.now(), rand::random());
    let header = Challenge::new(REALM, &nonce, Algorithm::Md5, stale).to_header();
    let mut response = status(StatusCode::UNAUTHORIZED);
    response.headers_mut().extend(HeaderValue::from_str(&header).ok().map(|value| (WWW_AUTHENTICATE, value)));
    response
}

/// `/<index>/<secret>`.
fn find<'a>(slots: &'a [Arc<Slot>], path: &str) -> Option<&'a Arc<Slot>> {
    let (index, secret) = path.strip_prefix('/')?.split_once('/')?;
    slots.get(index.parse::<usize>().ok()?).filter(|slot| slot.secret_path == secret)
}

fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}
