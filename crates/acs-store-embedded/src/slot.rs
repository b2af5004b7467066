//! The engine and its replacement in place: after a write error the engine takes no more writes, so it is closed and opened
//! anew on the same folder, without a restart of the process.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use acs_store::{Error, Result};

use crate::engine::Engine;
use crate::folder;
use crate::shared::Shared;
use crate::transaction::Batch;

/// How long running reads may hold the old engine.
const READERS_MAX: Duration = Duration::from_secs(5);
/// How long to wait after an attempt that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Holds the engine while there is one.
pub(crate) struct Slot {
    engine: RwLock<Inner>,
}

enum Inner {
    Open(Arc<Engine>),
    /// To be opened anew; `old` is still held by reads.
    Failed {
        old: Option<Arc<Engine>>,
        not_before: Instant,
    },
    Closed,
}

impl Slot {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine: RwLock::new(Inner::Open(Arc::new(engine))) }
    }

    /// The engine, for reading.
    pub(crate) fn get(&self) -> Result<Arc<Engine>> {
        match &*self.engine.read().unwrap_or_else(PoisonError::into_inner) {
            Inner::Open(engine) => Ok(Arc::clone(engine)),
            Inner::Failed { .. } => Err(Error::Unavailable("the store is being opened anew after an error".into())),
            Inner::Closed => Err(Error::Unavailable("the store is closed".into())),
        }
    }

    /// The engine, opened anew if it failed. For the commit thread only.
    pub(crate) fn for_writing(&self, shared: &Shared) -> Result<Arc<Engine>> {
        if let Ok(engine) = self.get() {
            return Ok(engine);
        }
        let old = {
            let mut inner = self.engine.write().unwrap_or_else(PoisonError::into_inner);
            let Inner::Failed { old, not_before } = &mut *inner else {
                return Err(Error::Unavailable("the store is closed".into()));
            };
            if Instant::now() < *not_before {
                return Err(Error::Unavailable("the store is being opened anew after an error".into()));
            }
            *not_before = Instant::now() + RETRY;
            old.take()
        };
        // Without the lock: whoever wants to read meanwhile is told at once.
        if let Some(engine) = old.and_then(|engine| unshared(engine).err()) {
            let mut inner = self.engine.write().unwrap_or_else(PoisonError::into_inner);
            if let Inner::Failed { old, .. } = &mut *inner {
                *old = Some(engine);
            }
            return Err(Error::Unavailable("reads still hold the failed engine".into()));
        }
        let reopened = folder::open_engine(&shared.folder, &shared.options).and_then(|engine| {
            shared.load(&engine).map_err(|e| shared.damaged(&e))?;
            Ok(Arc::new(engine))
        });
        let engine = reopened.map_err(|error| {
            tracing::error!(%error, "the store could not be opened anew; it is tried again");
            Error::Unavailable(error.to_string())
        })?;
        tracing::info!(folder = %shared.folder.display(), "the store is open again");
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Inner::Open(Arc::clone(&engine));
        Ok(engine)
    }

    /// The engine takes no more writes.
    pub(crate) fn fail(&self) {
        let mut inner = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        if let Inner::Open(engine) = &*inner {
            *inner = Inner::Failed { old: Some(Arc::clone(engine)), not_before: Instant::now() };
        }
    }

    /// No more reads, either.
    pub(crate) fn close(&self) {
        let before =
            std::mem::replace(&mut *self.engine.write().unwrap_or_else(PoisonError::into_inner), Inner::Closed);
        if let Inner::Open(engine) | Inner::Failed { old: Some(engine), .. } = before {
            // Closing waits for the engine's threads; whoever still reads closes it afterwards.
            drop(unshared(engine));
        }
    }
}

/// Waits until nobody else holds it; gives it back if somebody still does after [`READERS_MAX`].
fn unshared(mut engine: Arc<Engine>) -> Result<Engine, Arc<Engine>> {
    let until = Instant::now() + READERS_MAX;
    loop {
        engine = match Arc::try_unwrap(engine) {
            Ok(engine) => return Ok(engine),
            Err(engine) if Instant::now() >= until => return Err(engine),
            Err(engine) => engine,
        };
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes a batch and syncs it.
pub(crate) fn write(engine: &Engine, batch: Batch) -> fjall::Result<()> {
    #[cfg(feature = "failpoints")]
    if fail::eval("store::before_sync", |_| ()).is_some() {
        // What a crash between write and sync leaves: in the hands of the system, and nobody was told.
        engine.write(batch.into_changes(), false)?;
        std::process::abort();
    }
    #[cfg(feature = "failpoints")]
    if fail::eval("store::write_error", |_| ()).is_some() {
        return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
    }
    engine.write(batch.into_changes(), true)
}
