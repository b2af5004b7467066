//! The way to the server: HTTP with a token, time-outs, pages, and failures that say what to do.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use acs_types::Secret;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use url::{Host, Url};

use super::Endpoints;
use super::exit::Failure;
use super::problem;

/// The longest answer that is taken, in bytes: the largest tree the API gives fits.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Items of one page.
const PAGE_ITEMS_MAX: usize = 1000;
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How the server is found and spoken to.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// Where the API is, such as http://127.0.0.1:7557; without it: where `lastmile dev` said in --data-dir.
    #[arg(long, global = true, value_name = "URL", env = "LASTMILE_API", help_heading = "Server")]
    api: Option<String>,
    /// The token to show; without it: that of --data-dir.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "LASTMILE_TOKEN",
        hide_env_values = true,
        value_parser = secret,
        help_heading = "Server"
    )]
    token: Option<Secret>,
    /// The data folder of a `lastmile dev` that runs on this machine.
    #[arg(long, global = true, value_name = "DIR", default_value = "lastmile-data", help_heading = "Server")]
    data_dir: PathBuf,
    /// How long the server may take for an answer, beside what it was asked to wait.
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30",
        value_parser = super::duration::parse,
        help_heading = "Server"
    )]
    timeout: Duration,
}

/// Takes any text as a secret.
pub(super) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl Connection {
    /// Address and token: as given, else as a running `lastmile dev` left them.
    fn endpoints(&self) -> Result<(String, Option<Secret>), Failure> {
        let left = Endpoints::read(&self.data_dir);
        // A variable of the environment that is set to nothing is not set.
        let api = self.api.as_deref().filter(|api| !api.is_empty());
        let token = self.token.clone().filter(|token| !token.is_empty());
        match (api, left) {
            (Some(api), left) => {
                let same = left.filter(|left| left.api == api.trim_end_matches('/'));
                Ok((api.to_owned(), token.or_else(|| same.map(|left| Secret::new(left.token)))))
            }
            (None, Some(left)) => Ok((left.api, Some(token.unwrap_or_else(|| Secret::new(left.token))))),
            (None, None) => Err(Failure::Unreachable(format!(
                "no server is known: no `lastmile dev` runs on `{}`; start one, give its folder with --data-dir, or \
                 give --api URL and --token TOKEN (or LASTMILE_API and LASTMILE_TOKEN)",
                self.data_dir.display()
            ))),
        }
    }
}

/// Query parameters.
pub(super) type Query = Vec<(&'static str, String)>;

/// A server's API.
pub(super) struct Client {
    http: reqwest::Client,
    /// What all its paths are below.
    base: Url,
    token: Option<Secret>,
    timeout: Duration,
}

/// Part of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// Where the rest begins; `None`: there is none.
    pub(super) next: Option<String>,
}

impl Page {
    /// As the API writes it.
    pub(super) fn to_json(&self) -> Value {
        json!({"items": self.items, "next": self.next})
    }
}

/// How much of a list.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ListOptions {
    /// How many items at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All items.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Begins where another list ended: the `next` of its JSON.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

impl ListOptions {
    /// At most `limit` items from the beginning.
    pub(super) const fn first(limit: u32) -> Self {
        Self { limit, all: false, after: None }
    }

    /// All items.
    pub(super) const fn all() -> Self {
        Self { limit: 1, all: true, after: None }
    }

    const fn items_max(&self) -> usize {
        if self.all { usize::MAX } else { self.limit as usize }
    }
}

