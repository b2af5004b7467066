use crate::{AcsRequest, CpeRequest, CpeResponse, CwmpNamespace, CwmpVersion, Fault, InformResponse};

/// One SOAP envelope: what a POST or its answer carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The CWMP namespace used; `None` when a device declared none.
    pub namespace: Option<CwmpNamespace>,
    /// The header entries.
    pub header: Header,
    /// The one element of the body.
    pub message: Message,
}

/// The header entries (section C). Absent is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `ID`, character for character (CWMP-087).
    pub id: Option<String>,
    /// `HoldRequests`, ACS to CPE only (CWMP-090).
    pub hold_requests: Option<bool>,
    /// `SessionTimeout` in seconds, Inform only (CWMP-125).
    pub session_timeout: Option<u32>,
    /// `SupportedCWMPVersions` of an Inform: as sent, known or not (CWMP-161, CWMP-164).
    pub supported_versions: Option<Vec<String>>,
    /// `UseCWMPVersion` of an InformResponse (CWMP-161).
    pub use_version: Option<CwmpVersion>,
}

/// What a body holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A request of the CPE.
    CpeRequest(CpeRequest),
    /// The answer of the ACS to one.
    AcsResponse(AcsResponse),
    /// A request of the ACS.
    AcsRequest(AcsRequest),
    /// The answer of the CPE to one.
    CpeResponse(CpeResponse),
    /// A SOAP Fault with a CWMP fault in it, of either side.
    Fault(Fault),
    /// A method this code does not know, by its local name (CWMP-098).
    Unknown {
        /// The local name of the body element, shortened to 256 characters.
        method: String,
    },
}

/// The answers of the ACS to requests of the CPE.
#[derive(Debug, Clone, PartialEq)]
pub enum AcsResponse {
    /// To Inform.
    Inform(InformResponse),
    /// To TransferComplete; it has no arguments.
    TransferComplete,
    /// To GetRPCMethods: the methods the ACS serves (CWMP-221).
    GetRpcMethods(Vec<String>),
}
