//! The trees of devices. A patch is read, merged by the rules all backends share, and written if nobody wrote to the tree in
//! between: provisioning and ingest patch the same objects, in processes of their own.
//!
//! A large patch is written in portions. Each leaves the tree right as far as it goes, and the whole patch may be repeated:
//! `forget` is noted with the last row that goes, and merging the same news again changes nothing.

use std::collections::BTreeMap;

use acs_store::rules;
use acs_store::{Error, Objects, ObjectsPatch, Result, UpsertObject};
use acs_types::{DeviceId, ObjectRecord, SessionStamp};
use async_trait::async_trait;
use cwmp_model::ParameterPath;
use fail::fail_point;
use scylla::DeserializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use crate::error::{is_open, store_error};
use crate::partition::Control;
use crate::statements::Statements;
use crate::store::{ScyllaStore, Shared};

/// Objects written at once.
const UPSERTS_MAX: usize = 100;
/// Objects deleted at once.
const DELETES_MAX: usize = 1000;
/// The row that orders the writes to a tree.
const CONTROL: &str = "";

#[async_trait]
impl Objects for ScyllaStore {
    async fn objects(&self, device: &DeviceId, within: &ParameterPath) -> Result<Vec<ObjectRecord>> {
        if !within.is_object() {
            return Ok(Vec::new());
        }
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let (from, to) = range(within);
        let rows: Vec<(String, Option<Vec<u8>>)> =
            cql.rows(&s.objects_within, (tenant, device.as_str(), &from, &to)).await?;
        rows.into_iter().filter_map(|(_, record)| record).map(|record| self.shared.decode(&record)).collect()
    }

    async fn object(&self, device: &DeviceId, path: &ParameterPath) -> Result<Option<ObjectRecord>> {
        if path.as_str() == CONTROL {
            return Ok(None);
        }
        let Tree { mut objects, .. } = self.shared.tree(device, &[path], false).await?;
        Ok(objects.remove(path))
    }

    async fn patch_objects(&self, device: &DeviceId, patch: ObjectsPatch) -> Result<()> {
        let shared = &*self.shared;
        let ObjectsPatch { stamp, forget, remove, upsert, late } = patch;
        if upsert.iter().any(|news| news.object.path.as_str() == CONTROL || !news.object.path.is_object()) {
            return Err(Error::Invalid(format!("an object of device {device} has a path that does not end in a dot")));
        }
        let remove: Vec<ParameterPath> = remove.into_iter().filter(ParameterPath::is_object).collect();
        let clears = forget || !remove.is_empty();
        if clears && !shared.write_tree(device, &Work::Clear { stamp, forget, remove: &remove }).await? {
            return Ok(());
        }
        for news in upsert.chunks(UPSERTS_MAX) {
            if !shared.write_tree(device, &Work::Merge { stamp, news, late }).await? {
                return Ok(());
            }
            fail_point!("scylla::between_portions", crate::failed_here);
        }
        Ok(())
    }
}

/// What a write to a tree is decided on.
#[derive(Default)]
struct Tree {
    control: Control,
    forgotten: Option<SessionStamp>,
    objects: BTreeMap<ParameterPath, ObjectRecord>,
}

#[derive(DeserializeRow)]
struct ObjectRow {
    path: String,
    version: Option<i64>,
    commits: Option<Vec<u8>>,
    forgotten: Option<i64>,
    record: Option<Vec<u8>>,
}

/// What is to be done to a tree.
enum Work<'a> {
    /// The device is deleted.
    Delete,
    /// `forget` and `remove`.
    Clear { stamp: SessionStamp, forget: bool, remove: &'a [ParameterPath] },
    /// A portion of `upsert`.
    Merge { stamp: SessionStamp, news: &'a [UpsertObject], late: bool },
}

/// A write that was not applied as far as is known.
struct Tried {
    version: Option<i64>,
    is_last: bool,
    /// Its outcome is unknown.
    is_open: bool,
}

impl Work<'_> {
    /// The objects it is decided on.
    fn paths(&self) -> Vec<&ParameterPath> {
        match self {
            Self::Delete | Self::Clear { .. } => Vec::new(),
            Self::Merge { news, .. } => news.iter().map(|news| &news.object.path).collect(),
        }
    }
}

