use std::time::Duration;

use acs_proto::EnqueueRequest;
use acs_store::TaskFilter;
use acs_types::{DeviceId, DownloadSource, DownloadSpec, Task, TaskId, TaskKind, TaskSpec, TaskState, Tenant};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE32_NOPAD;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::PREFIX;
use super::devices::known_device;
use super::path::{DevicePath, TaskPath};
use crate::Limits;
use crate::access::Caller;
use crate::dto::{AskedSpec, AskedTask, CreatedTaskDto, NewTaskDto, TaskDto};
use crate::extract::{JsonBody, PathId, PathIds, QueryOf};
use crate::page::{PageOf, page_request};
use crate::problem::{FieldProblem, Problem};
use crate::state::{Api, now};

/// The header that makes a repeated creation the same task.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 128;

/// Which tasks are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// States, separated by commas; without it: all.
    #[param(
        pattern = "^(queued|sending|awaiting|unknown|done|failed|resolved_applied|resolved_not_applied|needs_operator|cancelled|expired|quarantined)(,(queued|sending|awaiting|unknown|done|failed|resolved_applied|resolved_not_applied|needs_operator|cancelled|expired|quarantined))*$",
        example = "queued,sending"
    )]
    state: Option<String>,
    /// Kinds, separated by commas; without it: all.
    #[param(
        pattern = "^(get_values|set_values|get_names|refresh|add_object|delete_object|download|reboot|factory_reset|discover|set_credentials)(,(get_values|set_values|get_names|refresh|add_object|delete_object|download|reboot|factory_reset|discover|set_credentials))*$",
        example = "set_values"
    )]
    kind: Option<String>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of the page before; empty: the first page.
    #[param(pattern = "^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

impl TaskQuery {
    fn filter(&self) -> Result<TaskFilter, Problem> {
        let states = names("state", self.state.as_deref(), |name| TaskState::NAMES.contains(&name))?;
        let kinds = names("kind", self.kind.as_deref(), |name| TaskKind::parse(name).is_some())?;
        Ok(TaskFilter { states, kinds })
    }
}

/// The names in a list with commas, each of which must be known.
fn names(field: &str, text: Option<&str>, is_known: impl Fn(&str) -> bool) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = text.into_iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
    match names.iter().find(|name| !is_known(name)) {
        Some(unknown) => {
            let shown: String = unknown.chars().take(40).collect();
            Err(Problem::bad_parameter(field, format!("`{shown}` is none of its names")))
        }
        None => Ok(names),
    }
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// Waits up to so many seconds until the task is final or awaits the device's evidence.
    #[param(minimum = 0, maximum = 60, default = 0)]
    wait: Option<u64>,
}

impl WaitQuery {
    fn duration(&self) -> Result<Duration, Problem> {
        let wait = Duration::from_secs(self.wait.unwrap_or(0));
        if wait > Limits::WAIT_MAX {
            let why = format!("it must be 0 to {} seconds", Limits::WAIT_MAX.as_secs());
            return Err(Problem::bad_parameter("wait", why));
        }
        Ok(wait)
    }
}

/// Lists the tasks of a device, open and final.
///
/// Newest first. Tasks of a deleted device stay in its history.
#[utoipa::path(
    get, path = "/devices/{device}/tasks", tag = "tasks",
    params(DevicePath, TaskQuery),
    responses((status = 200, description = "A page of tasks", body = PageOf<TaskDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_device_tasks(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
    QueryOf(query): QueryOf<TaskQuery>,
) -> Result<Json<PageOf<TaskDto>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let tasks = api.deps.store.list_tasks(&device, &query.filter()?, &page).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(tasks, TaskDto::from)))
}

