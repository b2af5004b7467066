use axum::Json;
use axum::extract::State;

use crate::dto::RefusedInformDto;
use crate::extract::QueryOf;
use crate::page::{PageOf, PageQuery};
use crate::problem::Problem;
use crate::state::Api;

/// Lists Informs that were refused, as far as they are kept.
///
/// Newest first.
#[utoipa::path(
    get, path = "/refused-informs", tag = "refused Informs", params(PageQuery),
    responses((status = 200, description = "A page of refused Informs", body = PageOf<RefusedInformDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_refused_informs(
    State(api): State<Api>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<RefusedInformDto>>, Problem> {
    let refused = api.deps.store.refused(&query.page()?).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(refused, RefusedInformDto::from)))
}
