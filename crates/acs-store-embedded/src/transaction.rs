use std::collections::BTreeMap;
use std::ops::Bound;

use acs_proto::records::{Record, SecretSeal};
use acs_store::Result;
use fjall::Slice;

use crate::engine::{Change, Engine};
use crate::keys::{self, Key, Space};
use crate::{decode, engine_error};

/// What a job of the committer sees and changes: the engine under the changes of the batch so far, its own included.
///
/// All jobs of a batch become durable together or not at all; one that fails leaves nothing in it.
pub(crate) struct Transaction<'a> {
    engine: &'a Engine,
    seal: &'a dyn SecretSeal,
    batch: &'a mut Batch,
}

/// The changes that wait for the next sync.
#[derive(Default)]
pub(crate) struct Batch {
    spaces: [BTreeMap<Key, Option<Slice>>; 4],
    /// How to take back what the running job changed: the changes before it.
    undo: Vec<(Space, Key, Option<Option<Slice>>)>,
    /// Devices that became known, less those deleted.
    pub(crate) devices: i64,
    /// Refused Informs that came, less those dropped.
    pub(crate) refused: i64,
    job_devices: i64,
    job_refused: i64,
    trim: Option<Trim>,
}

/// Events that go: they are not read any more, and their tables are dropped afterwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trim {
    /// The last position that goes.
    pub(crate) start: u64,
    /// The bytes of all that go.
    pub(crate) bytes: u64,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.spaces.iter().all(BTreeMap::is_empty)
    }

    pub(crate) fn put(&mut self, space: Space, key: Key, value: Option<Slice>) {
        self.spaces[space as usize].insert(key, value);
    }

    pub(crate) fn take_trim(&mut self) -> Option<Trim> {
        self.trim.take()
    }

    /// Keeps what the running job did.
    pub(crate) fn accept(&mut self) {
        self.undo.clear();
        self.devices += std::mem::take(&mut self.job_devices);
        self.refused += std::mem::take(&mut self.job_refused);
    }

    /// Takes back what the running job did.
    pub(crate) fn reject(&mut self) {
        (self.job_devices, self.job_refused) = (0, 0);
        while let Some((space, key, before)) = self.undo.pop() {
            match before {
                Some(before) => self.spaces[space as usize].insert(key, before),
                None => self.spaces[space as usize].remove(&key),
            };
        }
    }

    pub(crate) fn into_changes(self) -> impl Iterator<Item = Change> {
        let [rows, objects, history, events] = self.spaces;
        let of = |space, changes: BTreeMap<Key, Option<Slice>>| {
            changes.into_iter().map(move |(key, value)| (space, key, value))
        };
        of(Space::Rows, rows)
            .chain(of(Space::Objects, objects))
            .chain(of(Space::History, history))
            .chain(of(Space::Events, events))
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(engine: &'a Engine, seal: &'a dyn SecretSeal, batch: &'a mut Batch) -> Self {
        Self { engine, seal, batch }
    }

    pub(crate) fn seal(&self) -> &'a dyn SecretSeal {
        self.seal
    }

    /// The value of a key as it is now.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>> {
        match self.batch.spaces[space as usize].get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.engine.get(space, key).map_err(engine_error),
        }
    }

    pub(crate) fn record<R: Record>(&self, space: Space, key: &[u8]) -> Result<Option<R>> {
        self.get(space, key)?.map(|bytes| decode(&bytes, self.seal)).transpose()
    }

    pub(crate) fn put(&mut self, space: Space, key: Key, value: impl Into<Slice>) {
        self.change(space, key, Some(value.into()));
    }

    pub(crate) fn put_record(&mut self, space: Space, key: Key, record: &impl Record) {
        let bytes = record.to_bytes(self.seal);
        self.put(space, key, bytes);
    }

    pub(crate) fn remove(&mut self, space: Space, key: Key) {
        self.change(space, key, None);
    }

    /// Counts devices that became known (or, negative, went).
    pub(crate) fn count_devices(&mut self, more: i64) {
        self.batch.job_devices += more;
    }

    /// Lets events go. One at a time: nobody but the retention thread does.
    pub(crate) fn trim_events(&mut self, trim: Trim) {
        self.batch.trim = Some(trim);
    }

    /// Counts refused Informs.
    pub(crate) fn count_refused(&mut self, more: i64) {
        self.batch.job_refused += more;
    }

    /// Refused Informs that this batch has added so far.
    pub(crate) fn refused_so_far(&self) -> i64 {
        self.batch.refused + self.batch.job_refused
    }

    /// The keys that begin with `prefix`, with the values they have now.
    pub(crate) fn scan(&self, space: Space, prefix: &[u8]) -> Result<BTreeMap<Key, Slice>> {
        let mut rows = BTreeMap::new();
        for row in self.engine.scan(space, prefix, None) {
            let (key, value) = row.map_err(engine_error)?;
            rows.insert(key.to_vec(), value);
        }
        for (key, change) in self.changes(space, prefix) {
            match change {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows)
    }

    /// The first key that begins with `prefix`, or the last one.
    pub(crate) fn edge(&self, space: Space, prefix: &[u8], last: bool) -> Result<Option<Key>> {
        let stored: &mut dyn Iterator<Item = fjall::Result<crate::engine::Row>> =
            if last { &mut self.engine.scan_back(space, prefix) } else { &mut self.engine.scan(space, prefix, None) };
        let mut edge = None;
        for row in stored {
            let (key, _) = row.map_err(engine_error)?;
            if !matches!(self.batch.spaces[space as usize].get(&*key), Some(None)) {
                edge = Some(key.to_vec());
                break;
            }
        }
        let changed = self.changes(space, prefix).filter(|(_, change)| change.is_some()).map(|(key, _)| key);
        let changed = if last { changed.last() } else { { changed }.next() };
        Ok(match (edge, changed.cloned()) {
            (Some(a), Some(b)) => Some(if last { a.max(b) } else { a.min(b) }),
            (a, b) => a.or(b),
        })
    }

    fn changes(&self, space: Space, prefix: &[u8]) -> impl Iterator<Item = (&Key, &Option<Slice>)> {
        let end = keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.batch.spaces[space as usize].range::<Key, _>((Bound::Included(prefix.to_vec()), end))
    }

    fn change(&mut self, space: Space, key: Key, value: Option<Slice>) {
        let before = self.batch.spaces[space as usize].insert(key.clone(), value);
        self.batch.undo.push((space, key, before));
    }
}
