//! The data folder: `lock` (who has it open), `format`, `engine/` (fjall's files).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::journal::{self, Journals};
use crate::{OpenError, Options};

/// The format this version writes and reads.
const FORMAT: &str = "lastmile-embedded 1";
/// How long to wait for another process to close.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const ENGINE: &str = "engine";
/// The engine while it is made: renamed when complete, so that a crash at the first start leaves nothing half made.
const ENGINE_NEW: &str = "engine.new";

/// A data folder that nobody else has open.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Folder {
    /// Makes the folder if needed and locks it.
    pub(crate) fn claim(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { folder: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(failed)?;
        if !wait_for(&lock).map_err(failed)? {
            let mut by = String::new();
            // Who it is only helps the reader of the message.
            let _ = lock.read_to_string(&mut by);
            let by = if by.trim().is_empty() { "another process".to_owned() } else { format!("process {}", by.trim()) };
            return Err(OpenError::InUse { folder: path.to_owned(), by });
        }
        let write_pid = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        if let Err(error) = write_pid(&mut lock) {
            // A full disk must not keep the store from opening.
            tracing::warn!(%error, "could not note the process in the lock file");
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

/// Whether the lock could be had within [`LOCK_WAIT`]: a process just replaced may still be closing.
fn wait_for(lock: &File) -> std::io::Result<bool> {
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Opens the engine of a folder, or makes it.
pub(crate) fn open_engine(folder: &Path, options: &Options) -> Result<Engine, OpenError> {
    let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
    let engine = folder.join(ENGINE);
    if !engine.try_exists().map_err(failed)? {
        make_engine(folder, options)?;
    }
    check_format(folder)?;
    match journal::check(&engine).map_err(failed)? {
        Journals::Whole => {}
        Journals::Cut => {
            tracing::warn!(folder = %folder.display(), "the last batch was cut short by a crash; nobody was told of it, it is dropped");
        }
        Journals::Damaged(path) => {
            let reason = format!("{} has a bad batch with others behind it", path.display());
            return Err(OpenError::Damaged { folder: folder.to_owned(), reason });
        }
    }
    Engine::open(&engine, options).map_err(|e| engine_failed(folder, e))
}

fn make_engine(folder: &Path, options: &Options) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
    let new = folder.join(ENGINE_NEW);
    if new.try_exists().map_err(failed)? {
        fs::remove_dir_all(&new).map_err(failed)?;
    }
    drop(Engine::open(&new, options).map_err(|e| engine_failed(folder, e))?);
    let mut format = File::create(folder.join("format")).map_err(failed)?;
    writeln!(format, "{FORMAT}").and_then(|()| format.sync_all()).map_err(failed)?;
    fs::rename(&new, folder.join(ENGINE)).map_err(failed)?;
    sync_folder(folder).map_err(failed)
}

fn check_format(folder: &Path) -> Result<(), OpenError> {
    let found = fs::read_to_string(folder.join("format")).unwrap_or_default();
    if found.trim() == FORMAT {
        return Ok(());
    }
    let found = found.trim().chars().take(80).collect();
    Err(OpenError::Format { folder: folder.to_owned(), found, wanted: FORMAT })
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn engine_failed(folder: &Path, error: fjall::Error) -> OpenError {
    match error {
        fjall::Error::Io(source) => OpenError::Folder { folder: folder.to_owned(), source },
        fjall::Error::Locked => {
            OpenError::InUse { folder: folder.to_owned(), by: "an engine that is not closed yet".into() }
        }
        other => OpenError::Damaged { folder: folder.to_owned(), reason: other.to_string() },
    }
}
