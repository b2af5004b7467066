use cwmp_codec::Envelope;
use cwmp_model::Timestamp;

use super::core::Core;
use super::cpe_request::{self, Incoming};
use super::expect_step::ExpectStep;
use super::state::{State, Turn};
use super::{Answer, AnswerOutcome, Outcome, Post, PostBody, ReadFailure, Remark};

/// The CPE has the word and no request of the ACS is open: it sends its own requests, then an empty POST.
#[derive(Debug)]
pub(crate) struct CpeTurn {
    /// Work waits for the empty POST.
    pub(crate) work: bool,
    /// Answers that wait for the end of the session, after Reboot or FactoryReset.
    pub(crate) answers: Vec<Answer>,
}

impl CpeTurn {
    pub(super) fn on_post(self, core: &mut Core, now: Timestamp, post: Post) -> State {
        match post.message {
            PostBody::Empty => self.on_empty(core, now),
            PostBody::Envelope(envelope) => self.on_envelope(core, now, *envelope),
            PostBody::Unreadable(failure) => self.on_unreadable(core, now, failure),
        }
    }

    /// The word goes to the ACS (CWMP-116, CWMP-119).
    fn on_empty(self, core: &mut Core, now: Timestamp) -> State {
        let asks = self.work || core.work_hint || core.config.ask_always;
        if asks && !core.final_sent {
            return ExpectStep::ask(core, now, self.answers);
        }
        finish(core, now, self.answers)
    }

    fn on_envelope(self, core: &mut Core, now: Timestamp, envelope: Envelope) -> State {
        let id = envelope.header.id;
        match cpe_request::classify(envelope.message) {
            Incoming::Request(request) => cpe_request::serve(core, now, Turn::Cpe(self), id, request),
            Incoming::Response(response) => {
                core.remark(Remark::ResponseWithoutRequest);
                let method = response.method();
                self.on_evidence(core, now, id, method, AnswerOutcome::Response(response))
            }
            Incoming::Fault(fault) if core.resumed => self.on_evidence(core, now, id, "", AnswerOutcome::Fault(fault)),
            Incoming::Fault(_) => {
                core.remark(Remark::FaultWithoutRequest);
                self.go_on(core, now)
            }
            Incoming::UnknownResponse => {
                core.remark(Remark::ResponseWithoutRequest);
                self.go_on(core, now)
            }
            Incoming::Inform => core.end(Outcome::ProtocolError, "an Inform came inside the session", self.answers),
            Incoming::Nonsense => {
                core.end(Outcome::ProtocolError, "the CPE sent a message that only an ACS sends", self.answers)
            }
        }
    }

    /// An answer to a request that this session does not know of: another front-end sent it. It came after the CPE's empty
    /// POST, so the ACS has the word.
    fn on_evidence(
        mut self,
        core: &mut Core,
        now: Timestamp,
        id: Option<String>,
        method: &str,
        outcome: AnswerOutcome,
    ) -> State {
        self.answers.push(Answer {
            id: id.unwrap_or_default(),
            label: String::new(),
            request_method: method.to_owned(),
            at: now,
            outcome,
        });
        if core.final_sent {
            return finish(core, now, self.answers);
        }
        ExpectStep::ask(core, now, self.answers)
    }

    /// A 204 that ends nothing (CWMP-122).
    fn go_on(self, core: &mut Core, now: Timestamp) -> State {
        core.held = false;
        core.reply_status(204, false);
        core.await_cpe(now);
        State::CpeTurn(self)
    }

    fn on_unreadable(self, core: &mut Core, now: Timestamp, failure: ReadFailure) -> State {
        match failure {
            ReadFailure::MustUnderstand(answer_to) => {
                core.reply_must_understand(answer_to, false);
                // It has no header, and an absent HoldRequests is false.
                core.held = false;
                core.await_cpe(now);
                State::CpeTurn(self)
            }
            ReadFailure::InvalidArguments { method, answer_to } if cpe_request::is_request_name(&method) => {
                core.respond_fault(answer_to.id, 8003, false);
                core.await_cpe(now);
                State::CpeTurn(self)
            }
            other => cpe_request::end_unreadable(core, &other, self.answers),
        }
    }
}

/// The ACS has nothing more to say: a 204, which is the end unless it only ends a hold (CWMP-121, CWMP-122).
pub(super) fn finish(core: &mut Core, now: Timestamp, answers: Vec<Answer>) -> State {
    core.reply_status(204, false);
    if core.held {
        core.held = false;
        core.await_cpe(now);
        return State::CpeTurn(CpeTurn { work: false, answers });
    }
    core.end(Outcome::Completed, "both sides have nothing left to say", answers)
}
