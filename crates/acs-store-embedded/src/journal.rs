//! What a power loss may leave at the end of the engine's journal.
//!
//! The engine drops a last batch that is cut short. It does not open if the pages of the last batch reached the disk out of
//! order, so that the batch is complete in length but wrong in content. Since every batch is synced before the next is
//! written, such a batch is the last one and nobody was told of it: it is cut off. Anything valid behind it means damage of
//! another kind, and then nothing is touched.

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

/// Cuts a torn last batch off the newest journal in `engine`. `false`: there is none, or what is there is no torn batch;
/// then nothing was changed. What was cut off is kept beside it as `….torn`.
pub(crate) fn cut_torn_batch(engine: &Path) -> io::Result<bool> {
    let Some(path) = newest_journal(engine)? else { return Ok(false) };
    let bytes = fs::read(&path)?;
    let Some(torn_at) = first_bad_batch(&bytes) else { return Ok(false) };
    let torn = &bytes[torn_at..];
    if has_valid_batch(&torn[1..]) {
        return Ok(false);
    }
    let used = torn.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    fs::write(path.with_extension("torn"), &torn[..used])?;
    let journal = OpenOptions::new().write(true).open(&path)?;
    journal.set_len(torn_at as u64)?;
    journal.sync_all()?;
    Ok(true)
}

fn newest_journal(engine: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(engine)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        if let Some(number) = number
            && newest.as_ref().is_none_or(|(n, _)| *n < number)
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the first batch begins that is not valid; `None`: all are, up to the unused rest.
fn first_bad_batch(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != 0 {
        match batch_length(&bytes[at..]) {
            Some(length) => at += length,
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
