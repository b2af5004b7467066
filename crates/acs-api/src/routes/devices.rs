use acs_store::{DeleteOutcome, DeviceFilter};
use acs_types::{DeviceChange, DeviceId, DeviceSummary, EventBody, SummaryPatch};
use axum::Json;
use axum::extract::State;
use cwmp_model::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::path::DevicePath;
use crate::access::Caller;
use crate::dto::{DeviceDetailDto, DeviceDto, DevicePatchDto, WakeDto, parse_time};
use crate::extract::{JsonBody, PathId, QueryOf};
use crate::page::{PageOf, page_request};
use crate::problem::{FieldProblem, Problem};
use crate::state::{Api, now};

/// Characters of a subscriber id.
const SUBSCRIBER_CHARS_MAX: usize = 128;

/// Which devices are wanted; all that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceQuery {
    /// The serial number, exactly.
    serial_number: Option<String>,
    /// The OUI, exactly.
    oui: Option<String>,
    /// The product class, exactly.
    product_class: Option<String>,
    /// The software version, exactly.
    software_version: Option<String>,
    /// The subscriber, exactly.
    subscriber_id: Option<String>,
    /// A part of id, manufacturer, product class, serial number or address, in any case of letters.
    text: Option<String>,
    /// The last Inform came at or after this moment.
    #[param(format = DateTime)]
    informed_since: Option<String>,
    /// The last Inform came before this moment.
    #[param(format = DateTime)]
    informed_before: Option<String>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of the page before; empty: the first page.
    #[param(pattern = "^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

impl DeviceQuery {
    fn filter(self) -> Result<DeviceFilter, Problem> {
        Ok(DeviceFilter {
            serial_number: self.serial_number,
            oui: self.oui,
            product_class: self.product_class,
            software_version: self.software_version,
            subscriber_id: self.subscriber_id,
            text: self.text,
            informed_since: moment("informed_since", self.informed_since.as_deref())?,
            informed_before: moment("informed_before", self.informed_before.as_deref())?,
        })
    }
}

fn moment(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse = |text| {
        let why = "it must be a moment such as 2026-01-31T12:00:00Z";
        parse_time(text).ok_or_else(|| Problem::bad_parameter(field, why))
    };
    text.map(parse).transpose()
}

/// Lists devices.
///
/// In order of their id.
#[utoipa::path(
    get, path = "/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, description = "A page of devices", body = PageOf<DeviceDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_devices(
    State(api): State<Api>,
    QueryOf(query): QueryOf<DeviceQuery>,
) -> Result<Json<PageOf<DeviceDto>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let filter = query.filter()?;
    let devices = api.deps.store.list_devices(&filter, &page).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(devices, DeviceDto::from)))
}

