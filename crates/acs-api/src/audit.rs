//! The audit record that stands before each change (P27), and the event records this service emits.

use acs_events::AppendError;
use acs_types::{AuditRecord, DeviceId, EventBody, EventId, EventRecord, Position, Tenant};

use crate::access::Caller;
use crate::problem::Problem;
use crate::state::{Api, now};

/// Characters of a detail that are kept.
const DETAIL_CHARS_MAX: usize = 512;

impl Api {
    /// Writes who is about to do what. The change may be made only if this returned `Ok`.
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        action: &str,
        object: String,
        detail: &str,
    ) -> Result<(), Problem> {
        let record = AuditRecord {
            at: now(),
            tenant: Tenant::default(),
            principal: caller.principal.clone(),
            token: Some(caller.token.clone()),
            action: action.to_owned(),
            object,
            detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
        };
        self.deps.store.append_audit(record.clone()).await?;
        self.emit(None, String::new(), EventBody::Audit(record)).await;
        Ok(())
    }

    /// Appends an event record. The store is what proves the change, so a log that is away is only logged.
    pub(crate) async fn emit(&self, device: Option<DeviceId>, subscriber_id: String, body: EventBody) {
        // Held over the append, so that numbers stand in the log in their order (P10).
        let mut seq = self.emitter_seq.lock().await;
        *seq += 1;
        let record = EventRecord {
            event_id: EventId::from_bytes(rand::random()),
            device,
            tenant: Tenant::default(),
            subscriber_id,
            session: None,
            position: Position::default(),
            occurred_at: now(),
            emitter: self.config.emitter.clone(),
            emitter_seq: *seq,
            late: false,
            body,
        };
        let appended = self.deps.event_sink.append_unawaited(vec![record]).await;
        // Where it is not known whether the log took it, the number is not used for another record.
        if matches!(appended, Err(AppendError::NoSpace(_) | AppendError::TooLarge { .. })) {
            *seq -= 1;
        }
        if let Err(error) = appended {
            tracing::warn!(%error, "an event of the API could not be appended; the store has it");
        }
    }
}
