use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_planner::SessionPlan;
use acs_types::{DeviceSummary, ModelKey, ModelNotes, SessionId};
use cwmp_model::{ParameterPath, Timestamp};
use hashlink::LinkedHashMap;

/// The plans of live sessions: bounded by count, bytes and age, oldest touch first. Losing one costs repeated reads only.
#[derive(Debug)]
pub(crate) struct Plans {
    kept: Mutex<Kept>,
    max: usize,
    bytes_max: usize,
    age: Duration,
}

#[derive(Debug, Default)]
struct Kept {
    /// Each with its bytes when it was put.
    entries: LinkedHashMap<SessionId, (Entry, usize)>,
    /// The sum of their bytes.
    bytes: usize,
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

    /// Bytes it takes, about.
    fn bytes(&self) -> usize {
        let notes = self.notes.as_ref().map_or(0, |notes| {
            let methods: usize = notes.unsupported_methods.iter().map(|name| size_of::<String>() + name.len()).sum();
            let objects = notes.fragile_objects.iter();
            methods + objects.map(|path| size_of::<ParameterPath>() + path.as_str().len()).sum::<usize>()
        });
        let version = self.software_version.as_ref().map_or(0, String::len);
        size_of::<(SessionId, Self)>() + self.plan.bytes() + self.root.as_str().len() + version + notes
    }
}

impl Plans {
    pub(crate) fn new(max: usize, bytes_max: usize, age: Duration) -> Self {
        Self { kept: Mutex::default(), max, bytes_max, age }
    }

    pub(crate) fn get(&self, session: &SessionId) -> Option<Entry> {
        self.lock().entries.get(session).map(|(entry, _)| entry.clone())
    }

    pub(crate) fn put(&self, session: SessionId, mut entry: Entry, now: Timestamp) {
        entry.touched = now;
        let bytes = entry.bytes();
        let mut kept = self.lock();
        kept.remove(&session);
        kept.bytes += bytes;
        kept.entries.insert(session, (entry, bytes));
        while kept.entries.len() > self.max || kept.bytes > self.bytes_max {
            kept.remove_oldest();
        }
    }

    pub(crate) fn remove(&self, session: &SessionId) -> Option<Entry> {
        self.lock().remove(session)
    }

    /// Forgets what was not touched for long; says how many are left, and how many bytes they take.
    pub(crate) fn sweep(&self, now: Timestamp) -> (usize, usize) {
        let mut kept = self.lock();
        while kept.entries.front().is_some_and(|(_, (entry, _))| now.since(entry.touched) > self.age) {
            kept.remove_oldest();
        }
        (kept.entries.len(), kept.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, session: &SessionId) -> Option<Entry> {
        let (entry, bytes) = self.entries.remove(session)?;
        self.bytes -= bytes;
        Some(entry)
    }

    fn remove_oldest(&mut self) {
        if let Some((_, (_, bytes))) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
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
        let plans = Plans::new(2, usize::MAX, Duration::from_secs(10));
        for n in 1..=3 {
            plans.put(session(n), Entry::default(), Timestamp::from_seconds(i64::from(n)));
        }
        assert!(plans.get(&session(1)).is_none(), "the oldest went");
        assert!(plans.get(&session(2)).is_some());
        assert_eq!(plans.sweep(Timestamp::from_seconds(12)).0, 2);
        assert_eq!(plans.sweep(Timestamp::from_seconds(13)).0, 1, "over its age by a second");
        assert!(plans.get(&session(3)).is_some());
    }

    fn entry(text: usize) -> Entry {
        Entry { software_version: Some("x".repeat(text)), ..Entry::default() }
    }

    #[test]
    fn plans_are_bounded_in_bytes_p19() {
        let (least, now) = (entry(0).bytes(), Timestamp::default());
        let plans = Plans::new(100, 3 * least + 300, Duration::from_secs(10));
        for n in 1..=3 {
            plans.put(session(n), entry(100), now);
        }
        assert_eq!(plans.sweep(now), (3, 3 * least + 300), "just as many as fit");
        plans.put(session(2), entry(101), now);
        assert_eq!(
            plans.sweep(now),
            (2, 2 * least + 201),
            "one byte too many, and the one not touched for longest goes"
        );
        assert!(plans.get(&session(1)).is_none());
        plans.put(session(2), entry(100), now);
        plans.put(session(4), entry(100), now);
        assert_eq!(plans.sweep(now).0, 3, "what is put again counts once");
        plans.remove(&session(2));
        assert_eq!(plans.sweep(now), (2, 2 * least + 200));
        plans.put(session(5), entry(3 * least + 301), now);
        assert_eq!(plans.sweep(now), (0, 0), "one that is too large for all of it is not kept");
    }
}
