use acs_types::{FaultRecord, ParameterFaultRecord, TaskFault};
use cwmp_model::Timestamp;

use super::{RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for FaultRecord {
    type Message = v1::FaultRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::FaultRecord {
        v1::FaultRecord {
            at: self.at.as_micros(),
            tenant: self.tenant.to_string(),
            device: self.device.to_string(),
            session: self.session.as_bytes().to_vec(),
            task: field::optional_text(self.task.as_ref()),
            method: self.method.clone(),
            fault: Some(self.fault.to_wire(seal)),
        }
    }

    fn from_wire(message: v1::FaultRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            at: Timestamp::from_micros(message.at),
            tenant: field::id(&message.tenant, "FaultRecord.tenant")?,
            device: field::id(&message.device, "FaultRecord.device")?,
            session: field::session(&message.session, "FaultRecord.session")?,
            task: field::optional_id(&message.task, "FaultRecord.task")?,
            method: message.method,
            fault: field::required(message.fault, "FaultRecord.fault", seal)?,
        })
    }
}

impl Wire for TaskFault {
    type Message = v1::TaskFault;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::TaskFault {
        v1::TaskFault { code: self.code, text: self.text.clone(), parameters: field::list(&self.parameters, seal) }
    }

    fn from_wire(message: v1::TaskFault, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let parameters = field::read_list(message.parameters, seal)?;
        Ok(Self { code: message.code, text: message.text, parameters })
    }
}

impl Wire for ParameterFaultRecord {
    type Message = v1::ParameterFault;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ParameterFault {
        v1::ParameterFault { name: self.name.to_string(), code: self.code, text: self.text.clone() }
    }

    fn from_wire(message: v1::ParameterFault, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let name = field::path(&message.name, "ParameterFault.name")?;
        Ok(Self { name, code: message.code, text: message.text })
    }
}
