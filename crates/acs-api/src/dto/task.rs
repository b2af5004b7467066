use acs_proto::WakeOutcome;
use acs_types::{Attempt, AttemptOutcome, DownloadSource, DownloadSpec, Origin, Task, TaskResult, TaskSpec, TaskState};
use serde::Serialize;
use utoipa::ToSchema;

use super::device::WakeDto;
use super::{ShownValueDto, TaskFaultDto, TimeDto};

/// A task and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task, example = json!({
    "id": "abcdefghijklmnopqrstuvwxyz", "device_id": "00AABB-IGD-000001", "tenant": "default", "kind": "reboot",
    "wanted": "now", "origin": {"kind": "request", "principal": "alice"}, "priority": 10,
    "created_at": "2026-01-31T12:00:00.000000Z", "updated_at": "2026-01-31T12:00:00.000000Z", "expires_at": null,
    "state": "queued", "final": false, "awaiting": null, "applied": null, "revision": 1, "attempts": [],
    "unanswered": 0, "cancel_requested": false, "result": null, "fault": null,
}))]
pub(crate) struct TaskDto {
    #[schema(example = "abcdefghijklmnopqrstuvwxyz")]
    id: String,
    device_id: String,
    tenant: String,
    #[serde(flatten)]
    spec: TaskSpecDto,
    /// When it is wanted: `now` or `next_session`.
    wanted: &'static str,
    origin: OriginDto,
    /// Tasks run by ascending priority, then in order of creation.
    priority: u8,
    created_at: TimeDto,
    updated_at: TimeDto,
    /// When nobody wants it any more; `null`: never.
    expires_at: Option<TimeDto>,
    /// `queued`, `sending`, `awaiting`, `unknown`, `done`, `failed`, `resolved_applied`, `resolved_not_applied`,
    /// `needs_operator`, `cancelled`, `expired`, `quarantined`.
    #[schema(example = "queued")]
    state: &'static str,
    /// Whether nothing more happens to it by itself; a `quarantined` one may go on, see `unanswered`.
    #[serde(rename = "final")]
    is_final: bool,
    /// What an `awaiting` task waits for.
    awaiting: Option<AwaitingDto>,
    /// When the change of a `done` task takes effect: `now` or `after_reboot`.
    applied: Option<&'static str>,
    /// Grows by one with each change.
    revision: u64,
    /// The transmissions of requests that change the device, oldest first.
    attempts: Vec<AttemptDto>,
    /// How many transmissions in a row went unanswered; three quarantine the task. An answer that was lost with one of our
    /// front-ends is not counted as soon as that is known, up to 12 times: the task goes back into the queue then.
    unanswered: u32,
    /// Somebody wants it withdrawn; it ends as soon as its outcome is known.
    cancel_requested: bool,
    result: Option<TaskResultDto>,
    fault: Option<TaskFaultDto>,
}

impl From<Task> for TaskDto {
    fn from(task: Task) -> Self {
        let awaiting = match task.state {
            TaskState::Awaiting { evidence, until, .. } => {
                Some(AwaitingDto { evidence: evidence.as_str(), until: until.into() })
            }
            _ => None,
        };
        let applied = match task.state {
            TaskState::Done { applied } => Some(applied.as_str()),
            _ => None,
        };
        Self {
            id: task.id.to_string(),
            device_id: task.device.to_string(),
            tenant: task.tenant.to_string(),
            spec: (&task.spec).into(),
            wanted: task.wanted.as_str(),
            origin: (&task.origin).into(),
            priority: task.priority,
            created_at: task.created_at.into(),
            updated_at: task.updated_at.into(),
            expires_at: task.expires_at.map(TimeDto::from),
            state: task.state.as_str(),
            is_final: task.state.is_final(),
            awaiting,
            applied,
            revision: task.revision,
            attempts: task.attempts.iter().map(AttemptDto::from).collect(),
            unanswered: task.unanswered,
            cancel_requested: task.cancel_requested,
            result: task.result.as_ref().map(TaskResultDto::from),
            fault: task.fault.as_ref().map(TaskFaultDto::from),
        }
    }
}

/// A task that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedTask)]
pub(crate) struct CreatedTaskDto {
    #[serde(flatten)]
    task: TaskDto,
    /// `false`: the idempotency key was used before, and this is that task.
    created: bool,
    /// What came of waking the device; `null`: not tried.
    wake: Option<WakeDto>,
}

impl CreatedTaskDto {
    pub(crate) fn new(task: Task, created: bool, wake: Option<WakeOutcome>) -> Self {
        Self { task: task.into(), created, wake: wake.map(WakeDto::from) }
    }
}

/// What a task does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = TaskSpec)]
enum TaskSpecDto {
    /// Reads values of parameters or of whole objects.
    GetValues { paths: Vec<String> },
    /// Sets values in one SetParameterValues.
    SetValues { values: Vec<ShownValueDto> },
    /// Reads names.
    GetNames { path: String, next_level: bool },
    /// Reads names and then values of an object.
    Refresh { path: String },
    /// Adds an instance to a table.
    AddObject { object: String, values: Vec<ShownValueDto> },
    /// Deletes an instance.
    DeleteObject { object: String },
    /// Has the device fetch a file.
    Download(DownloadDto),
    /// Restarts the device.
    Reboot,
    /// Resets the device to factory settings.
    FactoryReset,
    /// First contact: the whole tree is read.
    Discover,
    /// First contact: the device gets its own connection-request credentials.
    SetCredentials,
}

