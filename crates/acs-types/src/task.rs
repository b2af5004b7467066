//! The task and its life (`design.md` §5.5). The names here are for ever.

use cwmp_model::{ParameterPath, ParameterValue, Timestamp, ValueType};

use crate::{Attempt, AttemptReason, DeviceId, FileId, FileType, Secret, SessionId, TaskFault, TaskId, Tenant};

/// Something to be done on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose.
    pub tenant: Tenant,
    /// On which device.
    pub device: DeviceId,
    /// What.
    pub spec: TaskSpec,
    /// When it is wanted.
    pub wanted: Wanted,
    /// Where it came from.
    pub origin: Origin,
    /// Tasks run by ascending priority, then in order of creation (P6). 0 is for obligations, 10 for people.
    pub priority: u8,
    /// When it was acknowledged. Strictly growing within a device.
    pub created_at: Timestamp,
    /// When nobody wants it any more.
    pub expires_at: Option<Timestamp>,
    /// Where it stands.
    pub state: TaskState,
    /// Grows by one with each write; every write is conditional on it.
    pub revision: u64,
    /// The transmissions of requests that change the device, oldest first; at most [`Task::ATTEMPTS_MAX`].
    pub attempts: Vec<Attempt>,
    /// How many transmissions in a row went unanswered, reads included (P4).
    pub unanswered: u32,
    /// The sessions of these, oldest first, at most [`Task::UNANSWERED_MAX`]; one that had several stands in it as often.
    pub unanswered_in: Vec<SessionId>,
    /// How many transmissions went unanswered in a session that was lost with one of our front-ends: these are not in
    /// `unanswered`, up to [`Task::EXCUSED_MAX`].
    pub excused: u32,
    /// Why the next attempt will be made, if there is one; [`AttemptReason::First`] at the start.
    pub next_reason: AttemptReason,
    /// A person wants it withdrawn, but it may be on its way: it ends as soon as its outcome is known.
    pub cancel_requested: bool,
    /// What came of it.
    pub result: Option<TaskResult>,
    /// Why it failed.
    pub fault: Option<TaskFault>,
    /// SHA-256 of the request body: the same idempotency key with another body is refused (P5).
    pub body_sha256: [u8; 32],
    /// When it was last written.
    pub updated_at: Timestamp,
}

impl Task {
    /// Transmissions a task may have in all.
    pub const ATTEMPTS_MAX: usize = 16;
    /// Unanswered transmissions in a row that quarantine a task (P4).
    pub const UNANSWERED_MAX: u32 = 3;
    /// Transmissions of a task whose answer was lost with one of our front-ends, and that do not count as unanswered; further
    /// ones count, because the answer itself may be what stops our front-ends (P4).
    pub const EXCUSED_MAX: u32 = 12;

    /// A task as it begins: queued, wanted now, without expiry and without a request body.
    pub fn queued(
        id: TaskId,
        tenant: Tenant,
        device: DeviceId,
        spec: TaskSpec,
        origin: Origin,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant,
            device,
            spec,
            wanted: Wanted::Now,
            priority: origin.priority(),
            origin,
            created_at,
            expires_at: None,
            state: TaskState::Queued,
            revision: 1,
            attempts: Vec::new(),
            unanswered: 0,
            unanswered_in: Vec::new(),
            excused: 0,
            next_reason: AttemptReason::First,
            cancel_requested: false,
            result: None,
            fault: None,
            body_sha256: [0; 32],
            updated_at: created_at,
        }
    }

    /// The attempt that is on its way or was the last.
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

/// What a task does.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSpec {
    /// Reads values of parameters or of whole objects.
    GetValues {
        /// Parameters or partial paths; 1 to [`TaskSpec::PATHS_MAX`].
        paths: Vec<ParameterPath>,
    },
    /// Sets values in one SetParameterValues.
    SetValues {
        /// 1 to [`TaskSpec::PATHS_MAX`], each parameter once.
        values: Vec<SetValue>,
    },
    /// Reads the names of the tree or a part of it, in portions.
    GetNames {
        /// Where to begin; empty: the whole tree.
        path: ParameterPath,
        /// Only the direct children.
        next_level: bool,
    },
    /// Reads names and then values of an object, in portions.
    Refresh {
        /// Where to begin; empty: the whole tree.
        path: ParameterPath,
    },
    /// Adds an instance to a table.
    AddObject {
        /// The table.
        object: ParameterPath,
        /// Values to set on the new instance afterwards, by leaf path below it.
        values: Vec<SetValue>,
    },
    /// Deletes an instance.
    DeleteObject {
        /// The instance.
        object: ParameterPath,
    },
    /// Has the device fetch a file.
    Download(DownloadSpec),
    /// Restarts the device.
    Reboot,
    /// Resets the device to factory settings.
    FactoryReset,
    /// First contact: names from the root object, values in portions (`--first-contact discover`).
    Discover,
    /// First contact: the device's own connection-request credentials (CWMP-419).
    SetCredentials,
}