impl Client {
    /// The API that these options name. Nothing is dialled yet.
    pub(super) fn new(connection: &Connection) -> Result<Self, Failure> {
        let (api, token) = connection.endpoints()?;
        let base = base(&api)?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIME)
            // The token goes to the server that was named and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("lastmile-ctl/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        if base.scheme() == "http" {
            // Without TLS no root certificates are needed, and a machine may have none.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Failure::NotDone(format!("no HTTP client: {}", cause(&error))))?;
        Ok(Self { http, base, token, timeout: connection.timeout })
    }

    /// Reads a document.
    pub(super) async fn get(&self, path: &[&str], query: &Query) -> Result<Value, Failure> {
        self.document(self.request(Method::GET, path, query)?, self.timeout).await
    }

    /// Reads a document after the server waited up to `wait`, which the query asks for.
    pub(super) async fn get_waiting(&self, path: &[&str], query: &Query, wait: Duration) -> Result<Value, Failure> {
        self.document(self.request(Method::GET, path, query)?, self.timeout + wait).await
    }

    /// Reads the health, which comes with 503 if it is bad; needs no token.
    pub(super) async fn health(&self) -> Result<Value, Failure> {
        let response = self.request(Method::GET, &["health", "ready"], &Query::new())?.timeout(self.timeout).send();
        let response = response.await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(health) if health["live"].is_boolean() => Ok(health),
            _ => Err(problem::failure(if status.is_success() { StatusCode::BAD_GATEWAY } else { status }, &body)),
        }
    }

    /// Sends a document.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.document(self.request(Method::POST, path, &Query::new())?.json(body), self.timeout).await
    }

    /// Asks for something that needs no document.
    pub(super) async fn act(&self, path: &[&str]) -> Result<Value, Failure> {
        self.document(self.request(Method::POST, path, &Query::new())?, self.timeout).await
    }

    /// Sends a document under an idempotency key and lets the server wait up to `wait`. A lost answer is asked for again:
    /// the key makes it the same task (P5, P22).
    pub(super) async fn create(
        &self,
        path: &[&str],
        body: &Value,
        key: &str,
        wait: Duration,
    ) -> Result<Value, Failure> {
        let query = vec![("wait", wait.as_secs().to_string())];
        for pause in [Duration::from_millis(200), Duration::from_secs(1)] {
            let request = self.request(Method::POST, path, &query)?.header("Idempotency-Key", key).json(body);
            match self.document(request, self.timeout + wait).await {
                Err(Failure::Server(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        let request = self.request(Method::POST, path, &query)?.header("Idempotency-Key", key).json(body);
        self.document(request, self.timeout + wait).await
    }

    /// Sends the bytes of a file.
    pub(super) async fn upload(
        &self,
        path: &[&str],
        query: &Query,
        body: reqwest::Body,
        bytes: u64,
        allowed: Duration,
    ) -> Result<Value, Failure> {
        let request = self
            .request(Method::POST, path, query)?
            .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
            .header(reqwest::header::CONTENT_LENGTH, bytes)
            .body(body);
        self.document(request, self.timeout + allowed).await
    }

    /// Deletes something.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path, &Query::new())?.timeout(self.timeout)).await.map(drop)
    }

    /// Reads a list, page after page.
    pub(super) async fn list(&self, path: &[&str], query: &Query, options: &ListOptions) -> Result<Page, Failure> {
        let mut list = Page { items: Vec::new(), next: options.after.clone() };
        loop {
            let room = (options.items_max() - list.items.len()).min(PAGE_ITEMS_MAX);
            let mut query = query.clone();
            query.push(("limit", room.to_string()));
            query.extend(list.next.take().map(|next| ("after", next)));
            let mut page = self.get(path, &query).await?;
            let Value::Array(items) = page["items"].take() else { return Err(self.strange("it is no list")) };
            list.items.extend(items);
            list.next = page["next"].as_str().map(str::to_owned);
            if list.next.is_none() || list.items.len() >= options.items_max() {
                return Ok(list);
            }
        }
    }

    /// Opens a stream of events. `last` is the last one seen.
    pub(super) async fn stream(&self, query: &Query, last: Option<&str>) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, &["events"], query)?;
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        // The stream itself has no end that could be timed.
        match tokio::time::timeout(self.timeout, self.send(request)).await {
            Ok(response) => response,
            Err(_) => Err(self.late(self.timeout)),
        }
    }

    /// The server broke off a stream.
    pub(super) fn broken(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            return Failure::Unreachable(format!(
                "no server answers at {}: {}; start one with `lastmile dev`, or say with --api where it is",
                self.base,
                cause(error)
            ));
        }
        if error.is_timeout() {
            return self.late(self.timeout);
        }
        Failure::Server(format!("the connection to {} broke off: {}", self.base, cause(error)))
    }

    /// An answer that this API does not give.
    pub(super) fn strange(&self, what: impl Display) -> Failure {
        Failure::Server(format!(
            "the server at {} answered not as this API does ({what}); is it of the same release?",
            self.base
        ))
    }

    fn late(&self, allowed: Duration) -> Failure {
        let seconds = allowed.as_secs();
        Failure::Server(format!(
            "the server at {} did not answer within {seconds} s; --timeout gives it more",
            self.base
        ))
    }

    fn request(&self, method: Method, path: &[&str], query: &Query) -> Result<RequestBuilder, Failure> {
        let url = below(&self.base, path, query)?;
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        })
    }

    async fn document(&self, request: RequestBuilder, timeout: Duration) -> Result<Value, Failure> {
        let response = self.send(request.timeout(timeout)).await?;
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|_| self.strange("it is no JSON"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await.unwrap_or_default();
        Err(match problem::failure(status, &body) {
            Failure::Refused(text) if self.token.is_none() => {
                Failure::Refused(format!("{text}\ngive it with --token or LASTMILE_TOKEN"))
            }
            other => other,
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                let why = format!("the answer is over {} MiB; ask for less", BODY_BYTES_MAX >> 20);
                return Err(Failure::NotDone(why));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The innermost cause of an error: what the system said.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The address as the base of all paths, without `/api/v1`.
fn base(api: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("--api: {why}; write it as http://127.0.0.1:7557"));
    let api = api.trim_end_matches('/');
    let mut url = Url::parse(api.strip_suffix("/api/v1").unwrap_or(api)).map_err(|_| wrong("it is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a user and password are not taken; give --token"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// A route. Segments are encoded whole, so that no id leads elsewhere.
fn below(base: &Url, path: &[&str], query: &Query) -> Result<Url, Failure> {
    if let Some(segment) = path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(Failure::NotFound(format!("`{segment}` names nothing")));
    }
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(["api", "v1"]).extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(api: &str, path: &[&str], query: &Query) -> String {
        below(&base(api).unwrap(), path, query).unwrap().to_string()
    }

    #[test]
    fn routes_are_built_from_whole_segments() {
        let none = Query::new();
        assert_eq!(url("http://h:1", &["devices"], &none), "http://h:1/api/v1/devices");
        assert_eq!(url("http://h:1/api/v1/", &["devices"], &none), "http://h:1/api/v1/devices");
        assert_eq!(url("https://h/acs/", &["devices", "A-b%2Dc"], &none), "https://h/acs/api/v1/devices/A-b%252Dc");
        assert_eq!(url("http://h", &["a/b?c#d"], &none), "http://h/api/v1/a%2Fb%3Fc%23d");
        let query = vec![("text", "a&b=c".to_owned())];
        assert_eq!(url("http://h", &["devices"], &query), "http://h/api/v1/devices?text=a%26b%3Dc");
    }

    #[test]
    fn no_id_leads_elsewhere() {
        for segment in ["", ".", ".."] {
            assert_eq!(below(&base("http://h").unwrap(), &["tasks", segment], &Query::new()).unwrap_err().code(), 3);
        }
    }

    #[test]
    fn wrong_addresses_are_told_without_what_they_hold() {
        for api in ["", "127.0.0.1:7557", "ftp://h", "http://user:canary@h"] {
            let failure = base(api).unwrap_err();
            assert_eq!(failure.code(), 2, "{api}");
            assert!(!failure.to_string().contains("canary"));
        }
    }

    #[test]
    fn loopback_is_known_in_its_spellings() {
        for api in ["http://localhost:1", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]:7557"] {
            assert!(is_loopback(&base(api).unwrap()), "{api}");
        }
        assert!(!is_loopback(&base("http://192.0.2.1").unwrap()));
    }

    fn connection(data_dir: &std::path::Path, api: Option<&str>, token: Option<&str>) -> Connection {
        Connection {
            api: api.map(str::to_owned),
            token: token.map(Secret::new),
            data_dir: data_dir.to_owned(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_is_given_wins_over_what_dev_left() {
        let folder = tempfile::tempdir().unwrap();
        let missing = connection(folder.path(), None, None).endpoints().unwrap_err();
        assert_eq!(missing.code(), 5);
        assert!(missing.to_string().contains("--data-dir"), "it says what to do: {missing}");

        Endpoints::new("127.0.0.1:7557".parse().unwrap(), "left").write(folder.path()).unwrap();
        let found = |api, token| {
            let (api, token) = connection(folder.path(), api, token).endpoints().unwrap();
            (api, token.map(|token| token.reveal().to_owned()))
        };
        let left = "http://127.0.0.1:7557".to_owned();
        assert_eq!(found(None, None), (left.clone(), Some("left".to_owned())));
        assert_eq!(found(Some(""), Some("")), found(None, None));
        assert_eq!(found(None, Some("mine")), (left.clone(), Some("mine".to_owned())));
        assert_eq!(found(Some("http://127.0.0.1:7557"), None), (left, Some("left".to_owned())));
        // P26: the token of one server is not shown to another.
        assert_eq!(found(Some("http://other:7557"), None), ("http://other:7557".to_owned(), None));
    }

    fn client(api: &str) -> Client {
        Client::new(&connection(std::path::Path::new("/nonexistent"), Some(api), Some("canary"))).unwrap()
    }

    /// Answers one request after the other, each on its own connection, `None` by closing it; gives what was asked.
    async fn serve(listener: tokio::net::TcpListener, answers: Vec<Option<&'static str>>) -> Vec<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).await.unwrap();
                assert_ne!(count, 0, "the request broke off");
                request.extend_from_slice(&part[..count]);
            }
            requests.push(String::from_utf8(request).unwrap());
            let Some(answer) = answer else { continue };
            let length = answer.len();
            let head = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
        }
        requests
    }

    #[tokio::test]
    async fn a_creation_whose_answer_is_lost_is_repeated_with_its_key() {
        // P5, P22
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, vec![None, Some("no JSON"), Some(r#"{"id": "t"}"#)]));
        let body = json!({"kind": "reboot"});
        let task = client(&api).create(&["devices", "d", "tasks"], &body, "the-key", Duration::ZERO).await.unwrap();
        assert_eq!(task["id"], "t");
        let requests = server.await.unwrap();
        assert_eq!(requests.len(), 3);
        for request in requests {
            assert!(request.contains("idempotency-key: the-key\r\n"), "{request}");
            assert!(request.contains("authorization: Bearer canary\r\n"), "{request}");
        }
    }

    #[tokio::test]
    async fn no_server_and_a_silent_one_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let silent = client(&api).get(&["devices"], &Query::new()).await.unwrap_err();
        assert!(matches!(&silent, Failure::Server(text) if text.contains("--timeout")), "{silent}");
        drop(listener);
        let away = client(&api).get(&["devices"], &Query::new()).await.unwrap_err();
        assert!(matches!(&away, Failure::Unreachable(text) if text.contains("lastmile dev")), "{away}");
        assert!(!format!("{silent}{away}").contains("canary"), "P26");
    }
}
