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
