use std::ops::Range;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// Which part of a file a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
}

/// What identifies the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// Strong, with its quotes.
    pub(crate) etag: String,
    pub(crate) last_modified: SystemTime,
}

impl Validators {
    /// Whether `If-None-Match` names these bytes: 304 (RFC 9110 section 13.1.2).
    pub(crate) fn are_known(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag)
    }

    /// Whether `If-Range` lets the range stand: the same strong ETag, or exactly the same date (RFC 9110 section 13.1.5).
    fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(IF_RANGE) else { return true };
        let Ok(condition) = condition.to_str().map(str::trim) else { return false };
        condition == self.etag || httpdate::parse_http_date(condition).is_ok_and(|date| date == self.last_modified)
    }
}

/// Reads `Range` and `If-Range` (RFC 9110 section 14.2). One range is served; several, other units and what does not parse
/// get the whole file, as the RFC allows.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, validators: &Validators) -> Wanted {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    let range = value.to_str().ok().and_then(parse);
    match range {
        Some(range) if validators.allow_range(headers) => range.within(size),
        _ => Wanted::Whole,
    }
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

fn parse(value: &str) -> Option<Asked> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::FromTo(first, last))
        }
    }
}

/// Digits only: no sign and no blanks. A number beyond 64 bits is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl Asked {
    fn within(self, size: u64) -> Wanted {
        let range = match self {
            Self::From(first) => first..size,
            Self::FromTo(first, last) => first..size.min(last.saturating_add(1)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::HeaderValue;

    use super::*;

    fn validators() -> Validators {
        Validators { etag: "\"abc\"".into(), last_modified: UNIX_EPOCH + Duration::from_secs(784_111_777) }
    }

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn ranges_as_rfc_9110_has_them() {
        use Wanted::{Part, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-0", 10, Part(0..1)),
            ("bytes=2-5", 10, Part(2..6)),
            ("bytes=2-", 10, Part(2..10)),
            ("bytes=9-99", 10, Part(9..10)),
            ("bytes=-3", 10, Part(7..10)),
            ("bytes=-30", 10, Part(0..10)),
            ("Bytes = 1-2", 10, Part(1..3)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=5-2", 10, Whole),
            ("bytes=1-2,4-5", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("lines=1-2", 10, Whole),
            ("1-2", 10, Whole),
        ];
        for (text, size, want) in cases {
            assert_eq!(wanted(&headers(&[(RANGE, text)]), size, &validators()), want, "{text}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 10, &validators()), Whole);
    }

    #[test]
    fn if_range_resumes_only_the_same_bytes() {
        for (condition, allowed) in [
            ("\"abc\"", true),
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("\"abd\"", false),
            ("W/\"abc\"", false),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("nonsense", false),
        ] {
            let headers = headers(&[(RANGE, "bytes=1-2"), (IF_RANGE, condition)]);
            let want = if allowed { Wanted::Part(1..3) } else { Wanted::Whole };
            assert_eq!(wanted(&headers, 10, &validators()), want, "{condition}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, known) in
            [("\"abc\"", true), ("W/\"abc\"", true), ("\"x\", \"abc\"", true), ("*", true), ("\"x\"", false)]
        {
            assert_eq!(validators().are_known(&headers(&[(IF_NONE_MATCH, value)])), known, "{value}");
        }
        assert!(!validators().are_known(&HeaderMap::new()));
    }
}
