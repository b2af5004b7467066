use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use acs_proto::records::{Record, SecretSeal};
use acs_store::{Error, Result};
use acs_types::{Page, PageRequest};

use crate::committer::Committer;
use crate::engine::Engine;
use crate::folder::{self, Folder};
use crate::keys::Space;
use crate::queue::Queue;
use crate::retention::Retention;
use crate::shared::Shared;
use crate::space::FreeSpace;
use crate::transaction::Transaction;
use crate::{OpenError, Options, decode, engine_error, rows};

/// Rows that one call of a list looks at; beyond, the page is short and has a next one.
pub(crate) const SCAN_MAX: usize = 10_000;

/// The store and event log of one machine, in one data folder. Cheap to clone; closed when the last clone goes.
#[derive(Clone)]
pub struct Embedded {
    pub(crate) shared: Arc<Shared>,
    queue: Arc<Queue>,
    /// Held for its drop: the last clone closes the store.
    _close: Arc<Close>,
}

/// Ends the threads, then unlocks the folder.
struct Close {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _folder: Folder,
}

impl Embedded {
    /// Opens the store in `folder`, or makes it there. Blocks until the journal is replayed.
    pub fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        let claimed = Folder::claim(folder)?;
        let engine = folder::open_engine(folder, &options)?;
        let space = FreeSpace::new(folder.to_owned(), options.disk_reserve_bytes);
        let shared = Shared::new(claimed.path.clone(), options, engine)
            .map_err(|e| OpenError::Damaged { folder: folder.to_owned(), reason: e.to_string() })?;
        let queue = Arc::new(Queue::new());
        let committer = Committer { shared: Arc::clone(&shared), queue: Arc::clone(&queue), space };
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let commit = spawn("store-commit", move || committer.work()).map_err(failed)?;
        let retention = Retention { shared: Arc::clone(&shared), queue: Arc::clone(&queue) };
        let close = Close { queue: Arc::clone(&queue), threads: Mutex::new(vec![commit]), _folder: claimed };
        close.add(spawn("store-retention", move || retention.work()).map_err(failed)?);
        Ok(Self { shared, queue, _close: Arc::new(close) })
    }

    /// Whether writes are taken now; `NoSpace` while less than the reserve is free. For health checks.
    pub fn check_space(&self) -> Result<()> {
        let options = &self.shared.options;
        FreeSpace::new(self.shared.folder.clone(), options.disk_reserve_bytes).check()
    }

    pub(crate) fn engine(&self) -> Result<Arc<Engine>> {
        self.shared.slot.get()
    }

    pub(crate) fn seal(&self) -> &dyn SecretSeal {
        &*self.shared.options.seal
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Decides and writes in the commit thread; durable when it returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(false, decide).await
    }

    /// The same for what makes room, so that it may run on a full disk.
    pub(crate) async fn write_making_room<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(true, decide).await
    }

    /// One record.
    pub(crate) fn record<R: Record>(&self, space: Space, key: &[u8]) -> Result<Option<R>> {
        let bytes = self.engine()?.get(space, key).map_err(engine_error)?;
        bytes.map(|bytes| decode(&bytes, self.seal())).transpose()
    }

    /// Runs a scan where it may block.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        let run = tokio::task::spawn_blocking(move || scan(&store));
        run.await.unwrap_or_else(|e| Err(Error::Unavailable(format!("a read did not finish: {e}"))))
    }

    /// A page of the rows that begin with `prefix`, in the order of their keys; `None` from `wanted` leaves one out.
    pub(crate) fn page<T>(
        &self,
        space: Space,
        prefix: &[u8],
        request: &PageRequest,
        mut wanted: impl FnMut(&[u8], &[u8]) -> Result<Option<T>>,
    ) -> Result<Page<T>> {
        let after = request.after.as_deref().map(|text| rows::place_key(text, prefix)).transpose()?;
        let limit = request.limit.clamp(1, PageRequest::LIMIT_MAX);
        let mut items = Vec::new();
        let mut last = None;
        for (seen, row) in self.engine()?.scan(space, prefix, after.as_deref()).enumerate() {
            let (key, value) = row.map_err(engine_error)?;
            if items.len() == limit || seen == SCAN_MAX {
                return Ok(Page { items, next: last.map(|key: fjall::Slice| rows::place_text(&key, prefix)) });
            }
            items.extend(wanted(&key, &value)?);
            last = Some(key);
        }
        Ok(Page { items, next: None })
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Close {
    fn add(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread of the store ended in a panic");
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

#[cfg(test)]
mod tests {
    use acs_proto::records::Unsealed;

    use super::*;

    fn open() -> (Embedded, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { disk_reserve_bytes: 0, ..Options::new(Arc::new(Unsealed)) };
        (Embedded::open(folder.path(), options).unwrap(), folder)
    }

    fn value(store: &Embedded, key: &[u8]) -> Option<Vec<u8>> {
        store.engine().unwrap().get(Space::Rows, key).unwrap().map(|value| value.to_vec())
    }

    #[tokio::test]
    async fn a_job_that_fails_or_panics_changes_nothing() {
        let (store, _folder) = open();
        store
            .write(|t| {
                t.put(Space::Rows, b"a".to_vec(), "1");
                Ok(())
            })
            .await
            .unwrap();
        let failing = store.write(|t| {
            t.put(Space::Rows, b"a".to_vec(), "2");
            t.put(Space::Rows, b"b".to_vec(), "2");
            Err::<(), _>(Error::Invalid("test".into()))
        });
        let panicking = store.write(|t| -> Result<()> {
            t.remove(Space::Rows, b"a".to_vec());
            panic!("a test")
        });
        let good = store.write(|t| {
            t.put(Space::Rows, b"c".to_vec(), "3");
            Ok(())
        });
        let (failed, panicked, good) = futures::join!(failing, panicking, good);
        assert!(matches!(failed, Err(Error::Invalid(_))));
        assert!(matches!(panicked, Err(Error::Unavailable(_))));
        good.expect("others of the same batch go on");
        assert_eq!(value(&store, b"a"), Some(b"1".to_vec()));
        assert_eq!((value(&store, b"b"), value(&store, b"c")), (None, Some(b"3".to_vec())));
    }

    #[tokio::test]
    async fn jobs_of_one_batch_see_each_other() {
        let (store, _folder) = open();
        let add = |store: &Embedded| {
            store.clone().queue().run_blocking(false, |t| {
                let before = t.get(Space::Rows, b"n")?.map_or(0, |v| v[0]);
                t.put(Space::Rows, b"n".to_vec(), [before + 1]);
                Ok(before)
            })
        };
        let threads: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                std::thread::spawn(move || add(&store))
            })
            .collect();
        let mut seen: Vec<u8> = threads.into_iter().map(|t| t.join().unwrap().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<u8>>(), "each saw what all before it wrote");
    }

    #[tokio::test]
    async fn scans_see_what_the_batch_changed() {
        let (store, _folder) = open();
        store
            .write(|t| {
                for k in ["p1", "p2", "p4", "q"] {
                    t.put(Space::Rows, k.into(), "x");
                }
                Ok(())
            })
            .await
            .unwrap();
        let seen = store
            .write(|t| {
                t.remove(Space::Rows, b"p1".to_vec());
                t.remove(Space::Rows, b"p4".to_vec());
                t.put(Space::Rows, b"p3".to_vec(), "y");
                let keys: Vec<_> = t.scan(Space::Rows, b"p")?.into_keys().collect();
                Ok((keys, t.edge(Space::Rows, b"p", false)?, t.edge(Space::Rows, b"p", true)?))
            })
            .await
            .unwrap();
        assert_eq!(seen, (vec![b"p2".to_vec(), b"p3".to_vec()], Some(b"p2".to_vec()), Some(b"p3".to_vec())));
    }
}
