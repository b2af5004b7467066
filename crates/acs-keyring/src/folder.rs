//! The folder of key files.
//!
//! - The file's name is the key's id: 1–64 letters, digits, `-`, `_`, `.`; names that begin with `.` and subfolders are
//!   skipped (Kubernetes keeps its own there).
//! - Its content is 32 to 1024 random bytes, raw or as base64 (either alphabet, with or without padding). Printable text
//!   that is no base64 of at least 32 bytes is refused: it is a password, not a key.
//! - Nobody but the owner may read it (mode 0600 or 0400).
//! - The file `ACTIVE` holds the id of the active key. Without it the last name in byte order is active.
//!
//! **Rotation.** On one machine [`rotate`] adds a key and makes it active. In a cluster the two steps are apart, because a
//! pod can open only what it has the key for: [`add`], restart all pods with the new folder, [`activate`], restart again.
//! Remove an old file when nothing that it sealed is needed: minutes for cookies, for secrets at rest after they were sealed
//! anew.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64_NOPAD;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::key::{KEY_MIN, Key};

/// Most keys in a ring: an unknown MAC is tried with each.
pub const KEYS_MAX: usize = 16;
/// Most bytes of a key.
pub const KEY_MAX: usize = 1024;
/// The file that names the active key.
pub const ACTIVE: &str = "ACTIVE";

const ID_MAX: usize = 64;
/// A base64 text of [`KEY_MAX`] bytes with its line end is shorter.
const FILE_MAX: u64 = 2048;
/// 32 random bytes have fewer than 16 different ones with a probability below 10^-14; a key made by hand often has.
const DISTINCT_MIN: usize = 16;
/// Bytes of a key made here.
const NEW_KEY_LEN: usize = 32;

/// Why a key folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or a file in it cannot be read or written.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// No key file.
    #[error("`{0}` holds no key: make one with `lastmile keys rotate`, or mount the secret that holds the keys there")]
    Empty(PathBuf),
    /// More than [`KEYS_MAX`] key files.
    #[error("`{0}` holds more than {KEYS_MAX} keys: remove those that nothing is sealed with any more")]
    TooMany(PathBuf),
    /// The file's name cannot be an id.
    #[error(
        "`{0}` is not a name for a key: use 1 to {ID_MAX} letters, digits, `-`, `_` and `.`, or move the file away"
    )]
    Name(PathBuf),
    /// Others may read the file.
    #[error("others may read the key `{path}` (mode {mode:04o}): make a new key, or `chmod 600` it if nobody has")]
    Readable {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is no key.
    #[error("`{path}` is not a key: {why}; a key has {KEY_MIN} to {KEY_MAX} random bytes, raw or in base64")]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// `ACTIVE` names a key that is not there.
    #[error("`{folder}/{ACTIVE}` names the key `{id}`, which is not in the folder")]
    UnknownActive {
        /// Where.
        folder: PathBuf,
        /// The name.
        id: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a new key: {0}")]
    Random(String),
}

/// Adds a key and makes it active; older keys go on opening. Gives the new key's id. Durable when it returns.
pub fn rotate(folder: &Path) -> Result<String, FolderError> {
    let id = add(folder)?;
    activate(folder, &id)?;
    Ok(id)
}

/// Adds a key that is not active yet, and gives its id (`k0001`, `k0002` …). In an empty folder it is active at once.
pub fn add(folder: &Path) -> Result<String, FolderError> {
    make_folder(folder)?;
    let files = list(folder)?;
    if files.len() >= KEYS_MAX {
        return Err(FolderError::TooMany(folder.to_owned()));
    }
    // Without ACTIVE the last name is active: pin the present one, so that the new name does not take over by itself.
    if let (None, Some(last)) = (read_active(folder)?, files.keys().next_back()) {
        activate(folder, last)?;
    }
    let id = next_id(files.keys());
    create_key(folder, &id)?;
    Ok(id)
}

/// Makes the key `id` the one that seals. Running processes take it at their next start.
pub fn activate(folder: &Path, id: &str) -> Result<(), FolderError> {
    if !list(folder)?.contains_key(id) {
        return Err(FolderError::UnknownActive { folder: folder.to_owned(), id: id.to_owned() });
    }
    let temporary = write_temporary(folder, ACTIVE, format!("{id}\n").as_bytes())?;
    let path = folder.join(ACTIVE);
    fs::rename(&temporary, &path).map_err(io_error("write", &path))?;
    sync_folder(folder)
}

/// Makes the first key unless the folder holds one.
pub(crate) fn create_first(folder: &Path) -> Result<(), FolderError> {
    make_folder(folder)?;
    if list(folder)?.is_empty() {
        create_key(folder, &next_id(std::iter::empty()))?;
    }
    Ok(())
}

/// The keys of the folder, the active one first.
pub(crate) fn read(folder: &Path) -> Result<Vec<Key>, FolderError> {
    let files = list(folder)?;
    let last = files.keys().next_back().ok_or_else(|| FolderError::Empty(folder.to_owned()))?;
    if files.len() > KEYS_MAX {
        return Err(FolderError::TooMany(folder.to_owned()));
    }
    let active = match read_active(folder)? {
        Some(id) if files.contains_key(&id) => id,
        Some(id) => return Err(FolderError::UnknownActive { folder: folder.to_owned(), id }),
        None => last.clone(),
    };
    let mut keys = Vec::with_capacity(files.len());
    for (id, path) in files.iter().rev() {
        keys.push(Key::derive(id, &read_key(path)?));
    }
    let first = keys.iter().position(|k| k.id == active).expect("the active id is in the folder");
    keys[..=first].rotate_right(1);
    Ok(keys)
}

/// The key files by id.
fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>, FolderError> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io_error("read the key folder", folder))? {
        let path = entry.map_err(io_error("read the key folder", folder))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return Err(FolderError::Name(path)) };
        // Through symbolic links: Kubernetes mounts each key as one.
        if name == ACTIVE || name.starts_with('.') || path.is_dir() {
            continue;
        }
        if !is_id(name) {
            return Err(FolderError::Name(path));
        }
        files.insert(name.to_owned(), path);
    }
    Ok(files)
}

