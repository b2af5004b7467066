//! What CWMP itself defines: identity, values, messages.

use cwmp_codec::{
    AcsRequest, AddObject, AddObjectResponse, CpeResponse, DeleteObject, DeleteObjectResponse, Download,
    DownloadResponse, Event, Fault, GetParameterNames, GetParameterNamesResponse, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, ParameterFault, ParameterInfo, SetParameterValues,
    SetParameterValuesResponse,
};
use cwmp_model::{DeviceIdentity, ParameterValue, Value, ValueType};

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for DeviceIdentity {
    type Message = v1::DeviceIdentity;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::DeviceIdentity {
        v1::DeviceIdentity {
            manufacturer: self.manufacturer.clone(),
            oui: self.oui.clone(),
            product_class: self.product_class.clone(),
            serial_number: self.serial_number.clone(),
        }
    }

    fn from_wire(message: v1::DeviceIdentity, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let v1::DeviceIdentity { manufacturer, oui, product_class, serial_number } = message;
        Ok(Self { manufacturer, oui, product_class, serial_number })
    }
}

impl Wire for ParameterValue {
    type Message = v1::ParameterValue;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ParameterValue {
        v1::ParameterValue {
            name: self.name.to_string(),
            r#type: self.value.kind.number(),
            text: self.value.text.clone(),
        }
    }

    fn from_wire(message: v1::ParameterValue, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let kind = ValueType::from_number(message.r#type, "ParameterValue.type")?;
        Ok(Self { name: field::path(&message.name, "ParameterValue.name")?, value: Value { kind, text: message.text } })
    }
}

impl Wire for Inform {
    type Message = v1::Inform;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Inform {
        v1::Inform {
            device: Some(self.device.to_wire(seal)),
            events: field::list(&self.events, seal),
            max_envelopes: self.max_envelopes,
            current_time: self.current_time.clone(),
            retry_count: self.retry_count,
            parameters: field::list(&self.parameters, seal),
        }
    }

    fn from_wire(message: v1::Inform, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            device: field::required(message.device, "Inform.device", seal)?,
            events: field::read_list(message.events, seal)?,
            max_envelopes: message.max_envelopes,
            current_time: message.current_time,
            retry_count: message.retry_count,
            parameters: field::read_list(message.parameters, seal)?,
        })
    }
}

impl Wire for Event {
    type Message = v1::EventStruct;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::EventStruct {
        v1::EventStruct { event_code: self.code.clone(), command_key: self.command_key.clone() }
    }

    fn from_wire(message: v1::EventStruct, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { code: message.event_code, command_key: message.command_key })
    }
}

impl Wire for Fault {
    type Message = v1::Fault;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Fault {
        v1::Fault { code: self.code, text: self.text.clone(), parameters: field::list(&self.parameters, seal) }
    }

    fn from_wire(message: v1::Fault, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let parameters = field::read_list(message.parameters, seal)?;
        Ok(Self { code: message.code, text: message.text, parameters })
    }
}

impl Wire for ParameterFault {
    type Message = v1::ParameterFault;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ParameterFault {
        v1::ParameterFault { name: self.name.to_string(), code: self.code, text: self.text.clone() }
    }

    fn from_wire(message: v1::ParameterFault, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let name = field::path(&message.name, "ParameterFault.name")?;
        Ok(Self { name, code: message.code, text: message.text })
    }
}

impl Wire for ParameterInfo {
    type Message = v1::ParameterInfo;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ParameterInfo {
        v1::ParameterInfo { name: self.name.to_string(), writable: self.writable }
    }

    fn from_wire(message: v1::ParameterInfo, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { name: field::path(&message.name, "ParameterInfo.name")?, writable: message.writable })
    }
}

impl Wire for AcsRequest {
    type Message = v1::AcsRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::AcsRequest {
        use v1::acs_request::Method;
        let method = match self {
            Self::GetRpcMethods => Method::GetRpcMethods(v1::GetRpcMethods {}),
            Self::SetParameterValues(call) => Method::SetParameterValues(v1::SetParameterValues {
                parameters: field::list(&call.parameters, seal),
                parameter_key: call.parameter_key.clone(),
            }),
            Self::GetParameterValues(call) => {
                Method::GetParameterValues(v1::GetParameterValues { names: field::path_texts(&call.names) })
            }
            Self::GetParameterNames(call) => Method::GetParameterNames(v1::GetParameterNames {
                path: call.path.to_string(),
                next_level: call.next_level,
            }),
            Self::AddObject(call) => Method::AddObject(v1::AddObject {
                object: call.object.to_string(),
                parameter_key: call.parameter_key.clone(),
            }),
            Self::DeleteObject(call) => Method::DeleteObject(v1::DeleteObject {
                object: call.object.to_string(),
                parameter_key: call.parameter_key.clone(),
            }),
            Self::Download(call) => Method::Download(call.to_wire(seal)),
            Self::Reboot { command_key } => Method::Reboot(v1::Reboot { command_key: command_key.clone() }),
            Self::FactoryReset => Method::FactoryReset(v1::FactoryReset {}),
        };
        v1::AcsRequest { method: Some(method) }
    }

