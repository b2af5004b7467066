use acs_types::{DeviceId, SessionId};
use axum::Json;
use axum::extract::State;

use super::path::{DevicePath, SessionPath};
use crate::dto::{SessionDetailDto, SessionDto};
use crate::extract::{PathId, QueryOf};
use crate::page::{PageOf, PageQuery};
use crate::problem::Problem;
use crate::state::Api;

/// Lists the sessions of a device.
///
/// Newest first. Sessions of a deleted device stay in its history.
#[utoipa::path(
    get, path = "/devices/{device}/sessions", tag = "sessions",
    params(DevicePath, PageQuery),
    responses((status = 200, description = "A page of sessions", body = PageOf<SessionDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_sessions(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<SessionDto>>, Problem> {
    let sessions = api.deps.store.sessions(&device, &query.page()?).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(sessions, |record| SessionDto::from(&record))))
}

/// Shows a session with its ladder of messages.
#[utoipa::path(
    get, path = "/sessions/{session}", tag = "sessions",
    params(SessionPath),
    responses(
        (status = 200, description = "The session", body = SessionDetailDto),
        (status = 404, description = "There is no such session, or it is not over"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_session(
    State(api): State<Api>,
    PathId(session): PathId<SessionId>,
) -> Result<Json<SessionDetailDto>, Problem> {
    let record = api.deps.store.session(&session).await?.ok_or_else(|| Problem::not_found("session", session))?;
    Ok(Json((&record).into()))
}
