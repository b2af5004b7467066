use acs_types::{
    Applied, AttemptReason, DownloadSource, DownloadSpec, Evidence, FileId, Obligation, Origin, Secret, SetValue, Task,
    TaskResult, TaskSpec, TaskState, TransferResult, Wanted,
};
use cwmp_model::{Timestamp, ValueType};

use super::{Enumerated, RecordError, SecretSeal, Wire, field, file_type};
use crate::v1;
use crate::v1::TaskStateName as Name;

impl Wire for Task {
    type Message = v1::Task;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Task {
        v1::Task {
            id: self.id.to_string(),
            tenant: self.tenant.to_string(),
            device: self.device.to_string(),
            spec: Some(self.spec.to_wire(seal)),
            wanted: self.wanted.number(),
            origin: Some(self.origin.to_wire(seal)),
            priority: self.priority.into(),
            created_at: self.created_at.as_micros(),
            expires_at: field::micros(self.expires_at),
            state: Some(self.state.to_wire(seal)),
            revision: self.revision,
            attempts: field::list(&self.attempts, seal),
            unanswered: self.unanswered,
            unanswered_in: self.unanswered_in.iter().map(|session| session.as_bytes().to_vec()).collect(),
            excused: self.excused,
            result: self.result.as_ref().map(|result| result.to_wire(seal)),
            fault: self.fault.as_ref().map(|fault| fault.to_wire(seal)),
            body_sha256: self.body_sha256.to_vec(),
            updated_at: self.updated_at.as_micros(),
            next_reason: self.next_reason.number(),
            cancel_requested: self.cancel_requested,
        }
    }

    fn from_wire(message: v1::Task, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let spec = field::required(message.spec, "Task.spec", seal)
            .map_err(|error| error.of_record(|| format!("task {}", message.id)))?;
        Ok(Self {
            id: field::id(&message.id, "Task.id")?,
            tenant: field::id(&message.tenant, "Task.tenant")?,
            device: field::id(&message.device, "Task.device")?,
            spec,
            wanted: Wanted::from_number(message.wanted, "Task.wanted")?,
            origin: field::required(message.origin, "Task.origin", seal)?,
            priority: message.priority.try_into().map_err(|error| field::invalid("Task.priority", &error))?,
            created_at: Timestamp::from_micros(message.created_at),
            expires_at: field::moment(message.expires_at),
            state: field::required(message.state, "Task.state", seal)?,
            revision: message.revision,
            attempts: field::read_list(message.attempts, seal)?,
            unanswered: message.unanswered,
            unanswered_in: field::sessions(&message.unanswered_in, "Task.unanswered_in")?,
            excused: message.excused,
            next_reason: AttemptReason::from_number(message.next_reason, "Task.next_reason")?,
            cancel_requested: message.cancel_requested,
            result: field::optional(message.result, seal)?,
            fault: field::optional(message.fault, seal)?,
            body_sha256: field::fixed(&message.body_sha256, "Task.body_sha256")?,
            updated_at: Timestamp::from_micros(message.updated_at),
        })
    }
}

impl Wire for TaskSpec {
    type Message = v1::TaskSpec;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::TaskSpec {
        use v1::task_spec::Kind;
        let kind = match self {
            Self::GetValues { paths } => Kind::GetValues(v1::GetValuesSpec { paths: field::path_texts(paths) }),
            Self::SetValues { values } => Kind::SetValues(v1::SetValuesSpec { values: field::list(values, seal) }),
            Self::GetNames { path, next_level } => {
                Kind::GetNames(v1::GetNamesSpec { path: path.to_string(), next_level: *next_level })
            }
            Self::Refresh { path } => Kind::Refresh(v1::RefreshSpec { path: path.to_string() }),
            Self::AddObject { object, values } => {
                Kind::AddObject(v1::AddObjectSpec { object: object.to_string(), values: field::list(values, seal) })
            }
            Self::DeleteObject { object } => Kind::DeleteObject(v1::DeleteObjectSpec { object: object.to_string() }),
            Self::Download(download) => Kind::Download(download.to_wire(seal)),
            Self::Reboot => Kind::Reboot(v1::RebootSpec {}),
            Self::FactoryReset => Kind::FactoryReset(v1::FactoryResetSpec {}),
            Self::Discover => Kind::Discover(v1::DiscoverSpec {}),
            Self::SetCredentials => Kind::SetCredentials(v1::SetCredentialsSpec {}),
        };
        v1::TaskSpec { kind: Some(kind) }
    }

