/// GetRPCMethodsResponse of a CPE (CWMP-222).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetRpcMethodsResponse {
    /// MethodList, unknown names included.
    pub methods: Vec<String>,
}
