use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use acs_proto::{Answer, AnswerOutcome, UnansweredReason};
use acs_types::{
    AttemptId, AuthLevel, EmitterId, EventBody, EventId, EventRecord, Exchange, Position, SessionOutcome, SessionPhase,
    SessionRecord, SessionRef, TaskId, Tenant,
};
use cwmp_model::{DeviceIdentity, Timestamp};
use cwmp_session::AcsSession;
use cwmp_session::acs::{self, Phase};

use crate::connection::Connection;
use crate::hand_over::is_complete;
use crate::ladder::Ladder;
use crate::models::ModelRule;

/// Where a session comes from, and how far it is to be trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) remote: IpAddr,
    pub(crate) tls: bool,
    pub(crate) auth: AuthLevel,
}

/// A live session: the state machine, and what the records about it need.
pub(crate) struct Session {
    pub(crate) machine: AcsSession,
    pub(crate) at: SessionRef,
    pub(crate) tenant: Tenant,
    pub(crate) subscriber: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) started_at: Timestamp,
    pub(crate) device: DeviceIdentity,
    /// DeviceInfo.SoftwareVersion of its Inform; empty: it did not say.
    pub(crate) software_version: String,
    pub(crate) events: Vec<String>,
    pub(crate) retry_count: u32,
    /// How long it may be silent, as far as its Inform asked for that; `None`: the configured time.
    pub(crate) idle_timeout: Option<Duration>,
    /// What is done otherwise for its model.
    pub(crate) rule: Option<ModelRule>,
    pub(crate) ladder: Ladder,
    /// The InformResponse is out.
    pub(crate) accepted: bool,
    /// A POST came after the InformResponse.
    pub(crate) followed: bool,
    /// Provisioning was told of work, or asked for it: it wants to know of the end.
    pub(crate) worked: bool,
    /// Its CPE returns no cookie: the connection is all it has (CWMP-023).
    pub(crate) cookieless: bool,
    /// Its device has begun a later session already; the records of this one are late.
    pub(crate) late: bool,
    /// Something of it lies in the session cache.
    pub(crate) laid_down: bool,
    /// Another front-end may have served a part of it.
    pub(crate) unsure: bool,
    /// How often the session cache did not tell whose its end is.
    pub(crate) asked: u8,
    /// Records that other front-ends emitted.
    pub(crate) records_before: u32,
    /// The connection that carried its last POST.
    pub(crate) connection: Option<Arc<Connection>>,
    /// Answers that provisioning may not have got.
    pub(crate) undelivered: Vec<Answer>,
    /// Set when it is over.
    pub(crate) end: Option<acs::End>,
    seq: u32,
}

impl Session {
    pub(crate) fn new(
        machine: AcsSession,
        at: SessionRef,
        tenant: Tenant,
        origin: Origin,
        started_at: Timestamp,
    ) -> Self {
        Self {
            machine,
            at,
            tenant,
            subscriber: Arc::from(""),
            origin,
            started_at,
            device: DeviceIdentity::default(),
            software_version: String::new(),
            events: Vec::new(),
            retry_count: 0,
            idle_timeout: None,
            rule: None,
            ladder: Ladder::default(),
            accepted: false,
            followed: false,
            worked: false,
            cookieless: false,
            late: false,
            laid_down: false,
            unsure: false,
            asked: 0,
            records_before: 0,
            connection: None,
            undelivered: Vec::new(),
            end: None,
            seq: 0,
        }
    }

    /// The next record of this session (P9). `emitter_seq` is given when it is emitted.
    pub(crate) fn record(&mut self, emitter: &EmitterId, now: Timestamp, body: EventBody) -> EventRecord {
        self.seq += 1;
        EventRecord {
            event_id: EventId::of(&self.at.session, self.at.resume, self.seq),
            device: Some(self.at.device.clone()),
            tenant: self.tenant.clone(),
            subscriber_id: (*self.subscriber).to_owned(),
            session: Some(self.at.session),
            position: Position { stamp: self.at.stamp, resume: self.at.resume, seq: self.seq },
            occurred_at: now,
            emitter: emitter.clone(),
            emitter_seq: 0,
            late: self.late,
            body,
        }
    }

    /// The account of the whole session. The last record of it, so it counts itself.
    pub(crate) fn account(
        &mut self,
        emitter: &EmitterId,
        now: Timestamp,
        outcome: SessionOutcome,
        detail: String,
    ) -> EventRecord {
        let mut record = self.record_so_far(emitter, now, Vec::new());
        record.exchanges = std::mem::take(&mut self.ladder).into_exchanges();
        record.record_count += 1;
        record.complete = is_complete(self.at.resume, outcome, self.unsure);
        if record.complete {
            let ids = (1..=self.seq + 1).map(|seq| EventId::of(&self.at.session, self.at.resume, seq));
            record.record_hash = Some(SessionRecord::hash_of(ids));
        }
        record.outcome = outcome;
        record.detail = detail;
        self.record(emitter, now, EventBody::SessionEnded(Box::new(record)))
    }

