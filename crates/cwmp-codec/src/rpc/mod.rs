//! One file per method, both directions.

mod add_object;
mod delete_object;
mod download;
mod get_parameter_names;
mod get_parameter_values;
mod get_rpc_methods;
mod inform;
mod set_parameter_values;
mod transfer_complete;

pub use add_object::{AddObject, AddObjectResponse};
pub use delete_object::{DeleteObject, DeleteObjectResponse};
pub use download::{Download, DownloadResponse};
pub use get_parameter_names::{GetParameterNames, GetParameterNamesResponse, ParameterInfo};
pub use get_parameter_values::{GetParameterValues, GetParameterValuesResponse};
pub use get_rpc_methods::GetRpcMethodsResponse;
pub use inform::{Event, Inform, InformResponse};
pub use set_parameter_values::{SetParameterValues, SetParameterValuesResponse};
pub use transfer_complete::TransferComplete;

/// What a CPE asks of the ACS.
#[derive(Debug, Clone, PartialEq)]
pub enum CpeRequest {
    /// Opens a session.
    Inform(Inform),
    /// Tells how a transfer ended.
    TransferComplete(TransferComplete),
    /// Asks for the methods of the ACS.
    GetRpcMethods,
}

impl CpeRequest {
    /// The method's name on the wire.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Inform(_) => "Inform",
            Self::TransferComplete(_) => "TransferComplete",
            Self::GetRpcMethods => "GetRPCMethods",
        }
    }
}

/// What the ACS asks of a CPE.
#[derive(Debug, Clone, PartialEq)]
pub enum AcsRequest {
    /// GetRPCMethods
    GetRpcMethods,
    /// SetParameterValues
    SetParameterValues(SetParameterValues),
    /// GetParameterValues
    GetParameterValues(GetParameterValues),
    /// GetParameterNames
    GetParameterNames(GetParameterNames),
    /// AddObject
    AddObject(AddObject),
    /// DeleteObject
    DeleteObject(DeleteObject),
    /// Download
    Download(Download),
    /// Reboot
    Reboot {
        /// Comes back in `M Reboot` (CWMP-247); at most 32 characters.
        command_key: String,
    },
    /// FactoryReset
    FactoryReset,
}

impl AcsRequest {
    /// The method's name on the wire.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::GetRpcMethods => "GetRPCMethods",
            Self::SetParameterValues(_) => "SetParameterValues",
            Self::GetParameterValues(_) => "GetParameterValues",
            Self::GetParameterNames(_) => "GetParameterNames",
            Self::AddObject(_) => "AddObject",
            Self::DeleteObject(_) => "DeleteObject",
            Self::Download(_) => "Download",
            Self::Reboot { .. } => "Reboot",
            Self::FactoryReset => "FactoryReset",
        }
    }

    /// Whether it changes the device: then its intent is durable before its first byte (P2).
    pub const fn changes_device(&self) -> bool {
        !matches!(self, Self::GetRpcMethods | Self::GetParameterValues(_) | Self::GetParameterNames(_))
    }
}

/// What a CPE answers to a request of the ACS.
#[derive(Debug, Clone, PartialEq)]
pub enum CpeResponse {
    /// To GetRPCMethods.
    GetRpcMethods(GetRpcMethodsResponse),
    /// To SetParameterValues.
    SetParameterValues(SetParameterValuesResponse),
    /// To GetParameterValues.
    GetParameterValues(GetParameterValuesResponse),
    /// To GetParameterNames.
    GetParameterNames(GetParameterNamesResponse),
    /// To AddObject.
    AddObject(AddObjectResponse),
    /// To DeleteObject.
    DeleteObject(DeleteObjectResponse),
    /// To Download.
    Download(DownloadResponse),
    /// To Reboot.
    Reboot,
    /// To FactoryReset.
    FactoryReset,
}

impl CpeResponse {
    /// The name of the method it answers, without `Response`.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::GetRpcMethods(_) => "GetRPCMethods",
            Self::SetParameterValues(_) => "SetParameterValues",
            Self::GetParameterValues(_) => "GetParameterValues",
            Self::GetParameterNames(_) => "GetParameterNames",
            Self::AddObject(_) => "AddObject",
            Self::DeleteObject(_) => "DeleteObject",
            Self::Download(_) => "Download",
            Self::Reboot => "Reboot",
            Self::FactoryReset => "FactoryReset",
        }
    }

    /// Whether it fits `request` (CWMP-104).
    pub fn answers(&self, request: &AcsRequest) -> bool {
        self.method() == request.method()
    }
}