impl From<&TaskSpec> for TaskSpecDto {
    fn from(spec: &TaskSpec) -> Self {
        match spec {
            TaskSpec::GetValues { paths } => Self::GetValues { paths: paths.iter().map(|p| p.to_string()).collect() },
            TaskSpec::SetValues { values } => {
                Self::SetValues { values: values.iter().map(|value| ShownValueDto::of_set_value(value, "")).collect() }
            }
            TaskSpec::GetNames { path, next_level } => {
                Self::GetNames { path: path.to_string(), next_level: *next_level }
            }
            TaskSpec::Refresh { path } => Self::Refresh { path: path.to_string() },
            TaskSpec::AddObject { object, values } => {
                // Any row stands for the new one: whether a name is a secret does not depend on its number.
                let row = format!("{object}1.");
                let values = values.iter().map(|value| ShownValueDto::of_set_value(value, &row)).collect();
                Self::AddObject { object: object.to_string(), values }
            }
            TaskSpec::DeleteObject { object } => Self::DeleteObject { object: object.to_string() },
            TaskSpec::Download(download) => Self::Download(download.into()),
            TaskSpec::Reboot => Self::Reboot,
            TaskSpec::FactoryReset => Self::FactoryReset,
            TaskSpec::Discover => Self::Discover,
            TaskSpec::SetCredentials => Self::SetCredentials,
        }
    }
}

/// What is downloaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Download)]
struct DownloadDto {
    /// The FileType, as on the wire.
    #[schema(example = "1 Firmware Upgrade Image")]
    file_type: String,
    /// A file of this server.
    file_id: Option<String>,
    /// A file of another server.
    url: Option<String>,
    /// The user name there; the password is never shown.
    username: Option<String>,
    /// Bytes; 0: not known.
    file_size: Option<u32>,
    target_file_name: String,
    delay_seconds: u32,
}

impl From<&DownloadSpec> for DownloadDto {
    fn from(download: &DownloadSpec) -> Self {
        let (file_id, url, username, file_size) = match &download.source {
            DownloadSource::File(file) => (Some(file.to_string()), None, None, None),
            DownloadSource::Url { url, username, file_size, .. } => {
                (None, Some(url.clone()), Some(username.clone()), Some(*file_size))
            }
        };
        Self {
            file_type: download.file_type.as_str().to_owned(),
            file_id,
            url,
            username,
            file_size,
            target_file_name: download.target_file_name.clone(),
            delay_seconds: download.delay_seconds,
        }
    }
}

/// Where a task came from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = Origin)]
enum OriginDto {
    /// A person or a program, by this API.
    Request { principal: String },
    /// An event of the device: `first_contact` or `boot`.
    Obligation { obligation: &'static str },
}

impl From<&Origin> for OriginDto {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Request { principal } => Self::Request { principal: principal.clone() },
            Origin::Obligation(obligation) => Self::Obligation { obligation: obligation.as_str() },
        }
    }
}

/// What a task waits for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Awaiting)]
struct AwaitingDto {
    /// `transfer_complete`, `reboot`, `bootstrap`.
    evidence: &'static str,
    /// When waiting ends and the outcome counts as unknown.
    until: TimeDto,
}

/// One transmission.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptDto {
    /// 1, 2, …
    number: u32,
    /// The ParameterKey or CommandKey it carries.
    id: String,
    session_id: String,
    /// Why it is made: `first`, `unanswered`, `not_applied`, `operator`, `split`.
    reason: &'static str,
    #[schema(example = "SetParameterValues")]
    method: String,
    started_at: TimeDto,
    /// When its outcome counts as unknown if nothing was heard.
    deadline: TimeDto,
    answered_at: Option<TimeDto>,
    /// `answered`, `fault`, `unanswered`, `proved_applied`, `proved_not_applied`; `null`: not known yet.
    outcome: Option<&'static str>,
    /// The fault code, if the outcome is `fault`.
    fault_code: Option<u32>,
}

impl From<&Attempt> for AttemptDto {
    fn from(attempt: &Attempt) -> Self {
        let (outcome, fault_code) = match attempt.outcome {
            None => (None, None),
            Some(AttemptOutcome::Answered) => (Some("answered"), None),
            Some(AttemptOutcome::Fault(code)) => (Some("fault"), Some(code)),
            Some(AttemptOutcome::Unanswered) => (Some("unanswered"), None),
            Some(AttemptOutcome::ProvedApplied) => (Some("proved_applied"), None),
            Some(AttemptOutcome::ProvedNotApplied) => (Some("proved_not_applied"), None),
        };
        Self {
            number: attempt.number,
            id: attempt.id.to_string(),
            session_id: attempt.session.to_string(),
            reason: attempt.reason.as_str(),
            method: attempt.method.clone(),
            started_at: attempt.started_at.into(),
            deadline: attempt.deadline.into(),
            answered_at: attempt.answered_at.map(TimeDto::from),
            outcome,
            fault_code,
        }
    }
}

/// What came of a task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = TaskResult)]
enum TaskResultDto {
    /// Values read; the rest is in the tree.
    Values { values: Vec<ShownValueDto> },
    /// How many names and values were read.
    Counts { names: u32, values: u32 },
    /// The instance that was added.
    Instance { object: String },
    /// How a transfer ended, as the device said.
    Transfer { start_time: String, complete_time: String },
}

impl From<&TaskResult> for TaskResultDto {
    fn from(result: &TaskResult) -> Self {
        match result {
            TaskResult::Values(values) => Self::Values { values: values.iter().map(ShownValueDto::from).collect() },
            TaskResult::Counts { names, values } => Self::Counts { names: *names, values: *values },
            TaskResult::Instance { object } => Self::Instance { object: object.to_string() },
            TaskResult::Transfer(transfer) => Self::Transfer {
                start_time: transfer.start_time.clone(),
                complete_time: transfer.complete_time.clone(),
            },
        }
    }
}