impl Shared {
    /// The tree is the device's, so it goes with it: as if nothing had ever been written, but for the version.
    pub(crate) async fn forget_objects(&self, device: &DeviceId) -> Result<()> {
        self.write_tree(device, &Work::Delete).await.map(|_| ())
    }

    /// Reads, decides and writes until it is done; `false`: there was nothing to be done.
    async fn write_tree(&self, device: &DeviceId, work: &Work<'_>) -> Result<bool> {
        let mut turn = self.turn("device_object", device.as_str().as_bytes()).await?;
        let mut id = rand::random();
        let mut tried: Option<Tried> = None;
        loop {
            let tree = self.tree(device, &work.paths(), tried.as_ref().is_some_and(|tried| tried.is_open)).await?;
            if let Some(tried) = tried.take()
                // Where that is no longer known it is done again, as whoever was told so would do.
                && tree.control.has(id, tried.version) == Some(true)
            {
                if tried.is_last {
                    return Ok(true);
                }
                id = rand::random();
            }
            let control = tree.control.clone();
            let Some(Write { rows, forgotten, is_last }) = self.decide_tree(device, tree, work).await? else {
                return Ok(false);
            };
            let (batch, values) = rows.finish(&control, id, forgotten);
            let applied = self.cql.conditional_batch(&batch, values).await?;
            let is_open = match applied {
                Ok(true) if is_last => return Ok(true),
                Ok(true) => {
                    id = rand::random();
                    fail_point!("scylla::between_deletions", crate::failed_here);
                    continue;
                }
                Ok(false) => false,
                Err(error) if is_open(&error) => true,
                Err(error) => return Err(store_error(error)),
            };
            tried = Some(Tried { version: control.version, is_last, is_open });
            turn.again(device).await?;
        }
    }

    /// What is to be written to a tree as it was read; `None`: nothing.
    async fn decide_tree(&self, device: &DeviceId, mut tree: Tree, work: &Work<'_>) -> Result<Option<Write<'_>>> {
        match work {
            Work::Delete if tree.control.version.is_none() => Ok(None),
            Work::Delete => {
                let gone = self.paths(device, &ParameterPath::root()).await?;
                Ok(Some(self.clearing(device, gone, tree.forgotten, None)))
            }
            Work::Clear { stamp, forget, remove } => {
                let patch = ObjectsPatch { stamp: *stamp, forget: *forget, ..ObjectsPatch::default() };
                let Some(forgets) = rules::patch_forgets(tree.forgotten, &patch) else { return Ok(None) };
                if forgets {
                    let gone = self.paths(device, &ParameterPath::root()).await?;
                    return Ok(Some(self.clearing(device, gone, tree.forgotten, Some(*stamp))));
                }
                let mut gone = Vec::new();
                for within in *remove {
                    gone.extend(self.paths(device, within).await?);
                }
                gone.sort_unstable();
                gone.dedup();
                Ok(Some(self.clearing(device, gone, tree.forgotten, tree.forgotten)))
            }
            Work::Merge { stamp, news, late } => {
                let patch = ObjectsPatch { stamp: *stamp, ..ObjectsPatch::default() };
                if rules::patch_forgets(tree.forgotten, &patch).is_none() {
                    return Ok(None);
                }
                let mut changed = BTreeMap::new();
                for news in *news {
                    let path = &news.object.path;
                    let known = changed.remove(path).or_else(|| tree.objects.remove(path));
                    changed.insert(path.clone(), rules::merge_object(known, news.clone(), *late));
                }
                let rows = Rows::new(self, device, [], changed.into_values());
                Ok(Some(Write { rows, forgotten: tree.forgotten, is_last: true }))
            }
        }
    }

    /// A portion of what goes; with the last one what is forgotten is as `after`.
    fn clearing(
        &self,
        device: &DeviceId,
        gone: Vec<String>,
        before: Option<SessionStamp>,
        after: Option<SessionStamp>,
    ) -> Write<'_> {
        let is_last = gone.len() <= DELETES_MAX;
        let rows = Rows::new(self, device, gone.into_iter().take(DELETES_MAX), []);
        Write { rows, forgotten: if is_last { after } else { before }, is_last }
    }

