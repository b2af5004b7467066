use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_types::{DeviceId, SessionId, SessionStamp};
use async_trait::async_trait;
use hashlink::LinkedHashMap;
use tokio::time::Instant;

use crate::{CachedSession, Result, SessionCache};

/// The session cache of a single process: bounded by count, by bytes and by age, every call O(1) under one lock.
///
/// Since begin, end and hint each happen in one step, a hint is either seen by the session that was told of it, or the one
/// who hinted was told that nobody is there: no wake-up is lost (P14). What is over a limit goes oldest touch first.
#[derive(Debug)]
pub struct MemorySessionCache {
    state: Mutex<State>,
    limits: SessionCacheLimits,
}

/// How much a [`MemorySessionCache`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCacheLimits {
    /// Live sessions. Of devices, which keep their last stamp and hint, four times as many.
    pub sessions: usize,
    /// Bytes of all snapshots. A single snapshot over it is not kept.
    pub snapshot_bytes: usize,
    /// How long something is kept after it was last touched.
    pub age: Duration,
}

impl SessionCacheLimits {
    /// Device entries for each session allowed.
    pub const DEVICES_PER_SESSION: usize = 4;
}

impl Default for SessionCacheLimits {
    /// 200,000 sessions, 512 MiB, 30 minutes (as long as the cookie is valid).
    fn default() -> Self {
        Self { sessions: 200_000, snapshot_bytes: 512 << 20, age: Duration::from_secs(30 * 60) }
    }
}

impl Default for MemorySessionCache {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySessionCache {
    /// An empty cache with the default limits.
    pub fn new() -> Self {
        Self::with_limits(SessionCacheLimits::default())
    }

    /// An empty cache with these limits.
    pub fn with_limits(limits: SessionCacheLimits) -> Self {
        Self { state: Mutex::default(), limits }
    }

    /// Forgets everything, as a cache that was restarted (P14).
    pub fn clear(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The state, without what is too old.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = Instant::now();
        state.expire(self.limits.age);
        state
    }
}

#[derive(Debug)]
struct State {
    /// The time of the call under way.
    now: Instant,
    /// In order of their last touch, as are the devices.
    sessions: LinkedHashMap<SessionId, SessionEntry>,
    devices: LinkedHashMap<DeviceId, DeviceEntry>,
    snapshot_bytes: usize,
}

impl Default for State {
    fn default() -> Self {
        Self { now: Instant::now(), sessions: LinkedHashMap::new(), devices: LinkedHashMap::new(), snapshot_bytes: 0 }
    }
}

#[derive(Debug)]
struct SessionEntry {
    session: CachedSession,
    touched: Instant,
}

#[derive(Debug)]
struct DeviceEntry {
    current: Option<SessionId>,
    last_stamp: SessionStamp,
    hint: bool,
    touched: Instant,
}

impl State {
    fn expire(&mut self, age: Duration) {
        let old = |touched: Instant, now: Instant| now.saturating_duration_since(touched) >= age;
        while let Some((session, _)) = self.sessions.front().filter(|(_, e)| old(e.touched, self.now)) {
            let session = *session;
            self.remove_session(&session);
        }
        while self.devices.front().is_some_and(|(_, e)| old(e.touched, self.now)) {
            self.remove_oldest_device();
        }
    }

    fn enforce(&mut self, limits: &SessionCacheLimits) {
        while self.sessions.len() > limits.sessions || self.snapshot_bytes > limits.snapshot_bytes {
            let Some((session, _)) = self.sessions.front() else { break };
            let session = *session;
            self.remove_session(&session);
        }
        while self.devices.len() > limits.sessions.saturating_mul(SessionCacheLimits::DEVICES_PER_SESSION) {
            self.remove_oldest_device();
        }
    }

