//! The bytes of a [`Snapshot`]: protobuf, format version 1. Field numbers and names of kinds are for ever; fields may be
//! added, and an older reader passes over them.

use std::time::Duration;

use cwmp_codec as codec;
use cwmp_codec::{CwmpNamespace, CwmpVersion};
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, Value, ValueType};
use prost::Message as _;

use super::{Snapshot, SnapshotTurn};
use crate::acs::{self, UnansweredReason};

/// The most bytes that are read.
pub const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

const FORMAT: u32 = 1;

/// Why bytes are no snapshot. The session then goes on by [`AcsSession::resume`](crate::AcsSession::resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Over [`SNAPSHOT_BYTES_MAX`].
    #[error("the session snapshot has more than {SNAPSHOT_BYTES_MAX} bytes")]
    TooLong,
    /// No protobuf of this kind.
    #[error("the session snapshot cannot be read")]
    Malformed,
    /// Written by a later version.
    #[error("the session snapshot has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// A field that has no meaning.
    #[error("the session snapshot has no valid {0}")]
    Field(&'static str),
}

impl Snapshot {
    /// As bytes. They may hold secrets.
    pub fn to_bytes(&self) -> Vec<u8> {
        Session::from(self).encode_to_vec()
    }

    /// From bytes of this or an earlier version.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLong);
        }
        let session = Session::decode(bytes).map_err(|_| SnapshotError::Malformed)?;
        if session.format != FORMAT {
            return Err(SnapshotError::Format(session.format));
        }
        session.read()
    }
}

// === messages ===