    async fn tree(&self, device: &DeviceId, paths: &[&ParameterPath], serial: bool) -> Result<Tree> {
        let Self { cql, s, tenant, .. } = self;
        let paths: Vec<&str> = std::iter::once(CONTROL).chain(paths.iter().map(|path| path.as_str())).collect();
        let values = (tenant, device.as_str(), paths);
        let rows = match serial {
            false => cql.rows::<ObjectRow>(&s.objects_of, values).await?,
            true => cql.rows::<ObjectRow>(&Statements::serial(&s.objects_of), values).await?,
        };
        let mut tree = Tree::default();
        for row in rows {
            if row.path == CONTROL {
                tree.control = Control::from_columns(row.version, row.commits.as_deref());
                tree.forgotten = row.forgotten.map(SessionStamp::from_micros);
            } else if let Some(record) = row.record {
                let object: ObjectRecord = self.decode(&record)?;
                tree.objects.insert(object.path.clone(), object);
            }
        }
        Ok(tree)
    }

    async fn paths(&self, device: &DeviceId, within: &ParameterPath) -> Result<Vec<String>> {
        let (from, to) = range(within);
        let values = (&self.tenant, device.as_str(), &from, &to);
        let rows: Vec<(String,)> = self.cql.rows(&self.s.object_paths, values).await?;
        Ok(rows.into_iter().map(|(path,)| path).filter(|path| path != CONTROL).collect())
    }
}

/// The paths within an object, the first and the one behind the last.
fn range(within: &ParameterPath) -> (String, String) {
    match within.as_str().strip_suffix('.') {
        // `/` follows `.`.
        Some(stem) => (within.as_str().to_owned(), format!("{stem}/")),
        None => (String::new(), char::MAX.to_string()),
    }
}

struct Write<'a> {
    rows: Rows<'a>,
    forgotten: Option<SessionStamp>,
    /// Whether nothing is left to be done after it.
    is_last: bool,
}

/// The rows of a write: one conditional batch, the control row first.
struct Rows<'a> {
    shared: &'a Shared,
    device: DeviceId,
    batch: Batch,
    values: Vec<Vec<Option<CqlValue>>>,
}

impl<'a> Rows<'a> {
    fn new(
        shared: &'a Shared,
        device: &DeviceId,
        gone: impl IntoIterator<Item = String>,
        written: impl IntoIterator<Item = ObjectRecord>,
    ) -> Self {
        let mut rows =
            Self { shared, device: device.clone(), batch: Batch::new(BatchType::Unlogged), values: Vec::new() };
        rows.batch.append_statement(shared.s.objects_commit.clone());
        for path in gone {
            rows.push(&shared.s.object_delete, &path, None);
        }
        for object in written {
            rows.push(&shared.s.object_write, object.path.as_str(), Some(shared.encode(&object)));
        }
        rows
    }

    fn push(
        &mut self,
        statement: &scylla::statement::prepared::PreparedStatement,
        path: &str,
        record: Option<Vec<u8>>,
    ) {
        self.batch.append_statement(statement.clone());
        let mut values = vec![self.text(&self.shared.tenant), self.text(self.device.as_str()), self.text(path)];
        values.extend(record.map(|record| Some(CqlValue::Blob(record))));
        self.values.push(values);
    }

    fn finish(
        self,
        control: &Control,
        id: u64,
        forgotten: Option<SessionStamp>,
    ) -> (Batch, Vec<Vec<Option<CqlValue>>>) {
        let first = vec![
            Some(CqlValue::BigInt(control.next_version())),
            Some(CqlValue::Blob(control.commits_with(id))),
            forgotten.map(|stamp| CqlValue::BigInt(stamp.as_micros())),
            self.text(&self.shared.tenant),
            self.text(self.device.as_str()),
            control.version.map(CqlValue::BigInt),
        ];
        (self.batch, std::iter::once(first).chain(self.values).collect())
    }

    fn text(&self, text: &str) -> Option<CqlValue> {
        Some(CqlValue::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_is_within_and_nothing_else() {
        let path = |text: &str| ParameterPath::new(text).unwrap();
        let all = [
            "Device.",
            "Device.A.1.",
            "Device.A.1.B.",
            "Device.A.10.",
            "Device.AB.",
            "Device.A-1.",
            "Device2.",
            "Ünit.",
        ];
        for within in ["", "Device.", "Device.A.", "Device.A.1."] {
            let (from, to) = range(&path(within));
            for text in all {
                let is_in = *text >= *from && *text < *to;
                assert_eq!(is_in, path(text).is_within(&path(within)), "{text} in {within}");
            }
        }
    }
}
