use std::fmt::Display;
use std::str::FromStr;

use acs_types::{Page, PageRequest};

use crate::{Error, Result};

/// The place of an item in a list by time: (microseconds, id), as text `micros:id`.
pub(super) type TimeKey<I> = (i64, I);

/// How many items a page may have.
pub(super) fn limit(page: &PageRequest) -> usize {
    page.limit.clamp(1, PageRequest::LIMIT_MAX)
}

/// The first items of `rest`, which starts after the page before.
pub(super) fn take<K, T>(
    rest: impl Iterator<Item = (K, T)>,
    page: &PageRequest,
    text: impl Fn(&K) -> String,
) -> Page<T> {
    let mut items = Vec::new();
    let mut last = None;
    for (key, item) in rest {
        if items.len() == limit(page) {
            return Page { items, next: last };
        }
        items.push(item);
        last = Some(text(&key));
    }
    Page { items, next: None }
}

/// `micros:id`
pub(super) fn time_text<I: Display>(key: &TimeKey<I>) -> String {
    format!("{}:{}", key.0, key.1)
}

/// Where a list by time goes on.
pub(super) fn time_after<I: FromStr>(page: &PageRequest) -> Result<Option<TimeKey<I>>> {
    page.after.as_deref().map(|text| time_key(text).ok_or_else(|| bad_place(text))).transpose()
}

fn time_key<I: FromStr>(text: &str) -> Option<TimeKey<I>> {
    let (micros, id) = text.split_once(':')?;
    Some((micros.parse().ok()?, id.parse().ok()?))
}

/// The error for a place that no page gave.
pub(super) fn bad_place(text: &str) -> Error {
    Error::Invalid(format!("`{}` is no place in this list; use the `next` of a page", text.escape_default()))
}
