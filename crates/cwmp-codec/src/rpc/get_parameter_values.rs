use cwmp_model::{ParameterPath, ParameterValue};

/// GetParameterValues (TR-069 A.3.2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterValues {
    /// ParameterNames: parameters or partial paths (CWMP-231); at least one.
    pub names: Vec<ParameterPath>,
}

/// GetParameterValuesResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterValuesResponse {
    /// ParameterList; may hold more or less than asked for (CWMP-234).
    pub parameters: Vec<ParameterValue>,
}