#[derive(Clone, PartialEq, prost::Message)]
struct Session {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(sint64, tag = "4")]
    started_at: i64,
    #[prost(sint64, tag = "5")]
    deadline: i64,
    #[prost(uint64, tag = "6")]
    idle_timeout_ms: u64,
    #[prost(uint32, tag = "7")]
    messages: u32,
    #[prost(uint32, tag = "8")]
    retry_faults: u32,
    #[prost(uint32, tag = "9")]
    empty_answers: u32,
    #[prost(bool, tag = "10")]
    held: bool,
    #[prost(bool, tag = "11")]
    final_sent: bool,
    #[prost(bool, tag = "12")]
    resumed: bool,
    #[prost(bool, tag = "13")]
    work_hint: bool,
    #[prost(string, tag = "14")]
    last_call_id: String,
    #[prost(bool, tag = "15")]
    work: bool,
    /// The call at the CPE; without one it is the CPE's turn.
    #[prost(message, optional, tag = "16")]
    call: Option<Call>,
    #[prost(message, repeated, tag = "17")]
    waiting: Vec<Call>,
    #[prost(message, repeated, tag = "18")]
    answers: Vec<Answer>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Call {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    label: String,
    #[prost(oneof = "Request", tags = "3, 4, 5, 6, 7, 8, 9, 10, 11")]
    request: Option<Request>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Request {
    #[prost(message, tag = "3")]
    GetRpcMethods(Empty),
    #[prost(message, tag = "4")]
    SetParameterValues(SetParameterValues),
    #[prost(message, tag = "5")]
    GetParameterValues(Paths),
    #[prost(message, tag = "6")]
    GetParameterNames(GetParameterNames),
    #[prost(message, tag = "7")]
    AddObject(Object),
    #[prost(message, tag = "8")]
    DeleteObject(Object),
    #[prost(message, tag = "9")]
    Download(Box<Download>),
    #[prost(string, tag = "10")]
    Reboot(String),
    #[prost(message, tag = "11")]
    FactoryReset(Empty),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    label: String,
    #[prost(string, tag = "3")]
    request_method: String,
    #[prost(sint64, tag = "4")]
    at: i64,
    #[prost(oneof = "Outcome", tags = "5, 6, 7")]
    outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(message, tag = "5")]
    Response(Response),
    #[prost(message, tag = "6")]
    Fault(Fault),
    #[prost(string, tag = "7")]
    Unanswered(String),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(oneof = "ResponseKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    kind: Option<ResponseKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ResponseKind {
    #[prost(message, tag = "1")]
    GetRpcMethods(Texts),
    #[prost(message, tag = "2")]
    SetParameterValues(Status),
    #[prost(message, tag = "3")]
    GetParameterValues(Parameters),
    #[prost(message, tag = "4")]
    GetParameterNames(ParameterInfos),
    #[prost(message, tag = "5")]
    AddObject(Status),
    #[prost(message, tag = "6")]
    DeleteObject(Status),
    #[prost(message, tag = "7")]
    Download(Status),
    #[prost(message, tag = "8")]
    Reboot(Empty),
    #[prost(message, tag = "9")]
    FactoryReset(Empty),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
struct Texts {
    #[prost(string, repeated, tag = "1")]
    texts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Paths {
    #[prost(string, repeated, tag = "1")]
    paths: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Parameters {
    #[prost(message, repeated, tag = "1")]
    parameters: Vec<Parameter>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Parameter {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(string, tag = "3")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SetParameterValues {
    #[prost(message, repeated, tag = "1")]
    parameters: Vec<Parameter>,
    #[prost(string, tag = "2")]
    parameter_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetParameterNames {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(bool, tag = "2")]
    next_level: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ParameterInfos {
    #[prost(message, repeated, tag = "1")]
    parameters: Vec<ParameterInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ParameterInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    writable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Object {
    #[prost(string, tag = "1")]
    object: String,
    #[prost(string, tag = "2")]
    parameter_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Download {
    #[prost(string, tag = "1")]
    command_key: String,
    #[prost(string, tag = "2")]
    file_type: String,
    #[prost(string, tag = "3")]
    url: String,
    #[prost(string, tag = "4")]
    username: String,
    #[prost(string, tag = "5")]
    password: String,
    #[prost(uint32, tag = "6")]
    file_size: u32,
    #[prost(string, tag = "7")]
    target_file_name: String,
    #[prost(uint32, tag = "8")]
    delay_seconds: u32,
    #[prost(string, tag = "9")]
    success_url: String,
    #[prost(string, tag = "10")]
    failure_url: String,
}

/// What the responses with a Status have in common; each uses the fields that it has.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(uint32, tag = "1")]
    status: u32,
    #[prost(uint32, tag = "2")]
    instance: u32,
    #[prost(string, tag = "3")]
    start_time: String,
    #[prost(string, tag = "4")]
    complete_time: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Fault {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(message, repeated, tag = "3")]
    parameters: Vec<ParameterFault>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ParameterFault {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    code: u32,
    #[prost(string, tag = "3")]
    text: String,
}

// === writing ===

impl From<&Snapshot> for Session {
    fn from(snapshot: &Snapshot) -> Self {
        let mut session = Self {
            format: FORMAT,
            version: snapshot.version.as_str().to_owned(),
            namespace: snapshot.namespace.urn().to_owned(),
            started_at: snapshot.started_at.as_micros(),
            deadline: snapshot.deadline.as_micros(),
            idle_timeout_ms: u64::try_from(snapshot.idle_timeout.as_millis()).unwrap_or(u64::MAX),
            messages: snapshot.messages,
            retry_faults: snapshot.retry_faults,
            empty_answers: snapshot.empty_answers,
            held: snapshot.held,
            final_sent: snapshot.final_sent,
            resumed: snapshot.resumed,
            work_hint: snapshot.work_hint,
            last_call_id: snapshot.last_call_id.clone(),
            ..Self::default()
        };
        let answers = match &snapshot.turn {
            SnapshotTurn::Cpe { work, answers } => {
                session.work = *work;
                answers
            }
            SnapshotTurn::Response { call, waiting, answers } => {
                session.call = Some(Call::from(&**call));
                session.waiting = waiting.iter().map(Call::from).collect();
                answers
            }
        };
        session.answers = answers.iter().map(Answer::from).collect();
        session
    }
}

impl From<&acs::Call> for Call {
    fn from(call: &acs::Call) -> Self {
        Self { id: call.id.clone(), label: call.label.clone(), request: Some((&call.request).into()) }
    }
}

impl From<&codec::AcsRequest> for Request {
    fn from(request: &codec::AcsRequest) -> Self {
        match request {
            codec::AcsRequest::GetRpcMethods => Self::GetRpcMethods(Empty {}),
            codec::AcsRequest::SetParameterValues(set) => Self::SetParameterValues(SetParameterValues {
                parameters: set.parameters.iter().map(Parameter::from).collect(),
                parameter_key: set.parameter_key.clone(),
            }),
            codec::AcsRequest::GetParameterValues(get) => {
                Self::GetParameterValues(Paths { paths: get.names.iter().map(ToString::to_string).collect() })
            }
            codec::AcsRequest::GetParameterNames(get) => {
                Self::GetParameterNames(GetParameterNames { path: get.path.to_string(), next_level: get.next_level })
            }
            codec::AcsRequest::AddObject(add) => {
                Self::AddObject(Object { object: add.object.to_string(), parameter_key: add.parameter_key.clone() })
            }
            codec::AcsRequest::DeleteObject(delete) => Self::DeleteObject(Object {
                object: delete.object.to_string(),
                parameter_key: delete.parameter_key.clone(),
            }),
            codec::AcsRequest::Download(download) => Self::Download(Box::new(download.into())),
            codec::AcsRequest::Reboot { command_key } => Self::Reboot(command_key.clone()),
            codec::AcsRequest::FactoryReset => Self::FactoryReset(Empty {}),
        }
    }
}

impl From<&codec::Download> for Download {
    fn from(download: &codec::Download) -> Self {
        let download = download.clone();
        Self {
            command_key: download.command_key,
            file_type: download.file_type,
            url: download.url,
            username: download.username,
            password: download.password,
            file_size: download.file_size,
            target_file_name: download.target_file_name,
            delay_seconds: download.delay_seconds,
            success_url: download.success_url,
            failure_url: download.failure_url,
        }
    }
}

impl From<&ParameterValue> for Parameter {
    fn from(parameter: &ParameterValue) -> Self {
        Self {
            name: parameter.name.to_string(),
            kind: parameter.value.kind.as_str().to_owned(),
            text: parameter.value.text.clone(),
        }
    }
}

impl From<&acs::Answer> for Answer {
    fn from(answer: &acs::Answer) -> Self {
        Self {
            id: answer.id.clone(),
            label: answer.label.clone(),
            request_method: answer.request_method.clone(),
            at: answer.at.as_micros(),
            outcome: Some(match &answer.outcome {
                acs::AnswerOutcome::Response(response) => Outcome::Response(Response { kind: Some(response.into()) }),
                acs::AnswerOutcome::Fault(fault) => Outcome::Fault(fault.into()),
                acs::AnswerOutcome::Unanswered(reason) => Outcome::Unanswered(reason.as_str().to_owned()),
            }),
        }
    }
}

impl From<&codec::CpeResponse> for ResponseKind {
    fn from(response: &codec::CpeResponse) -> Self {
        use codec::CpeResponse as R;
        match response {
            R::GetRpcMethods(answer) => Self::GetRpcMethods(Texts { texts: answer.methods.clone() }),
            R::SetParameterValues(answer) => {
                Self::SetParameterValues(Status { status: answer.status, ..Status::default() })
            }
            R::GetParameterValues(answer) => Self::GetParameterValues(Parameters {
                parameters: answer.parameters.iter().map(Parameter::from).collect(),
            }),
            R::GetParameterNames(answer) => {
                let info = |info: &codec::ParameterInfo| ParameterInfo {
                    name: info.name.to_string(),
                    writable: info.writable,
                };
                Self::GetParameterNames(ParameterInfos { parameters: answer.parameters.iter().map(info).collect() })
            }
            R::AddObject(answer) => {
                Self::AddObject(Status { status: answer.status, instance: answer.instance, ..Status::default() })
            }
            R::DeleteObject(answer) => Self::DeleteObject(Status { status: answer.status, ..Status::default() }),
            R::Download(answer) => Self::Download(Status {
                status: answer.status,
                instance: 0,
                start_time: answer.start_time.clone(),
                complete_time: answer.complete_time.clone(),
            }),
            R::Reboot => Self::Reboot(Empty {}),
            R::FactoryReset => Self::FactoryReset(Empty {}),
        }
    }
}

impl From<&codec::Fault> for Fault {
    fn from(fault: &codec::Fault) -> Self {
        let parameter = |fault: &codec::ParameterFault| ParameterFault {
            name: fault.name.to_string(),
            code: fault.code,
            text: fault.text.clone(),
        };
        Self {
            code: fault.code,
            text: fault.text.clone(),
            parameters: fault.parameters.iter().map(parameter).collect(),
        }
    }
}

// === reading ===

impl Session {
    fn read(self) -> Result<Snapshot, SnapshotError> {
        let answers = self.answers.into_iter().map(Answer::read).collect::<Result<_, _>>()?;
        let turn = match self.call {
            None => SnapshotTurn::Cpe { work: self.work, answers },
            Some(call) => {
                let waiting = self.waiting.into_iter().map(Call::read).collect::<Result<_, _>>()?;
                SnapshotTurn::Response { call: Box::new(call.read()?), waiting, answers }
            }
        };
        Ok(Snapshot {
            version: CwmpVersion::parse(&self.version).ok_or(SnapshotError::Field("version"))?,
            namespace: CwmpNamespace::parse(&self.namespace).ok_or(SnapshotError::Field("namespace"))?,
            started_at: Timestamp::from_micros(self.started_at),
            deadline: Timestamp::from_micros(self.deadline),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            messages: self.messages,
            retry_faults: self.retry_faults,
            empty_answers: self.empty_answers,
            held: self.held,
            final_sent: self.final_sent,
            resumed: self.resumed,
            work_hint: self.work_hint,
            last_call_id: self.last_call_id,
            turn,
        })
    }
}

impl Call {
    fn read(self) -> Result<acs::Call, SnapshotError> {
        let request = self.request.ok_or(SnapshotError::Field("request"))?.read()?;
        Ok(acs::Call { id: self.id, request, label: self.label })
    }
}

impl Request {
    fn read(self) -> Result<codec::AcsRequest, SnapshotError> {
        use codec::AcsRequest as R;
        Ok(match self {
            Self::GetRpcMethods(Empty {}) => R::GetRpcMethods,
            Self::SetParameterValues(set) => R::SetParameterValues(codec::SetParameterValues {
                parameters: read_parameters(set.parameters)?,
                parameter_key: set.parameter_key,
            }),
            Self::GetParameterValues(get) => {
                let names = get.paths.iter().map(|path| read_path(path)).collect::<Result<_, _>>()?;
                R::GetParameterValues(codec::GetParameterValues { names })
            }
            Self::GetParameterNames(get) => R::GetParameterNames(codec::GetParameterNames {
                path: read_path(&get.path)?,
                next_level: get.next_level,
            }),
            Self::AddObject(add) => {
                R::AddObject(codec::AddObject { object: read_path(&add.object)?, parameter_key: add.parameter_key })
            }
            Self::DeleteObject(delete) => R::DeleteObject(codec::DeleteObject {
                object: read_path(&delete.object)?,
                parameter_key: delete.parameter_key,
            }),
            Self::Download(download) => R::Download(download.read()),
            Self::Reboot(command_key) => R::Reboot { command_key },
            Self::FactoryReset(Empty {}) => R::FactoryReset,
        })
    }
}

impl Download {
    fn read(self) -> codec::Download {
        codec::Download {
            command_key: self.command_key,
            file_type: self.file_type,
            url: self.url,
            username: self.username,
            password: self.password,
            file_size: self.file_size,
            target_file_name: self.target_file_name,
            delay_seconds: self.delay_seconds,
            success_url: self.success_url,
            failure_url: self.failure_url,
        }
    }
}

impl Answer {
    fn read(self) -> Result<acs::Answer, SnapshotError> {
        let outcome = match self.outcome.ok_or(SnapshotError::Field("outcome"))? {
            Outcome::Response(response) => {
                let kind = response.kind.ok_or(SnapshotError::Field("response"))?;
                acs::AnswerOutcome::Response(kind.read()?)
            }
            Outcome::Fault(fault) => acs::AnswerOutcome::Fault(fault.read()?),
            Outcome::Unanswered(reason) => {
                let known = UnansweredReason::ALL.into_iter().find(|known| known.as_str() == reason);
                acs::AnswerOutcome::Unanswered(known.ok_or(SnapshotError::Field("reason"))?)
            }
        };
        Ok(acs::Answer {
            id: self.id,
            label: self.label,
            request_method: self.request_method,
            at: Timestamp::from_micros(self.at),
            outcome,
        })
    }
}

impl ResponseKind {
    fn read(self) -> Result<codec::CpeResponse, SnapshotError> {
        use codec::CpeResponse as R;
        Ok(match self {
            Self::GetRpcMethods(methods) => R::GetRpcMethods(codec::GetRpcMethodsResponse { methods: methods.texts }),
            Self::SetParameterValues(answer) => {
                R::SetParameterValues(codec::SetParameterValuesResponse { status: answer.status })
            }
            Self::GetParameterValues(answer) => R::GetParameterValues(codec::GetParameterValuesResponse {
                parameters: read_parameters(answer.parameters)?,
            }),
            Self::GetParameterNames(answer) => R::GetParameterNames(codec::GetParameterNamesResponse {
                parameters: answer.parameters.into_iter().map(ParameterInfo::read).collect::<Result<_, _>>()?,
            }),
            Self::AddObject(answer) => {
                R::AddObject(codec::AddObjectResponse { instance: answer.instance, status: answer.status })
            }
            Self::DeleteObject(answer) => R::DeleteObject(codec::DeleteObjectResponse { status: answer.status }),
            Self::Download(answer) => R::Download(codec::DownloadResponse {
                status: answer.status,
                start_time: answer.start_time,
                complete_time: answer.complete_time,
            }),
            Self::Reboot(Empty {}) => R::Reboot,
            Self::FactoryReset(Empty {}) => R::FactoryReset,
        })
    }
}

impl ParameterInfo {
    fn read(self) -> Result<codec::ParameterInfo, SnapshotError> {
        Ok(codec::ParameterInfo { name: read_path(&self.name)?, writable: self.writable })
    }
}

impl Fault {
    fn read(self) -> Result<codec::Fault, SnapshotError> {
        let parameter = |fault: ParameterFault| {
            Ok(codec::ParameterFault { name: read_path(&fault.name)?, code: fault.code, text: fault.text })
        };
        let parameters = self.parameters.into_iter().map(parameter).collect::<Result<_, _>>()?;
        Ok(codec::Fault { code: self.code, text: self.text, parameters })
    }
}

fn read_parameters(parameters: Vec<Parameter>) -> Result<Vec<ParameterValue>, SnapshotError> {
    let read = |parameter: Parameter| {
        let kind = ValueType::parse(&parameter.kind).ok_or(SnapshotError::Field("type"))?;
        Ok(ParameterValue { name: read_path(&parameter.name)?, value: Value::new(kind, parameter.text) })
    };
    parameters.into_iter().map(read).collect()
}

fn read_path(text: &str) -> Result<ParameterPath, SnapshotError> {
    ParameterPath::from_device(text).map_err(|_| SnapshotError::Field("path"))
}
