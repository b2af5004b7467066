use acs_types::DeviceId;
use axum::Json;
use axum::extract::State;

use super::path::DevicePath;
use crate::dto::FaultDto;
use crate::extract::{PathId, QueryOf};
use crate::page::{PageOf, PageQuery};
use crate::problem::Problem;
use crate::state::Api;

/// Lists the faults of a device.
///
/// Newest first. Faults of a deleted device stay in its history.
#[utoipa::path(
    get, path = "/devices/{device}/faults", tag = "faults",
    params(DevicePath, PageQuery),
    responses((status = 200, description = "A page of faults", body = PageOf<FaultDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_device_faults(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<FaultDto>>, Problem> {
    list(&api, Some(&device), &query).await
}

/// Lists the faults of all devices.
///
/// Newest first.
#[utoipa::path(
    get, path = "/faults", tag = "faults", params(PageQuery),
    responses((status = 200, description = "A page of faults", body = PageOf<FaultDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_faults(
    State(api): State<Api>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<FaultDto>>, Problem> {
    list(&api, None, &query).await
}

async fn list(api: &Api, device: Option<&DeviceId>, query: &PageQuery) -> Result<Json<PageOf<FaultDto>>, Problem> {
    let faults = api.deps.store.faults(device, &query.page()?).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(faults, FaultDto::from)))
}
