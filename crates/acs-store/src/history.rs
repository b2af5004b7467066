use acs_types::{DeviceId, EventId, FaultRecord, Page, PageRequest, RefusedInform, SessionId, SessionRecord};
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::Result;

/// Refused Informs kept (P24).
pub const REFUSED_MAX: usize = 10_000;

/// Sessions, faults and refused Informs, newest first. Bounded: each backend states how.
#[async_trait]
pub trait History: Send + Sync {
    /// Keeps sessions. The same session again replaces the record.
    async fn put_sessions(&self, records: Vec<SessionRecord>) -> Result<()>;

    /// One session.
    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>>;

    /// The sessions of a device.
    async fn sessions(&self, device: &DeviceId, page: &PageRequest) -> Result<Page<SessionRecord>>;

    /// Keeps faults; `id` makes the same fault twice one record.
    async fn put_faults(&self, faults: Vec<(EventId, FaultRecord)>) -> Result<()>;

    /// The faults of a device, or of all.
    async fn faults(&self, device: Option<&DeviceId>, page: &PageRequest) -> Result<Page<FaultRecord>>;

    /// Keeps a refused Inform; the oldest beyond [`REFUSED_MAX`] go.
    async fn put_refused(&self, id: EventId, refused: RefusedInform) -> Result<()>;

    /// Refused Informs.
    async fn refused(&self, page: &PageRequest) -> Result<Page<RefusedInform>>;

    /// Drops sessions, faults, refused Informs and final tasks older than `before`, a bounded number at a time; says how
    /// many went. Zero: nothing is left to drop.
    async fn drop_history(&self, before: Timestamp) -> Result<u64>;

    /// Up to where a named consumer of the event log has come; 0: nothing.
    async fn cursor(&self, consumer: &str) -> Result<u64>;

    /// Remembers it.
    async fn put_cursor(&self, consumer: &str, position: u64) -> Result<()>;
}
