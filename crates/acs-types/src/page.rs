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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_between_one_and_the_limit_of_items() {
        let limits = [0, 1, PageRequest::LIMIT_MAX, PageRequest::LIMIT_MAX + 1].map(|n| PageRequest::first(n).limit);
        assert_eq!(limits, [1, 1, 1000, 1000]);
    }

    #[test]
    fn a_mapped_page_keeps_its_place() {
        let page = Page { items: vec![1, 2], next: Some("b".to_owned()) };
        assert_eq!(page.map(|n| n * 10), Page { items: vec![10, 20], next: Some("b".to_owned()) });
    }
}
