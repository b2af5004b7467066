use std::collections::VecDeque;

use cwmp_codec::{AcsRequest, CpeResponse, Envelope, Fault, Message};
use cwmp_model::Timestamp;

use super::core::Core;
use super::cpe_request::{self, Incoming};
use super::cpe_turn;
use super::expect_step::ExpectStep;
use super::state::{State, Turn};
use super::{Answer, AnswerOutcome, Call, Outcome, Post, PostBody, ReadFailure, Remark, UnansweredReason};

/// Empty POSTs in place of an answer in one session; the next one ends it.
pub const EMPTY_ANSWERS_MAX: u32 = 3;

/// Awaits the answer to the one request that is open (CWMP-116).
#[derive(Debug)]
pub(crate) struct ExpectResponse {
    /// The request at the CPE.
    pub(crate) call: Call,
    /// The rest of its segment.
    pub(crate) waiting: VecDeque<Call>,
    /// The answers of its segment so far.
    pub(crate) answers: Vec<Answer>,
}

impl ExpectResponse {
    /// Sends `call` in the response to the POST in hand.
    pub(super) fn send(
        core: &mut Core,
        now: Timestamp,
        call: Call,
        waiting: VecDeque<Call>,
        answers: Vec<Answer>,
    ) -> State {
        let envelope = core.envelope(Some(call.id.clone()), Message::AcsRequest(call.request.clone()));
        core.reply_with(envelope, false);
        core.last_call_id.clone_from(&call.id);
        core.final_sent |= is_final(&call.request);
        core.await_cpe(now);
        State::ExpectResponse(Box::new(Self { call, waiting, answers }))
    }

    pub(super) fn on_post(self: Box<Self>, core: &mut Core, now: Timestamp, post: Post) -> State {
        match post.message {
            PostBody::Empty => self.on_empty(core, now),
            PostBody::Envelope(envelope) => self.on_envelope(core, now, *envelope),
            PostBody::Unreadable(failure) => self.on_unreadable(core, now, failure),
        }
    }

    /// All that is left, when the answer will not come any more.
    pub(super) fn into_answers(self, at: Timestamp, reason: UnansweredReason) -> Vec<Answer> {
        let Self { call, waiting, mut answers } = self;
        answers.push(call.unanswered(at, reason));
        answers.extend(waiting.into_iter().map(|call| call.unanswered(at, UnansweredReason::NotSent)));
        answers
    }

    fn on_envelope(self: Box<Self>, core: &mut Core, now: Timestamp, envelope: Envelope) -> State {
        let id = envelope.header.id;
        match cpe_request::classify(envelope.message) {
            Incoming::Request(request) => {
                core.remark(Remark::LateRequest);
                cpe_request::serve(core, now, Turn::Response(self), id, request)
            }
            Incoming::Response(response) => self.on_response(core, now, id.as_deref(), response),
            Incoming::Fault(fault) => self.on_fault(core, now, id.as_deref(), fault),
            Incoming::UnknownResponse => self.wrong(core, now, "with the response of an unknown method"),
            Incoming::Inform => {
                let answers = self.into_answers(now, UnansweredReason::SessionEnded);
                core.end(Outcome::ProtocolError, "an Inform came inside the session", answers)
            }
            Incoming::Nonsense => self.wrong(core, now, "with a message that only an ACS sends"),
        }
    }

    fn on_response(self: Box<Self>, core: &mut Core, now: Timestamp, id: Option<&str>, response: CpeResponse) -> State {
        if !self.accepts_id(core, id) {
            return self.wrong(core, now, "with another ID");
        }
        if !response.answers(&self.call.request) {
            let how = format!("with {}Response", response.method());
            return self.wrong(core, now, &how);
        }
        self.answered(core, now, AnswerOutcome::Response(response))
    }

