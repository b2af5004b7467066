use cwmp_model::Timestamp;

use super::core::Core;
use super::cpe_turn::CpeTurn;
use super::expect_begin::ExpectBegin;
use super::expect_inform::ExpectInform;
use super::expect_record::ExpectRecord;
use super::expect_response::ExpectResponse;
use super::expect_step::ExpectStep;
use super::{Answer, Call, Input, Outcome, Phase, Post, PostBody, UnansweredReason};

/// What the session awaits.
#[derive(Debug)]
pub(crate) enum State {
    ExpectInform(ExpectInform),
    ExpectBegin(ExpectBegin),
    CpeTurn(CpeTurn),
    ExpectRecord(ExpectRecord),
    ExpectStep(ExpectStep),
    ExpectResponse(Box<ExpectResponse>),
    /// Left to another front-end; kept for its snapshot.
    Drained(Turn),
    Closed,
}

/// The two states between two POSTs, in which the CPE has the word.
#[derive(Debug)]
pub(crate) enum Turn {
    Cpe(CpeTurn),
    Response(Box<ExpectResponse>),
}

impl Turn {
    pub(crate) fn into_state(self) -> State {
        match self {
            Self::Cpe(turn) => State::CpeTurn(turn),
            Self::Response(state) => State::ExpectResponse(state),
        }
    }

    pub(super) fn into_answers(self, at: Timestamp, reason: UnansweredReason) -> Vec<Answer> {
        match self {
            Self::Cpe(turn) => turn.answers,
            Self::Response(state) => state.into_answers(at, reason),
        }
    }
}

impl State {
    pub(super) fn handle(self, core: &mut Core, now: Timestamp, input: Input) -> Self {
        match input {
            Input::Post(post) => self.on_post(core, now, post),
            Input::Challenge => self.on_challenge(core, now),
            Input::Begun(begun) => match self {
                Self::ExpectBegin(state) => state.on_begun(core, now, begun),
                other => other,
            },
            Input::Recorded(result) => match self {
                Self::ExpectRecord(state) => state.on_recorded(core, now, result.is_ok()),
                other => other,
            },
            Input::Step(step) => match self {
                Self::ExpectStep(state) => state.on_step(core, now, step),
                other => other,
            },
            Input::Timeout => self.on_timeout(core, now),
            Input::Disconnected => self.on_disconnected(core, now),
            Input::Superseded => self.on_superseded(core, now),
            Input::Drain => {
                core.drain();
                self
            }
        }
    }

    fn on_post(self, core: &mut Core, now: Timestamp, post: Post) -> Self {
        match self.admit(core, now) {
            Self::ExpectInform(state) => state.on_post(core, now, post),
            Self::CpeTurn(state) => state.on_post(core, now, post),
            Self::ExpectResponse(state) => state.on_post(core, now, post),
            over => {
                if core.owes_reply() {
                    refuse_without_session(core, &post);
                }
                over
            }
        }
    }

    fn on_challenge(self, core: &mut Core, now: Timestamp) -> Self {
        let state = self.admit(core, now);
        match state {
            Self::Closed | Self::Drained(_) if core.owes_reply() => core.reply_status(400, true),
            Self::Closed | Self::Drained(_) => {}
            _ => {
                core.reply_status(401, false);
                core.challenged = true;
                core.await_cpe(now);
            }
        }
        state
    }

    /// Counts a POST. What is left is a state in which the CPE has the word, with a reply owed; or the session is over, and a
    /// reply is owed if it was over before.
    fn admit(self, core: &mut Core, now: Timestamp) -> Self {
        let pipelined = core.owes_reply();
        core.count_post();
        if let Self::Closed | Self::Drained(_) = self {
            return self;
        }
        if pipelined {
            let answers = self.into_answers(now, UnansweredReason::SessionEnded);
            return core.end(Outcome::ProtocolError, "a POST came before the last one was answered", answers);
        }
        if core.messages > core.config.messages_max || core.is_too_old(now) {
            let answers = self.into_answers(now, UnansweredReason::SessionEnded);
            return core.end(Outcome::LimitExceeded, "the session has too many messages or lasts too long", answers);
        }
        self
    }

