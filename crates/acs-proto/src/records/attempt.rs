use acs_types::{Attempt, AttemptOutcome, AttemptReason};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;
use crate::v1::AttemptOutcomeName as Name;

impl Wire for Attempt {
    type Message = v1::Attempt;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::Attempt {
        v1::Attempt {
            number: self.number,
            id: self.id.to_string(),
            session: self.session.as_bytes().to_vec(),
            reason: self.reason.number(),
            method: self.method.clone(),
            started_at: self.started_at.as_micros(),
            deadline: self.deadline.as_micros(),
            answered_at: field::micros(self.answered_at),
            outcome: self.outcome.map(|outcome| outcome.to_wire(seal)),
            key_before: self.key_before.clone(),
            instances_before: self.instances_before.clone(),
        }
    }

    fn from_wire(message: v1::Attempt, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            number: message.number,
            id: field::id(&message.id, "Attempt.id")?,
            session: field::session(&message.session, "Attempt.session")?,
            reason: AttemptReason::from_number(message.reason, "Attempt.reason")?,
            method: message.method,
            started_at: Timestamp::from_micros(message.started_at),
            deadline: Timestamp::from_micros(message.deadline),
            answered_at: field::moment(message.answered_at),
            outcome: field::optional(message.outcome, seal)?,
            key_before: message.key_before,
            instances_before: message.instances_before,
        })
    }
}

impl Wire for AttemptOutcome {
    type Message = v1::AttemptOutcome;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::AttemptOutcome {
        let (name, fault_code) = match *self {
            Self::Answered => (Name::Answered, 0),
            Self::Fault(code) => (Name::Fault, code),
            Self::Unanswered => (Name::Unanswered, 0),
            Self::ProvedApplied => (Name::ProvedApplied, 0),
            Self::ProvedNotApplied => (Name::ProvedNotApplied, 0),
        };
        v1::AttemptOutcome { name: name.into(), fault_code }
    }

    fn from_wire(message: v1::AttemptOutcome, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let (field, number) = ("AttemptOutcome.name", message.name);
        match Name::try_from(number).map_err(|_| RecordError::UnknownValue { field, number })? {
            Name::Unspecified => Err(RecordError::Missing { field }),
            Name::Answered => Ok(Self::Answered),
            Name::Fault => Ok(Self::Fault(message.fault_code)),
            Name::Unanswered => Ok(Self::Unanswered),
            Name::ProvedApplied => Ok(Self::ProvedApplied),
            Name::ProvedNotApplied => Ok(Self::ProvedNotApplied),
        }
    }
}
