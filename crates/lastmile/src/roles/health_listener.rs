//! Where probes and Prometheus ask: `/health/live`, `/health/ready`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use acs_telemetry::{CheckState, Health, Impact, Metrics, Report};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long the head of a request may take, and a connection be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a head at most.
const HEAD_BYTES_MAX: usize = 8192;
/// How long a connection may last in all: a reader that takes nothing does not hold its place.
const CONNECTION_MAX: Duration = Duration::from_secs(120);
/// Pause after a failed accept: out of file descriptors, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped. A look at health costs nothing and waits for nothing.
pub(super) async fn serve(listener: TcpListener, health: Health, metrics: Metrics) {
    let router = router(health, metrics);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a probe cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            let _place = place;
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_MAX, connection).await {
                tracing::debug!(%error, "the connection of a probe broke off");
            }
        });
    }
}

fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/health/live", get(|State((health, _)): State<(Health, Metrics)>| async move { live(&health) }))
        .route("/health/ready", get(|State((health, _)): State<(Health, Metrics)>| async move { ready(&health) }))
        .route("/metrics", get(|State((_, metrics)): State<(Health, Metrics)>| async move { exposition(&metrics) }))
        .with_state((health, metrics))
}

fn live(health: &Health) -> impl IntoResponse + use<> {
    let report = health.report();
    (status(report.live), Json(as_json(report)))
}

fn ready(health: &Health) -> impl IntoResponse + use<> {
    let report = health.report();
    (status(report.ready), Json(as_json(report)))
}

fn exposition(metrics: &Metrics) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.exposition())
}

const fn status(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// As `GET /api/v1/health/ready` gives it.
fn as_json(report: Report) -> Value {
    let checks = report.checks.into_iter().map(|(name, impact, state)| {
        let impact = match impact {
            Impact::Fatal => "fatal",
            Impact::NotReady => "not_ready",
            Impact::Degraded => "degraded",
        };
        let (passing, detail) = match state {
            CheckState::Passing => (true, None),
            CheckState::Failing(why) => (false, Some(why)),
        };
        json!({ "name": name, "impact": impact, "passing": passing, "detail": detail })
    });
    json!({
        "live": report.live,
        "ready": report.ready,
        "degraded": report.degraded,
        "draining": report.draining,
        "checks": checks.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn probes_and_prometheus_are_answered() {
        let metrics = Metrics::default();
        let health = Health::new(&metrics);
        let cache = health.check("session_cache", Impact::Degraded);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, health.clone(), metrics));
        let get = |path: &str| {
            let url = format!("{base}{path}");
            async move {
                let reply = reqwest::get(url).await.unwrap();
                (reply.status().as_u16(), reply.text().await.unwrap())
            }
        };
        cache.fail("no answer");
        let (status, body) = get("/health/ready").await;
        assert_eq!(status, 200, "P14: without Redis a front-end is ready: {body}");
        assert!(body.contains(r#""degraded":true"#) && body.contains("no answer"), "{body}");
        health.drain();
        assert_eq!(get("/health/ready").await.0, 503);
        assert_eq!(get("/health/live").await.0, 200);
        assert!(get("/metrics").await.1.contains(r#"lastmile_health_check{check="session_cache"} 0"#));
        assert_eq!(get("/").await.0, 404);
    }
}
