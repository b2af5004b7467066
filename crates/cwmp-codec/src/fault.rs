use cwmp_model::ParameterPath;

/// A SOAP Fault with its CWMP fault (CWMP-093 to CWMP-097).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// FaultCode: 8000–8899 of an ACS, 9000–9899 of a CPE. 0 when a device sent a fault without one.
    pub code: u32,
    /// FaultString; may be empty.
    pub text: String,
    /// Every SetParameterValuesFault (CWMP-095).
    pub parameters: Vec<ParameterFault>,
}

/// SetParameterValuesFault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterFault {
    /// ParameterName.
    pub name: ParameterPath,
    /// FaultCode.
    pub code: u32,
    /// FaultString.
    pub text: String,
}