    fn from_wire(message: v1::TaskSpec, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::task_spec::Kind;
        Ok(match field::present(message.kind, "TaskSpec.kind")? {
            Kind::GetValues(spec) => Self::GetValues { paths: field::paths(&spec.paths, "GetValuesSpec.paths")? },
            Kind::SetValues(spec) => Self::SetValues { values: field::read_list(spec.values, seal)? },
            Kind::GetNames(spec) => {
                Self::GetNames { path: field::path(&spec.path, "GetNamesSpec.path")?, next_level: spec.next_level }
            }
            Kind::Refresh(spec) => Self::Refresh { path: field::path(&spec.path, "RefreshSpec.path")? },
            Kind::AddObject(spec) => Self::AddObject {
                object: field::path(&spec.object, "AddObjectSpec.object")?,
                values: field::read_list(spec.values, seal)?,
            },
            Kind::DeleteObject(spec) => {
                Self::DeleteObject { object: field::path(&spec.object, "DeleteObjectSpec.object")? }
            }
            Kind::Download(spec) => Self::Download(DownloadSpec::from_wire(spec, seal)?),
            Kind::Reboot(_) => Self::Reboot,
            Kind::FactoryReset(_) => Self::FactoryReset,
            Kind::Discover(_) => Self::Discover,
            Kind::SetCredentials(_) => Self::SetCredentials,
        })
    }
}

impl Wire for SetValue {
    type Message = v1::SetValue;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::SetValue {
        v1::SetValue {
            path: self.path.to_string(),
            r#type: self.kind.map_or(0, ValueType::number),
            sealed_text: field::sealed(self.text.reveal(), seal),
        }
    }

    fn from_wire(message: v1::SetValue, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let kind = match message.r#type {
            0 => None,
            number => Some(ValueType::from_number(number, "SetValue.type")?),
        };
        let text = field::opened(&message.sealed_text, seal, || format!("the value for {}", message.path))?;
        Ok(Self { path: field::path(&message.path, "SetValue.path")?, kind, text: Secret::new(text) })
    }
}

impl Wire for DownloadSpec {
    type Message = v1::DownloadSpec;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::DownloadSpec {
        use v1::download_spec::Source;
        let source = match &self.source {
            DownloadSource::File(file) => Source::File(file.to_string()),
            DownloadSource::Url { url, username, password, file_size } => Source::Url(v1::DownloadUrl {
                url: url.clone(),
                username: username.clone(),
                sealed_password: field::sealed(password.reveal(), seal),
                file_size: *file_size,
            }),
        };
        v1::DownloadSpec {
            file_type: self.file_type.as_str().to_owned(),
            source: Some(source),
            target_file_name: self.target_file_name.clone(),
            delay_seconds: self.delay_seconds,
        }
    }

    fn from_wire(message: v1::DownloadSpec, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::download_spec::Source;
        let source = match field::present(message.source, "DownloadSpec.source")? {
            Source::File(file) => DownloadSource::File(field::id::<FileId>(&file, "DownloadSpec.file")?),
            Source::Url(url) => DownloadSource::Url {
                password: Secret::new(field::opened(&url.sealed_password, seal, || {
                    "the download password".to_owned()
                })?),
                url: url.url,
                username: url.username,
                file_size: url.file_size,
            },
        };
        Ok(Self {
            file_type: file_type(message.file_type, "DownloadSpec.file_type")?,
            source,
            target_file_name: message.target_file_name,
            delay_seconds: message.delay_seconds,
        })
    }
}

impl Wire for Origin {
    type Message = v1::Origin;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Origin {
        let origin = match self {
            Self::Request { principal } => v1::origin::Origin::Principal(principal.clone()),
            Self::Obligation(obligation) => v1::origin::Origin::Obligation(obligation.number()),
        };
        v1::Origin { origin: Some(origin) }
    }

