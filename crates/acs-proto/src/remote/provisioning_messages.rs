//! Requests and replies of provisioning against their messages.

use acs_types::{AuthLevel, CpeVerifier, Secret, SessionOutcome, SessionStamp, Wanted};
use cwmp_codec::{CpeResponse, CwmpVersion, Fault};
use cwmp_model::Timestamp;

use crate::records::{Enumerated, RecordError, SecretSeal, Wire, enumerated, field};
use crate::{
    Answer, AnswerOutcome, BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply,
    EnqueueRequest, NextReply, NextRequest, UnansweredReason, VerifierReply, VerifierRequest, v1,
};

enumerated!(UnansweredReason { NotSent, Silence, Unusable });

impl Wire for VerifierRequest {
    type Message = v1::VerifierRequest;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::VerifierRequest {
        v1::VerifierRequest { username: self.username.clone() }
    }

    fn from_wire(message: v1::VerifierRequest, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { username: message.username })
    }
}

impl Wire for VerifierReply {
    type Message = v1::VerifierReply;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::VerifierReply {
        v1::VerifierReply { verifier: self.verifier.as_ref().map(|verifier| verifier.to_wire(seal)) }
    }

    fn from_wire(message: v1::VerifierReply, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { verifier: field::optional(message.verifier, seal)? })
    }
}

impl Wire for CpeVerifier {
    type Message = v1::CpeVerifier;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::CpeVerifier {
        v1::CpeVerifier {
            device: field::optional_text(self.device.as_ref()),
            password: field::sealed(self.password.reveal(), seal),
        }
    }

    fn from_wire(message: v1::CpeVerifier, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let password = field::opened(&message.password, seal, || "the password of a verifier".to_owned())?;
        let device = field::optional_id(&message.device, "CpeVerifier.device")?;
        Ok(Self { device, password: Secret::new(password) })
    }
}

impl Wire for BeginRequest {
    type Message = v1::BeginRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::BeginRequest {
        v1::BeginRequest {
            session: Some(self.session.to_wire(seal)),
            tenant: self.tenant.to_string(),
            event_id: self.event_id.as_bytes().to_vec(),
            at: self.at.as_micros(),
            inform: Some(self.inform.to_wire(seal)),
            version: self.version.number(),
            auth: self.auth.number(),
            tls: self.tls,
            remote: field::address_text(self.remote),
        }
    }

    fn from_wire(message: v1::BeginRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            session: field::required(message.session, "BeginRequest.session", seal)?,
            tenant: field::id(&message.tenant, "BeginRequest.tenant")?,
            event_id: field::event(&message.event_id, "BeginRequest.event_id")?,
            at: Timestamp::from_micros(message.at),
            inform: field::required(message.inform, "BeginRequest.inform", seal)?,
            version: CwmpVersion::from_number(message.version, "BeginRequest.version")?,
            auth: AuthLevel::from_number(message.auth, "BeginRequest.auth")?,
            tls: message.tls,
            remote: field::address(&message.remote, "BeginRequest.remote")?,
        })
    }
}

impl Wire for BeginReply {
    type Message = v1::BeginReply;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::BeginReply {
        v1::BeginReply {
            work: self.work,
            subscriber_id: self.subscriber_id.clone(),
            stale: self.stale,
            last_stamp: self.last_stamp.as_micros(),
        }
    }

    fn from_wire(message: v1::BeginReply, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            work: message.work,
            subscriber_id: message.subscriber_id,
            stale: message.stale,
            last_stamp: SessionStamp::from_micros(message.last_stamp),
        })
    }
}

impl Wire for NextRequest {
    type Message = v1::NextRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::NextRequest {
        v1::NextRequest {
            session: Some(self.session.to_wire(seal)),
            at: self.at.as_micros(),
            deadline: self.deadline.as_micros(),
            version: self.version.number(),
            auth: self.auth.number(),
            tls: self.tls,
            remote: field::address_text(self.remote),
            answers: field::list(&self.answers, seal),
        }
    }

    fn from_wire(message: v1::NextRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            session: field::required(message.session, "NextRequest.session", seal)?,
            at: Timestamp::from_micros(message.at),
            deadline: Timestamp::from_micros(message.deadline),
            version: CwmpVersion::from_number(message.version, "NextRequest.version")?,
            auth: AuthLevel::from_number(message.auth, "NextRequest.auth")?,
            tls: message.tls,
            remote: field::address(&message.remote, "NextRequest.remote")?,
            answers: field::read_list(message.answers, seal)?,
        })
    }
}

impl Wire for NextReply {
    type Message = v1::NextReply;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::NextReply {
        v1::NextReply { calls: field::list(&self.calls, seal) }
    }

    fn from_wire(message: v1::NextReply, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { calls: field::read_list(message.calls, seal)? })
    }
}

