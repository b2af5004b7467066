use acs_types::{DeviceId, Timer};
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::Result;

/// Shards that timers are spread over by their device, so that processes can share the work.
pub const TIMER_SHARDS: u16 = 64;

/// The shard of a device's timers, below [`TIMER_SHARDS`]: FNV-1a of its id. Stores may have it in their keys, so it is for
/// ever.
pub fn timer_shard(device: &DeviceId) -> u16 {
    let hash = device
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u16::try_from(hash % u64::from(TIMER_SHARDS)).unwrap_or(0)
}

/// Deadlines by the minute they are due in. A timer is a hint; the row it points at decides.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Keeps timers; the same timer twice is one.
    async fn put_timers(&self, timers: Vec<Timer>) -> Result<()>;

    /// The timers due at or before `now`, oldest first, at most `limit`.
    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<Timer>>;

    /// The timers of these shards due at or before `now`, oldest first, at most `limit`. A store that has the shard in its
    /// keys reads these only; this one reads all and leaves the others out.
    async fn due_timers_in(&self, shards: &[u16], now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        let mut ask = limit;
        loop {
            let mut due = self.due_timers(now, ask).await?;
            let all = due.len() < ask;
            due.retain(|timer| shards.contains(&timer_shard(&timer.device)));
            due.truncate(limit);
            if all || due.len() == limit {
                return Ok(due);
            }
            ask = ask.saturating_mul(2);
        }
    }

    /// When the next one is due.
    async fn next_timer(&self) -> Result<Option<Timestamp>>;

    /// Forgets timers; unknown ones are no error.
    async fn delete_timers(&self, timers: &[Timer]) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_for_ever() {
        let shard = |id: &str| timer_shard(&id.parse().unwrap());
        assert_eq!([shard("00AABB-IGD-1"), shard("00AABB-IGD-2"), shard("00D09E-1")], [24, 49, 13]);
        let used: std::collections::BTreeSet<u16> = (0..1000).map(|n| shard(&format!("00AABB-IGD-{n}"))).collect();
        assert_eq!(used.len(), usize::from(TIMER_SHARDS), "devices spread over all");
    }
}