    fn on_fault(self: Box<Self>, core: &mut Core, now: Timestamp, id: Option<&str>, fault: Fault) -> State {
        if !self.accepts_id(core, id) {
            return self.wrong(core, now, "with a Fault of another ID");
        }
        self.answered(core, now, AnswerOutcome::Fault(fault))
    }

    /// CWMP-089: only one request is open, so a missing ID or white space around it leaves no doubt.
    fn accepts_id(&self, core: &mut Core, id: Option<&str>) -> bool {
        let sent = self.call.id.as_str();
        match id {
            Some(id) if id == sent => true,
            Some(id) if id.trim() == sent => {
                core.remark(Remark::PaddedId);
                true
            }
            None => {
                core.remark(Remark::AnswerWithoutId);
                true
            }
            Some(id) if id.trim().is_empty() => {
                core.remark(Remark::AnswerWithoutId);
                true
            }
            Some(_) => false,
        }
    }

    /// Goes on with the segment, or hands it over when it is exhausted or broken.
    fn answered(self: Box<Self>, core: &mut Core, now: Timestamp, outcome: AnswerOutcome) -> State {
        let Self { call, mut waiting, mut answers } = *self;
        let broken = !matches!(outcome, AnswerOutcome::Response(_));
        answers.push(call.answered(now, outcome));
        if !broken
            && !core.final_sent
            && let Some(next) = waiting.pop_front()
        {
            return Self::send(core, now, next, waiting, answers);
        }
        answers.extend(waiting.into_iter().map(|call| call.unanswered(now, UnansweredReason::NotSent)));
        if core.final_sent {
            return cpe_turn::finish(core, now, answers);
        }
        ExpectStep::ask(core, now, answers)
    }

    /// No answer at all; a device that does so again and again must not keep the session in a loop.
    fn on_empty(self: Box<Self>, core: &mut Core, now: Timestamp) -> State {
        core.remark(Remark::EmptyAnswer);
        core.empty_answers += 1;
        if core.empty_answers > EMPTY_ANSWERS_MAX && !core.final_sent {
            core.reply_status(204, true);
            let answers = self.into_answers(now, UnansweredReason::EmptyPost);
            return core.end(Outcome::ProtocolError, "the CPE keeps sending empty POSTs in place of answers", answers);
        }
        self.answered(core, now, AnswerOutcome::Unanswered(UnansweredReason::EmptyPost))
    }

    /// CWMP-104.
    fn wrong(self: Box<Self>, core: &mut Core, now: Timestamp, how: &str) -> State {
        let detail = format!("the CPE answered {} {how}", self.call.request.method());
        let answers = self.into_answers(now, UnansweredReason::WrongAnswer);
        core.end(Outcome::ProtocolError, detail, answers)
    }

    fn on_unreadable(self: Box<Self>, core: &mut Core, now: Timestamp, failure: ReadFailure) -> State {
        match failure {
            ReadFailure::InvalidArguments { method, answer_to } if cpe_request::is_request_name(&method) => {
                core.remark(Remark::LateRequest);
                core.respond_fault(answer_to.id, 8003, false);
                core.await_cpe(now);
                State::ExpectResponse(self)
            }
            other => {
                let answers = self.into_answers(now, UnansweredReason::Unreadable);
                cpe_request::end_unreadable(core, &other, answers)
            }
        }
    }
}

impl Call {
    pub(super) fn unanswered(self, at: Timestamp, reason: UnansweredReason) -> Answer {
        self.answered(at, AnswerOutcome::Unanswered(reason))
    }

    fn answered(self, at: Timestamp, outcome: AnswerOutcome) -> Answer {
        let request_method = self.request.method().to_owned();
        Answer { id: self.id, label: self.label, request_method, at, outcome }
    }
}

/// The CPE acts on these once the session is over (CWMP-139).
const fn is_final(request: &AcsRequest) -> bool {
    matches!(request, AcsRequest::Reboot { .. } | AcsRequest::FactoryReset)
}
