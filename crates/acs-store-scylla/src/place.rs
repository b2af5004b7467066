//! Places in lists, as the `next` of a page gives them.

use std::fmt::Display;
use std::str::FromStr;

use acs_store::{Error, Result};
use acs_types::PageRequest;

/// The place of an item in a list by time: (microseconds, id), as text `micros:id`.
pub(crate) type TimeKey<I> = (i64, I);

/// How many items a page may have.
pub(crate) fn limit(page: &PageRequest) -> usize {
    page.limit.clamp(1, PageRequest::LIMIT_MAX)
}

/// `micros:id`
pub(crate) fn time_text<I: Display>(key: &TimeKey<I>) -> String {
    format!("{}:{}", key.0, key.1)
}

/// Where a list by time goes on.
pub(crate) fn time_after<I: FromStr>(page: &PageRequest) -> Result<Option<TimeKey<I>>> {
    page.after.as_deref().map(|text| time_key(text).ok_or_else(|| bad(text))).transpose()
}

pub(crate) fn time_key<I: FromStr>(text: &str) -> Option<TimeKey<I>> {
    let (micros, id) = text.split_once(':')?;
    Some((micros.parse().ok()?, id.parse().ok()?))
}

/// A place that is one value.
pub(crate) fn parse<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| bad(text))
}

/// The error for a place that no page gave.
pub(crate) fn bad(text: &str) -> Error {
    Error::Invalid(format!("`{}` is no place in this list; use the `next` of a page", text.escape_default()))
}

/// An id as it is stored.
pub(crate) fn stored<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| Error::Corrupt(error.to_string()))
}