fn is_id(name: &str) -> bool {
    (1..=ID_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn read_active(folder: &Path) -> Result<Option<String>, FolderError> {
    let path = folder.join(ACTIVE);
    match File::open(&path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(FILE_MAX).read_to_string(&mut text).map_err(io_error("read", &path))?;
            Ok(Some(text.trim().to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    let file = File::open(path).map_err(io_error("read the key", path))?;
    // Of the open file, so that it cannot be exchanged between check and read.
    let mode = file.metadata().map_err(io_error("read the key", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FolderError::Readable { path: path.to_owned(), mode });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize + 1));
    file.take(FILE_MAX + 1).read_to_end(&mut content).map_err(io_error("read the key", path))?;
    decode_key(&content).map_err(|why| FolderError::NotAKey { path: path.to_owned(), why })
}

fn decode_key(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let key = if content.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        let standard = |b: &u8| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        };
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(content.trim_ascii().iter().map(standard).collect());
        let end = text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        Zeroizing::new(BASE64_NOPAD.decode(&text[..end]).map_err(|_| "it is text, but no base64")?)
    } else {
        Zeroizing::new(content.to_vec())
    };
    if key.len() < KEY_MIN {
        return Err("it is too short");
    }
    if key.len() > KEY_MAX {
        return Err("it is too long");
    }
    let mut seen = [false; 256];
    key.iter().for_each(|b| seen[usize::from(*b)] = true);
    if seen.iter().filter(|s| **s).count() < DISTINCT_MIN {
        return Err("it is not random");
    }
    Ok(key)
}

fn next_id<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    let highest = ids.filter_map(|id| id.strip_prefix('k')?.parse::<u32>().ok()).max().unwrap_or(0);
    format!("k{:04}", highest.saturating_add(1))
}

fn make_folder(folder: &Path) -> Result<(), FolderError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("make the key folder", folder))
}

/// Makes a key file, whole or not at all. If another process made it meanwhile, that one's stays.
fn create_key(folder: &Path, id: &str) -> Result<(), FolderError> {
    let mut key = Zeroizing::new([0; NEW_KEY_LEN]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(|e| FolderError::Random(e.to_string()))?;
    let mut text = Zeroizing::new(BASE64_NOPAD.encode(key.as_slice()));
    text.push('\n');
    let temporary = write_temporary(folder, id, text.as_bytes())?;
    let path = folder.join(id);
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary).map_err(io_error("remove", &temporary))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error("make the key", &path)(error)),
        _ => sync_folder(folder),
    }
}

