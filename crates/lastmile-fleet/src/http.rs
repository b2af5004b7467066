//! The HTTP/1.1 client of a device: one connection at a time, nothing pipelined (CWMP-024).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

/// Longest wait for a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of the head of a response, which is hyper's least.
const HEAD_MAX: usize = 8192;
/// Most header fields of a response.
const HEADERS_MAX: usize = 64;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    secure: bool,
    host: String,
    port: u16,
    /// The `Host` header.
    authority: String,
    /// The request target.
    pub(crate) path: String,
}

impl Target {
    /// Reads an `http` or `https` URL with a host.
    pub(crate) fn parse(text: &str) -> Result<Self, HttpError> {
        let invalid = || HttpError::Url(text.split('?').next().unwrap_or_default().to_owned());
        let url = Url::parse(text).map_err(|_| invalid())?;
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid()),
        };
        let host = url.host_str().ok_or_else(invalid)?;
        let port = url.port_or_known_default().ok_or_else(invalid)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Ok(Self { secure, host: host.trim_matches(['[', ']']).to_owned(), port, authority, path })
    }

    fn same_server(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0} is no http or https URL")]
    Url(String),
    #[error("{host} cannot be reached: {why}")]
    Connect { host: String, why: String },
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
}

/// A body whose length is known, or not told.
#[derive(Debug)]
pub(crate) struct Outgoing {
    data: Option<Bytes>,
    chunked: bool,
}

impl Outgoing {
    pub(crate) fn new(data: Bytes, chunked: bool) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), chunked }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.chunked
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// The client of one session or one transfer.
pub(crate) struct Client {
    tls: Option<Arc<rustls::ClientConfig>>,
    open: Option<(Target, Connection)>,
}

/// A whole response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self { tls, open: None }
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Opens a connection to the target unless one stands.
    pub(crate) async fn connect(&mut self, target: &Target) -> Result<(), HttpError> {
        if let Some((to, connection)) = &mut self.open
            && to.same_server(target)
            && connection.is_usable().await
        {
            return Ok(());
        }
        self.open = None;
        let unreachable = |why: String| HttpError::Connect { host: target.authority.clone(), why };
        let opening = timeout(CONNECT_TIMEOUT, Connection::open(target, self.tls.clone())).await;
        let late = |_| unreachable(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()));
        self.open = Some((target.clone(), opening.map_err(late)?.map_err(unreachable)?));
        Ok(())
    }

    /// Sends one request over the open connection, or over a new one if the server closed it meanwhile.
    pub(crate) async fn send(
        &mut self,
        target: &Target,
        request: Outbound<'_>,
    ) -> Result<Response<Incoming>, HttpError> {
        self.connect(target).await?;
        let mut request = request.build(target);
        for may_repeat in [true, false] {
            let Some((_, connection)) = &mut self.open else { break };
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    // Not one byte of it was sent.
                    Some(unsent) if may_repeat => request = unsent,
                    _ => {
                        self.open = None;
                        return Err(HttpError::Broken(with_causes(error.error())));
                    }
                },
            }
            self.open = None;
            self.connect(target).await?;
        }
        Err(HttpError::Broken("the server closes every connection".to_owned()))
    }

    /// Sends one request and reads the whole response, up to `body_max` bytes.
    pub(crate) async fn exchange(
        &mut self,
        target: &Target,
        request: Outbound<'_>,
        body_max: usize,
    ) -> Result<Reply, HttpError> {
        let (head, body) = self.send(target, request).await?.into_parts();
        match Limited::new(body, body_max).collect().await {
            Ok(body) => Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }),
            Err(error) => {
                self.open = None;
                match error.downcast::<http_body_util::LengthLimitError>() {
                    Ok(_) => Err(HttpError::TooLarge(body_max)),
                    Err(error) => Err(HttpError::Broken(with_causes(&*error))),
                }
            }
        }
    }
}

/// A request to send.
pub(crate) struct Outbound<'a> {
    pub(crate) method: Method,
    pub(crate) headers: Vec<(http::HeaderName, &'a str)>,
    pub(crate) body: Outgoing,
}

impl Outbound<'_> {
    fn build(self, target: &Target) -> Request<Outgoing> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = target.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(HeaderValue::from_str(&target.authority).ok().map(|value| (HOST, value)));
        headers.insert(USER_AGENT, HeaderValue::from_static("lastmile-fleet"));
        for (name, text) in self.headers {
            headers.extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
        }
        request
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection and the task that drives it.
struct Connection {
    sender: SendRequest<Outgoing>,
    driver: AbortHandle,
}

impl Connection {
    async fn open(target: &Target, tls: Option<Arc<rustls::ClientConfig>>) -> Result<Self, String> {
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(|e| e.to_string())?;
        tcp.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream: Box<dyn Stream> = if target.secure {
            let config = tls.ok_or("https needs a root CA: give one, or trust anybody for a trial")?;
            let name = ServerName::try_from(target.host.clone()).map_err(|e| e.to_string())?;
            Box::new(TlsConnector::from(config).connect(name, tcp).await.map_err(|e| e.to_string())?)
        } else {
            Box::new(tcp)
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| with_causes(&e))?;
        // Its error is also the error of the request.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }

    async fn is_usable(&mut self) -> bool {
        !self.sender.is_closed() && self.sender.ready().await.is_ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The cookies of one session (CWMP-019 to CWMP-021).
#[derive(Debug, Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

/// Cookies that a device keeps.
const COOKIES_MAX: usize = 20;

impl Cookies {
    /// Takes every `Set-Cookie` of a response.
    pub(crate) fn take(&mut self, headers: &HeaderMap) {
        let set = headers.get_all(http::header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for (name, value) in set.filter_map(|text| text.split(';').next()?.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            self.0.retain(|(held, _)| held != name);
            if !value.is_empty() && self.0.len() < COOKIES_MAX {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The `Cookie` header.
    pub(crate) fn header(&self) -> Option<String> {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_urls() {
        let target = Target::parse("https://[::1]:7547/cwmp?a=1").unwrap();
        assert_eq!((target.secure, target.host.as_str(), target.port), (true, "::1", 7547));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("[::1]:7547", "/cwmp?a=1"));
        assert_eq!(Target::parse("http://acs.example").unwrap().path, "/");
        for wrong in ["", "acs.example", "ftp://acs.example/", "http://"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cookies_are_kept_replaced_and_dropped_cwmp_019() {
        let mut cookies = Cookies::default();
        let mut take = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::SET_COOKIE, HeaderValue::from_static(text));
            cookies.take(&headers);
            cookies.header()
        };
        assert_eq!(take("a=1; Path=/; HttpOnly").as_deref(), Some("a=1"));
        assert_eq!(take("b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(take("a=3").as_deref(), Some("b=2; a=3"));
        assert_eq!(take("b=").as_deref(), Some("a=3"));
        for i in 0..2 * COOKIES_MAX {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::SET_COOKIE, HeaderValue::from_str(&format!("c{i}=x")).unwrap());
            cookies.take(&headers);
        }
        assert_eq!(cookies.0.len(), COOKIES_MAX);
    }
}
