//! CWMP messages to bytes and back: SOAP envelope, headers, methods, faults, for CWMP 1.0 to 1.4.
//!
//! Reading is lenient and says what it forgave; writing is strict. No I/O, no clock, no randomness.

mod envelope;
mod fault;
mod rpc;
mod version;

pub use envelope::{AcsResponse, Envelope, Header, Message};
pub use fault::{Fault, ParameterFault};
pub use rpc::{
    AcsRequest, AddObject, AddObjectResponse, CpeRequest, CpeResponse, DeleteObject, DeleteObjectResponse, Download,
    DownloadResponse, Event, GetParameterNames, GetParameterNamesResponse, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, InformResponse, ParameterInfo, SetParameterValues,
    SetParameterValuesResponse, TransferComplete,
};
pub use version::{CwmpNamespace, CwmpVersion};