    /// What can be told of it before its end.
    pub(crate) fn record_so_far(&self, emitter: &EmitterId, now: Timestamp, exchanges: Vec<Exchange>) -> SessionRecord {
        SessionRecord {
            at: self.at.clone(),
            tenant: self.tenant.clone(),
            front_end: emitter.clone(),
            started_at: self.started_at,
            ended_at: now,
            outcome: SessionOutcome::Lost,
            detail: String::new(),
            remote: Some(self.origin.remote),
            tls: self.origin.tls,
            auth: self.origin.auth,
            cwmp_version: self.machine.version().as_str().to_owned(),
            events: self.events.clone(),
            retry_count: self.retry_count,
            exchanges,
            exchange_count: self.ladder.count(),
            record_count: self.records_before + self.seq,
            complete: false,
            record_hash: None,
        }
    }

    /// The step of the next message of the CPE.
    pub(crate) fn phase(&self) -> SessionPhase {
        match self.machine.phase() {
            Phase::Initiation => SessionPhase::Initiation,
            Phase::Authentication => SessionPhase::Authentication,
            Phase::Identification => SessionPhase::Identification,
            Phase::Tasks => SessionPhase::Tasks,
            Phase::Closing => SessionPhase::Closing,
        }
    }

    /// The task whose request is at the CPE.
    pub(crate) fn task(&self) -> Option<TaskId> {
        Label::read(&self.machine.outstanding()?.label).map(|label| label.task)
    }
}

/// What a call carries through the state machine: task and attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) task: TaskId,
    pub(crate) attempt: Option<AttemptId>,
}

impl Label {
    /// Neither id has a space in it.
    pub(crate) fn write(&self) -> String {
        match &self.attempt {
            Some(attempt) => format!("{} {attempt}", self.task),
            None => self.task.as_str().to_owned(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (task, attempt) = match text.split_once(' ') {
            Some((task, attempt)) => (task, Some(attempt.parse().ok()?)),
            None => (text, None),
        };
        Some(Self { task: task.parse().ok()?, attempt })
    }
}

/// An answer of the state machine in the words of provisioning.
pub(crate) fn to_provisioning(answer: acs::Answer) -> Answer {
    let label = Label::read(&answer.label);
    let (task, attempt) = label.map_or((None, None), |label| (Some(label.task), label.attempt));
    let outcome = match answer.outcome {
        acs::AnswerOutcome::Response(response) => AnswerOutcome::Response(response),
        acs::AnswerOutcome::Fault(fault) => AnswerOutcome::Fault(fault),
        acs::AnswerOutcome::Unanswered(reason) => AnswerOutcome::Unanswered(unanswered(reason)),
    };
    Answer { id: answer.id, task, attempt, at: answer.at, outcome }
}

const fn unanswered(reason: acs::UnansweredReason) -> UnansweredReason {
    match reason {
        acs::UnansweredReason::NotSent => UnansweredReason::NotSent,
        acs::UnansweredReason::EmptyPost | acs::UnansweredReason::WrongAnswer | acs::UnansweredReason::Unreadable => {
            UnansweredReason::Unusable
        }
        acs::UnansweredReason::TimedOut | acs::UnansweredReason::Disconnected | acs::UnansweredReason::SessionEnded => {
            UnansweredReason::Silence
        }
    }
}

/// The outcome in the words of records.
pub(crate) const fn outcome(outcome: acs::Outcome) -> SessionOutcome {
    match outcome {
        acs::Outcome::Completed => SessionOutcome::Completed,
        acs::Outcome::TimedOut => SessionOutcome::TimedOut,
        acs::Outcome::Superseded => SessionOutcome::Superseded,
        acs::Outcome::ProtocolError => SessionOutcome::ProtocolError,
        acs::Outcome::LimitExceeded => SessionOutcome::LimitExceeded,
        acs::Outcome::ServerError => SessionOutcome::ServerError,
        acs::Outcome::Drained => SessionOutcome::Drained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back() {
        let task: TaskId = "task1".parse().unwrap();
        for attempt in [None, Some("attempt-1".parse().unwrap())] {
            let label = Label { task: task.clone(), attempt };
            assert_eq!(Label::read(&label.write()), Some(label));
        }
        assert_eq!(Label::read(""), None, "an answer to a request of another front-end has no label");
    }
}
