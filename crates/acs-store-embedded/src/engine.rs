//! The engine (fjall) behind a narrow face: four trees that change together in one batch.

use std::ops::Bound;
use std::path::Path;

use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice, Snapshot};

use crate::Options;
use crate::keys::{self, Key, Space};

/// A key with its value as stored.
pub(crate) type Row = (Slice, Slice);

/// The open engine. Reads go straight to it from any thread; the committer alone writes.
pub(crate) struct Engine {
    database: Database,
    spaces: [Keyspace; 4],
}

/// What a batch changes: a value to put, or `None` to remove.
pub(crate) type Change = (Space, Key, Option<Slice>);

impl Engine {
    /// Opens the engine in `folder`, or makes it there.
    pub(crate) fn open(folder: &Path, options: &Options) -> fjall::Result<Self> {
        let database = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .max_journaling_size((8 * options.write_buffer_bytes).max(64 << 20))
            .worker_threads(2)
            .open()?;
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            spaces.push(database.keyspace(space.name(), || keyspace_options(space, options))?);
        }
        let spaces = <[Keyspace; 4]>::try_from(spaces).map_err(|_| fjall::Error::Unrecoverable)?;
        Ok(Self { database, spaces })
    }

    /// One value.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> fjall::Result<Option<Slice>> {
        self.spaces[space as usize].get(key)
    }

    /// The rows whose keys begin with `prefix` and come after `after`, in order.
    pub(crate) fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = fjall::Result<Row>> + use<> {
        let iter = self.spaces[space as usize].range::<Key, _>(bounds(prefix, after));
        iter.map(fjall::Guard::into_inner)
    }

    /// The rows whose keys begin with `prefix`, last first.
    pub(crate) fn scan_back(&self, space: Space, prefix: &[u8]) -> impl Iterator<Item = fjall::Result<Row>> + use<> {
        let iter = self.spaces[space as usize].range::<Key, _>(bounds(prefix, None));
        iter.rev().map(fjall::Guard::into_inner)
    }

    /// The rows from `from` on that begin with `prefix`.
    pub(crate) fn scan_from(
        &self,
        space: Space,
        prefix: &[u8],
        from: Key,
    ) -> impl Iterator<Item = fjall::Result<Row>> + use<> {
        let end = keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.spaces[space as usize].range::<Key, _>((Bound::Included(from), end)).map(fjall::Guard::into_inner)
    }

    /// All at one moment.
    pub(crate) fn view(&self) -> View<'_> {
        View { engine: self, snapshot: self.database.snapshot() }
    }

    /// Drops the tables that hold nothing but events up to `last`.
    pub(crate) fn drop_events(&self, last: u64) -> fjall::Result<()> {
        self.spaces[Space::Events as usize].tree.drop_range(..=keys::event(last)).map_err(Into::into)
    }

    /// Writes all of it or nothing; durable when it returns.
    pub(crate) fn write(&self, changes: impl Iterator<Item = Change>, sync: bool) -> fjall::Result<()> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for (space, key, value) in changes {
            let space = &self.spaces[space as usize];
            match value {
                Some(value) => batch.insert(space, key, value),
                None => batch.remove(space, key),
            }
        }
        batch.commit()
    }
}

/// A moment of the store.
pub(crate) struct View<'a> {
    engine: &'a Engine,
    snapshot: Snapshot,
}

impl View<'_> {
    /// One value.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> fjall::Result<Option<Slice>> {
        self.snapshot.get(&self.engine.spaces[space as usize], key)
    }

    /// The rows whose keys begin with `prefix` and come after `after`, in order.
    pub(crate) fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = fjall::Result<Row>> {
        let iter = self.snapshot.range::<Key, _>(&self.engine.spaces[space as usize], bounds(prefix, after));
        iter.map(fjall::Guard::into_inner)
    }
}

fn bounds(prefix: &[u8], after: Option<&[u8]>) -> (Bound<Key>, Bound<Key>) {
    let start = match after {
        Some(after) => Bound::Excluded(after.to_vec()),
        None => Bound::Included(prefix.to_vec()),
    };
    (start, keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded))
}

fn keyspace_options(space: Space, options: &Options) -> KeyspaceCreateOptions {
    let common = KeyspaceCreateOptions::default().max_memtable_size(options.write_buffer_bytes);
    match space {
        // Point reads that mostly hit: a smaller block is less to decompress.
        Space::Rows | Space::Objects => common.data_block_size_policy(fjall::config::BlockSizePolicy::all(4 << 10)),
        // Read in order.
        Space::History | Space::Events => common.data_block_size_policy(fjall::config::BlockSizePolicy::all(16 << 10)),
    }
}
