use cwmp_model::ParameterPath;

/// DeleteObject (TR-069 A.3.2.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteObject {
    /// ObjectName: one instance, ending in `.` (CWMP-245).
    pub object: ParameterPath,
    /// ParameterKey, at most 32 characters.
    pub parameter_key: String,
}

/// DeleteObjectResponse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteObjectResponse {
    /// Status: 0 applied, 1 later (CWMP-246).
    pub status: u32,
}
