use axum::Json;
use cwmp_model::{Catalogue, Root};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::dto::{CatalogueNameDto, CompletionDto};
use crate::extract::QueryOf;
use crate::page::checked_limit;
use crate::problem::Problem;

/// What has been typed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompletionQuery {
    /// The beginning of a name; its last part in any case of letters.
    #[serde(default)]
    #[param(example = "Device.WiFi.ssid")]
    prefix: String,
    /// How many names at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Completes the name of a parameter or object by the published data models.
#[utoipa::path(
    get, path = "/catalogue/complete", tag = "catalogue", params(CompletionQuery),
    responses((status = 200, description = "Names that begin so", body = CompletionDto)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn complete_name(QueryOf(query): QueryOf<CompletionQuery>) -> Result<Json<CompletionDto>, Problem> {
    let limit = checked_limit(query.limit)?;
    let names = Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).complete(&query.prefix, limit));
    Ok(Json(CompletionDto { items: names.take(limit).map(CatalogueNameDto::new).collect() }))
}
