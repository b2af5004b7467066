use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_types::{DeviceId, SessionId, SessionStamp};
use async_trait::async_trait;
use hashlink::LinkedHashMap;
use tokio::time::Instant;

use crate::{CachedSession, END_KEPT, Result, SessionCache};

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
    /// Live sessions, and as many that are over. Of devices, which keep their last stamp and hint, four times as many.
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
    /// Those that are over, in the order of their ends.
    ended: LinkedHashMap<SessionId, Instant>,
    snapshot_bytes: usize,
}

impl Default for State {
    fn default() -> Self {
        let (sessions, devices, ended) = (LinkedHashMap::new(), LinkedHashMap::new(), LinkedHashMap::new());
        Self { now: Instant::now(), sessions, devices, ended, snapshot_bytes: 0 }
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
        while self.ended.front().is_some_and(|(_, ended)| self.now.saturating_duration_since(*ended) >= END_KEPT) {
            self.ended.pop_front();
        }
    }

    fn enforce(&mut self, limits: &SessionCacheLimits) {
        while self.sessions.len() > limits.sessions || self.snapshot_bytes > limits.snapshot_bytes {
            let Some((session, _)) = self.sessions.front() else { break };
            let session = *session;
            self.remove_session(&session);
        }
        while self.ended.len() > limits.sessions {
            self.ended.pop_front();
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
        let now = state.now;
        state.ended.remove(session);
        state.ended.insert(*session, now);
        state.enforce(&self.limits);
        if another_is_current {
            return Ok(false);
        }
        Ok(state.devices.get_mut(device).is_some_and(|d| std::mem::take(&mut d.hint)))
    }

    async fn has_ended(&self, session: &SessionId) -> Result<bool> {
        Ok(self.state().ended.contains_key(session))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample::{device, emitter, stamp};

    fn id(n: u32) -> SessionId {
        SessionId::from_bytes(u128::from(n).to_be_bytes())
    }

    fn cached(n: u32, snapshot: usize) -> CachedSession {
        let stamp = stamp(i64::from(n));
        CachedSession { session: id(n), device: device(n), stamp, front_end: emitter(), snapshot: vec![0; snapshot] }
    }

    fn small() -> SessionCacheLimits {
        SessionCacheLimits { sessions: 3, snapshot_bytes: 100, age: Duration::from_secs(60) }
    }

    async fn live(cache: &MemorySessionCache, candidates: std::ops::Range<u32>) -> Vec<u32> {
        let mut found = Vec::new();
        for n in candidates {
            if cache.current(&device(n)).await.unwrap() == Some(id(n)) {
                found.push(n);
            }
        }
        found
    }

    #[tokio::test]
    async fn p19_sessions_are_bounded_and_the_oldest_touch_goes_first() {
        let cache = MemorySessionCache::with_limits(small());
        for n in 0..3 {
            cache.begin(&cached(n, 0)).await.unwrap();
        }
        assert!(cache.session(&id(0)).await.unwrap().is_some());
        cache.begin(&cached(3, 0)).await.unwrap();
        assert_eq!(live(&cache, 0..4).await, [0, 2, 3]);
        assert_eq!(cache.live_sessions().await.unwrap(), 3);
    }

    #[tokio::test]
    async fn p19_snapshots_are_bounded_together() {
        let cache = MemorySessionCache::with_limits(small());
        cache.begin(&cached(0, 60)).await.unwrap();
        cache.begin(&cached(1, 40)).await.unwrap();
        assert_eq!(live(&cache, 0..2).await, [0, 1], "exactly at the limit");
        cache.put_snapshot(&id(1), vec![0; 41]).await.unwrap();
        assert_eq!(live(&cache, 0..2).await, [1], "one byte over it");
        cache.put_snapshot(&id(1), vec![0; 101]).await.unwrap();
        let kept = cache.session(&id(1)).await.unwrap().expect("the session stays");
        assert_eq!(kept.snapshot, [], "a snapshot that can never fit costs a resume, no other session");
        assert_eq!(cache.state().snapshot_bytes, 0);
    }

    #[tokio::test]
    async fn p19_devices_without_session_are_bounded() {
        let cache = MemorySessionCache::with_limits(small());
        for n in 0..1000 {
            cache.hint_work(&device(n)).await.unwrap();
        }
        assert_eq!(cache.state().devices.len(), 12, "four for each session allowed");
        assert!(cache.take_hint(&device(999)).await.unwrap());
        assert!(!cache.take_hint(&device(0)).await.unwrap(), "a lost hint is mended by timers");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_touches_ends_with_its_age() {
        let cache = MemorySessionCache::with_limits(small());
        cache.begin(&cached(0, 10)).await.unwrap();
        cache.begin(&cached(1, 10)).await.unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        cache.put_snapshot(&id(0), vec![0; 5]).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(live(&cache, 0..2).await, [0]);
        assert_eq!(cache.hint_work(&device(1)).await.unwrap(), None, "an expired session is nobody to ask");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(cache.live_sessions().await.unwrap(), 0);
        let state = cache.state();
        assert_eq!((state.devices.len(), state.snapshot_bytes), (0, 0), "nothing is kept of it");
    }

    #[tokio::test(start_paused = true)]
    async fn p19_ends_are_remembered_for_ten_minutes_and_bounded() {
        let cache = MemorySessionCache::with_limits(small());
        for n in 0..4 {
            cache.end(&device(n), &id(n)).await.unwrap();
        }
        assert!(!cache.has_ended(&id(0)).await.unwrap(), "as many as sessions are allowed");
        tokio::time::advance(END_KEPT - Duration::from_millis(1)).await;
        assert!(cache.has_ended(&id(1)).await.unwrap());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!cache.has_ended(&id(3)).await.unwrap());
        assert_eq!(cache.state().ended.len(), 0, "nothing is kept of them");
    }

    #[tokio::test]
    async fn p14_an_evicted_session_still_finds_the_hint() {
        let cache = MemorySessionCache::with_limits(small());
        cache.begin(&cached(0, 0)).await.unwrap();
        assert_eq!(cache.hint_work(&device(0)).await.unwrap(), Some(id(0)));
        for n in 1..=3 {
            cache.begin(&cached(n, 0)).await.unwrap();
        }
        assert_eq!(cache.current(&device(0)).await.unwrap(), None, "evicted");
        assert!(cache.end(&device(0), &id(0)).await.unwrap());
    }

    #[tokio::test]
    async fn p14_an_emptied_cache_works_on() {
        let cache = MemorySessionCache::new();
        cache.begin(&cached(0, 10)).await.unwrap();
        cache.clear();
        assert_eq!(cache.live_sessions().await.unwrap(), 0);
        assert!(!cache.end(&device(0), &id(0)).await.unwrap());
        assert_eq!(cache.begin(&cached(0, 10)).await.unwrap(), None);
    }
}
