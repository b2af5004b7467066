use cwmp_model::Timestamp;

use super::core::Core;
use super::cpe_turn::{self, CpeTurn};
use super::expect_response::ExpectResponse;
use super::state::State;
use super::{Answer, Call, Outcome, Output, Step, UnansweredReason};

/// Calls in one segment.
pub const SEGMENT_CALLS_MAX: usize = 256;
/// CWMP-088.
pub const CALL_ID_CHARS_MAX: usize = 32;
/// The longest label of a call.
pub const LABEL_BYTES_MAX: usize = 1024;

/// Awaits what to do next. The CPE has given the word to the ACS.
#[derive(Debug)]
pub(crate) struct ExpectStep;

impl ExpectStep {
    /// Hands over `answers` and asks.
    pub(super) fn ask(core: &mut Core, now: Timestamp, answers: Vec<Answer>) -> State {
        core.work_hint = false;
        core.await_caller(now);
        core.push(Output::NeedStep { answers });
        State::ExpectStep(Self)
    }

    pub(super) fn on_step(self, core: &mut Core, now: Timestamp, step: Step) -> State {
        match step {
            Step::Calls(calls) => match segment_fault(core, &calls) {
                Some(detail) => refuse(core, now, calls, detail),
                None => start(core, now, calls),
            },
            // Work came up while this was asked.
            Step::Nothing if core.work_hint => Self::ask(core, now, Vec::new()),
            Step::Nothing => cpe_turn::finish(core, now, Vec::new()),
            Step::Unavailable => unavailable(core, now),
        }
    }
}

fn start(core: &mut Core, now: Timestamp, calls: Vec<Call>) -> State {
    let mut waiting = std::collections::VecDeque::from(calls);
    match waiting.pop_front() {
        Some(call) => ExpectResponse::send(core, now, call, waiting, Vec::new()),
        None => cpe_turn::finish(core, now, Vec::new()),
    }
}

/// What is wrong with a segment, for the log of the ACS.
fn segment_fault(core: &Core, calls: &[Call]) -> Option<&'static str> {
    if calls.len() > SEGMENT_CALLS_MAX {
        return Some("the segment has too many calls");
    }
    let mut ids = std::collections::HashSet::new();
    for call in calls {
        if !is_call_id(&call.id) {
            return Some("the ID of a call is not 1 to 32 letters, digits and dashes");
        }
        if call.id == core.last_call_id || !ids.insert(call.id.as_str()) {
            return Some("the ID of a call was used before");
        }
        if call.label.len() > LABEL_BYTES_MAX {
            return Some("the label of a call is too long");
        }
    }
    None
}

fn is_call_id(id: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    (1..=CALL_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain)
}

/// Nothing of a segment that breaks the rules is sent.
fn refuse(core: &mut Core, now: Timestamp, calls: Vec<Call>, detail: &str) -> State {
    core.reply_status(204, false);
    let answers = calls.into_iter().map(|call| call.unanswered(now, UnansweredReason::NotSent)).collect();
    core.end(Outcome::ServerError, detail, answers)
}

/// The CPE gets its answer in time, without the work that waits (CWMP-127).
fn unavailable(core: &mut Core, now: Timestamp) -> State {
    core.reply_status(204, false);
    if core.held {
        core.held = false;
        core.await_cpe(now);
        return State::CpeTurn(CpeTurn { work: true, answers: Vec::new() });
    }
    core.end(Outcome::ServerError, "nobody could say in time what to do next", Vec::new())
}
