use std::time::Duration;

use acs_proto::{WakeOutcome, WakeRequest};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::credentials::{Credentials, NoAnswer};
use crate::{CheckedTarget, Dialler, Target};

/// Most bytes of the head of an answer, which is hyper's least.
const HEAD_MAX: usize = 8192;
/// Most header fields of an answer.
const HEADERS_MAX: usize = 64;
/// Most bytes of a body that is read to use the connection again; with a longer one a new connection is opened.
const BODY_MAX: usize = 16 * 1024;
/// Longest wait for the end of such a body: some CPEs neither say its length nor close.
const BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// Most requests of one wake: without credentials, with them, and one more for a stale nonce or a CPE that takes only `/`
/// as digest uri.
const REQUESTS_MAX: usize = 4;

/// One wake of one device: GET, the CPE's challenge, GET with credentials.
pub(crate) struct Exchange<'a> {
    dialler: &'a Dialler,
    checked: &'a CheckedTarget,
    target: &'a Target,
    request: &'a WakeRequest,
    answer_timeout: Duration,
    connection: Option<Connection>,
}

/// The parts of an answer that matter.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        dialler: &'a Dialler,
        checked: &'a CheckedTarget,
        target: &'a Target,
        request: &'a WakeRequest,
        answer_timeout: Duration,
    ) -> Self {
        Self { dialler, checked, target, request, answer_timeout, connection: None }
    }

    pub(crate) async fn run(mut self) -> WakeOutcome {
        self.converse().await.unwrap_or_else(|reason| WakeOutcome::Unreachable { reason })
    }

    async fn converse(&mut self) -> Result<WakeOutcome, String> {
        let mut credentials = Credentials::new(self.request, self.target.path_and_query.as_str());
        let mut authorization = None;
        for _ in 0..REQUESTS_MAX {
            let reply = self.get(authorization.as_deref()).await?;
            if reply.status != StatusCode::UNAUTHORIZED {
                return outcome_of(reply.status);
            }
            let challenges = reply.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
            match credentials.answer(challenges) {
                Ok(answer) => authorization = Some(answer),
                Err(NoAnswer::Wrong) => return Ok(WakeOutcome::WrongCredentials),
                Err(NoAnswer::Impossible(why)) => return Err(why.to_owned()),
            }
        }
        Ok(WakeOutcome::WrongCredentials)
    }

    /// Sends one GET: over the connection of the last one if the CPE left it open, else over a new one. A connection that
    /// the CPE closes under the request is replaced once.
    async fn get(&mut self, authorization: Option<&str>) -> Result<Reply, String> {
        let limit = self.answer_timeout;
        let silence = |_| format!("no answer within {limit:?}");
        if let Some(connection) = self.connection.take() {
            let reply = timeout(limit, self.get_over(connection, authorization)).await.map_err(silence)?;
            if let Ok(reply) = reply {
                return Ok(reply);
            }
        }
        let stream = self.dialler.connect(self.checked).await.map_err(|e| e.to_string())?;
        let exchange = async {
            let connection = Connection::open(TokioIo::new(stream)).await?;
            self.get_over(connection, authorization).await
        };
        let reply = timeout(limit, exchange).await.map_err(silence)?;
        reply.map_err(|error| format!("no usable answer: {}", with_causes(&error)))
    }

    async fn get_over(&mut self, mut connection: Connection, authorization: Option<&str>) -> hyper::Result<Reply> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = Uri::from(self.target.path_and_query.clone());
        let header = |text: &str| http::HeaderValue::from_str(text).ok();
        request.headers_mut().extend(header(&self.target.authority).map(|host| (HOST, host)));
        request.headers_mut().extend(authorization.and_then(header).map(|value| (AUTHORIZATION, value)));
        let (head, body) = connection.sender.send_request(request).await?.into_parts();
        if head.status == StatusCode::UNAUTHORIZED {
            let whole = timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
            if matches!(whole, Ok(Ok(_))) && connection.sender.ready().await.is_ok() {
                self.connection = Some(connection);
            }
        }
        Ok(Reply { status: head.status, headers: head.headers })
    }
}

/// An open connection and the task that drives it.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
}

impl Connection {
    async fn open(io: TokioIo<tokio::net::TcpStream>) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .title_case_headers(true)
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(io)
            .await?;
        // Its error is also the error of the request.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// CWMP-413, CWMP-416, CWMP-417.
fn outcome_of(status: StatusCode) -> Result<WakeOutcome, String> {
    match status.as_u16() {
        200 | 204 => Ok(WakeOutcome::Accepted),
        503 => Ok(WakeOutcome::Busy),
        300..=399 => Err(format!("the device answered {}; redirects are not followed", status.as_u16())),
        code => Err(format!("the device answered {code}")),
    }
}

fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