    fn remove_session(&mut self, session: &SessionId) -> Option<CachedSession> {
        let entry = self.sessions.remove(session)?;
        self.snapshot_bytes -= entry.session.snapshot.len();
        if let Some(device) = self.devices.get_mut(&entry.session.device)
            && device.current == Some(*session)
        {
            device.current = None;
        }
        Some(entry.session)
    }

    fn remove_oldest_device(&mut self) {
        if let Some((_, entry)) = self.devices.pop_front()
            && let Some(session) = entry.current
        {
            self.remove_session(&session);
        }
    }

    /// The device's entry, touched; made if there is none.
    fn device(&mut self, device: &DeviceId) -> &mut DeviceEntry {
        let now = self.now;
        self.devices.to_back(device);
        let entry = self.devices.entry(device.clone()).or_insert_with(|| DeviceEntry {
            current: None,
            last_stamp: SessionStamp::default(),
            hint: false,
            touched: now,
        });
        entry.touched = now;
        entry
    }

    /// A live session, touched together with its device.
    fn touch(&mut self, session: &SessionId) -> Option<&mut SessionEntry> {
        let now = self.now;
        let device = self.sessions.get(session)?.session.device.clone();
        self.device(&device);
        let entry = self.sessions.to_back(session)?;
        entry.touched = now;
        Some(entry)
    }

    fn set_snapshot(&mut self, session: &SessionId, snapshot: Vec<u8>) {
        let Some(entry) = self.touch(session) else { return };
        let before = entry.session.snapshot.len();
        let after = snapshot.len();
        entry.session.snapshot = snapshot;
        self.snapshot_bytes = self.snapshot_bytes - before + after;
    }
}

#[async_trait]
impl SessionCache for MemorySessionCache {
    async fn begin(&self, session: &CachedSession) -> Result<Option<SessionId>> {
        let mut state = self.state();
        state.remove_session(&session.session);
        let now = state.now;
        let device = state.device(&session.device);
        let before = device.current.replace(session.session);
        device.last_stamp = device.last_stamp.max(session.stamp);
        let mut session = session.clone();
        if session.snapshot.len() > self.limits.snapshot_bytes {
            session.snapshot = Vec::new();
        }
        state.snapshot_bytes += session.snapshot.len();
        state.sessions.insert(session.session, SessionEntry { session, touched: now });
        state.enforce(&self.limits);
        Ok(before)
    }

    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> Result<()> {
        let mut state = self.state();
        let kept = if snapshot.len() > self.limits.snapshot_bytes { Vec::new() } else { snapshot };
        state.set_snapshot(session, kept);
        state.enforce(&self.limits);
        Ok(())
    }

    async fn session(&self, session: &SessionId) -> Result<Option<CachedSession>> {
        Ok(self.state().touch(session).map(|entry| entry.session.clone()))
    }

    async fn current(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        Ok(self.state().devices.get(device).and_then(|d| d.current))
    }

    async fn last_stamp(&self, device: &DeviceId) -> Result<SessionStamp> {
        Ok(self.state().devices.get(device).map(|d| d.last_stamp).unwrap_or_default())
    }

    async fn end(&self, device: &DeviceId, session: &SessionId) -> Result<bool> {
        let mut state = self.state();
        let another_is_current = state.devices.get(device).and_then(|d| d.current).is_some_and(|c| c != *session);
        state.remove_session(session);
        if another_is_current {
            return Ok(false);
        }
        Ok(state.devices.get_mut(device).is_some_and(|d| std::mem::take(&mut d.hint)))
    }

    async fn hint_work(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        let mut state = self.state();
        let entry = state.device(device);
        entry.hint = true;
        let current = entry.current;
        state.enforce(&self.limits);
        Ok(current)
    }

    async fn take_hint(&self, device: &DeviceId) -> Result<bool> {
        Ok(self.state().devices.get_mut(device).is_some_and(|d| std::mem::take(&mut d.hint)))
    }

    async fn live_sessions(&self) -> Result<u64> {
        Ok(self.state().sessions.len() as u64)
    }
}
