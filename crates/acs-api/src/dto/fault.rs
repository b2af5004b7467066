use acs_types::{FaultRecord, TaskFault};
use serde::Serialize;
use utoipa::ToSchema;

use super::TimeDto;

/// A fault that a device answered with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultDto {
    at: TimeDto,
    tenant: String,
    device_id: String,
    session_id: String,
    /// The task that caused it; `null`: none.
    task_id: Option<String>,
    /// The method that was refused.
    #[schema(example = "SetParameterValues")]
    method: String,
    #[serde(flatten)]
    fault: TaskFaultDto,
}

impl From<FaultRecord> for FaultDto {
    fn from(record: FaultRecord) -> Self {
        Self {
            at: record.at.into(),
            tenant: record.tenant.to_string(),
            device_id: record.device.to_string(),
            session_id: record.session.to_string(),
            task_id: record.task.map(|task| task.to_string()),
            method: record.method,
            fault: (&record.fault).into(),
        }
    }
}

/// Why something failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskFault, example = json!({"code": 9003, "text": "Invalid arguments", "parameters": []}))]
pub(crate) struct TaskFaultDto {
    /// The CWMP fault code; 0 if it was not the device that refused.
    code: u32,
    /// What happened, for people.
    text: String,
    /// The parameters that were refused.
    parameters: Vec<ParameterFaultDto>,
}

impl From<&TaskFault> for TaskFaultDto {
    fn from(fault: &TaskFault) -> Self {
        let parameters = fault.parameters.iter().map(|parameter| ParameterFaultDto {
            path: parameter.name.to_string(),
            code: parameter.code,
            text: parameter.text.clone(),
        });
        Self { code: fault.code, text: fault.text.clone(), parameters: parameters.collect() }
    }
}

/// Why one parameter was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParameterFault)]
struct ParameterFaultDto {
    path: String,
    /// The CWMP fault code.
    code: u32,
    text: String,
}
