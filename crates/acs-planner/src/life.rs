//! The life of a task as pure transitions (`design.md` §5.5 to §5.7).
//!
//! ```text
//! queued → sending(n) → awaiting(evidence, until) → done | failed | unknown
//!                    ↘ done | failed | queued (answered step, may repeat, never sent) | quarantined | cancelled
//! unknown → resolved_applied | resolved_not_applied | needs_operator | queued (proved not applied) | cancelled
//! queued → done | failed (reads) | cancelled | expired | quarantined | resolved_applied (late proof)
//! failed, resolved_not_applied, needs_operator, quarantined, expired, unknown → queued: only by a person
//! quarantined → queued, needs_operator → unknown: an answer was lost with one of our front-ends ([`lost_with_session`])
//! ```
//!
//! Each function changes the task in place and says whether it did; `revision` and `updated_at` are [`seal`]'s.

use std::time::Duration;

use acs_types::{
    Applied, Attempt, AttemptId, AttemptOutcome, AttemptReason, Evidence, SessionId, Task, TaskFault, TaskResult,
    TaskSpec, TaskState, Timer, TimerKind, TransferResult,
};
use cwmp_model::{ParameterPath, Timestamp};

use crate::typing::is_command;

/// `key_before` of an attempt when the device's ParameterKey was not known: longer than a key may be, so no device
/// reports it.
pub const KEY_UNKNOWN: &str = "the ParameterKey before was not known";

/// How long things are waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// TransferComplete after a Download with Status 1, beyond its DelaySeconds (CWMP-342).
    pub transfer_wait: Duration,
    /// `M Reboot` after a Reboot; some devices take seven minutes.
    pub reboot_wait: Duration,
    /// `0 BOOTSTRAP` after a FactoryReset.
    pub reset_wait: Duration,
    /// Evidence for an unknown outcome before a person has to decide.
    pub unknown_wait: Duration,
    /// How long after its quarantine a task is looked at again: by then it is known whether one of our front-ends died.
    pub quarantine_review: Duration,
    /// Whether a value is refused that the device calls read-only.
    pub check_writable: bool,
}

/// How long before a quarantine it may have become known that a front-end died whose death explains it.
const DEATHS_BEFORE: Duration = Duration::from_secs(10 * 60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            transfer_wait: Duration::from_secs(3600),
            reboot_wait: Duration::from_secs(1800),
            reset_wait: Duration::from_secs(1800),
            unknown_wait: Duration::from_secs(3600),
            quarantine_review: Duration::from_secs(6 * 60),
            check_writable: true,
        }
    }
}

/// Why a transition is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// Only a queued task is sent.
    #[error("the task is not queued")]
    NotQueued,
    /// [`Task::ATTEMPTS_MAX`] is reached.
    #[error("the task has used all its transmissions, create a new one")]
    AttemptsUsedUp,
    /// It has ended, or ended well.
    #[error("the task has ended")]
    Ended,
    /// It may still end by itself.
    #[error("the task is on its way, wait for its outcome")]
    OnItsWay,
}

/// What is written down before a request that changes the device is sent (P2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The session it is sent in.
    pub session: SessionId,
    /// The method's name.
    pub method: &'static str,
    /// Now.
    pub at: Timestamp,
    /// When its outcome counts as unknown.
    pub deadline: Timestamp,
    /// The ParameterKey the device has now; `None`: not known.
    pub key_before: Option<String>,
    /// The instances of the table, for AddObject.
    pub instances_before: Vec<u32>,
}

/// What a response means for its task.
#[derive(Debug, Clone, PartialEq)]
pub enum Follow {
    /// It is done.
    Done(Applied, Option<TaskResult>),
    /// The outcome comes later.
    Await(Evidence, Timestamp),
    /// One step is done, the next one follows.
    Step(TaskResult),
    /// It was applied, but what came of it has to be read.
    ReadBack,
}

/// Sets revision and time of a task that changed.
pub fn seal(task: &mut Task, before: u64, at: Timestamp) {
    task.revision = before + 1;
    task.updated_at = at;
}

