/// One page of a list, in the order of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items, at most as many as asked for.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page with the same place and other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the page before; `None` for the first.
    pub after: Option<String>,
    /// How many items at most: 1 to [`PageRequest::LIMIT_MAX`].
    pub limit: usize,
}

impl PageRequest {
    /// The most items a page may have.
    pub const LIMIT_MAX: usize = 1000;

    /// The first page with `limit` items.
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit: limit.clamp(1, Self::LIMIT_MAX) }
    }
}
