use cwmp_model::{DeviceIdentity, ParameterValue};

/// Inform (TR-069 A.3.3.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inform {
    /// DeviceId.
    pub device: DeviceIdentity,
    /// Event: a set of at most 64 entries (CWMP-180).
    pub events: Vec<Event>,
    /// MaxEnvelopes; its value is ignored (CWMP-113).
    pub max_envelopes: u32,
    /// CurrentTime, as sent; for display only (CWMP-081).
    pub current_time: String,
    /// RetryCount (CWMP-199).
    pub retry_count: u32,
    /// ParameterList: current values of the device (CWMP-138).
    pub parameters: Vec<ParameterValue>,
}

/// EventStruct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    /// EventCode, for example `0 BOOTSTRAP`.
    pub code: String,
    /// CommandKey; empty where the cause has none.
    pub command_key: String,
}

/// InformResponse. MaxEnvelopes is always 1 (CWMP-112).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InformResponse;
