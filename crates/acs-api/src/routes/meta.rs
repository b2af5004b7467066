use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::dto::VersionDto;
use crate::metrics::exposition;
use crate::state::Api;

/// Shows what runs here.
#[utoipa::path(
    get, path = "/version", tag = "server",
    responses((status = 200, description = "The release", body = VersionDto)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn version(State(api): State<Api>) -> Json<VersionDto> {
    Json(api.deps.build.into())
}

/// Shows this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server",
    responses((status = 200, description = "The OpenAPI document of this API", content_type = "application/json",
        body = serde_json::Value)),
    security(()),
)]
pub(crate) async fn openapi(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone()).into_response()
}

/// Shows the metrics of this process in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, description = "The metrics", content_type = "application/openmetrics-text",
        body = String)),
    security(("bearer" = ["admin"])),
)]
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    exposition(&api.deps.metrics)
}
