//! How much this service takes at a time, and the layer that turns the rest away.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::Method;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use crate::state::Api;

/// Limits of the service; each is enforced here, in the server loop, or by the extractor it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Requests at a time; more get 503.
    pub requests: usize,
    /// Requests at a time that wait for a task (`?wait=`).
    pub waits: usize,
    /// Event streams at a time.
    pub event_streams: usize,
    /// Bytes of a JSON body.
    pub body_bytes: usize,
    /// Bytes of an uploaded file.
    pub file_bytes: u64,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long a request's head may take to come.
    pub head_time: Duration,
    /// How long a request may take, beyond what it asks to wait.
    pub request_time: Duration,
    /// How long an upload may take.
    pub upload_time: Duration,
    /// How long a peer may leave what is sent to it unread before its connection is closed.
    pub stalled_time: Duration,
    /// How long open requests may take to end at shutdown.
    pub drain_time: Duration,
    /// Silence on an event stream before a comment is sent.
    pub keep_alive: Duration,
}

impl Limits {
    /// The longest `?wait=`.
    pub const WAIT_MAX: Duration = Duration::from_secs(60);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests: 512,
            waits: 256,
            event_streams: 64,
            body_bytes: 1 << 20,
            file_bytes: 1 << 30,
            headers: 64,
            head_bytes: 32 << 10,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            upload_time: Duration::from_secs(3600),
            stalled_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// What is free of each counted limit.
#[derive(Debug)]
pub(crate) struct Permits {
    requests: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    event_streams: Arc<Semaphore>,
}

impl Permits {
    pub(crate) fn new(limits: &Limits) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            requests: semaphore(limits.requests),
            waits: semaphore(limits.waits),
            event_streams: semaphore(limits.event_streams),
        }
    }

    pub(crate) fn wait(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.waits, "too many requests wait for a task; ask without wait")
    }

    pub(crate) fn event_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.event_streams, "too many event streams are open; close one or come back later")
    }
}

fn take(semaphore: &Arc<Semaphore>, refusal: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(semaphore).try_acquire_owned().map_err(|_| Problem::overloaded(refusal))
}

/// Runs a request within its limits: how many at a time, how long, and a panic ends this request alone (P20). What changes
/// something goes on to its end also when the caller has gone away.
pub(crate) async fn within_limits(State(api): State<Api>, request: Request, next: Next) -> Response {
    // Probes are answered also when nothing else is: a busy server is not a dead one.
    let is_probe = request.uri().path().ends_with("/health/live") || request.uri().path().ends_with("/health/ready");
    let permit = match take(&api.permits.requests, "too many requests at once") {
        Ok(permit) => Some(permit),
        Err(_) if is_probe => None,
        Err(problem) => return problem.into_response(),
    };
    let allowed = time_allowed(&api.config.limits, &request);
    let only_reads = request.method().is_safe();
    let run = async move {
        let _held = permit;
        let run = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(allowed, run).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Problem::internal(&"a handler panicked").into_response(),
            Err(_) => Problem::timeout(allowed).into_response(),
        }
    };
    if only_reads {
        return run.await;
    }
    tokio::spawn(run).await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

fn time_allowed(limits: &Limits, request: &Request) -> Duration {
    if request.method() == Method::POST && request.uri().path().ends_with("/files") {
        return limits.upload_time;
    }
    let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let wait = pairs.filter(|(name, _)| *name == "wait").find_map(|(_, value)| value.parse().ok()).unwrap_or(0);
    limits.request_time + Duration::from_secs(wait).min(Limits::WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(method: Method, uri: &str) -> u64 {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        time_allowed(&Limits::default(), &request).as_secs()
    }

    #[test]
    fn a_wait_is_added_up_to_its_maximum() {
        assert_eq!(allowed(Method::GET, "/api/v1/tasks/a"), 30);
        assert_eq!(allowed(Method::GET, "/api/v1/tasks/a?x=1&wait=7"), 37);
        assert_eq!(allowed(Method::GET, "/api/v1/tasks/a?wait=100000"), 90);
        assert_eq!(allowed(Method::POST, "/api/v1/files?name=a"), 3600);
        assert_eq!(allowed(Method::GET, "/api/v1/files"), 30);
    }

    #[test]
    fn permits_end_at_the_limit_and_come_back() {
        let permits = Permits::new(&Limits { waits: 1, ..Limits::default() });
        let first = permits.wait().unwrap();
        assert_eq!(permits.wait().unwrap_err().status().as_u16(), 503);
        drop(first);
        assert!(permits.wait().is_ok());
    }
}