/// Shows a device.
#[utoipa::path(
    get, path = "/devices/{device}", tag = "devices",
    params(DevicePath),
    responses(
        (status = 200, description = "The device", body = DeviceDetailDto),
        (status = 404, description = "There is no such device"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_device(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
) -> Result<Json<DeviceDetailDto>, Problem> {
    detail(&api, &device).await.map(Json)
}

/// Assigns a device to a subscriber.
#[utoipa::path(
    patch, path = "/devices/{device}", tag = "devices",
    params(DevicePath),
    request_body = DevicePatchDto,
    responses(
        (status = 200, description = "The device as it is now", body = DeviceDetailDto),
        (status = 404, description = "There is no such device"),
        (status = 409, description = "A newer change stands"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn change_device(
    State(api): State<Api>,
    caller: Caller,
    PathId(device): PathId<DeviceId>,
    body: JsonBody<DevicePatchDto>,
) -> Result<Json<DeviceDetailDto>, Problem> {
    let subscriber_id = body.value.subscriber_id;
    check_subscriber(&subscriber_id)?;
    let known = known_device(&api, &device).await?;
    let detail_text = format!("subscriber_id: {subscriber_id}");
    api.audit(&caller, "device.change", format!("devices/{device}"), &detail_text).await?;
    let patch = SummaryPatch {
        stamp: known.last_stamp.next(now()),
        subscriber_id: Some(subscriber_id.clone()),
        ..SummaryPatch::default()
    };
    api.deps.store.patch_summary(&device, patch).await?;
    if known_device(&api, &device).await?.subscriber_id != subscriber_id {
        return Err(Problem::conflict("newer_change", format!("a newer change of device {device} stands; look again")));
    }
    detail(&api, &device).await.map(Json)
}

fn check_subscriber(id: &str) -> Result<(), Problem> {
    if id.chars().count() > SUBSCRIBER_CHARS_MAX || id.chars().any(char::is_control) {
        let why = format!("it must be at most {SUBSCRIBER_CHARS_MAX} characters without control characters");
        return Err(Problem::invalid_body(vec![FieldProblem::new("subscriber_id", why)]));
    }
    Ok(())
}

/// Deletes a device with its parameters and credentials.
///
/// Its tasks that are not final are cancelled first, so that none is lost; one that may be on its way stops the deletion
/// until its outcome is known. History stays.
#[utoipa::path(
    delete, path = "/devices/{device}", tag = "devices",
    params(DevicePath),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such device"),
        (status = 409, description = "The outcome of one of its tasks is still open, or one was created meanwhile"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn delete_device(
    State(api): State<Api>,
    caller: Caller,
    PathId(device): PathId<DeviceId>,
) -> Result<StatusCode, Problem> {
    let known = known_device(&api, &device).await?;
    api.audit(&caller, "device.delete", format!("devices/{device}"), "").await?;
    for task in api.deps.store.partition(&device).await?.tasks {
        let task = api.deps.provisioning.cancel(&device, &task.id, &caller.principal).await?.task;
        if !task.state.is_final() {
            let why = format!("task {} may be on its way; delete the device when its outcome is known", task.id);
            return Err(Problem::conflict("task_in_flight", why));
        }
    }
    match api.deps.store.delete_device(&device).await? {
        DeleteOutcome::Deleted => {}
        DeleteOutcome::Unknown => return Err(Problem::not_found("device", &device)),
        DeleteOutcome::TasksOpen => {
            let why = format!("a task of device {device} was created meanwhile; try again");
            return Err(Problem::conflict("tasks_open", why));
        }
    }
    api.emit(Some(device), known.subscriber_id, EventBody::Device(DeviceChange::Deleted)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Wakes a device by a connection request.
///
/// Says what happened; the session it opens shows in its sessions.
#[utoipa::path(
    post, path = "/devices/{device}/wake", tag = "devices",
    params(DevicePath),
    responses(
        (status = 200, description = "What happened", body = WakeDto),
        (status = 404, description = "There is no such device"),
        (status = 409, description = "The device cannot be woken in its state"),
        (status = 422, description = "The device cannot be woken"),
        (status = 429, description = "Too many connection requests"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn wake_device(
    State(api): State<Api>,
    caller: Caller,
    PathId(device): PathId<DeviceId>,
) -> Result<Json<WakeDto>, Problem> {
    known_device(&api, &device).await?;
    api.audit(&caller, "device.wake", format!("devices/{device}"), "").await?;
    Ok(Json(api.deps.provisioning.wake(&device).await?.into()))
}

/// The device, which must be known.
pub(crate) async fn known_device(api: &Api, device: &DeviceId) -> Result<DeviceSummary, Problem> {
    api.deps.store.summary(device).await?.ok_or_else(|| Problem::not_found("device", device))
}

async fn detail(api: &Api, device: &DeviceId) -> Result<DeviceDetailDto, Problem> {
    let partition = api.deps.store.partition(device).await?;
    let summary = partition.summary.ok_or_else(|| Problem::not_found("device", device))?;
    // The cache is a hint: a device is shown without its live session when the cache is away (P14).
    let live = api.deps.sessions.current(device).await.unwrap_or_default();
    Ok(DeviceDetailDto::new(summary, live, &partition.tasks))
}
