use acs_types::{Timer, TimerKind};
use cwmp_model::Timestamp;

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for Timer {
    type Message = v1::Timer;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::Timer {
        v1::Timer {
            due: self.due.as_micros(),
            device: self.device.to_string(),
            kind: self.kind.number(),
            reference: self.reference.clone(),
        }
    }

    fn from_wire(message: v1::Timer, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            due: Timestamp::from_micros(message.due),
            device: field::id(&message.device, "Timer.device")?,
            kind: TimerKind::from_number(message.kind, "Timer.kind")?,
            reference: message.reference,
        })
    }
}
