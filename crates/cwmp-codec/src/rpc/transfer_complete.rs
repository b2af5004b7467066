use crate::Fault;

/// TransferComplete (TR-069 A.3.3.2).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransferComplete {
    /// CommandKey of the transfer (CWMP-338).
    pub command_key: String,
    /// FaultStruct; code 0 is success (CWMP-339).
    pub fault: Fault,
    /// StartTime, as sent.
    pub start_time: String,
    /// CompleteTime, as sent.
    pub complete_time: String,
}
