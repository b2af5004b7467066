use cwmp_codec::AcsResponse;
use cwmp_model::Timestamp;

use super::core::Core;
use super::state::{State, Turn};
use super::{Outcome, RetryAfter, UnansweredReason};

/// Awaits that a TransferComplete is durable. Only then may the CPE forget it (CWMP-192, P7).
#[derive(Debug)]
pub(crate) struct ExpectRecord {
    /// The ID of the TransferComplete.
    pub(super) id: Option<String>,
    /// What the session awaits after the response.
    pub(super) then: Turn,
}

impl ExpectRecord {
    pub(super) fn on_recorded(self, core: &mut Core, now: Timestamp, durable: bool) -> State {
        if durable {
            core.respond(self.id, AcsResponse::TransferComplete);
        } else if core.retry_faults < core.config.retry_faults_max {
            core.retry_faults += 1;
            core.respond_fault(self.id, 8005, false);
        } else {
            return self.give_up(core, now);
        }
        core.await_cpe(now);
        self.then.into_state()
    }

    /// The last 8005 was answered with the same request (CWMP-100). Any other fault could make the CPE forget it.
    fn give_up(self, core: &mut Core, now: Timestamp) -> State {
        core.reply_unavailable(RetryAfter::Unavailable);
        let answers = self.then.into_answers(now, UnansweredReason::SessionEnded);
        core.end(Outcome::ServerError, "a completion could not be made durable", answers)
    }
}