impl Wire for Call {
    type Message = v1::Call;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Call {
        v1::Call {
            id: self.id.clone(),
            task: self.task.to_string(),
            attempt: field::optional_text(self.attempt.as_ref()),
            request: Some(self.request.to_wire(seal)),
        }
    }

    fn from_wire(message: v1::Call, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            id: message.id,
            task: field::id(&message.task, "Call.task")?,
            attempt: field::optional_id(&message.attempt, "Call.attempt")?,
            request: field::required(message.request, "Call.request", seal)?,
        })
    }
}

impl Wire for Answer {
    type Message = v1::Answer;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Answer {
        use v1::answer::Outcome;
        let outcome = match &self.outcome {
            AnswerOutcome::Response(response) => Outcome::Response(response.to_wire(seal)),
            AnswerOutcome::Fault(fault) => Outcome::Fault(fault.to_wire(seal)),
            AnswerOutcome::Unanswered(reason) => Outcome::Unanswered(reason.number()),
        };
        v1::Answer {
            id: self.id.clone(),
            task: field::optional_text(self.task.as_ref()),
            attempt: field::optional_text(self.attempt.as_ref()),
            at: self.at.as_micros(),
            outcome: Some(outcome),
        }
    }

    fn from_wire(message: v1::Answer, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        use v1::answer::Outcome;
        let outcome = match field::present(message.outcome, "Answer.outcome")? {
            Outcome::Response(response) => AnswerOutcome::Response(CpeResponse::from_wire(response, seal)?),
            Outcome::Fault(fault) => AnswerOutcome::Fault(Fault::from_wire(fault, seal)?),
            Outcome::Unanswered(number) => {
                AnswerOutcome::Unanswered(UnansweredReason::from_number(number, "Answer.unanswered")?)
            }
        };
        Ok(Self {
            id: message.id,
            task: field::optional_id(&message.task, "Answer.task")?,
            attempt: field::optional_id(&message.attempt, "Answer.attempt")?,
            at: Timestamp::from_micros(message.at),
            outcome,
        })
    }
}

impl Wire for EndRequest {
    type Message = v1::EndRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::EndRequest {
        v1::EndRequest {
            session: Some(self.session.to_wire(seal)),
            at: self.at.as_micros(),
            outcome: self.outcome.number(),
            answers: field::list(&self.answers, seal),
        }
    }

    fn from_wire(message: v1::EndRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            session: field::required(message.session, "EndRequest.session", seal)?,
            at: Timestamp::from_micros(message.at),
            outcome: SessionOutcome::from_number(message.outcome, "EndRequest.outcome")?,
            answers: field::read_list(message.answers, seal)?,
        })
    }
}

impl Wire for EndReply {
    type Message = v1::EndReply;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::EndReply {
        v1::EndReply { wakes: self.wakes }
    }

    fn from_wire(message: v1::EndReply, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { wakes: message.wakes })
    }
}

impl Wire for EnqueueRequest {
    type Message = v1::EnqueueRequest;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::EnqueueRequest {
        v1::EnqueueRequest {
            device: self.device.to_string(),
            tenant: self.tenant.to_string(),
            principal: self.principal.clone(),
            key: self.key.clone(),
            body_sha256: self.body_sha256.to_vec(),
            spec: Some(self.spec.to_wire(seal)),
            wanted: self.wanted.number(),
            expires_at: field::micros(self.expires_at),
        }
    }

    fn from_wire(message: v1::EnqueueRequest, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            device: field::id(&message.device, "EnqueueRequest.device")?,
            tenant: field::id(&message.tenant, "EnqueueRequest.tenant")?,
            principal: message.principal,
            key: message.key,
            body_sha256: field::fixed(&message.body_sha256, "EnqueueRequest.body_sha256")?,
            spec: field::required(message.spec, "EnqueueRequest.spec", seal)?,
            wanted: Wanted::from_number(message.wanted, "EnqueueRequest.wanted")?,
            expires_at: field::moment(message.expires_at),
        })
    }
}

impl Wire for EnqueueReply {
    type Message = v1::EnqueueReply;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::EnqueueReply {
        v1::EnqueueReply {
            task: Some(self.task.to_wire(seal)),
            created: self.created,
            wake: self.wake.as_ref().map(|wake| wake.to_wire(seal)),
        }
    }

    fn from_wire(message: v1::EnqueueReply, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            task: field::required(message.task, "EnqueueReply.task", seal)?,
            created: message.created,
            wake: field::optional(message.wake, seal)?,
        })
    }
}

impl Wire for CancelReply {
    type Message = v1::CancelReply;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::CancelReply {
        v1::CancelReply { task: Some(self.task.to_wire(seal)) }
    }

    fn from_wire(message: v1::CancelReply, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self { task: field::required(message.task, "CancelReply.task", seal)? })
    }
}
