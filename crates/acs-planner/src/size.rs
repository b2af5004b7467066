//! How the memory of what is kept is estimated: texts exactly, what surrounds them from above.

use cwmp_model::ParameterPath;

/// Bytes of a collection's entry beside its text: pointers, lengths, the allocator's own.
const ENTRY: usize = 48;

/// Bytes of an entry with that much text.
pub(crate) const fn entry_bytes(text: usize) -> usize {
    ENTRY + text
}

/// Bytes of a list of paths.
pub(crate) fn paths_bytes<'p>(paths: impl IntoIterator<Item = &'p ParameterPath>) -> usize {
    paths.into_iter().map(|path| entry_bytes(path.as_str().len())).sum()
}
