use cwmp_model::ParameterPath;

/// AddObject (TR-069 A.3.2.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddObject {
    /// ObjectName: the table, ending in `.` (CWMP-243).
    pub object: ParameterPath,
    /// ParameterKey, at most 32 characters.
    pub parameter_key: String,
}

/// AddObjectResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddObjectResponse {
    /// InstanceNumber, 1 or more by the standard; 0 was seen.
    pub instance: u32,
    /// Status: 0 applied, 1 later (CWMP-246).
    pub status: u32,
}
