//! Pages: the place in a list travels as opaque text.

use acs_types::{Page, PageRequest};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Items of a page when the caller does not say.
const LIMIT_DEFAULT: usize = 100;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
pub(crate) struct PageOf<T> {
    /// The items; there may be fewer than asked for, even none, and still a next page.
    pub(crate) items: Vec<T>,
    /// Where the next page begins: give it as `after`. `null` at the end.
    #[schema(example = "MDBBQUJCLUlHRC0wMDAwMDE")]
    pub(crate) next: Option<String>,
}

impl<T> PageOf<T> {
    pub(crate) fn of<U>(page: Page<U>, item: impl FnMut(U) -> T) -> Self {
        let page = page.map(item);
        Self { items: page.items, next: page.next.map(|place| sealed(&place)) }
    }
}

/// Which page is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of the page before; empty: the first page.
    #[param(pattern = "^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

impl PageQuery {
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        page_request(self.limit, self.after.as_deref())
    }
}

/// The page asked for by `limit` and `after`.
pub(crate) fn page_request(limit: Option<usize>, after: Option<&str>) -> Result<PageRequest, Problem> {
    let limit = checked_limit(limit)?;
    Ok(PageRequest { after: after.filter(|after| !after.is_empty()).map(opened).transpose()?, limit })
}

/// `limit` within its bounds.
pub(crate) fn checked_limit(limit: Option<usize>) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=PageRequest::LIMIT_MAX).contains(&limit) {
        let detail = format!("it must be 1 to {}", PageRequest::LIMIT_MAX);
        return Err(Problem::bad_parameter("limit", detail));
    }
    Ok(limit)
}

/// A place as it is given to the caller.
pub(crate) fn sealed(place: &str) -> String {
    BASE64URL_NOPAD.encode(place.as_bytes())
}

/// A place as a page gave it.
pub(crate) fn opened(after: &str) -> Result<String, Problem> {
    let bytes = BASE64URL_NOPAD.decode(after.as_bytes()).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    place.ok_or_else(|| Problem::bad_parameter("after", "it is no place in a list; use the `next` of a page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_their_edges() {
        assert_eq!(page_request(None, None).unwrap(), PageRequest { after: None, limit: 100 });
        assert_eq!(page_request(Some(1000), None).unwrap().limit, 1000);
        assert!(page_request(Some(0), None).is_err());
        assert!(page_request(Some(1001), None).is_err());
    }

    #[test]
    fn a_place_comes_back_as_it_went() {
        let place = "00AABB-a%2Db-x:17";
        assert_eq!(opened(&sealed(place)).unwrap(), place);
        assert!(opened("not base64!").is_err());
        assert!(opened(&BASE64URL_NOPAD.encode(&[0xFF])).is_err());
    }
}