impl TaskSpec {
    /// Paths or values in one task.
    pub const PATHS_MAX: usize = 1000;

    /// The name of the kind in API, records and metrics.
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::GetValues { .. } => TaskKind::GetValues,
            Self::SetValues { .. } => TaskKind::SetValues,
            Self::GetNames { .. } => TaskKind::GetNames,
            Self::Refresh { .. } => TaskKind::Refresh,
            Self::AddObject { .. } => TaskKind::AddObject,
            Self::DeleteObject { .. } => TaskKind::DeleteObject,
            Self::Download(_) => TaskKind::Download,
            Self::Reboot => TaskKind::Reboot,
            Self::FactoryReset => TaskKind::FactoryReset,
            Self::Discover => TaskKind::Discover,
            Self::SetCredentials => TaskKind::SetCredentials,
        }
    }
}

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// See [`TaskSpec::GetValues`].
    GetValues,
    /// See [`TaskSpec::SetValues`].
    SetValues,
    /// See [`TaskSpec::GetNames`].
    GetNames,
    /// See [`TaskSpec::Refresh`].
    Refresh,
    /// See [`TaskSpec::AddObject`].
    AddObject,
    /// See [`TaskSpec::DeleteObject`].
    DeleteObject,
    /// See [`TaskSpec::Download`].
    Download,
    /// See [`TaskSpec::Reboot`].
    Reboot,
    /// See [`TaskSpec::FactoryReset`].
    FactoryReset,
    /// See [`TaskSpec::Discover`].
    Discover,
    /// See [`TaskSpec::SetCredentials`].
    SetCredentials,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::GetValues,
        Self::SetValues,
        Self::GetNames,
        Self::Refresh,
        Self::AddObject,
        Self::DeleteObject,
        Self::Download,
        Self::Reboot,
        Self::FactoryReset,
        Self::Discover,
        Self::SetCredentials,
    ];

    /// The name in API, records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetValues => "get_values",
            Self::SetValues => "set_values",
            Self::GetNames => "get_names",
            Self::Refresh => "refresh",
            Self::AddObject => "add_object",
            Self::DeleteObject => "delete_object",
            Self::Download => "download",
            Self::Reboot => "reboot",
            Self::FactoryReset => "factory_reset",
            Self::Discover => "discover",
            Self::SetCredentials => "set_credentials",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == name)
    }
}

/// A value to set. Its text may be a secret, so it is never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetValue {
    /// The parameter (for [`TaskSpec::AddObject`]: below the new instance).
    pub path: ParameterPath,
    /// The type the caller insists on; else the device's last report decides, else the catalogue (CWMP-076).
    pub kind: Option<ValueType>,
    /// The text.
    pub text: Secret,
}

/// What to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadSpec {
    /// The FileType argument.
    pub file_type: FileType,
    /// Which file.
    pub source: DownloadSource,
    /// TargetFileName; may be empty.
    pub target_file_name: String,
    /// DelaySeconds.
    pub delay_seconds: u32,
}

/// Where a download comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadSource {
    /// A file on our file server; the URL is signed for device, file and time when it is sent.
    File(FileId),
    /// Another server.
    Url {
        /// At most 256 characters, without user information (CWMP-332).
        url: String,
        /// User name; may be empty.
        username: String,
        /// Password; may be empty.
        password: Secret,
        /// Bytes; 0: unknown.
        file_size: u32,
    },
}

/// When a task is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// At once: the device is woken.
    Now,
    /// When the device comes by itself.
    NextSession,
}

impl Wanted {
    /// Every wish.
    pub const ALL: [Self; 2] = [Self::Now, Self::NextSession];

    /// The name in API and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::NextSession => "next_session",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.as_str() == name)
    }
}

/// Where a task came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A person or a program, by API.
    Request {
        /// Who.
        principal: String,
    },
    /// An event that obliges us (`design.md` §4.7).
    Obligation(Obligation),
}

impl Origin {
    /// [`Task::priority`]: what an event obliges us to goes before what people want.
    pub const fn priority(&self) -> u8 {
        match self {
            Self::Obligation(_) => 0,
            Self::Request { .. } => 10,
        }
    }
}

