use std::time::Duration;

use acs_types::{DeviceId, EmitterId, SessionId, SessionStamp};
use async_trait::async_trait;

use crate::Result;

/// How soon after [`SessionCache::end`] the one who called it has told the end of the session as a record, if it lives. So a
/// session that was ended here, and of whose end nothing comes for so long, was left by one that died in between (P9).
pub const END_TOLD_WITHIN: Duration = Duration::from_secs(150);
/// For how long [`SessionCache::has_ended`] remembers an end.
pub const END_KEPT: Duration = Duration::from_secs(10 * 60);

/// Snapshots of live sessions, affinity and work hints: memory here, Redis in a cluster.
///
/// Nothing in it is needed for correctness (P14): a lost snapshot costs a `resume`, a lost hint is mended by timers.
#[async_trait]
pub trait SessionCache: Send + Sync {
    /// Makes `session` the current one of its device. Returns the one before, if it was still live.
    async fn begin(&self, session: &CachedSession) -> Result<Option<SessionId>>;

    /// Keeps the snapshot of a session between two POSTs.
    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> Result<()>;

    /// A session that is live.
    async fn session(&self, session: &SessionId) -> Result<Option<CachedSession>>;

    /// The current session of a device, if it is live.
    async fn current(&self, device: &DeviceId) -> Result<Option<SessionId>>;

    /// The largest stamp seen for a device; the default when none is known.
    async fn last_stamp(&self, device: &DeviceId) -> Result<SessionStamp>;

    /// The session is over. Returns whether a work hint stands for its device, and takes it away; not if another session
    /// is current, for that one will find it. One step with [`SessionCache::hint_work`]: either this finds the hint, or the
    /// one who hinted is told that nobody is there.
    async fn end(&self, device: &DeviceId, session: &SessionId) -> Result<bool>;

    /// Whether the end of a session was told here, by [`SessionCache::end`], within the last [`END_KEPT`]. `false` proves
    /// nothing: the cache may have been emptied.
    async fn has_ended(&self, session: &SessionId) -> Result<bool>;

    /// Work waits for a device. Sets the hint first, then says which session is live: that session will ask once more
    /// before its last answer, or find the hint at its end; `None`: nobody is there, so wake the device.
    async fn hint_work(&self, device: &DeviceId) -> Result<Option<SessionId>>;

    /// Takes the hint away; whether there was one.
    async fn take_hint(&self, device: &DeviceId) -> Result<bool>;

    /// How many sessions are live.
    async fn live_sessions(&self) -> Result<u64>;
}

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedSession {
    /// Its id.
    pub session: SessionId,
    /// Its device.
    pub device: DeviceId,
    /// Its stamp.
    pub stamp: SessionStamp,
    /// The front-end that serves it now.
    pub front_end: EmitterId,
    /// The snapshot, in the front-end's own versioned form; empty: none yet.
    pub snapshot: Vec<u8>,
}
