//! A provisioning that only listens.

use std::sync::Mutex;
use std::time::Duration;

use acs_proto::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass, NextReply,
    NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_types::{DeviceId, EventId, EventRecord, SessionId, Task, TaskId};
use async_trait::async_trait;

/// Keeps what it is told; refuses for ever what `poison` says, is away while `away`.
#[derive(Default)]
pub struct Listener {
    pub observed: Mutex<Vec<EventId>>,
    /// Sessions of which it was told the end.
    pub ended: Mutex<Vec<SessionId>>,
    pub poison: Mutex<Option<EventId>>,
    pub away: Mutex<bool>,
    /// What one record takes, and what a call may take.
    pub slow: Mutex<Option<(Duration, Duration)>>,
}

fn no<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "test", "not in this test"))
}

#[async_trait]
impl Provisioning for Listener {
    async fn verifier(&self, _: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        no()
    }

    async fn begin(&self, _: BeginRequest) -> Result<BeginReply, ServiceError> {
        no()
    }

    async fn next(&self, _: NextRequest) -> Result<NextReply, ServiceError> {
        no()
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.ended.lock().unwrap().push(request.session.session);
        Ok(EndReply { wakes: true })
    }

    async fn append(&self, _: Vec<EventRecord>) -> Result<(), ServiceError> {
        no()
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        if *self.away.lock().unwrap() {
            return Err(ServiceError::new(ErrorClass::Unavailable, "away", "provisioning is away"));
        }
        let slow = *self.slow.lock().unwrap();
        if let Some((each, deadline)) = slow {
            let time = each * u32::try_from(records.len()).unwrap();
            tokio::time::sleep(time.min(deadline)).await;
            if time > deadline {
                return Err(ServiceError::new(ErrorClass::Unavailable, "deadline", "no answer within the deadline"));
            }
        }
        let poison = *self.poison.lock().unwrap();
        if records.iter().any(|record| Some(record.event_id) == poison) {
            return Err(ServiceError::new(ErrorClass::Internal, "poison", "it can never be taken"));
        }
        self.observed.lock().unwrap().extend(records.iter().map(|record| record.event_id));
        Ok(())
    }

    async fn enqueue(&self, _: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        no()
    }

    async fn cancel(&self, _: &DeviceId, _: &TaskId, _: &str) -> Result<CancelReply, ServiceError> {
        no()
    }

    async fn retry(&self, _: &DeviceId, _: &TaskId, _: &str) -> Result<Task, ServiceError> {
        no()
    }

    async fn watch(&self, _: &DeviceId, _: &TaskId) -> Result<TaskStream, ServiceError> {
        no()
    }

    async fn wake(&self, _: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        no()
    }
}
