//! The ACS side of one session.
//!
//! The files stand in the order of the protocol: `expect_inform`, `expect_begin`, `cpe_turn` (with `cpe_request` and
//! `expect_record`), `expect_step`, `expect_response`. Each state is named for what it awaits and owns what only it needs;
//! what lasts for the whole session is in `Core`.
//!
//! **Work hints.** [`Begun::Accepted`] says whether work waits. If it says no, the CPE's empty POST is answered with the
//! last 204 without asking anybody, unless [`AcsSession::work_waits`] was called in time or [`Config::ask_always`] is set.
//! A hint that comes while a step is being asked makes the session ask once more before its last 204.

mod config;
pub(crate) mod core;
mod cpe_request;
pub(crate) mod cpe_turn;
mod expect_begin;
mod expect_inform;
mod expect_record;
pub(crate) mod expect_response;
mod expect_step;
mod input;
mod output;
pub(crate) mod state;

use cwmp_codec::{CwmpNamespace, CwmpVersion};
use cwmp_model::Timestamp;

pub use config::{Config, IDLE_TIMEOUT_MIN};
pub use cpe_request::SERVED_METHODS;
pub use expect_response::EMPTY_ANSWERS_MAX;
pub use expect_step::{CALL_ID_CHARS_MAX, LABEL_BYTES_MAX, SEGMENT_CALLS_MAX};
pub use input::{Begun, Input, NotDurable, Post, PostBody, ReadFailure, Step};
pub use output::{
    Answer, AnswerOutcome, Call, End, InformFacts, Outcome, Output, Phase, Remark, Reply, ReplyBody, RetryAfter,
    UnansweredReason,
};

use self::core::Core;
use self::cpe_turn::CpeTurn;
use self::expect_inform::ExpectInform;
use self::state::State;
use crate::snapshot::Snapshot;

/// One session, seen from the ACS. See the [module](self) and the [crate].
#[derive(Debug)]
pub struct AcsSession {
    core: Core,
    state: State,
}

/// What is known of a session whose snapshot is lost: what its cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeFacts {
    /// The version.
    pub version: CwmpVersion,
    /// The namespace.
    pub namespace: CwmpNamespace,
    /// When the session began, for its limit in time.
    pub started_at: Timestamp,
}

impl AcsSession {
    /// A session that awaits its Inform. An Inform always begins a new one, whatever cookie came with it (CWMP-130).
    pub fn new(config: Config, now: Timestamp) -> Self {
        Self { core: Core::new(config, now), state: State::ExpectInform(ExpectInform) }
    }

    /// Goes on where `snapshot` was taken.
    pub fn restore(snapshot: Snapshot, config: Config) -> Self {
        let (core, turn) = crate::snapshot::unpack(snapshot, config);
        Self { core, state: turn.into_state() }
    }

    /// Goes on without a snapshot: nothing counts as outstanding, a step is asked for next, and an answer to a request that
    /// another front-end sent is handed over as evidence, with an empty label.
    pub fn resume(facts: ResumeFacts, config: Config, now: Timestamp) -> Self {
        let core = Core::resumed(facts, config, now);
        Self { core, state: State::CpeTurn(CpeTurn { work: true, answers: Vec::new() }) }
    }

    /// Takes one input. Drain [`poll_output`](Self::poll_output) to its end before the next.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        debug_assert!(self.core.is_drained(), "the outputs of the last input were not drained");
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = state.handle(&mut self.core, now, input);
        self.core.conclude(&mut self.state);
    }

    /// The next thing to do; `None` when all was given out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.next_output()
    }

    /// Says that work came up for the device: a step is asked for before the session's last 204.
    pub fn work_waits(&mut self) {
        self.core.work_hint = true;
    }

    /// Which of its five steps the session is in.
    pub fn phase(&self) -> Phase {
        self.state.phase(self.core.challenged)
    }

    /// The version agreed on; meaningful from [`Output::Begin`] on.
    pub fn version(&self) -> CwmpVersion {
        self.core.version
    }

    /// The namespace of the session; meaningful from [`Output::Begin`] on.
    pub fn namespace(&self) -> CwmpNamespace {
        self.core.namespace
    }

    /// The call that is at the CPE now: sent, not answered.
    pub fn outstanding(&self) -> Option<&Call> {
        self.state.outstanding()
    }

    /// How many POSTs came.
    pub fn messages(&self) -> u32 {
        self.core.messages
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::Drained(_))
    }

    /// What another front-end needs to go on. `Some` between two POSTs after the InformResponse, and after
    /// [`Outcome::Drained`]; `None` while an answer of the caller is awaited, before the Inform, and at the end.
    pub fn snapshot(&self) -> Option<Snapshot> {
        crate::snapshot::pack(&self.core, &self.state)
    }
}