/// Queued → Sending with a new attempt.
pub fn claim(task: &mut Task, intent: Intent) -> Result<AttemptId, LifeError> {
    if task.state != TaskState::Queued {
        return Err(LifeError::NotQueued);
    }
    if task.attempts.len() >= Task::ATTEMPTS_MAX {
        return Err(LifeError::AttemptsUsedUp);
    }
    let number = u32::try_from(task.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
    let id = AttemptId::of(&task.id, number);
    // Clocks of two processes differ, and the time was read before this one knew that it is the next.
    let started_at = task.attempts.last().map_or(intent.at, |before| before.started_at.max(intent.at));
    task.attempts.push(Attempt {
        number,
        id: id.clone(),
        session: intent.session,
        reason: task.next_reason,
        method: intent.method.to_owned(),
        started_at,
        deadline: intent.deadline,
        answered_at: None,
        outcome: None,
        key_before: intent.key_before.unwrap_or_else(|| KEY_UNKNOWN.to_owned()),
        instances_before: intent.instances_before,
    });
    task.state = TaskState::Sending { attempt: number };
    Ok(id)
}

/// The device answered attempt `number` with a response, in time or late.
pub fn answered(task: &mut Task, number: u32, at: Timestamp, follow: Follow) -> bool {
    let Some(standing) = standing(task, number) else { return false };
    note(task, number, |attempt| {
        attempt.answered_at = Some(at);
        attempt.outcome = Some(AttemptOutcome::Answered);
    });
    heard_of(task);
    task.fault = None;
    match (follow, standing) {
        (Follow::Done(applied, result), Standing::Sending) => {
            task.result = result.or_else(|| task.result.take());
            task.state = TaskState::Done { applied };
        }
        (Follow::Done(_, result), Standing::Unknown | Standing::Requeued) => {
            task.result = result.or_else(|| task.result.take());
            task.state = TaskState::ResolvedApplied;
        }
        (Follow::Await(evidence, until), Standing::Sending) => {
            task.state = TaskState::Awaiting { attempt: number, evidence, until };
        }
        // What it waits for is the same, and so is its end by time.
        (Follow::Await(..), Standing::Unknown | Standing::Requeued) => {}
        (Follow::Step(result), _) => step(task, result),
        (Follow::ReadBack, _) => {
            note(task, number, |attempt| attempt.outcome = Some(AttemptOutcome::ProvedApplied));
            task.state = TaskState::Unknown { attempt: number };
        }
    }
    true
}

/// The device answered attempt `number` with a fault, in time or late.
pub fn faulted(task: &mut Task, number: u32, at: Timestamp, fault: TaskFault) -> bool {
    let Some(standing) = standing(task, number) else { return false };
    note(task, number, |attempt| {
        attempt.answered_at = Some(at);
        attempt.outcome = Some(AttemptOutcome::Fault(fault.code));
    });
    heard_of(task);
    task.fault = Some(fault);
    task.state = match standing {
        Standing::Sending | Standing::Requeued => TaskState::Failed,
        Standing::Unknown => TaskState::ResolvedNotApplied,
    };
    true
}

/// No answer came to attempt `number`: back into the queue if it may repeat, else unknown (P3); the third in a row is
/// quarantined (P4).
pub fn unanswered(task: &mut Task, number: u32) -> bool {
    if task.state != (TaskState::Sending { attempt: number }) {
        return false;
    }
    if let Some(session) = session_of(task, number) {
        count_unanswered(task, session);
    }
    not_heard_of(task, number);
    true
}

/// `session` was lost with one of our front-ends: that it gave no answer says nothing of the device, so it is not counted (P7,
/// P4), whether or not it was before. What was put away for the count alone goes on: a quarantined task into the queue, one
/// whose read-backs went unanswered to unknown. Nothing else changes by it, least of all that what may not repeat is not sent
/// again (P3). What a person decided since stands. The same again changes nothing; nor does it after [`Task::EXCUSED_MAX`].
pub fn lost_with_session(task: &mut Task, session: &SessionId) -> bool {
    if task.excused >= Task::EXCUSED_MAX {
        return false;
    }
    // Nobody tells of what it has on its way before the deadline, which would count it.
    if let TaskState::Sending { attempt: number } = task.state
        && session_of(task, number) == Some(*session)
    {
        task.excused += 1;
        task.unanswered_in.retain(|other| other != session);
        not_heard_of(task, number);
        return true;
    }
    let counted = task.unanswered_in.contains(session);
    // One request is open in a session, so one answer can be lost with it.
    let left = task.unanswered.saturating_sub(1);
    let goes_on = match task.state {
        TaskState::Quarantined if left < Task::UNANSWERED_MAX && task.attempts.len() < Task::ATTEMPTS_MAX => {
            Some(TaskState::Queued)
        }
        TaskState::NeedsOperator if task.unanswered == Task::UNANSWERED_MAX => {
            task.attempts.last().map(|last| TaskState::Unknown { attempt: last.number })
        }
        TaskState::Queued | TaskState::Sending { .. } | TaskState::Awaiting { .. } | TaskState::Unknown { .. } => None,
        _ => return false,
    };
    if !counted {
        return false;
    }
    task.unanswered = left;
    task.unanswered_in.retain(|other| other != session);
    task.excused += 1;
    if let Some(state) = goes_on {
        task.state = state;
        task.fault = None;
    }
    true
}

/// Attempt `number`, whose task waits in the queue again, was answered after all: it goes on waiting there, but this was
/// no transmission without an answer (P4).
pub fn answered_late(task: &mut Task, number: u32, at: Timestamp) -> bool {
    let told = task.attempts.iter().any(|a| a.number == number && a.answered_at.is_some());
    if told || standing(task, number) != Some(Standing::Requeued) {
        return false;
    }
    note(task, number, |attempt| attempt.answered_at = Some(at));
    heard_of(task);
    true
}

/// A front-end died, as is known since `died`; which sessions passed through its hands nobody can tell. If that may explain why
/// a quarantined task had no answer, its last transmission is excused, as by [`lost_with_session`].
pub fn reviewed(task: &mut Task, died: Timestamp) -> bool {
    let explains = task.state == TaskState::Quarantined && died >= task.updated_at.minus(DEATHS_BEFORE);
    match task.unanswered_in.last().copied() {
        Some(session) if explains => lost_with_session(task, &session),
        _ => false,
    }
}

/// Whether it would go on if one more transmission were excused.
fn is_excusable(task: &Task) -> bool {
    task.excused < Task::EXCUSED_MAX && !task.unanswered_in.is_empty() && task.attempts.len() < Task::ATTEMPTS_MAX
}

/// Attempt `number` never left us: it is taken back, as if it had not been. Where its outcome was taken for unknown
/// already, that is proof that it was not applied.
pub fn not_sent(task: &mut Task, number: u32) -> bool {
    let unanswered = |a: &Attempt| a.number == number && a.outcome == Some(AttemptOutcome::Unanswered);
    if task.state == (TaskState::Unknown { attempt: number }) && task.attempts.iter().any(unanswered) {
        not_counted(task, number);
        return proved_not_applied(task, number);
    }
    if standing(task, number) == Some(Standing::Requeued) {
        note(task, number, |attempt| attempt.outcome = Some(AttemptOutcome::ProvedNotApplied));
        not_counted(task, number);
        task.next_reason = AttemptReason::NotApplied;
        return true;
    }
    if task.state != (TaskState::Sending { attempt: number }) {
        return false;
    }
    if let Some(attempt) = task.attempts.pop() {
        task.next_reason = attempt.reason;
    }
    task.state = if task.cancel_requested { TaskState::Cancelled } else { TaskState::Queued };
    true
}

/// A read for a task went unanswered in `session`.
pub fn read_unanswered(task: &mut Task, session: SessionId) -> bool {
    match task.state {
        TaskState::Queued => {
            count_unanswered(task, session);
            back_to_queue(task, task.next_reason);
            true
        }
        // Reading back what is unknown must not loop either.
        TaskState::Unknown { .. } => {
            count_unanswered(task, session);
            if task.unanswered >= Task::UNANSWERED_MAX {
                needs_operator(task, "reading back what came of it went unanswered");
            }
            true
        }
        _ => false,
    }
}

/// A reading task has read all it could; `fault` names what it could not.
pub fn read_done(task: &mut Task, result: TaskResult, fault: Option<TaskFault>) -> bool {
    if task.state != TaskState::Queued {
        return false;
    }
    heard_of(task);
    task.result = Some(result);
    task.fault = fault;
    task.state = TaskState::Done { applied: Applied::Now };
    true
}

/// A queued task cannot be carried out.
pub fn fail(task: &mut Task, fault: TaskFault) -> bool {
    if task.state != TaskState::Queued {
        return false;
    }
    task.fault = Some(fault);
    task.state = TaskState::Failed;
    true
}

/// Later evidence says that attempt `number` was applied.
pub fn proved_applied(task: &mut Task, number: u32, result: Option<TaskResult>) -> bool {
    if standing(task, number).is_none() {
        return false;
    }
    note(task, number, |attempt| attempt.outcome = Some(AttemptOutcome::ProvedApplied));
    heard_of(task);
    task.fault = None;
    let is_add = task.attempts.iter().any(|a| a.number == number && a.method == "AddObject");
    match (result, &task.spec) {
        (Some(result), TaskSpec::AddObject { values, .. }) if is_add && !values.is_empty() => step(task, result),
        // Which instance it is has to be read (`design.md` §5.7).
        (None, TaskSpec::AddObject { .. }) if is_add => task.state = TaskState::Unknown { attempt: number },
        (result, _) => {
            task.result = result.or_else(|| task.result.take());
            task.state = TaskState::ResolvedApplied;
        }
    }
    true
}

/// Later evidence says that attempt `number` was not applied: it is sent again, unless a person withdrew it or it has
/// used its transmissions.
pub fn proved_not_applied(task: &mut Task, number: u32) -> bool {
    if !matches!(standing(task, number), Some(Standing::Sending | Standing::Unknown)) {
        return false;
    }
    note(task, number, |attempt| attempt.outcome = Some(AttemptOutcome::ProvedNotApplied));
    if task.attempts.len() >= Task::ATTEMPTS_MAX && !task.cancel_requested {
        task.state = TaskState::ResolvedNotApplied;
    } else {
        back_to_queue(task, AttemptReason::NotApplied);
    }
    true
}

/// The event came that attempt `number` waits for: `M Reboot`, `0 BOOTSTRAP`.
pub fn evidence_came(task: &mut Task, number: u32) -> bool {
    match task.state {
        TaskState::Awaiting { attempt, .. } if attempt == number => {
            task.state = TaskState::Done { applied: Applied::Now };
            true
        }
        _ => proved_applied(task, number, None),
    }
}

/// A TransferComplete came for attempt `number` (CWMP-339).
pub fn transferred(task: &mut Task, number: u32, result: TransferResult, fault: Option<TaskFault>) -> bool {
    let awaited = matches!(task.state, TaskState::Awaiting { attempt, .. } if attempt == number);
    let standing = standing(task, number);
    if !awaited && standing.is_none() {
        return false;
    }
    heard_of(task);
    task.result = Some(TaskResult::Transfer(result));
    task.state = match (&fault, standing) {
        (None, Some(Standing::Unknown)) => TaskState::ResolvedApplied,
        (None, _) => TaskState::Done { applied: Applied::Now },
        (Some(_), Some(Standing::Unknown)) => TaskState::ResolvedNotApplied,
        (Some(_), _) => TaskState::Failed,
    };
    let proof = if fault.is_none() { AttemptOutcome::ProvedApplied } else { AttemptOutcome::ProvedNotApplied };
    note(task, number, |attempt| {
        if attempt.outcome != Some(AttemptOutcome::Answered) {
            attempt.outcome = Some(proof);
        }
    });
    task.fault = fault;
    true
}

/// What time alone does to a task; whether it did anything.
pub fn time_passed(task: &mut Task, now: Timestamp, settings: &Settings) -> bool {
    match task.state {
        TaskState::Queued if task.expires_at.is_some_and(|at| at <= now) => {
            task.state = TaskState::Expired;
            true
        }
        TaskState::Sending { attempt } if deadline(task, attempt).is_none_or(|at| at <= now) => {
            unanswered(task, attempt)
        }
        TaskState::Awaiting { attempt, until, .. } if until <= now => {
            task.state = TaskState::Unknown { attempt };
            true
        }
        TaskState::Unknown { .. } if task.updated_at.plus(settings.unknown_wait) <= now => {
            needs_operator(task, "no evidence came of what became of it");
            true
        }
        _ => false,
    }
}

/// The timer that has to stand before a task is written as it is.
pub fn deadline_of(task: &Task, settings: &Settings) -> Option<Timer> {
    let (due, kind) = match task.state {
        TaskState::Queued => (task.expires_at?, TimerKind::TaskExpiry),
        TaskState::Sending { attempt } => (deadline(task, attempt)?, TimerKind::AttemptDeadline),
        TaskState::Awaiting { until, .. } => (until, TimerKind::EvidenceDeadline),
        TaskState::Unknown { .. } => (task.updated_at.plus(settings.unknown_wait), TimerKind::EvidenceDeadline),
        TaskState::Quarantined if is_excusable(task) => {
            (task.updated_at.plus(settings.quarantine_review), TimerKind::EvidenceDeadline)
        }
        _ => return None,
    };
    Some(Timer { due, device: task.device.clone(), kind, reference: task.id.to_string() })
}

/// Nothing tells what became of it: a person decides.
pub fn needs_operator(task: &mut Task, why: &str) -> bool {
    if !matches!(task.state, TaskState::Unknown { .. }) {
        return false;
    }
    task.fault = Some(own_fault(format!("{why}; look at the device, then retry the task or leave it")));
    task.state = TaskState::NeedsOperator;
    true
}

/// A person withdraws a task. One that may be on its way goes on until its outcome is known.
pub fn cancel(task: &mut Task) -> Result<bool, LifeError> {
    match task.state {
        TaskState::Queued => {
            task.cancel_requested = true;
            task.state = TaskState::Cancelled;
            Ok(true)
        }
        TaskState::Sending { .. } | TaskState::Awaiting { .. } | TaskState::Unknown { .. } => {
            Ok(!std::mem::replace(&mut task.cancel_requested, true))
        }
        TaskState::Cancelled => Ok(false),
        _ => Err(LifeError::Ended),
    }
}

/// A person sends a task again.
pub fn retry(task: &mut Task) -> Result<(), LifeError> {
    match task.state {
        TaskState::Queued | TaskState::Sending { .. } | TaskState::Awaiting { .. } => return Err(LifeError::OnItsWay),
        TaskState::Done { .. } | TaskState::ResolvedApplied | TaskState::Cancelled => return Err(LifeError::Ended),
        TaskState::Failed
        | TaskState::ResolvedNotApplied
        | TaskState::NeedsOperator
        | TaskState::Quarantined
        | TaskState::Expired
        | TaskState::Unknown { .. } => {}
    }
    if task.attempts.len() >= Task::ATTEMPTS_MAX {
        return Err(LifeError::AttemptsUsedUp);
    }
    task.state = TaskState::Queued;
    task.next_reason = AttemptReason::Operator;
    heard_of(task);
    task.excused = 0;
    task.cancel_requested = false;
    task.expires_at = None;
    task.fault = None;
    if !matches!(task.result, Some(TaskResult::Instance { .. })) {
        task.result = None;
    }
    Ok(())
}

/// Whether the request that is on its way may be sent again when nothing is heard of it (`design.md` §5.6).
pub fn may_repeat(task: &Task) -> bool {
    task.attempts.last().is_none_or(|attempt| may_repeat_method(&task.spec, &attempt.method))
}

/// Whether the outcome of attempt `number` is carried by the ParameterKey (CWMP-228).
pub fn bears_key(task: &Task, number: u32) -> bool {
    let method = task.attempts.iter().find(|a| a.number == number).map(|a| a.method.as_str());
    matches!(method, Some("SetParameterValues" | "AddObject" | "DeleteObject"))
}

/// A fault that did not come from the device.
pub fn own_fault(text: impl Into<String>) -> TaskFault {
    TaskFault { code: 0, text: text.into(), parameters: Vec::new() }
}

/// The code of a method that the device's firmware does not have (CWMP-223).
pub(crate) const METHOD_NOT_SUPPORTED: u32 = 9000;

/// A method is not called again after Fault 9000 (CWMP-223).
pub(crate) fn unsupported_fault(method: &str) -> TaskFault {
    let text = format!(
        "devices of this model and firmware do not have {method}, one answered so; \
         it is called again after DeviceInfo.SoftwareVersion changed"
    );
    TaskFault { code: METHOD_NOT_SUPPORTED, text, parameters: Vec::new() }
}

/// The instance an AddObject task has made already.
pub fn instance_made(task: &Task) -> Option<&ParameterPath> {
    match &task.result {
        Some(TaskResult::Instance { object }) => Some(object),
        _ => None,
    }
}

/// How an attempt may still be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Sending,
    Unknown,
    /// It may repeat and waits in the queue; its own answer may still come.
    Requeued,
}

