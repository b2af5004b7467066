//! What an Inform or a TransferComplete proves about tasks on their way (`design.md` §5.7).

use acs_types::{AttemptOutcome, Evidence, SessionId, Task, TaskFault, TaskSpec, TaskState, TransferResult};
use cwmp_model::Timestamp;

use crate::life::{self, KEY_UNKNOWN};

/// What an Inform says that is evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its session.
    pub session: SessionId,
    /// When it came.
    pub at: Timestamp,
    /// The ParameterKey it reports; `None`: it reports none.
    pub parameter_key: Option<String>,
    /// It has `0 BOOTSTRAP`.
    pub bootstrap: bool,
    /// The CommandKeys of its `M Reboot` entries.
    pub reboot_keys: Vec<String>,
    /// The session is the device's newest, and it is live: what older sessions have on its way is not answered any more.
    /// Otherwise only what the Inform proves by itself counts.
    pub current: bool,
}

/// Applies an Inform to a task; whether it changed.
pub fn arrived(task: &mut Task, arrival: &Arrival) -> bool {
    if by_event(task, arrival) || by_key(task, arrival) {
        return true;
    }
    match (&task.state, task.attempts.last()) {
        (TaskState::Sending { attempt }, Some(last)) if arrival.current && last.session != arrival.session => {
            let number = *attempt;
            let changed = life::unanswered(task, number);
            by_key(task, arrival);
            changed
        }
        _ => false,
    }
}

/// Applies a TransferComplete to a task; whether it changed. A repeated one changes nothing (CWMP-340).
pub fn transferred(task: &mut Task, command_key: &str, fault: &TaskFault, result: &TransferResult) -> bool {
    let Some(number) = task.attempts.iter().find(|a| a.id.as_str() == command_key).map(|a| a.number) else {
        return false;
    };
    let fault = (fault.code != 0).then(|| fault.clone());
    life::transferred(task, number, result.clone(), fault)
}

/// Applies a ParameterKey that was read from the device in a session to a task whose outcome is unknown.
pub fn key_read(task: &mut Task, key: &str) -> bool {
    by_key_text(task, key, true)
}

fn by_event(task: &mut Task, arrival: &Arrival) -> bool {
    let awaited = |task: &Task| match (&task.state, &task.spec) {
        (TaskState::Awaiting { evidence, .. }, _) => Some(*evidence),
        (TaskState::Sending { .. } | TaskState::Unknown { .. }, TaskSpec::Reboot) => Some(Evidence::Reboot),
        (TaskState::Sending { .. } | TaskState::Unknown { .. }, TaskSpec::FactoryReset) => Some(Evidence::Bootstrap),
        _ => None,
    };
    let Some(last) = task.attempts.last() else { return false };
    // The request and what it caused are never in one session.
    if last.session == arrival.session {
        return false;
    }
    let number = last.number;
    let came = match awaited(task) {
        // The CommandKey is that of the attempt (CWMP-247).
        Some(Evidence::Reboot) => arrival.reboot_keys.iter().any(|key| key == last.id.as_str()),
        // There is no key to match (CWMP-248), so an older Inform that is read late must not count.
        Some(Evidence::Bootstrap) => arrival.bootstrap && (arrival.current || last.started_at <= arrival.at),
        Some(Evidence::TransferComplete) | None => false,
    };
    came && life::evidence_came(task, number)
}

fn by_key(task: &mut Task, arrival: &Arrival) -> bool {
    if task.attempts.last().is_some_and(|last| last.session == arrival.session) {
        return false;
    }
    // After a reset the old key proves nothing: what was set may be gone again.
    let may_refute = arrival.current && !arrival.bootstrap;
    arrival.parameter_key.as_deref().is_some_and(|key| by_key_text(task, key, may_refute))
}

fn by_key_text(task: &mut Task, key: &str, may_refute: bool) -> bool {
    let Some(last) = task.attempts.last() else { return false };
    let number = last.number;
    if !life::bears_key(task, number) || last.outcome == Some(AttemptOutcome::ProvedApplied) {
        return false;
    }
    if key == last.id.as_str() {
        return life::proved_applied(task, number, None);
    }
    let refuted = may_refute && key == last.key_before && last.key_before != KEY_UNKNOWN;
    // What may repeat is sent again anyway.
    refuted && !life::may_repeat(task) && life::proved_not_applied(task, number)
}
