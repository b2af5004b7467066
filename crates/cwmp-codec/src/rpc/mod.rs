//! One file per method: its arguments, both directions, reading and writing, limits and tests.
//!
//! A further method is a file here, a variant of each enum below and a line in `decode::method` and `encode`.

mod add_object;
mod delete_object;
mod download;
mod get_parameter_names;
mod get_parameter_values;
mod get_rpc_methods;
mod inform;
mod parameter_list;
mod reboot;
mod set_parameter_values;
mod transfer_complete;

pub use add_object::{AddObject, AddObjectResponse};
pub use delete_object::{DeleteObject, DeleteObjectResponse};
pub use download::{Download, DownloadResponse};
pub use get_parameter_names::{GetParameterNames, GetParameterNamesResponse, ParameterInfo};
pub use get_parameter_values::{GetParameterValues, GetParameterValuesResponse};
pub use get_rpc_methods::GetRpcMethodsResponse;
pub(crate) use get_rpc_methods::encode_methods;
pub use inform::{Event, Inform, InformResponse};
pub(crate) use reboot::{decode_reboot, encode_reboot};
pub use set_parameter_values::{SetParameterValues, SetParameterValuesResponse};
pub use transfer_complete::TransferComplete;

use cwmp_model::ParameterPath;

use crate::arguments::{Arguments, invalid, status};
use crate::xml::{Reader, Writer};
use crate::{DecodeError, EncodeError, Remark};

/// CommandKey and ParameterKey (CWMP-084).
const COMMAND_KEY_CHARS_MAX: usize = 32;
/// URLs of transfers (CWMP-084, CWMP-332).
const URL_CHARS_MAX: usize = 256;
/// Username, Password, TargetFileName and the FaultString of a transfer (CWMP-084).
const TRANSFER_TEXT_CHARS_MAX: usize = 256;
/// Longest dateTime that is not remarked.
const TIME_CHARS_MAX: usize = 64;

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

/// After AddObject or DeleteObject was read: the object is needed, its final dot is not.
fn note_object(
    r: &mut Reader<'_>,
    method: &'static str,
    arguments: &Arguments,
    object: &ParameterPath,
) -> Result<(), DecodeError> {
    if object.as_str().is_empty() {
        return Err(invalid(r, method, "ObjectName", "is missing"));
    }
    if !object.is_object() {
        r.note(Remark::ObjectNameForm);
    }
    arguments.note_missing(r, &["ParameterKey"]);
    Ok(())
}

/// The arguments of AddObject and DeleteObject (CWMP-243, CWMP-245).
fn encode_object(w: &mut Writer<'_>, object: &ParameterPath, parameter_key: &str) -> Result<(), EncodeError> {
    let name = object.as_str();
    if name.is_empty() || !object.is_object() {
        return Err(crate::value::form("ObjectName", name, "object path with its final dot"));
    }
    w.text("ObjectName", name, ParameterPath::CHARS_MAX)?;
    w.text("ParameterKey", parameter_key, COMMAND_KEY_CHARS_MAX)
}

/// A response that holds nothing but Status; a missing one is 0 with a remark.
fn decode_status(r: &mut Reader<'_>, method: &'static str) -> Result<u32, DecodeError> {
    let mut read = None;
    let mut arguments = Arguments::new(&["Status"]);
    while arguments.next(r)?.is_some() {
        read = Some(status(r, method)?);
    }
    if read.is_none() {
        r.note(Remark::StatusMissing);
    }
    Ok(read.unwrap_or(0))
}

fn encode_status(w: &mut Writer<'_>, status: u32) -> Result<(), EncodeError> {
    if status > 1 {
        return Err(crate::value::form("Status", &status.to_string(), "status 0 or 1"));
    }
    w.number("Status", status);
    Ok(())
}

/// A transfer URL: not empty, without user information (CWMP-332).
fn check_url(field: &'static str, url: &str) -> Result<(), EncodeError> {
    if url.is_empty() {
        return Err(EncodeError::Empty { field });
    }
    if has_user_information(url) {
        return Err(EncodeError::UserInformation { field });
    }
    Ok(())
}

/// Whether the authority of `url` has an `@` (RFC 3986, 3.2.1).
fn has_user_information(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}