fn standing(task: &Task, number: u32) -> Option<Standing> {
    task.attempts.iter().find(|a| a.number == number)?;
    match task.state {
        TaskState::Sending { attempt } if attempt == number => Some(Standing::Sending),
        TaskState::Unknown { attempt } if attempt == number => Some(Standing::Unknown),
        TaskState::Queued => {
            let last = task.attempts.last()?;
            let open = last.number == number && last.outcome == Some(AttemptOutcome::Unanswered);
            (open && may_repeat_method(&task.spec, &last.method)).then_some(Standing::Requeued)
        }
        _ => None,
    }
}

/// A transmission in `session` went unanswered.
fn count_unanswered(task: &mut Task, session: SessionId) {
    task.unanswered = task.unanswered.saturating_add(1);
    task.unanswered_in.push(session);
    if task.unanswered_in.len() > Task::UNANSWERED_MAX as usize {
        task.unanswered_in.remove(0);
    }
}

/// The device answered, or what it did is known: the row of unanswered transmissions ends.
fn heard_of(task: &mut Task) {
    task.unanswered = 0;
    task.unanswered_in.clear();
}

/// Attempt `number` was no transmission.
fn not_counted(task: &mut Task, number: u32) {
    let session = session_of(task, number);
    let Some(at) = task.unanswered_in.iter().position(|other| Some(*other) == session) else { return };
    task.unanswered_in.remove(at);
    task.unanswered = task.unanswered.saturating_sub(1);
}

