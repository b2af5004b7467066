use acs_types::Timer;
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::Result;

/// Deadlines by the minute they are due in. A timer is a hint; the row it points at decides.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Keeps timers; the same timer twice is one.
    async fn put_timers(&self, timers: Vec<Timer>) -> Result<()>;

    /// The timers due at or before `now`, oldest first, at most `limit`.
    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<Timer>>;

    /// When the next one is due.
    async fn next_timer(&self) -> Result<Option<Timestamp>>;

    /// Forgets timers; unknown ones are no error.
    async fn delete_timers(&self, timers: &[Timer]) -> Result<()>;
}