/// Creates a task.
///
/// Once this answered with 200 or 202 the task is never lost. Give an `Idempotency-Key` to be able to repeat the call: for
/// the same token's principal, device and key there is one task for at least 24 hours. A key with another body is refused.
/// Without one the server makes a key and names it in the answer.
#[utoipa::path(
    post, path = "/devices/{device}/tasks", tag = "tasks",
    params(
        DevicePath,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters",
            min_length = 1, max_length = 128, pattern = "^[!-~]+$"),
        WaitQuery,
    ),
    request_body = NewTaskDto,
    responses(
        (status = 200, description = "With `wait`: the task is final or awaits evidence", body = CreatedTaskDto,
            headers(("Location" = String), ("Idempotency-Key" = String))),
        (status = 202, description = "The task is kept and will be done", body = CreatedTaskDto,
            headers(("Location" = String), ("Idempotency-Key" = String))),
        (status = 404, description = "There is no such device"),
        (status = 409, description = "The device's state does not allow it"),
        (status = 422, description = "The task is not valid, or the key was used with another body"),
        (status = 429, description = "The device has too many tasks"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn create_task(
    State(api): State<Api>,
    caller: Caller,
    PathId(device): PathId<DeviceId>,
    QueryOf(wait): QueryOf<WaitQuery>,
    headers: HeaderMap,
    body: JsonBody<NewTaskDto>,
) -> Result<Response, Problem> {
    let wait = wait.duration()?;
    let key = idempotency_key(&headers)?;
    let AskedTask { spec, wanted, expires_in_seconds } = body.value.checked()?;
    known_device(&api, &device).await?;
    let account = spec.account();
    let spec = with_file(&api, spec).await?;
    let task = TaskId::of(&caller.principal, &device, &key);
    api.audit(&caller, "task.create", format!("devices/{device}/tasks/{task}"), &account).await?;
    let request = EnqueueRequest {
        device,
        tenant: Tenant::default(),
        principal: caller.principal,
        key: key.clone(),
        body_sha256: body.sha256,
        spec,
        wanted,
        expires_at: expires_in_seconds.map(|seconds| now().plus(Duration::from_secs(seconds))),
    };
    let reply = api.deps.provisioning.enqueue(request).await?;
    let task = match waiting(&api, reply.task.clone(), wait).await {
        Ok(task) => task,
        // The task is kept whatever becomes of waiting for it.
        Err(_) => reply.task,
    };
    let status = if !wait.is_zero() && is_settled(&task) { StatusCode::OK } else { StatusCode::ACCEPTED };
    // Both come from checked ids, a device id may hold `%`.
    let place = format!("{PREFIX}/devices/{}/tasks/{}", task.device.as_str().replace('%', "%25"), task.id);
    let mut response = (status, Json(CreatedTaskDto::new(task, reply.created, reply.wake))).into_response();
    for (name, text) in [(header::LOCATION.as_str(), place), (IDEMPOTENCY_KEY, key)] {
        let value = HeaderValue::from_str(&text).map_err(|error| Problem::internal(&error))?;
        response.headers_mut().insert(http::HeaderName::from_bytes(name.as_bytes()).expect("a valid name"), value);
    }
    Ok(response)
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (values.next(), values.next()) {
        (None, _) => return Ok(BASE32_NOPAD.encode(&rand::random::<[u8; 16]>()).to_ascii_lowercase()),
        (Some(key), None) => key.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => "",
    };
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let why = format!("it must be given once, with 1 to {KEY_CHARS_MAX} visible ASCII characters");
        return Err(Problem::bad_parameter(IDEMPOTENCY_KEY, why));
    }
    Ok(key.to_owned())
}

/// The task's spec; a file of this server must be there.
async fn with_file(api: &Api, spec: AskedSpec) -> Result<TaskSpec, Problem> {
    match spec {
        AskedSpec::Ready(spec) => Ok(spec),
        AskedSpec::File { file, file_type, target_file_name, delay_seconds } => {
            let Some(record) = api.deps.store.file(&file).await? else {
                let why = format!("there is no file `{file}`; upload it first");
                return Err(Problem::invalid_body(vec![FieldProblem::new("file_id", why)]));
            };
            Ok(TaskSpec::Download(DownloadSpec {
                file_type: file_type.unwrap_or(record.file_type),
                source: DownloadSource::File(file),
                target_file_name,
                delay_seconds,
            }))
        }
    }
}

/// Shows a task of a device.
#[utoipa::path(
    get, path = "/devices/{device}/tasks/{task}", tag = "tasks",
    params(
        DevicePath,
        TaskPath,
        WaitQuery,
    ),
    responses(
        (status = 200, description = "The task", body = TaskDto),
        (status = 404, description = "There is no such task of this device"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_device_task(
    State(api): State<Api>,
    PathIds(device, task): PathIds<DeviceId, TaskId>,
    QueryOf(wait): QueryOf<WaitQuery>,
) -> Result<Json<TaskDto>, Problem> {
    show(&api, &device, &task, wait.duration()?).await
}

/// Cancels a task of a device.
///
/// One that may be on its way stays visible until its outcome is known.
#[utoipa::path(
    post, path = "/devices/{device}/tasks/{task}/cancel", tag = "tasks",
    params(
        DevicePath,
        TaskPath,
    ),
    responses(
        (status = 200, description = "The task as it is now", body = TaskDto),
        (status = 404, description = "There is no such task of this device"),
        (status = 409, description = "It is final"),
        (status = 422, description = "It cannot be cancelled"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn cancel_device_task(
    State(api): State<Api>,
    caller: Caller,
    PathIds(device, task): PathIds<DeviceId, TaskId>,
) -> Result<Json<TaskDto>, Problem> {
    cancel(&api, &caller, &device, &task).await
}

/// Puts a task of a device that ended without success back into the queue.
#[utoipa::path(
    post, path = "/devices/{device}/tasks/{task}/retry", tag = "tasks",
    params(
        DevicePath,
        TaskPath,
    ),
    responses(
        (status = 200, description = "The task as it is now", body = TaskDto),
        (status = 404, description = "There is no such task of this device"),
        (status = 409, description = "It is not one that can be retried"),
        (status = 422, description = "It cannot be retried"),
        (status = 429, description = "The device has too many tasks"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn retry_device_task(
    State(api): State<Api>,
    caller: Caller,
    PathIds(device, task): PathIds<DeviceId, TaskId>,
) -> Result<Json<TaskDto>, Problem> {
    retry(&api, &caller, &device, &task).await
}

/// Lists the open tasks of all devices.
///
/// In order of device and creation.
#[utoipa::path(
    get, path = "/tasks", tag = "tasks", params(TaskQuery),
    responses((status = 200, description = "A page of tasks", body = PageOf<TaskDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_tasks(
    State(api): State<Api>,
    QueryOf(query): QueryOf<TaskQuery>,
) -> Result<Json<PageOf<TaskDto>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let tasks = api.deps.store.list_open_tasks(&query.filter()?, &page).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(tasks, TaskDto::from)))
}

/// Shows a task.
#[utoipa::path(
    get, path = "/tasks/{task}", tag = "tasks",
    params(TaskPath, WaitQuery),
    responses(
        (status = 200, description = "The task", body = TaskDto),
        (status = 404, description = "There is no such task"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_task(
    State(api): State<Api>,
    PathId(task): PathId<TaskId>,
    QueryOf(wait): QueryOf<WaitQuery>,
) -> Result<Json<TaskDto>, Problem> {
    let wait = wait.duration()?;
    let device = device_of(&api, &task).await?;
    show(&api, &device, &task, wait).await
}

/// Cancels a task.
///
/// One that may be on its way stays visible until its outcome is known.
#[utoipa::path(
    post, path = "/tasks/{task}/cancel", tag = "tasks",
    params(TaskPath),
    responses(
        (status = 200, description = "The task as it is now", body = TaskDto),
        (status = 404, description = "There is no such task"),
        (status = 409, description = "It is final"),
        (status = 422, description = "It cannot be cancelled"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn cancel_task(
    State(api): State<Api>,
    caller: Caller,
    PathId(task): PathId<TaskId>,
) -> Result<Json<TaskDto>, Problem> {
    let device = device_of(&api, &task).await?;
    cancel(&api, &caller, &device, &task).await
}

/// Puts a task that ended without success back into the queue.
#[utoipa::path(
    post, path = "/tasks/{task}/retry", tag = "tasks",
    params(TaskPath),
    responses(
        (status = 200, description = "The task as it is now", body = TaskDto),
        (status = 404, description = "There is no such task"),
        (status = 409, description = "It is not one that can be retried"),
        (status = 422, description = "It cannot be retried"),
        (status = 429, description = "The device has too many tasks"),
    ),
    security(("bearer" = ["write"])),
)]
pub(crate) async fn retry_task(
    State(api): State<Api>,
    caller: Caller,
    PathId(task): PathId<TaskId>,
) -> Result<Json<TaskDto>, Problem> {
    let device = device_of(&api, &task).await?;
    retry(&api, &caller, &device, &task).await
}

async fn device_of(api: &Api, task: &TaskId) -> Result<DeviceId, Problem> {
    api.deps.store.device_of_task(task).await?.ok_or_else(|| Problem::not_found("task", task))
}

async fn known_task(api: &Api, device: &DeviceId, task: &TaskId) -> Result<Task, Problem> {
    api.deps.store.task(device, task).await?.ok_or_else(|| Problem::not_found("task", task))
}

async fn show(api: &Api, device: &DeviceId, task: &TaskId, wait: Duration) -> Result<Json<TaskDto>, Problem> {
    let task = known_task(api, device, task).await?;
    Ok(Json(waiting(api, task, wait).await?.into()))
}

async fn cancel(api: &Api, caller: &Caller, device: &DeviceId, task: &TaskId) -> Result<Json<TaskDto>, Problem> {
    known_task(api, device, task).await?;
    api.audit(caller, "task.cancel", format!("devices/{device}/tasks/{task}"), "").await?;
    Ok(Json(api.deps.provisioning.cancel(device, task, &caller.principal).await?.task.into()))
}

async fn retry(api: &Api, caller: &Caller, device: &DeviceId, task: &TaskId) -> Result<Json<TaskDto>, Problem> {
    known_task(api, device, task).await?;
    api.audit(caller, "task.retry", format!("devices/{device}/tasks/{task}"), "").await?;
    Ok(Json(api.deps.provisioning.retry(device, task, &caller.principal).await?.into()))
}

/// The task as soon as it is settled, or as it is when `wait` is over or the service ends.
async fn waiting(api: &Api, task: Task, wait: Duration) -> Result<Task, Problem> {
    if wait.is_zero() || is_settled(&task) {
        return Ok(task);
    }
    let _permit = api.permits.wait()?;
    let mut latest = task;
    let follow = async {
        let mut states = api.deps.provisioning.watch(&latest.device, &latest.id).await?;
        while let Some(state) = states.next().await {
            latest = state?;
            if is_settled(&latest) {
                break;
            }
        }
        Ok::<(), Problem>(())
    };
    tokio::select! {
        end = tokio::time::timeout(wait, follow) => end.unwrap_or(Ok(()))?,
        () = api.drained() => {}
    }
    Ok(latest)
}

/// Whether there is something to tell: it is final, or the device accepted it and its evidence is awaited.
const fn is_settled(task: &Task) -> bool {
    task.state.is_final() || matches!(task.state, TaskState::Awaiting { .. })
}
