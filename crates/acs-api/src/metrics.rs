//! The metrics of this service. Labels are route templates, methods and statuses: never an id.

use std::time::Instant;

use acs_telemetry::prometheus_client::metrics::counter::Counter;
use acs_telemetry::prometheus_client::metrics::family::Family;
use acs_telemetry::prometheus_client::metrics::gauge::Gauge;
use acs_telemetry::prometheus_client::metrics::histogram::Histogram;
use acs_telemetry::{Metrics, latency_histogram};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::state::Api;

/// Requests to paths that are no route share this label.
const NO_ROUTE: &str = "none";

/// Label names with their values.
type Labels<const N: usize> = [(&'static str, String); N];

#[derive(Debug)]
pub(crate) struct ApiMetrics {
    requests: Family<Labels<3>, Counter>,
    seconds: Family<Labels<2>, Histogram, fn() -> Histogram>,
    connections: Gauge,
    event_streams: Gauge,
}

impl ApiMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let new = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency_histogram as fn() -> Histogram),
            connections: Gauge::default(),
            event_streams: Gauge::default(),
        };
        metrics.register("api", |registry| {
            registry.register("requests", "Requests by method, route and status", new.requests.clone());
            registry.register("request_seconds", "Time until the head of the answer", new.seconds.clone());
            registry.register("connections", "Open connections", new.connections.clone());
            registry.register("event_streams", "Open event streams", new.event_streams.clone());
        });
        new
    }

    /// Counts a connection for as long as the value lives.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts an event stream for as long as the value lives.
    pub(crate) fn event_stream(&self) -> Counted {
        Counted::new(&self.event_streams)
    }
}

/// One more on a gauge while it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request and times it.
pub(crate) async fn measured(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = ("method", method_label(request.method()).to_owned());
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
    let route = ("route", route.to_owned());
    let begin = Instant::now();
    let response = next.run(request).await;
    let status = ("status", response.status().as_u16().to_string());
    api.metrics.seconds.get_or_create(&[method.clone(), route.clone()]).observe(begin.elapsed().as_secs_f64());
    api.metrics.requests.get_or_create(&[method, route, status]).inc();
    response
}

/// A caller may invent methods; those share one label.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// The answer to a scrape, for whoever serves metrics.
pub fn exposition(metrics: &Metrics) -> Response {
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.exposition()).into_response()
}
