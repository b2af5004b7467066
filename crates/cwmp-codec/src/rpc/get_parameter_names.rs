use cwmp_model::ParameterPath;

/// GetParameterNames (TR-069 A.3.2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterNames {
    /// ParameterPath: a partial path, a parameter, or empty for the whole model.
    pub path: ParameterPath,
    /// NextLevel: only the direct children (CWMP-236).
    pub next_level: bool,
}

/// GetParameterNamesResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetParameterNamesResponse {
    /// ParameterList.
    pub parameters: Vec<ParameterInfo>,
}

/// ParameterInfoStruct.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Name; an object ends in `.`.
    pub name: ParameterPath,
    /// Writable: may be set; for a table, rows may be added; for a row, it may be deleted (CWMP-238).
    pub writable: bool,
}