/// Events that oblige us to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Obligation {
    /// A device never seen before, or one that sent `0 BOOTSTRAP`: provision anew (CWMP-185).
    FirstContact,
    /// `1 BOOT`: read again what may have changed (CWMP-187).
    Boot,
}

impl Obligation {
    /// Every obligation.
    pub const ALL: [Self; 2] = [Self::FirstContact, Self::Boot];

    /// The name in API and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstContact => "first_contact",
            Self::Boot => "boot",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for a session.
    Queued,
    /// Attempt `attempt` may be on its way; the intent is durable.
    Sending {
        /// Its number.
        attempt: u32,
    },
    /// The device accepted; the outcome comes by `evidence` until `until`.
    Awaiting {
        /// The attempt's number.
        attempt: u32,
        /// What will tell.
        evidence: Evidence,
        /// When waiting ends as [`TaskState::Unknown`].
        until: Timestamp,
    },
    /// The outcome of attempt `attempt` is not known (P3).
    Unknown {
        /// Its number.
        attempt: u32,
    },
    /// Done; final.
    Done {
        /// When it takes effect.
        applied: Applied,
    },
    /// Refused by the device or impossible; final until retried.
    Failed,
    /// Was unknown, is proved applied; final.
    ResolvedApplied,
    /// Was unknown, is proved not applied; final until retried.
    ResolvedNotApplied,
    /// No evidence came; a person decides. Final until retried; where reading back went unanswered, until it is known that an
    /// answer was lost with one of our front-ends.
    NeedsOperator,
    /// Withdrawn; final.
    Cancelled,
    /// Not begun before its expiry; final.
    Expired,
    /// Three transmissions in a row went unanswered (P4); final until retried, or until it is known that an answer was lost
    /// with one of our front-ends.
    Quarantined,
}

impl TaskState {
    /// Every name, in order of life.
    pub const NAMES: [&'static str; 12] = [
        "queued",
        "sending",
        "awaiting",
        "unknown",
        "done",
        "failed",
        "resolved_applied",
        "resolved_not_applied",
        "needs_operator",
        "cancelled",
        "expired",
        "quarantined",
    ];

    /// The name in API, events and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending { .. } => "sending",
            Self::Awaiting { .. } => "awaiting",
            Self::Unknown { .. } => "unknown",
            Self::Done { .. } => "done",
            Self::Failed => "failed",
            Self::ResolvedApplied => "resolved_applied",
            Self::ResolvedNotApplied => "resolved_not_applied",
            Self::NeedsOperator => "needs_operator",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether nothing more happens to it by itself.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::Sending { .. } | Self::Awaiting { .. } | Self::Unknown { .. })
    }

    /// Whether it ended as asked.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::ResolvedApplied)
    }
}

/// What tells the outcome of an accepted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// TransferComplete with the attempt's id as CommandKey.
    TransferComplete,
    /// `M Reboot` with the attempt's id as CommandKey (CWMP-247).
    Reboot,
    /// `0 BOOTSTRAP` (CWMP-248).
    Bootstrap,
}

impl Evidence {
    /// Every kind of evidence.
    pub const ALL: [Self; 3] = [Self::TransferComplete, Self::Reboot, Self::Bootstrap];

    /// The name in API and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransferComplete => "transfer_complete",
            Self::Reboot => "reboot",
            Self::Bootstrap => "bootstrap",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == name)
    }
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It has.
    Now,
    /// With the next reboot (Status 1).
    AfterReboot,
}

impl Applied {
    /// Every moment of effect.
    pub const ALL: [Self; 2] = [Self::Now, Self::AfterReboot];

    /// The name in API and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::AfterReboot => "after_reboot",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResult {
    /// Values read; secret ones with empty text. At most [`TaskResult::VALUES_MAX`], the rest is in the tree.
    Values(Vec<ParameterValue>),
    /// How many names and values were read.
    Counts {
        /// Names.
        names: u32,
        /// Values.
        values: u32,
    },
    /// The instance that was added.
    Instance {
        /// Its path, ending in `.`.
        object: ParameterPath,
    },
    /// How a transfer ended.
    Transfer(TransferResult),
}

impl TaskResult {
    /// Values kept in a result.
    pub const VALUES_MAX: usize = 1000;
}

/// How a transfer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferResult {
    /// StartTime as the device said.
    pub start_time: String,
    /// CompleteTime as the device said.
    pub complete_time: String,
}
