use std::time::Duration;

use cwmp_session::auth::{Credentials, DigestRequest, OfferedChallenge, Password, parse_challenges, respond};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use super::messages;

/// A CPE that says exactly what its script says, over anything that carries bytes.
pub(crate) struct Cpe<IO = DuplexStream> {
    io: IO,
    received: Vec<u8>,
    /// What goes into the `Cookie` header; the CPE takes over what the server sets.
    pub(crate) cookie: Option<String>,
    /// The user that answers challenges.
    pub(crate) credentials: Option<Credentials>,
    /// The last response.
    pub(crate) answer: Answer,
}

/// An HTTP response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A request before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

impl Sent {
    /// A POST with a body, as most CPEs send it.
    pub(crate) fn post(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut sent = Self { line: "POST /cwmp HTTP/1.1".to_owned(), headers: Vec::new(), body };
        sent = sent.with("Host", "acs.example").with("User-Agent", "cpe/1");
        if !sent.body.is_empty() {
            sent = sent.with("Content-Type", "text/xml; charset=utf-8").with("SOAPAction", "");
        }
        let length = sent.body.len().to_string();
        sent.with("Content-Length", &length)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A further header of the same name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub(crate) fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Cpe<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self { io, received: Vec::new(), cookie: None, credentials: None, answer: Answer::default() }
    }

    pub(crate) fn login(mut self, username: &str, password: &str) -> Self {
        self.credentials = Some(Credentials { username: username.to_owned(), password: Password::new(password) });
        self
    }

    /// Goes on with the session of another connection.
    pub(crate) fn with_cookie_of<T>(mut self, other: &Cpe<T>) -> Self {
        self.cookie.clone_from(&other.cookie);
        self
    }

    pub(crate) async fn inform(&mut self, events: &[&str]) -> &Answer {
        self.post(&messages::inform(events)).await
    }

    pub(crate) async fn empty_post(&mut self) -> &Answer {
        self.post("").await
    }

    pub(crate) async fn post(&mut self, body: &str) -> &Answer {
        self.send(Sent::post(body)).await
    }

    /// Sends a request with the cookie, and answers a challenge if it has credentials.
    pub(crate) async fn send(&mut self, request: Sent) -> &Answer {
        let request = match &self.cookie {
            Some(cookie) => request.and("Cookie", cookie),
            None => request,
        };
        self.exchange(&request).await;
        if self.answer.status == 401
            && let Some(credentials) = self.credentials.clone()
        {
            let authorization = self.authorization(&credentials, 1);
            self.exchange(&request.with("Authorization", &authorization)).await;
        }
        &self.answer
    }

    /// The answer to the first challenge of the last response.
    pub(crate) fn authorization(&self, credentials: &Credentials, count: u32) -> String {
        let header = self.answer.header("www-authenticate").expect("a 401 has a challenge");
        match parse_challenges(header).into_iter().next() {
            Some(OfferedChallenge::Digest(challenge)) => {
                let request = DigestRequest { method: "POST", uri: "/cwmp", cnonce: "c0ffee", count };
                respond(&challenge, credentials, &request)
            }
            Some(OfferedChallenge::Basic { .. }) => cwmp_session::auth::basic_authorization(credentials),
            None => panic!("no challenge in {header}"),
        }
    }

    pub(crate) async fn exchange(&mut self, request: &Sent) -> &Answer {
        self.write(&request.bytes()).await;
        self.read().await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
    }

    /// Says that nothing more comes; the other direction stays open.
    pub(crate) async fn half_close(&mut self) {
        self.io.shutdown().await.expect("the socket takes it");
    }

    /// Reads one response.
    pub(crate) async fn read(&mut self) -> &Answer {
        let answer = self.try_read().await.expect("the server answers before it closes");
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = Some(cookie.split(';').next().unwrap_or_default().to_owned());
        }
        self.answer = answer;
        &self.answer
    }

    /// Reads one response; `None` if the connection ends before it.
    pub(crate) async fn try_read(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.received[..end].to_vec()).expect("a header is ASCII");
        self.received.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut answer = Answer { status, headers: headers.collect(), body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |v| v.parse().expect("a number"));
        while self.received.len() < length {
            self.fill().await?;
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).expect("bodies are UTF-8");
        Some(answer)
    }

    /// Whether the server closes the connection, without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut more = [0; 1];
        let read = tokio::time::timeout(Duration::from_secs(3600), self.io.read(&mut more)).await;
        self.received.is_empty() && matches!(read, Ok(Ok(0) | Err(_)))
    }

    async fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.io.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                Some(())
            }
        }
    }

    // === what the script expects ===

    pub(crate) fn expect_inform_response(&self) {
        assert_eq!(self.answer.status, 200, "{:?}", self.answer);
        assert!(self.answer.body.contains("InformResponse>"), "{:?}", self.answer);
        assert!(self.answer.header("set-cookie").is_some(), "the InformResponse sets the cookie: {:?}", self.answer);
    }

    pub(crate) fn expect_status(&self, status: u16) {
        assert_eq!(self.answer.status, status, "{:?}", self.answer);
    }

    pub(crate) fn expect_body(&self, part: &str) {
        assert!(self.answer.body.contains(part), "`{part}` is not in {:?}", self.answer);
    }

    pub(crate) fn expect_challenge(&self, scheme: &str) {
        self.expect_status(401);
        assert!(self.answer.header("www-authenticate").is_some_and(|c| c.starts_with(scheme)), "{:?}", self.answer);
    }

    pub(crate) fn expect_end(&self) {
        self.expect_status(204);
        assert_eq!(self.answer.body, "");
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|w| w == part)
}
