//! Text forms that the writer holds values to (CWMP-078, CWMP-080, CWMP-085).

use std::borrow::Cow;

use cwmp_model::{ParameterValue, ValueType};
use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};

use crate::EncodeError;
use crate::arguments::parse_boolean;
use crate::xml::Writer;

/// The text to write for the value of `parameter`.
pub(crate) fn text<'v>(w: &Writer<'_>, parameter: &'v ParameterValue) -> Result<Cow<'v, str>, EncodeError> {
    let kind = parameter.value.kind;
    written_form(w, kind, &parameter.value.text)
        .ok_or_else(|| EncodeError::Value { name: parameter.name.to_string(), expected: kind.as_str() })
}

fn written_form<'v>(w: &Writer<'_>, kind: ValueType, text: &'v str) -> Option<Cow<'v, str>> {
    let fits = match kind {
        ValueType::String => true,
        ValueType::Int => text.parse::<i32>().is_ok(),
        ValueType::UnsignedInt => text.parse::<u32>().is_ok(),
        ValueType::Long => text.parse::<i64>().is_ok(),
        ValueType::UnsignedLong => text.parse::<u64>().is_ok(),
        ValueType::DateTime => is_date_time(text),
        ValueType::HexBinary => HEXUPPER_PERMISSIVE.decode(text.as_bytes()).is_ok(),
        ValueType::Boolean => return parse_boolean(text).map(|boolean| Cow::Borrowed(w.boolean_text(boolean))),
        ValueType::Base64 => return base64(text),
    };
    fits.then_some(Cow::Borrowed(text))
}

/// Base64 goes without line breaks (CWMP-085).
fn base64(text: &str) -> Option<Cow<'_, str>> {
    let compact = if text.contains(|c: char| c.is_ascii_whitespace()) {
        Cow::Owned(text.chars().filter(|c| !c.is_ascii_whitespace()).collect())
    } else {
        Cow::Borrowed(text)
    };
    BASE64.decode(compact.as_bytes()).is_ok().then_some(compact)
}

/// A dateTime of the standard (CWMP-079, CWMP-080) in `field`.
pub(crate) fn check_date_time(field: &'static str, text: &str) -> Result<(), EncodeError> {
    if is_date_time(text) { Ok(()) } else { Err(form(field, text, "dateTime")) }
}

/// An error that quotes at most the first 64 bytes of `text`.
pub(crate) fn form(field: &'static str, text: &str, expected: &'static str) -> EncodeError {
    const QUOTED_BYTES_MAX: usize = 64;
    EncodeError::Form { field, text: text[..text.floor_char_boundary(QUOTED_BYTES_MAX)].to_owned(), expected }
}

/// `xs:dateTime`: `YYYY-MM-DDThh:mm:ss`, a fraction if any, a zone if any.
pub(crate) fn is_date_time(text: &str) -> bool {
    parse_date_time(text.as_bytes()).is_some()
}

fn parse_date_time(text: &[u8]) -> Option<()> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let (hour, rest) = digits(rest.strip_prefix(b"T")?, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let in_range = year > 0
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    in_range.then_some(())?;
    zone(fraction(rest)?)
}

fn fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(rest) = text.strip_prefix(b".") else { return Some(text) };
    let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    (end > 0).then(|| &rest[end..])
}

fn zone(text: &[u8]) -> Option<()> {
    match text {
        b"" | b"Z" => Some(()),
        [b'+' | b'-', rest @ ..] => {
            let (hour, rest) = digits(rest, 2)?;
            let (minute, rest) = digits(rest.strip_prefix(b":")?, 2)?;
            (rest.is_empty() && minute < 60 && (hour < 14 || (hour == 14 && minute == 0))).then_some(())
        }
        _ => None,
    }
}

fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    let all = head.iter().all(u8::is_ascii_digit);
    all.then(|| (head.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0')), rest))
}

const fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use cwmp_model::{ParameterPath, Value};

    use super::*;
    use crate::{BooleanForm, CwmpNamespace, EncodeOptions};

    fn written(kind: ValueType, text_in: &str) -> Option<String> {
        let options = EncodeOptions::default();
        let w = Writer::new(CwmpNamespace::V1_0, &options);
        written_form(&w, kind, text_in).map(Cow::into_owned)
    }

    #[test]
    fn cwmp_078_numbers_keep_to_their_range() {
        for (kind, least, most, beyond) in [
            (ValueType::Int, "-2147483648", "2147483647", "2147483648"),
            (ValueType::UnsignedInt, "0", "4294967295", "4294967296"),
            (ValueType::Long, "-9223372036854775808", "9223372036854775807", "9223372036854775808"),
            (ValueType::UnsignedLong, "0", "18446744073709551615", "18446744073709551616"),
        ] {
            for edge in [least, most] {
                assert_eq!(written(kind, edge).as_deref(), Some(edge), "CWMP-078: {kind:?}");
            }
            for bad in [beyond, "", "abc", "1.5"] {
                assert_eq!(written(kind, bad), None, "CWMP-078: {kind:?} {bad:?}");
            }
        }
    }

    #[test]
    fn cwmp_077_booleans_in_the_form_asked_for() {
        for (text_in, digits) in [("true", "1"), ("1", "1"), ("False", "0"), ("0", "0")] {
            assert_eq!(written(ValueType::Boolean, text_in).as_deref(), Some(digits), "CWMP-077");
        }
        assert_eq!(written(ValueType::Boolean, "yes"), None, "CWMP-077");
        let options = EncodeOptions { booleans: BooleanForm::Words, ..EncodeOptions::default() };
        let w = Writer::new(CwmpNamespace::V1_0, &options);
        assert_eq!(written_form(&w, ValueType::Boolean, "1").as_deref(), Some("true"), "CWMP-077");
    }

    #[test]
    fn p26_a_refused_value_is_not_told() {
        let options = EncodeOptions::default();
        let w = Writer::new(CwmpNamespace::V1_0, &options);
        let name = ParameterPath::new("Device.X").expect("a path");
        let parameter = ParameterValue { name, value: Value::new(ValueType::Base64, "s3cret") };
        let error = text(&w, &parameter).expect_err("CWMP-085");
        assert_eq!(error.to_string(), "the value of `Device.X` is no base64Binary", "P26");
    }

    #[test]
    fn cwmp_085_base64_goes_without_line_breaks() {
        assert_eq!(written(ValueType::Base64, "QUJD\r\nREVG").as_deref(), Some("QUJDREVG"), "CWMP-085");
        assert_eq!(written(ValueType::Base64, "QUJ"), None);
        assert_eq!(written(ValueType::HexBinary, "0aFF").as_deref(), Some("0aFF"));
        assert_eq!(written(ValueType::HexBinary, "0aF"), None);
    }

    #[test]
    fn cwmp_080_date_times() {
        for good in [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2024-02-29T10:00:00",
            "2024-05-01T10:00:00.123+02:00",
            "2024-05-01T10:00:00-14:00",
        ] {
            assert!(is_date_time(good), "CWMP-080: {good}");
        }
        for bad in [
            "",
            "0",
            "2024-05-01 10:00:00",
            "2023-02-29T10:00:00Z",
            "0000-00-00T00:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T10:00:00.Z",
            "2024-05-01T10:00:00+2",
            "2024-05-01T10:00:00+14:01",
            "2024-05-01T10:00:0\u{e9}",
        ] {
            assert!(!is_date_time(bad), "CWMP-080: {bad}");
        }
    }
}
