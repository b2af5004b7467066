//! The protobuf messages. Only fields may be added, under new numbers.

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Session {
    #[prost(uint32, tag = "1")]
    pub(super) format: u32,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
    #[prost(sint64, tag = "4")]
    pub(super) started_at: i64,
    #[prost(sint64, tag = "5")]
    pub(super) deadline: i64,
    #[prost(uint64, tag = "6")]
    pub(super) idle_timeout_ms: u64,
    #[prost(uint32, tag = "7")]
    pub(super) messages: u32,
    #[prost(uint32, tag = "8")]
    pub(super) retry_faults: u32,
    #[prost(uint32, tag = "9")]
    pub(super) empty_answers: u32,
    #[prost(bool, tag = "10")]
    pub(super) held: bool,
    #[prost(bool, tag = "11")]
    pub(super) final_sent: bool,
    #[prost(bool, tag = "12")]
    pub(super) resumed: bool,
    #[prost(bool, tag = "13")]
    pub(super) work_hint: bool,
    #[prost(string, tag = "14")]
    pub(super) last_call_id: String,
    #[prost(bool, tag = "15")]
    pub(super) work: bool,
    /// The call at the CPE; without one it is the CPE's turn.
    #[prost(message, optional, tag = "16")]
    pub(super) call: Option<Call>,
    #[prost(message, repeated, tag = "17")]
    pub(super) waiting: Vec<Call>,
    #[prost(message, repeated, tag = "18")]
    pub(super) answers: Vec<Answer>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Call {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) label: String,
    #[prost(oneof = "Request", tags = "3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub(super) request: Option<Request>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Request {
    #[prost(message, tag = "3")]
    GetRpcMethods(Empty),
    #[prost(message, tag = "4")]
    SetParameterValues(SetParameterValues),
    #[prost(message, tag = "5")]
    GetParameterValues(Paths),
    #[prost(message, tag = "6")]
    GetParameterNames(GetParameterNames),
    #[prost(message, tag = "7")]
    AddObject(Object),
    #[prost(message, tag = "8")]
    DeleteObject(Object),
    #[prost(message, tag = "9")]
    Download(Box<Download>),
    #[prost(string, tag = "10")]
    Reboot(String),
    #[prost(message, tag = "11")]
    FactoryReset(Empty),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) label: String,
    #[prost(string, tag = "3")]
    pub(super) request_method: String,
    #[prost(sint64, tag = "4")]
    pub(super) at: i64,
    #[prost(oneof = "Outcome", tags = "5, 6, 7")]
    pub(super) outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Outcome {
    #[prost(message, tag = "5")]
    Response(Response),
    #[prost(message, tag = "6")]
    Fault(Fault),
    #[prost(string, tag = "7")]
    Unanswered(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Response {
    #[prost(oneof = "ResponseKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(super) kind: Option<ResponseKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ResponseKind {
    #[prost(message, tag = "1")]
    GetRpcMethods(Texts),
    #[prost(message, tag = "2")]
    SetParameterValues(Status),
    #[prost(message, tag = "3")]
    GetParameterValues(Parameters),
    #[prost(message, tag = "4")]
    GetParameterNames(ParameterInfos),
    #[prost(message, tag = "5")]
    AddObject(Status),
    #[prost(message, tag = "6")]
    DeleteObject(Status),
    #[prost(message, tag = "7")]
    Download(Status),
    #[prost(message, tag = "8")]
    Reboot(Empty),
    #[prost(message, tag = "9")]
    FactoryReset(Empty),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub(super) texts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Paths {
    #[prost(string, repeated, tag = "1")]
    pub(super) paths: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Parameters {
    #[prost(message, repeated, tag = "1")]
    pub(super) parameters: Vec<Parameter>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Parameter {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(string, tag = "3")]
    pub(super) text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetParameterValues {
    #[prost(message, repeated, tag = "1")]
    pub(super) parameters: Vec<Parameter>,
    #[prost(string, tag = "2")]
    pub(super) parameter_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetParameterNames {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(bool, tag = "2")]
    pub(super) next_level: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ParameterInfos {
    #[prost(message, repeated, tag = "1")]
    pub(super) parameters: Vec<ParameterInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ParameterInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bool, tag = "2")]
    pub(super) writable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Object {
    #[prost(string, tag = "1")]
    pub(super) object: String,
    #[prost(string, tag = "2")]
    pub(super) parameter_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Download {
    #[prost(string, tag = "1")]
    pub(super) command_key: String,
    #[prost(string, tag = "2")]
    pub(super) file_type: String,
    #[prost(string, tag = "3")]
    pub(super) url: String,
    #[prost(string, tag = "4")]
    pub(super) username: String,
    #[prost(string, tag = "5")]
    pub(super) password: String,
    #[prost(uint32, tag = "6")]
    pub(super) file_size: u32,
    #[prost(string, tag = "7")]
    pub(super) target_file_name: String,
    #[prost(uint32, tag = "8")]
    pub(super) delay_seconds: u32,
    #[prost(string, tag = "9")]
    pub(super) success_url: String,
    #[prost(string, tag = "10")]
    pub(super) failure_url: String,
}

/// What the responses with a Status have in common; each uses the fields that it has.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(uint32, tag = "1")]
    pub(super) status: u32,
    #[prost(uint32, tag = "2")]
    pub(super) instance: u32,
    #[prost(string, tag = "3")]
    pub(super) start_time: String,
    #[prost(string, tag = "4")]
    pub(super) complete_time: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Fault {
    #[prost(uint32, tag = "1")]
    pub(super) code: u32,
    #[prost(string, tag = "2")]
    pub(super) text: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) parameters: Vec<ParameterFault>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ParameterFault {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint32, tag = "2")]
    pub(super) code: u32,
    #[prost(string, tag = "3")]
    pub(super) text: String,
}