    fn from_wire(message: v1::AcsRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::acs_request::Method;
        Ok(match field::present(message.method, "AcsRequest.method")? {
            Method::GetRpcMethods(_) => Self::GetRpcMethods,
            Method::SetParameterValues(call) => Self::SetParameterValues(SetParameterValues {
                parameters: field::read_list(call.parameters, seal)?,
                parameter_key: call.parameter_key,
            }),
            Method::GetParameterValues(call) => Self::GetParameterValues(GetParameterValues {
                names: field::paths(&call.names, "GetParameterValues.names")?,
            }),
            Method::GetParameterNames(call) => Self::GetParameterNames(GetParameterNames {
                path: field::path(&call.path, "GetParameterNames.path")?,
                next_level: call.next_level,
            }),
            Method::AddObject(call) => Self::AddObject(AddObject {
                object: field::path(&call.object, "AddObject.object")?,
                parameter_key: call.parameter_key,
            }),
            Method::DeleteObject(call) => Self::DeleteObject(DeleteObject {
                object: field::path(&call.object, "DeleteObject.object")?,
                parameter_key: call.parameter_key,
            }),
            Method::Download(call) => Self::Download(Download::from_wire(call, seal)?),
            Method::Reboot(v1::Reboot { command_key }) => Self::Reboot { command_key },
            Method::FactoryReset(_) => Self::FactoryReset,
        })
    }
}

impl Wire for Download {
    type Message = v1::Download;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Download {
        v1::Download {
            command_key: self.command_key.clone(),
            file_type: self.file_type.clone(),
            url: self.url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            file_size: self.file_size,
            target_file_name: self.target_file_name.clone(),
            delay_seconds: self.delay_seconds,
            success_url: self.success_url.clone(),
            failure_url: self.failure_url.clone(),
        }
    }

    fn from_wire(message: v1::Download, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            command_key: message.command_key,
            file_type: message.file_type,
            url: message.url,
            username: message.username,
            password: message.password,
            file_size: message.file_size,
            target_file_name: message.target_file_name,
            delay_seconds: message.delay_seconds,
            success_url: message.success_url,
            failure_url: message.failure_url,
        })
    }
}

impl Wire for CpeResponse {
    type Message = v1::CpeResponse;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::CpeResponse {
        use v1::cpe_response::Method;
        let method = match self {
            Self::GetRpcMethods(answer) => {
                Method::GetRpcMethods(v1::GetRpcMethodsResponse { methods: answer.methods.clone() })
            }
            Self::SetParameterValues(answer) => {
                Method::SetParameterValues(v1::SetParameterValuesResponse { status: answer.status })
            }
            Self::GetParameterValues(answer) => Method::GetParameterValues(v1::GetParameterValuesResponse {
                parameters: field::list(&answer.parameters, seal),
            }),
            Self::GetParameterNames(answer) => Method::GetParameterNames(v1::GetParameterNamesResponse {
                parameters: field::list(&answer.parameters, seal),
            }),
            Self::AddObject(answer) => {
                Method::AddObject(v1::AddObjectResponse { instance: answer.instance, status: answer.status })
            }
            Self::DeleteObject(answer) => Method::DeleteObject(v1::DeleteObjectResponse { status: answer.status }),
            Self::Download(answer) => Method::Download(v1::DownloadResponse {
                status: answer.status,
                start_time: answer.start_time.clone(),
                complete_time: answer.complete_time.clone(),
            }),
            Self::Reboot => Method::Reboot(v1::RebootResponse {}),
            Self::FactoryReset => Method::FactoryReset(v1::FactoryResetResponse {}),
        };
        v1::CpeResponse { method: Some(method) }
    }

    fn from_wire(message: v1::CpeResponse, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::cpe_response::Method;
        Ok(match field::present(message.method, "CpeResponse.method")? {
            Method::GetRpcMethods(answer) => Self::GetRpcMethods(GetRpcMethodsResponse { methods: answer.methods }),
            Method::SetParameterValues(answer) => {
                Self::SetParameterValues(SetParameterValuesResponse { status: answer.status })
            }
            Method::GetParameterValues(answer) => Self::GetParameterValues(GetParameterValuesResponse {
                parameters: field::read_list(answer.parameters, seal)?,
            }),
            Method::GetParameterNames(answer) => Self::GetParameterNames(GetParameterNamesResponse {
                parameters: field::read_list(answer.parameters, seal)?,
            }),
            Method::AddObject(answer) => {
                Self::AddObject(AddObjectResponse { instance: answer.instance, status: answer.status })
            }
            Method::DeleteObject(answer) => Self::DeleteObject(DeleteObjectResponse { status: answer.status }),
            Method::Download(answer) => Self::Download(DownloadResponse {
                status: answer.status,
                start_time: answer.start_time,
                complete_time: answer.complete_time,
            }),
            Method::Reboot(_) => Self::Reboot,
            Method::FactoryReset(_) => Self::FactoryReset,
        })
    }
}
