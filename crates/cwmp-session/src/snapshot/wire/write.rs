//! From the values to the messages.

use cwmp_codec as codec;
use cwmp_model::ParameterValue;

use super::FORMAT;
use super::messages::{
    Answer, Call, Download, Empty, Fault, GetParameterNames, Object, Outcome, Parameter, ParameterFault, ParameterInfo,
    ParameterInfos, Parameters, Paths, Request, Response, ResponseKind, Session, SetParameterValues, Status, Texts,
};
use crate::acs;
use crate::snapshot::{Snapshot, SnapshotTurn};

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
