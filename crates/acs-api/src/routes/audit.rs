use axum::Json;
use axum::extract::State;

use crate::dto::AuditRecordDto;
use crate::extract::QueryOf;
use crate::page::{PageOf, PageQuery};
use crate::problem::Problem;
use crate::state::Api;

/// Lists the audit log: who changed what, written before it took effect.
///
/// Newest first.
#[utoipa::path(
    get, path = "/audit", tag = "audit", params(PageQuery),
    responses((status = 200, description = "A page of audit records", body = PageOf<AuditRecordDto>)),
    security(("bearer" = ["admin"])),
)]
pub(crate) async fn list_audit(
    State(api): State<Api>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<AuditRecordDto>>, Problem> {
    let records = api.deps.store.audit(&query.page()?).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(records, AuditRecordDto::from)))
}
