//! A session between two POSTs, as a value that can be laid down and picked up by another front-end.

mod wire;

use std::time::Duration;

use cwmp_codec::{CwmpNamespace, CwmpVersion};
use cwmp_model::Timestamp;

use crate::acs::core::Core;
use crate::acs::cpe_turn::CpeTurn;
use crate::acs::expect_response::ExpectResponse;
use crate::acs::state::{State, Turn};
use crate::acs::{Answer, Call, Config};

pub use wire::{SNAPSHOT_BYTES_MAX, SnapshotError};

/// Everything another front-end needs to go on with a session. It may hold secrets (values to set, passwords of transfers):
/// seal its bytes before they leave the process. `Debug` shows no values.
#[derive(Clone, PartialEq)]
pub struct Snapshot {
    /// The version of the session.
    pub version: CwmpVersion,
    /// The namespace of the session.
    pub namespace: CwmpNamespace,
    /// When it began.
    pub started_at: Timestamp,
    /// When the next POST is due at the latest.
    pub deadline: Timestamp,
    /// The time allowed between two POSTs.
    pub idle_timeout: Duration,
    /// POSTs so far.
    pub messages: u32,
    /// Faults 8005 so far.
    pub retry_faults: u32,
    /// Empty POSTs in place of answers so far.
    pub empty_answers: u32,
    /// HoldRequests is true at the CPE.
    pub held: bool,
    /// Reboot or FactoryReset was sent.
    pub final_sent: bool,
    /// The session goes on without an earlier snapshot.
    pub resumed: bool,
    /// Work came up that no step was asked for yet.
    pub work_hint: bool,
    /// The ID of the last call; empty if there was none.
    pub last_call_id: String,
    /// Who has to say what.
    pub turn: SnapshotTurn,
}

/// What the session awaits.
#[derive(Clone, PartialEq)]
pub enum SnapshotTurn {
    /// A request of the CPE or its empty POST.
    Cpe {
        /// A step is to be asked for at the empty POST.
        work: bool,
        /// Answers not handed over yet.
        answers: Vec<Answer>,
    },
    /// The answer to a call.
    Response {
        /// The call at the CPE.
        call: Box<Call>,
        /// The rest of its segment.
        waiting: Vec<Call>,
        /// The answers of its segment so far.
        answers: Vec<Answer>,
    },
}

impl Snapshot {
    /// Whether it holds what the session's cookie does not: then it has to be stored before the reply goes out. All else is
    /// rebuilt well enough by [`AcsSession::resume`](crate::acs::AcsSession::resume).
    pub fn is_needed(&self) -> bool {
        let nothing_open = matches!(&self.turn, SnapshotTurn::Cpe { answers, .. } if answers.is_empty());
        !nothing_open || self.held || self.final_sent
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let turn = match &self.turn {
            SnapshotTurn::Cpe { .. } => "cpe",
            SnapshotTurn::Response { call, .. } => call.request.method(),
        };
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .field("started_at", &self.started_at)
            .field("messages", &self.messages)
            .field("turn", &turn)
            .finish_non_exhaustive()
    }
}

pub(crate) fn pack(core: &Core, state: &State) -> Option<Snapshot> {
    let turn = match state {
        State::CpeTurn(turn) | State::Drained(Turn::Cpe(turn)) => {
            SnapshotTurn::Cpe { work: turn.work, answers: turn.answers.clone() }
        }
        State::ExpectResponse(state) | State::Drained(Turn::Response(state)) => SnapshotTurn::Response {
            call: Box::new(state.call.clone()),
            waiting: state.waiting.iter().cloned().collect(),
            answers: state.answers.clone(),
        },
        State::ExpectInform(_) | State::ExpectBegin(_) | State::ExpectRecord(_) | State::ExpectStep(_) => return None,
        State::Closed => return None,
    };
    Some(Snapshot {
        version: core.version,
        namespace: core.namespace,
        started_at: core.started_at,
        deadline: core.deadline,
        idle_timeout: core.idle_timeout,
        messages: core.messages,
        retry_faults: core.retry_faults,
        empty_answers: core.empty_answers,
        held: core.held,
        final_sent: core.final_sent,
        resumed: core.resumed,
        work_hint: core.work_hint,
        last_call_id: core.last_call_id.clone(),
        turn,
    })
}

pub(crate) fn unpack(snapshot: Snapshot, config: Config) -> (Core, Turn) {
    let mut core = Core::new(config, snapshot.started_at);
    core.version = snapshot.version;
    core.namespace = snapshot.namespace;
    core.deadline = snapshot.deadline;
    core.idle_timeout = snapshot.idle_timeout;
    core.messages = snapshot.messages;
    core.retry_faults = snapshot.retry_faults;
    core.empty_answers = snapshot.empty_answers;
    core.held = snapshot.held;
    core.final_sent = snapshot.final_sent;
    core.resumed = snapshot.resumed;
    core.work_hint = snapshot.work_hint;
    core.last_call_id = snapshot.last_call_id;
    let turn = match snapshot.turn {
        SnapshotTurn::Cpe { work, answers } => Turn::Cpe(CpeTurn { work, answers }),
        SnapshotTurn::Response { call, waiting, answers } => {
            Turn::Response(Box::new(ExpectResponse { call: *call, waiting: waiting.into(), answers }))
        }
    };
    (core, turn)
}