    fn from_wire(message: v1::Origin, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(match field::present(message.origin, "Origin.origin")? {
            v1::origin::Origin::Principal(principal) => Self::Request { principal },
            v1::origin::Origin::Obligation(number) => {
                Self::Obligation(Obligation::from_number(number, "Origin.obligation")?)
            }
        })
    }
}

impl Wire for TaskState {
    type Message = v1::TaskState;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::TaskState {
        let named = |name: Name| v1::TaskState { name: name.into(), ..v1::TaskState::default() };
        match *self {
            Self::Queued => named(Name::Queued),
            Self::Sending { attempt } => v1::TaskState { attempt, ..named(Name::Sending) },
            Self::Awaiting { attempt, evidence, until } => v1::TaskState {
                attempt,
                evidence: evidence.number(),
                until: until.as_micros(),
                ..named(Name::Awaiting)
            },
            Self::Unknown { attempt } => v1::TaskState { attempt, ..named(Name::Unknown) },
            Self::Done { applied } => v1::TaskState { applied: applied.number(), ..named(Name::Done) },
            Self::Failed => named(Name::Failed),
            Self::ResolvedApplied => named(Name::ResolvedApplied),
            Self::ResolvedNotApplied => named(Name::ResolvedNotApplied),
            Self::NeedsOperator => named(Name::NeedsOperator),
            Self::Cancelled => named(Name::Cancelled),
            Self::Expired => named(Name::Expired),
            Self::Quarantined => named(Name::Quarantined),
        }
    }

    fn from_wire(message: v1::TaskState, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let (field, number, attempt) = ("TaskState.name", message.name, message.attempt);
        let name = Name::try_from(number).map_err(|_| RecordError::UnknownValue { field, number })?;
        Ok(match name {
            Name::Unspecified => return Err(RecordError::Missing { field }),
            Name::Queued => Self::Queued,
            Name::Sending => Self::Sending { attempt },
            Name::Awaiting => Self::Awaiting {
                attempt,
                evidence: Evidence::from_number(message.evidence, "TaskState.evidence")?,
                until: Timestamp::from_micros(message.until),
            },
            Name::Unknown => Self::Unknown { attempt },
            Name::Done => Self::Done { applied: Applied::from_number(message.applied, "TaskState.applied")? },
            Name::Failed => Self::Failed,
            Name::ResolvedApplied => Self::ResolvedApplied,
            Name::ResolvedNotApplied => Self::ResolvedNotApplied,
            Name::NeedsOperator => Self::NeedsOperator,
            Name::Cancelled => Self::Cancelled,
            Name::Expired => Self::Expired,
            Name::Quarantined => Self::Quarantined,
        })
    }
}

impl Wire for TaskResult {
    type Message = v1::TaskResult;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::TaskResult {
        use v1::task_result::Result as Kind;
        let result = match self {
            Self::Values(values) => Kind::Values(v1::ValuesResult { values: field::list(values, seal) }),
            Self::Counts { names, values } => Kind::Counts(v1::CountsResult { names: *names, values: *values }),
            Self::Instance { object } => Kind::Instance(v1::InstanceResult { object: object.to_string() }),
            Self::Transfer(transfer) => Kind::Transfer(v1::TransferResult {
                start_time: transfer.start_time.clone(),
                complete_time: transfer.complete_time.clone(),
            }),
        };
        v1::TaskResult { result: Some(result) }
    }

    fn from_wire(message: v1::TaskResult, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::task_result::Result as Kind;
        Ok(match field::present(message.result, "TaskResult.result")? {
            Kind::Values(result) => Self::Values(field::read_list(result.values, seal)?),
            Kind::Counts(v1::CountsResult { names, values }) => Self::Counts { names, values },
            Kind::Instance(result) => Self::Instance { object: field::path(&result.object, "InstanceResult.object")? },
            Kind::Transfer(v1::TransferResult { start_time, complete_time }) => {
                Self::Transfer(TransferResult { start_time, complete_time })
            }
        })
    }
}
