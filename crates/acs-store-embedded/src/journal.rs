//! What a crash may leave at the end of the engine's journal, looked at before the engine opens it.
//!
//! Every batch is synced before the next is written. So only the last batch can be cut short or, after a power loss that let
//! its pages reach the disk out of order, torn; and nobody was told of it. It is cut off. The engine by itself does the same
//! with a batch cut short, but does not open with some torn ones, and drops all that follows some kinds of damage in the
//! middle. Here anything valid behind a bad batch means damage that no crash does: it is reported and nothing is touched.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

/// Ends every complete batch (fjall 3).
const MAGIC: &[u8] = b"FJL\x03";
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// What was found in the journals.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Journals {
    /// Every batch is whole.
    Whole,
    /// The last batch was not; it is cut off now.
    Cut,
    /// A batch with others behind it is not; nothing was changed.
    Damaged(PathBuf),
}

/// Looks at all journals in `engine`.
pub(crate) fn check(engine: &Path) -> io::Result<Journals> {
    let mut paths = journals(engine)?;
    let Some(newest) = paths.pop() else { return Ok(Journals::Whole) };
    // The older ones were synced as a whole before the next was begun.
    for path in paths {
        if first_bad_batch(&fs::read(&path)?).is_some() {
            return Ok(Journals::Damaged(path));
        }
    }
    let bytes = fs::read(&newest)?;
    let Some(bad_at) = first_bad_batch(&bytes) else { return Ok(Journals::Whole) };
    if has_valid_batch(&bytes[bad_at + 1..]) {
        return Ok(Journals::Damaged(newest));
    }
    let journal = OpenOptions::new().write(true).open(&newest)?;
    journal.set_len(bad_at as u64)?;
    journal.sync_all()?;
    Ok(Journals::Cut)
}

/// The journals, oldest first.
fn journals(engine: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(engine)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Where the first batch begins that is not valid; `None`: all are, up to the unused rest, which is zero.
fn first_bad_batch(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match batch_length(&bytes[at..]) {
            Some(length) => at += length,
            None if bytes[at..].iter().all(|b| *b == 0) => return None,
            None => return Some(at),
        }
    }
    None
}

fn has_valid_batch(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| bytes[at] == START && batch_length(&bytes[at..]).is_some())
}

/// The length of the valid batch that `bytes` begins with.
fn batch_length(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.byte()? != START {
        return None;
    }
    let items = reader.number(4)?;
    reader.skip(8)?; // sequence number
    let from = reader.at;
    for _ in 0..items {
        match reader.byte()? {
            ITEM => {
                reader.skip(1 + 1 + 8)?; // value type, compression, keyspace
                let key = reader.number(2)?;
                reader.skip(4)?; // length before compression
                let value = reader.number(4)?;
                reader.skip(key.checked_add(value)?)?;
            }
            CLEAR => reader.skip(8)?,
            _ => return None,
        }
    }
    let content = &bytes[from..reader.at];
    if reader.byte()? != END || reader.number(8)? as u64 != xxh3_64(content) {
        return None;
    }
    let end = reader.at + MAGIC.len();
    (bytes.get(reader.at..end)? == MAGIC).then_some(end)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let end = self.at.checked_add(bytes)?;
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(self.bytes.get(self.at..end)?);
        self.at = end;
        usize::try_from(u64::from_le_bytes(number)).ok()
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }
}
