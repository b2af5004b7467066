//! From the messages to the values; what has no meaning is refused.

use std::time::Duration;

use cwmp_codec as codec;
use cwmp_codec::{CwmpNamespace, CwmpVersion};
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, Value, ValueType};

use super::SnapshotError;
use super::messages::{
    Answer, Call, Download, Empty, Fault, Outcome, Parameter, ParameterFault, ParameterInfo, Request, ResponseKind,
    Session,
};
use crate::acs::{self, UnansweredReason};
use crate::snapshot::{Snapshot, SnapshotTurn};

impl Session {
    pub(super) fn read(self) -> Result<Snapshot, SnapshotError> {
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
