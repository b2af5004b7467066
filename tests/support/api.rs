//! A client of the REST API.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SOON, until};

/// The longest any call takes, waiting included.
const CALL_MAX: Duration = Duration::from_secs(90);

/// The API of one server, as one principal.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) token: String,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    /// Holds the status and gives the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Holds that it is a problem document (P22) with this status, and gives it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> Value {
        let media_type = self.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        assert_eq!(media_type, "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], json!(status), "{}", self.text);
        self.expect(status)
    }
}

impl Api {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().timeout(CALL_MAX).no_proxy().build().expect("a client");
        Self { base: base.to_owned(), token: token.to_owned(), http }
    }

    /// The same API as somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let asked = self.http.get(format!("{}/api/v1/health/ready", self.base)).timeout(Duration::from_secs(2));
        asked.send().await.is_ok_and(|reply| reply.status() == 200)
    }

    /// Any call; `path` follows `/api/v1`.
    pub(crate) async fn call(
        &self,
        method: http::Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = reply.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, headers, body, text })
    }

    /// Asked once more if the server closed a connection that was idle just then.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        match self.call(http::Method::GET, path, None, None).await {
            Err(error) if error.is_request() => self.call(http::Method::GET, path, None, None).await,
            reply => reply,
        }
        .expect("the API answers")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(http::Method::POST, path, Some(body), None).await.expect("the API answers")
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(http::Method::DELETE, path, None, None).await.expect("the API answers")
    }

    /// All items of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut page = format!("{path}{}limit=1000", if path.contains('?') { '&' } else { '?' });
            if let Some(after) = &after {
                page.push_str("&after=");
                page.push_str(after);
            }
            let body = self.get(&page).await.expect(200);
            items.extend(body["items"].as_array().expect("items").iter().cloned());
            match body["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// Creates a task, with a key of its own if none is given.
    pub(crate) async fn create(&self, device: &str, task: &Value, key: Option<&str>) -> Reply {
        self.try_create(device, task, key).await.expect("the API answers")
    }

    pub(crate) async fn try_create(
        &self,
        device: &str,
        task: &Value,
        key: Option<&str>,
    ) -> Result<Reply, reqwest::Error> {
        self.call(http::Method::POST, &format!("/devices/{}/tasks", in_path(device)), Some(task), key).await
    }

    /// Creates a task and waits until it is final.
    pub(crate) async fn run(&self, device: &str, task: &Value) -> Value {
        let created = self.create(device, task, None).await.expect(202);
        self.finished(created["id"].as_str().expect("an id")).await
    }

    /// Creates a task and holds that it ends well.
    #[track_caller]
    pub(crate) fn do_task<'a>(&'a self, device: &'a str, task: Value) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.run(device, &task).await;
            assert_eq!(ended["state"], "done", "{caller}: {ended:#}");
            ended
        }
    }

    /// The task when it is final.
    pub(crate) async fn finished(&self, task: &str) -> Value {
        until(&format!("task {task} becomes final"), SOON * 2, || async {
            let now = self.get(&format!("/tasks/{task}?wait=2")).await.expect(200);
            (now["final"] == true).then_some(now)
        })
        .await
    }

    pub(crate) async fn task(&self, task: &str) -> Value {
        self.get(&format!("/tasks/{task}")).await.expect(200)
    }

    pub(crate) async fn device(&self, device: &str) -> Value {
        self.get(&format!("/devices/{}", in_path(device))).await.expect(200)
    }

    /// Waits until a device is known and its tree was read.
    pub(crate) async fn discovered(&self, device: &str) -> Value {
        until(&format!("device {device} is discovered"), SOON * 2, || async {
            let reply = self.get(&format!("/devices/{}", in_path(device))).await;
            (reply.status == 200 && !reply.body["discovered_at"].is_null() && reply.body["open_tasks"] == 0)
                .then_some(reply.body)
        })
        .await
    }

    /// The device's first session, with its ladder, as soon as it is in the history.
    pub(crate) async fn first_session(&self, device: &str) -> Value {
        let place = format!("/devices/{}/sessions", in_path(device));
        let first = until("the first session is in the history", SOON, || async {
            let sessions = self.list(&place).await;
            sessions.into_iter().find(|session| session["events"][0] == "0 BOOTSTRAP")
        })
        .await;
        self.get(&format!("/sessions/{}", first["id"].as_str().expect("an id"))).await.expect(200)
    }

    /// The value of a parameter as last read.
    pub(crate) async fn parameter(&self, device: &str, path: &str) -> Value {
        let found = self.list(&format!("/devices/{}/parameters?path={path}", in_path(device))).await;
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        found.into_iter().next().expect("one")
    }

    /// Uploads a file.
    pub(crate) async fn upload(&self, name: &str, file_type: &str, bytes: Vec<u8>) -> Value {
        let url = format!("{}/api/v1/files?name={name}&file_type={file_type}&version=2.0", self.base);
        let request = self.http.post(url).bearer_auth(&self.token).header("Content-Type", "application/octet-stream");
        let reply = request.body(bytes).send().await.expect("the API answers");
        assert_eq!(reply.status(), 201);
        reply.json().await.expect("JSON")
    }

    /// The event log from the beginning to its end now.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.events_after("0").await.0
    }

    /// The event log after a position, to its end now, and the position there. A stream that ends early is gone on with; what
    /// comes meanwhile is not waited for.
    pub(crate) async fn events_after(&self, position: &str) -> (Vec<Value>, String) {
        let (mut events, mut position) = (Vec::new(), position.to_owned());
        let newest = self.get("/events?last=1&follow=false").await;
        assert_eq!(newest.status, 200, "{}", newest.text);
        let Some(end) = super::events::last_position(&newest.text) else { return (events, position) };
        while !super::events::covers(&position, &end) {
            let reply = self.get(&format!("/events?after={position}&follow=false")).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let Some(last) = super::events::last_position(&reply.text) else { break };
            position = last;
            events.extend(super::events::parse(&reply.text));
        }
        (events, position)
    }

    /// A stream of events that begins now.
    pub(crate) async fn follow(&self, query: &str) -> super::events::Stream {
        let url = format!("{}/api/v1/events{}", self.base, in_path(query));
        let reply = self.http.get(url).bearer_auth(&self.token).send().await.expect("the API answers");
        assert_eq!(reply.status(), 200);
        super::events::Stream::new(reply)
    }
}

/// A device id as a segment of a path.
pub(crate) fn in_path(device: &str) -> String {
    device.replace('%', "%25")
}
