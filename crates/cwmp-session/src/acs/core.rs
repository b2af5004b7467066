use std::collections::VecDeque;
use std::time::Duration;

use cwmp_codec::{AcsResponse, AnswerTo, CwmpNamespace, CwmpVersion, Envelope, Fault, Header, Message};
use cwmp_model::Timestamp;

use super::state::State;
use super::{Answer, Config, End, Outcome, Output, Remark, Reply, ReplyBody, ResumeFacts, RetryAfter};

/// What lasts for the whole session.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) version: CwmpVersion,
    pub(crate) namespace: CwmpNamespace,
    pub(crate) started_at: Timestamp,
    pub(crate) idle_timeout: Duration,
    /// POSTs so far.
    pub(crate) messages: u32,
    /// Faults 8005 so far.
    pub(crate) retry_faults: u32,
    /// Empty POSTs in place of an answer so far.
    pub(crate) empty_answers: u32,
    /// HoldRequests is true at the CPE.
    pub(crate) held: bool,
    /// Reboot or FactoryReset was sent: no request follows (CWMP-139).
    pub(crate) final_sent: bool,
    /// Goes on without its snapshot.
    pub(crate) resumed: bool,
    /// The caller said that work waits.
    pub(crate) work_hint: bool,
    /// The ID of the last call.
    pub(crate) last_call_id: String,
    /// When the current wait ends.
    pub(crate) deadline: Timestamp,
    /// The last POST got a 401.
    pub(super) challenged: bool,
    draining: bool,
    /// POSTs without their reply.
    replies_owed: u32,
    outputs: VecDeque<Output>,
}

impl Core {
    pub(crate) fn new(config: Config, now: Timestamp) -> Self {
        let idle_timeout = config.idle_timeout(None);
        let mut core = Self {
            config,
            version: CwmpVersion::V1_0,
            namespace: CwmpNamespace::V1_0,
            started_at: now,
            idle_timeout,
            messages: 0,
            retry_faults: 0,
            empty_answers: 0,
            held: false,
            final_sent: false,
            resumed: false,
            work_hint: false,
            last_call_id: String::new(),
            deadline: now,
            challenged: false,
            draining: false,
            replies_owed: 0,
            outputs: VecDeque::new(),
        };
        core.await_cpe(now);
        core
    }

    pub(super) fn resumed(facts: ResumeFacts, config: Config, now: Timestamp) -> Self {
        let mut core = Self::new(config, now);
        core.version = facts.version;
        core.namespace = facts.namespace;
        core.started_at = facts.started_at;
        core.resumed = true;
        core.await_cpe(now);
        core
    }

    // === time ===

    /// The CPE has the word: the next POST is due within the idle time-out and the session's life.
    pub(super) fn await_cpe(&mut self, now: Timestamp) {
        self.deadline = now.plus(self.idle_timeout).min(self.life_ends());
    }

    /// The caller has the word: the POST in hand must be answered in time (CWMP-127).
    pub(super) fn await_caller(&mut self, now: Timestamp) {
        self.deadline = now.plus(self.config.answer_within);
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.deadline
    }

    /// Whether the life of the session is over (CWMP-140).
    pub(super) fn is_too_old(&self, now: Timestamp) -> bool {
        now >= self.life_ends()
    }

    fn life_ends(&self) -> Timestamp {
        self.started_at.plus(self.config.age_max)
    }

    // === what comes in ===

    /// Counts a POST that now waits for its reply.
    pub(super) fn count_post(&mut self) {
        self.messages = self.messages.saturating_add(1);
        self.replies_owed += 1;
        self.challenged = false;
    }

    pub(super) fn owes_reply(&self) -> bool {
        self.replies_owed > 0
    }

    /// Nobody is there any more to read the replies owed.
    pub(super) fn forget_replies(&mut self) {
        self.replies_owed = 0;
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    // === what goes out ===

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        self.push(Output::Remark(remark));
    }

    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.outputs.is_empty()
    }

    /// An envelope of this session in its one namespace (CWMP-165).
    pub(super) fn envelope(&self, id: Option<String>, message: Message) -> Envelope {
        let hold_requests = self.held.then_some(true);
        Envelope { namespace: Some(self.namespace), header: Header { id, hold_requests, ..Header::default() }, message }
    }

    /// Answers a CPE request; the ID comes back as it was sent (CWMP-087).
    pub(super) fn respond(&mut self, id: Option<String>, response: AcsResponse) {
        let envelope = self.envelope(id, Message::AcsResponse(response));
        self.reply_with(envelope, false);
    }

    pub(super) fn respond_fault(&mut self, id: Option<String>, code: u32, close: bool) {
        let fault = Fault { code, text: fault_text(code).to_owned(), parameters: Vec::new() };
        let envelope = self.envelope(id, Message::Fault(fault));
        self.reply_with(envelope, close);
    }

    pub(super) fn reply_with(&mut self, envelope: Envelope, close: bool) {
        let mut reply = bare_reply(200, close);
        reply.body = ReplyBody::Envelope(Box::new(envelope));
        self.reply(reply);
    }

    pub(super) fn reply_must_understand(&mut self, answer_to: AnswerTo, close: bool) {
        let mut reply = bare_reply(200, close);
        reply.body = ReplyBody::MustUnderstandFault(answer_to);
        self.reply(reply);
    }

    pub(super) fn reply_status(&mut self, status: u16, close: bool) {
        self.reply(bare_reply(status, close));
    }

    pub(super) fn reply_unavailable(&mut self, reason: RetryAfter) {
        let mut reply = bare_reply(503, true);
        reply.retry_after = Some(reason);
        self.reply(reply);
    }

    pub(super) fn reply(&mut self, mut reply: Reply) {
        debug_assert!(self.replies_owed > 0, "a reply without a POST");
        self.replies_owed = self.replies_owed.saturating_sub(1);
        reply.close |= self.draining;
        self.push(Output::Reply(reply));
    }

    /// Ends the session. POSTs still without a reply get a 400.
    pub(super) fn end(&mut self, outcome: Outcome, detail: impl Into<String>, answers: Vec<Answer>) -> State {
        while self.replies_owed > 0 {
            self.reply_status(400, true);
        }
        self.push(Output::Closed(End { outcome, detail: detail.into(), answers }));
        State::Closed
    }

    /// Completes a drain: a stopping front-end lets go of a session as soon as no reply is owed, else waits.
    pub(super) fn conclude(&mut self, state: &mut State) {
        if matches!(state, State::Closed | State::Drained(_)) {
            return;
        }
        if self.draining && !self.owes_reply() {
            let left = std::mem::replace(state, State::Closed);
            *state = left.into_drained();
            let detail = "this front-end stops, another one goes on";
            self.push(Output::Closed(End {
                outcome: Outcome::Drained,
                detail: detail.to_owned(),
                answers: Vec::new(),
            }));
            return;
        }
        self.push(Output::Wait(self.deadline));
    }
}

const fn bare_reply(status: u16, close: bool) -> Reply {
    Reply { status, body: ReplyBody::Empty, close, set_cookie: false, retry_after: None }
}

/// The texts of the table of ACS faults.
const fn fault_text(code: u32) -> &'static str {
    match code {
        8000 => "Method not supported",
        8003 => "Invalid arguments",
        8005 => "Retry request",
        8006 => "ACS version incompatible with CPE",
        _ => "Internal error",
    }
}
