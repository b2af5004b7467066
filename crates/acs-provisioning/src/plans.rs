use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_planner::SessionPlan;
use acs_types::{DeviceSummary, ModelKey, ModelNotes, SessionId};
use cwmp_model::{ParameterPath, Timestamp};
use hashlink::LinkedHashMap;

/// The plans of live sessions: bounded by count and age, oldest touch first. Losing one costs repeated reads only.
#[derive(Debug)]
pub(crate) struct Plans {
    entries: Mutex<LinkedHashMap<SessionId, Entry>>,
    max: usize,
    age: Duration,
}

/// What is remembered of a live session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) plan: SessionPlan,
    /// The root object its Inform told; empty: none.
    pub(crate) root: ParameterPath,
    /// The DeviceInfo.SoftwareVersion its Inform told: the summary may still show the one before.
    pub(crate) software_version: Option<String>,
    /// The notes on its model, once read.
    pub(crate) notes: Option<ModelNotes>,
    /// News written so far: each has a later stamp than the Inform.
    pub(crate) news: i64,
    /// When its tasks were last read.
    pub(crate) seen_at: Timestamp,
    pub(crate) touched: Timestamp,
}

impl Entry {
    /// The model that the device is in this session.
    pub(crate) fn model(&self, summary: &DeviceSummary) -> ModelKey {
        let mut model = summary.model();
        if let Some(software_version) = &self.software_version {
            model.software_version.clone_from(software_version);
        }
        model
    }
}

impl Plans {
    pub(crate) fn new(max: usize, age: Duration) -> Self {
        Self { entries: Mutex::default(), max, age }
    }

    pub(crate) fn get(&self, session: &SessionId) -> Option<Entry> {
        self.lock().get(session).cloned()
    }

    pub(crate) fn put(&self, session: SessionId, mut entry: Entry, now: Timestamp) {
        entry.touched = now;
        let mut entries = self.lock();
        entries.remove(&session);
        entries.insert(session, entry);
        while entries.len() > self.max {
            entries.pop_front();
        }
    }

    pub(crate) fn remove(&self, session: &SessionId) -> Option<Entry> {
        self.lock().remove(session)
    }

    /// Forgets what was not touched for long; says how many are left.
    pub(crate) fn sweep(&self, now: Timestamp) -> usize {
        let mut entries = self.lock();
        while entries.front().is_some_and(|(_, entry)| now.since(entry.touched) > self.age) {
            entries.pop_front();
        }
        entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, LinkedHashMap<SessionId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u8) -> SessionId {
        SessionId::from_bytes([n; 16])
    }

    #[test]
    fn plans_are_bounded_by_count_and_age() {
        let plans = Plans::new(2, Duration::from_secs(10));
        for n in 1..=3 {
            plans.put(session(n), Entry::default(), Timestamp::from_seconds(i64::from(n)));
        }
        assert!(plans.get(&session(1)).is_none(), "the oldest went");
        assert!(plans.get(&session(2)).is_some());
        assert_eq!(plans.sweep(Timestamp::from_seconds(12)), 2);
        assert_eq!(plans.sweep(Timestamp::from_seconds(13)), 1, "over its age by a second");
        assert!(plans.get(&session(3)).is_some());
    }
}
