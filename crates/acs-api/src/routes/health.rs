use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::dto::HealthDto;
use crate::state::Api;

/// Whether the process lives. Also at `/health/live`.
#[utoipa::path(
    get, path = "/health/live", tag = "health",
    responses(
        (status = 200, description = "It lives", body = HealthDto),
        (status = 503, description = "It has to be restarted", body = HealthDto),
    ),
    security(()),
)]
pub(crate) async fn live(State(api): State<Api>) -> (StatusCode, Json<HealthDto>) {
    let report = api.deps.health.report();
    (status(report.live), Json(report.into()))
}

/// Whether the process should get traffic. Also at `/health/ready`.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "It should", body = HealthDto),
        (status = 503, description = "It should not", body = HealthDto),
    ),
    security(()),
)]
pub(crate) async fn ready(State(api): State<Api>) -> (StatusCode, Json<HealthDto>) {
    let report = api.deps.health.report();
    (status(report.ready), Json(report.into()))
}

const fn status(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
