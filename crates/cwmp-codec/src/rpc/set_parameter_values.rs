use cwmp_model::ParameterValue;

/// SetParameterValues (TR-069 A.3.2.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SetParameterValues {
    /// ParameterList: full names, each at most once (CWMP-224).
    pub parameters: Vec<ParameterValue>,
    /// ParameterKey, at most 32 characters (CWMP-228).
    pub parameter_key: String,
}

/// SetParameterValuesResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetParameterValuesResponse {
    /// Status: 0 applied, 1 committed but not yet applied (CWMP-226). A device that sent none is taken as 0.
    pub status: u32,
}
