//! The event records of a session, made from what came.

use acs_types::{
    DeviceId, EventBody, InformEvent, InformRecord, ParameterFaultRecord, SessionId, TaskFault, TransferRecord,
};
use cwmp_codec::{Fault, Inform, TransferComplete};
use cwmp_model::is_secret_name;
use cwmp_session::acs::InformFacts;

use crate::device_memory::CHAIN_UNKNOWN;
use crate::session::Origin;

/// An Inform without its secrets (P26).
pub(crate) fn inform_body(
    facts: &InformFacts,
    device: &DeviceId,
    chain: Option<SessionId>,
    origin: &Origin,
) -> EventBody {
    let Inform { device: identity, events, current_time, retry_count, parameters, .. } = &facts.inform;
    EventBody::Inform(Box::new(InformRecord {
        identity: identity.clone(),
        events: events
            .iter()
            .map(|event| InformEvent {
                code: event.code.clone(),
                command_key: event.command_key.clone(),
                dedup_key: dedup_key(device, &event.code, &event.command_key, chain),
            })
            .collect(),
        retry_count: *retry_count,
        current_time: current_time.clone(),
        parameters: parameters.iter().filter(|p| !is_secret_name(&p.name)).cloned().collect(),
        cwmp_version: facts.version.as_str().to_owned(),
        remote: Some(origin.remote),
        auth: origin.auth,
        tls: origin.tls,
    }))
}

/// A TransferComplete.
pub(crate) fn transfer_body(transfer: &TransferComplete, device: &DeviceId) -> EventBody {
    let TransferComplete { command_key, fault, start_time, complete_time } = transfer;
    EventBody::Transfer(TransferRecord {
        command_key: command_key.clone(),
        fault: task_fault(fault),
        start_time: start_time.clone(),
        complete_time: complete_time.clone(),
        // CWMP-340: the same key and times are the same transfer.
        dedup_key: format!("{device}/TransferComplete/{command_key}/{start_time}/{complete_time}"),
    })
}

fn dedup_key(device: &DeviceId, code: &str, command_key: &str, chain: Option<SessionId>) -> String {
    match chain {
        _ if !command_key.is_empty() => format!("{device}/{code}/key:{command_key}"),
        Some(chain) => format!("{device}/{code}/{chain}"),
        None => CHAIN_UNKNOWN.to_owned(),
    }
}

fn task_fault(fault: &Fault) -> TaskFault {
    let parameters = fault.parameters.iter().map(|p| ParameterFaultRecord {
        name: p.name.clone(),
        code: p.code,
        text: p.text.clone(),
    });
    TaskFault { code: fault.code, text: fault.text.clone(), parameters: parameters.collect() }
}