/// No answer to attempt `number` will come any more.
fn not_heard_of(task: &mut Task, number: u32) {
    let repeats = may_repeat(task);
    note(task, number, |attempt| attempt.outcome = Some(AttemptOutcome::Unanswered));
    if repeats {
        back_to_queue(task, AttemptReason::Unanswered);
    } else {
        task.state = TaskState::Unknown { attempt: number };
    }
}

/// The session of attempt `number`.
fn session_of(task: &Task, number: u32) -> Option<SessionId> {
    task.attempts.iter().find(|a| a.number == number).map(|a| a.session)
}

/// Changes the record of an attempt; one that is missing (damaged data) is let be.
fn note(task: &mut Task, number: u32, change: impl FnOnce(&mut Attempt)) {
    if let Some(attempt) = task.attempts.iter_mut().find(|a| a.number == number) {
        change(attempt);
    }
}

fn deadline(task: &Task, number: u32) -> Option<Timestamp> {
    task.attempts.iter().find(|a| a.number == number).map(|a| a.deadline)
}

fn back_to_queue(task: &mut Task, reason: AttemptReason) {
    task.next_reason = reason;
    task.state = if task.cancel_requested {
        TaskState::Cancelled
    } else if task.unanswered >= Task::UNANSWERED_MAX {
        let text = format!("quarantined after {} transmissions without an answer", task.unanswered);
        task.fault = Some(own_fault(text));
        TaskState::Quarantined
    } else {
        TaskState::Queued
    };
}

fn step(task: &mut Task, result: TaskResult) {
    task.result = Some(result);
    task.next_reason = AttemptReason::First;
    task.state = if task.cancel_requested { TaskState::Cancelled } else { TaskState::Queued };
}

fn may_repeat_method(spec: &TaskSpec, method: &str) -> bool {
    method == "SetParameterValues"
        && match spec {
            TaskSpec::SetValues { values } | TaskSpec::AddObject { values, .. } => {
                !values.iter().any(|value| is_command(&value.path))
            }
            _ => true,
        }
}