fn write_temporary(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf, FolderError> {
    let path = folder.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(io_error("write", &path))?;
    Ok(path)
}

fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(io_error("sync the key folder", folder))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRing, Purpose};

    fn put(folder: &Path, name: &str, content: &[u8], mode: u32) {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn random_like(seed: u8) -> Vec<u8> {
        (0..32u8).map(|i| i.wrapping_mul(37).wrapping_add(seed) | 0x80).collect()
    }

    #[test]
    fn dev_makes_a_key_that_only_the_owner_reads_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let first = KeyRing::open_or_create(&folder).unwrap();
        let sealed = first.seal(Purpose::Secret, b"x", b"");
        assert_eq!(KeyRing::open_or_create(&folder).unwrap().unseal(Purpose::Secret, &sealed, b"").unwrap(), b"x");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&folder), mode(&folder.join("k0001"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn rotation_seals_with_the_new_key_and_opens_with_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let old = KeyRing::open_or_create(dir.path()).unwrap();
        assert_eq!(rotate(dir.path()).unwrap(), "k0002");
        let new = KeyRing::open(dir.path()).unwrap();
        assert_eq!(new.ids().collect::<Vec<_>>(), ["k0002", "k0001"]);
        let sealed = old.seal(Purpose::Cookie, b"s", b"");
        assert_eq!(new.unseal(Purpose::Cookie, &sealed, b"").unwrap(), b"s");
    }

    // P12: in a cluster every pod has the new key before any seals with it.
    #[test]
    fn an_added_key_opens_but_does_not_seal_until_it_is_activated() {
        let dir = tempfile::tempdir().unwrap();
        KeyRing::open_or_create(dir.path()).unwrap();
        let id = add(dir.path()).unwrap();
        assert_eq!(KeyRing::open(dir.path()).unwrap().active(), "k0001");
        activate(dir.path(), &id).unwrap();
        assert_eq!(KeyRing::open(dir.path()).unwrap().active(), "k0002");
        assert!(matches!(activate(dir.path(), "k9"), Err(FolderError::UnknownActive { .. })));
    }

    #[test]
    fn without_active_the_last_name_is_active() {
        let dir = tempfile::tempdir().unwrap();
        for (seed, name) in [(1, "2026-01"), (2, "2026-03"), (3, "2026-02")] {
            put(dir.path(), name, &random_like(seed), 0o400);
        }
        fs::create_dir(dir.path().join("..data")).unwrap();
        let ring = KeyRing::open(dir.path()).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["2026-03", "2026-02", "2026-01"]);
        put(dir.path(), ACTIVE, b"2026-02\n", 0o600);
        assert_eq!(KeyRing::open(dir.path()).unwrap().ids().collect::<Vec<_>>(), ["2026-02", "2026-03", "2026-01"]);
        put(dir.path(), ACTIVE, b"gone", 0o600);
        assert!(matches!(KeyRing::open(dir.path()), Err(FolderError::UnknownActive { id, .. }) if id == "gone"));
    }

    #[test]
    fn raw_and_base64_are_the_same_key() {
        let raw = random_like(5);
        let padded = data_encoding::BASE64.encode(&raw);
        let url = data_encoding::BASE64URL_NOPAD.encode(&raw);
        for text in [padded.as_str(), &url, &format!("{padded}\n"), &format!(" {url}\r\n")] {
            assert_eq!(*decode_key(text.as_bytes()).unwrap(), raw, "{text:?}");
        }
        assert_eq!(*decode_key(&raw).unwrap(), raw);
    }

    // P23: weak or missing keys stop the start.
    #[test]
    fn unusable_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert!(matches!(KeyRing::open(&folder.join("none")), Err(FolderError::Io { .. })));
        assert!(matches!(KeyRing::open(folder), Err(FolderError::Empty(_))));
        let good = random_like(5);
        let long: Vec<u8> = good.iter().copied().cycle().take(KEY_MAX + 1).collect();
        let refused: [&[u8]; 7] =
            [b"", &good[..31], b"correct horse battery staple, the usual one", &[0; 64], &[0x80; 32], &long, b"AAAA"];
        for content in refused {
            put(folder, "k", content, 0o600);
            assert!(matches!(KeyRing::open(folder), Err(FolderError::NotAKey { .. })), "{content:?}");
        }
        put(folder, "k", &long[..KEY_MAX], 0o600);
        assert!(KeyRing::open(folder).is_ok());
        for mode in [0o640, 0o604, 0o660, 0o644] {
            put(folder, "k", &good, mode);
            let error = KeyRing::open(folder).unwrap_err();
            assert!(matches!(error, FolderError::Readable { mode: m, .. } if m == mode), "{error}");
        }
        put(folder, "k", &good, 0o600);
        put(folder, "k~", &good, 0o600);
        assert!(matches!(KeyRing::open(folder), Err(FolderError::Name(_))));
    }

    #[test]
    fn a_ring_has_at_most_16_keys() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..KEYS_MAX {
            add(dir.path()).unwrap();
        }
        assert_eq!(KeyRing::open(dir.path()).unwrap().ids().count(), KEYS_MAX);
        assert!(matches!(add(dir.path()), Err(FolderError::TooMany(_))));
        put(dir.path(), "one-more", &random_like(1), 0o600);
        assert!(matches!(KeyRing::open(dir.path()), Err(FolderError::TooMany(_))));
    }
}
