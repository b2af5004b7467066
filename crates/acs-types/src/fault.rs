use cwmp_model::{ParameterPath, Timestamp};

use crate::{DeviceId, SessionId, TaskId, Tenant};

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFault {
    /// CWMP FaultCode; 0 when it was not the device that refused.
    pub code: u32,
    /// What happened, for people.
    pub text: String,
    /// Every SetParameterValuesFault (CWMP-095).
    pub parameters: Vec<ParameterFaultRecord>,
}

/// SetParameterValuesFault as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterFaultRecord {
    /// The parameter.
    pub name: ParameterPath,
    /// FaultCode.
    pub code: u32,
    /// FaultString.
    pub text: String,
}

/// A fault of a device, kept for support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRecord {
    /// When it came.
    pub at: Timestamp,
    /// Whose.
    pub tenant: Tenant,
    /// The device.
    pub device: DeviceId,
    /// In which session.
    pub session: SessionId,
    /// For which task; `None` for one that no task caused.
    pub task: Option<TaskId>,
    /// The method that was refused.
    pub method: String,
    /// The fault.
    pub fault: TaskFault,
}