    fn on_timeout(self, core: &mut Core, now: Timestamp) -> Self {
        if !core.is_due(now) {
            return self;
        }
        match self {
            Self::ExpectBegin(state) => state.on_timeout(core),
            Self::ExpectRecord(state) => state.on_recorded(core, now, false),
            Self::ExpectStep(state) => state.on_step(core, now, super::Step::Unavailable),
            Self::Closed | Self::Drained(_) => self,
            waiting if core.is_too_old(now) => {
                let answers = waiting.into_answers(now, UnansweredReason::TimedOut);
                core.end(Outcome::LimitExceeded, "the session lasts too long", answers)
            }
            waiting => waiting.lost(core, now, UnansweredReason::TimedOut, "no POST came in time"),
        }
    }

    fn on_disconnected(self, core: &mut Core, now: Timestamp) -> Self {
        if let Self::Closed | Self::Drained(_) = self {
            return self;
        }
        core.forget_replies();
        self.lost(core, now, UnansweredReason::Disconnected, "the connection it was bound to is gone")
    }

    fn on_superseded(self, core: &mut Core, now: Timestamp) -> Self {
        if let Self::Closed | Self::Drained(_) = self {
            return self;
        }
        // The device that comes back from its reboot opens the newer one.
        let outcome = if core.final_sent { Outcome::Completed } else { Outcome::Superseded };
        let answers = self.into_answers(now, UnansweredReason::SessionEnded);
        core.end(outcome, "a newer session of the device has begun", answers)
    }

    /// The CPE is gone. After Reboot or FactoryReset that is no failure.
    fn lost(self, core: &mut Core, now: Timestamp, reason: UnansweredReason, detail: &str) -> Self {
        let outcome = if core.final_sent { Outcome::Completed } else { Outcome::TimedOut };
        let answers = self.into_answers(now, reason);
        core.end(outcome, detail, answers)
    }

    pub(super) fn into_answers(self, at: Timestamp, reason: UnansweredReason) -> Vec<Answer> {
        match self {
            Self::CpeTurn(turn) => turn.answers,
            Self::ExpectRecord(state) => state.then.into_answers(at, reason),
            Self::ExpectResponse(state) => state.into_answers(at, reason),
            Self::ExpectInform(_) | Self::ExpectBegin(_) | Self::ExpectStep(_) | Self::Drained(_) | Self::Closed => {
                Vec::new()
            }
        }
    }

    pub(super) fn into_drained(self) -> Self {
        match self {
            Self::CpeTurn(turn) => Self::Drained(Turn::Cpe(turn)),
            Self::ExpectResponse(state) => Self::Drained(Turn::Response(state)),
            _ => Self::Closed,
        }
    }

    pub(super) fn phase(&self, challenged: bool) -> Phase {
        match self {
            Self::Closed | Self::Drained(_) => Phase::Closing,
            _ if challenged => Phase::Authentication,
            Self::ExpectInform(_) => Phase::Initiation,
            Self::ExpectBegin(_) => Phase::Identification,
            Self::CpeTurn(_) | Self::ExpectRecord(_) | Self::ExpectStep(_) | Self::ExpectResponse(_) => Phase::Tasks,
        }
    }

    pub(super) fn outstanding(&self) -> Option<&Call> {
        match self {
            Self::ExpectResponse(state) | Self::Drained(Turn::Response(state)) => Some(&state.call),
            Self::ExpectRecord(ExpectRecord { then: Turn::Response(state), .. }) => Some(&state.call),
            _ => None,
        }
    }
}

/// A POST without a session (CWMP-111).
pub(super) fn refuse_without_session(core: &mut Core, post: &Post) {
    match &post.message {
        PostBody::Empty => core.reply_status(204, true),
        PostBody::Unreadable(super::ReadFailure::TooLarge) => core.reply_status(413, true),
        PostBody::Envelope(_) | PostBody::Unreadable(_) => core.reply_status(400, true),
    }
}
