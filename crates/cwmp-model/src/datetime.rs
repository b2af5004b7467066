use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::tz::Offset;

use crate::Timestamp;

/// A dateTime as parameters carry it (TR-106 section 3.2.2, CWMP-079 to CWMP-081).
///
/// Read with [`CwmpDateTime::parse`], which takes what devices really send; written by `Display` in UTC with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CwmpDateTime {
    /// `0001-01-01T00:00:00Z`: not known, not set, or never happened.
    Unknown,
    /// `9999-12-31T23:59:59Z`: never ends.
    Infinite,
    /// Time since the device booted: it has no absolute time. On the wire an untimezoned value with a year below 1000,
    /// counted from `0001-01-01T00:00:00`. Whole microseconds.
    SinceBoot(Duration),
    /// A moment.
    At(Timestamp),
}

/// A text that is no dateTime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a dateTime: expected for example 2026-01-31T12:00:00Z, between the years 1 and 9999")]
pub struct DateTimeError;

/// Years from here on are absolute even without a zone.
const FIRST_ABSOLUTE_YEAR: i16 = 1000;
/// Where time since boot counts from.
const BOOT: DateTime = civil::datetime(1, 1, 1, 0, 0, 0, 0);
/// The longest time since boot that can be written.
const BOOT_LAST: DateTime = civil::datetime(999, 12, 31, 23, 59, 59, 0);
/// A bare number from here on is taken as milliseconds, below as seconds (the year 5138 in seconds, 1973 in milliseconds).
const FIRST_MILLISECONDS: i64 = 100_000_000_000;
/// Digits of a fraction that are read; more are cut off.
const FRACTION_DIGITS: usize = 9;

impl CwmpDateTime {
    /// Reads `text` leniently: any offset, fractions, no zone at all (taken as UTC), a blank in place of the `T`, a bare
    /// number of seconds or milliseconds since 1970, and the forms of [`CwmpDateTime::Unknown`] seen on the wire: empty,
    /// `0000-00-00…`, and the number 0.
    pub fn parse(text: &str) -> Result<Self, DateTimeError> {
        let text = text.trim();
        if text.is_empty() || text.starts_with("0000-") {
            return Ok(Self::Unknown);
        }
        if text.bytes().all(|b| b.is_ascii_digit()) && text.len() != 8 {
            return Self::from_number(text);
        }
        let (local, offset) = split_zone(text)?;
        let local: DateTime = cut_fraction(local).parse().map_err(|_| DateTimeError)?;
        if local.year() < 1 {
            return Err(DateTimeError);
        }
        Self::from_parts(local, offset)
    }

    fn from_parts(local: DateTime, offset: Option<Offset>) -> Result<Self, DateTimeError> {
        let second = local.with().subsec_nanosecond(0).build().map_err(|_| DateTimeError)?;
        if second == civil::datetime(9999, 12, 31, 23, 59, 59, 0) {
            return Ok(Self::Infinite);
        }
        match offset {
            Some(_) if second == BOOT => Ok(Self::Unknown),
            None if local.year() < FIRST_ABSOLUTE_YEAR => since_boot(local),
            offset => {
                let moment = offset.unwrap_or(Offset::UTC).to_timestamp(local).map_err(|_| DateTimeError)?;
                Ok(Self::At(Timestamp::from_micros(moment.as_microsecond())))
            }
        }
    }

    fn from_number(digits: &str) -> Result<Self, DateTimeError> {
        let number: i64 = digits.parse().map_err(|_| DateTimeError)?;
        if number == 0 {
            return Ok(Self::Unknown);
        }
        let micros = if number < FIRST_MILLISECONDS { number * 1_000_000 } else { number.saturating_mul(1000) };
        jiff::Timestamp::from_microsecond(micros).map_err(|_| DateTimeError)?;
        Ok(Self::At(Timestamp::from_micros(micros)))
    }

    /// The moment, if it is one.
    pub const fn moment(self) -> Option<Timestamp> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Unknown | Self::Infinite | Self::SinceBoot(_) => None,
        }
    }
}

/// The form in which the ACS sends it: UTC with `Z`, a fraction only where there is one. Time since boot stays without
/// zone, since that is its mark; it saturates at the year 999. A moment beyond the years 1 to 9999 becomes the unknown or the
/// infinite time.
impl fmt::Display for CwmpDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("0001-01-01T00:00:00Z"),
            Self::Infinite => f.write_str("9999-12-31T23:59:59Z"),
            Self::SinceBoot(duration) => write!(f, "{}", boot_time(*duration)),
            Self::At(moment) => match jiff::Timestamp::from_microsecond(moment.as_micros()) {
                Ok(time) if Offset::UTC.to_datetime(time).year() >= 1 => write!(f, "{time}"),
                _ if moment.as_micros() > 0 => Self::Infinite.fmt(f),
                _ => Self::Unknown.fmt(f),
            },
        }
    }
}

fn since_boot(local: DateTime) -> Result<CwmpDateTime, DateTimeError> {
    let micros = u64::try_from(local.duration_since(BOOT).as_micros()).map_err(|_| DateTimeError)?;
    Ok(CwmpDateTime::SinceBoot(Duration::from_micros(micros)))
}

fn boot_time(duration: Duration) -> DateTime {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|d| BOOT.checked_add(d).ok())
        .map_or(BOOT_LAST, |t| t.min(BOOT_LAST))
}

/// Splits `2026-01-31T12:00:00+01:00` into local time and offset; `None` where no zone is given.
fn split_zone(text: &str) -> Result<(&str, Option<Offset>), DateTimeError> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Ok((local.trim_end(), Some(Offset::UTC)));
    }
    // A sign before the time of day belongs to the date.
    let Some(time) = text.find(['T', 't', ' ']) else { return Ok((text, None)) };
    match text[time..].rfind(['+', '-']) {
        Some(sign) => {
            let (local, zone) = text.split_at(time + sign);
            Ok((local.trim_end(), Some(parse_offset(zone)?)))
        }
        None => Ok((text, None)),
    }
}

/// `+hh:mm`, `+hhmm` or `+hh`.
fn parse_offset(zone: &str) -> Result<Offset, DateTimeError> {
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DateTimeError);
    }
    let number = |range: &str| range.parse::<i32>().map_err(|_| DateTimeError);
    let hours = number(&digits[..2])?;
    let minutes = if digits.len() == 4 { number(&digits[2..])? } else { 0 };
    if hours > 14 || minutes > 59 {
        return Err(DateTimeError);
    }
    let seconds = hours * 3600 + minutes * 60;
    Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).map_err(|_| DateTimeError)
}

/// Shortens a fraction that is longer than anything we can hold.
fn cut_fraction(local: &str) -> &str {
    match local.rfind(['.', ',']) {
        Some(point) if local[point + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            &local[..local.len().min(point + 1 + FRACTION_DIGITS)]
        }
        _ => local,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> String {
        match CwmpDateTime::parse(text) {
            Ok(value @ CwmpDateTime::At(_)) => value.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn special_values_are_known_cwmp_079() {
        for text in ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00.000Z", "", " ", "0"] {
            assert_eq!(CwmpDateTime::parse(text), Ok(CwmpDateTime::Unknown), "{text:?}");
        }
        for text in ["0000-00-00T00:00:00", "0000-00-00T00:00:00Z", "0000-00-00 00:00:00"] {
            assert_eq!(CwmpDateTime::parse(text), Ok(CwmpDateTime::Unknown), "{text:?}");
        }
        for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59", "9999-12-31T23:59:59.999+00:00"] {
            assert_eq!(CwmpDateTime::parse(text), Ok(CwmpDateTime::Infinite), "{text:?}");
        }
    }

    #[test]
    fn time_since_boot_is_untimezoned_below_year_1000_cwmp_079() {
        let two_days = Duration::from_secs(2 * 86400 + 3 * 3600 + 4 * 60 + 5);
        assert_eq!(CwmpDateTime::parse("0001-01-03T03:04:05"), Ok(CwmpDateTime::SinceBoot(two_days)));
        assert_eq!(CwmpDateTime::SinceBoot(two_days).to_string(), "0001-01-03T03:04:05");
        assert_eq!(CwmpDateTime::parse("0001-01-01T00:00:00"), Ok(CwmpDateTime::SinceBoot(Duration::ZERO)));
        assert!(matches!(CwmpDateTime::parse("0999-12-31T23:59:59"), Ok(CwmpDateTime::SinceBoot(_))));
        assert!(matches!(CwmpDateTime::parse("1000-01-01T00:00:00"), Ok(CwmpDateTime::At(_))));
        assert!(matches!(CwmpDateTime::parse("0999-12-31T23:59:59Z"), Ok(CwmpDateTime::At(_))));
        assert_eq!(CwmpDateTime::SinceBoot(Duration::MAX).to_string(), "0999-12-31T23:59:59");
    }

    #[test]
    fn every_zone_form_becomes_utc_cwmp_080() {
        assert_eq!(at("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00+00:00"), "2026-01-31T12:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00-00:00"), "2026-01-31T12:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00+02:30"), "2026-01-31T09:30:00Z");
        assert_eq!(at("2026-01-31T12:00:00-0800"), "2026-01-31T20:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00+01"), "2026-01-31T11:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00"), "2026-01-31T12:00:00Z");
        assert_eq!(at("2026-01-31 12:00:00"), "2026-01-31T12:00:00Z");
        assert_eq!(at("2026-01-31T12:00:00.250"), "2026-01-31T12:00:00.25Z");
        assert_eq!(at("2026-01-31T12:00:00.123456789123Z"), "2026-01-31T12:00:00.123456Z");
        assert_eq!(at("1700000000"), "2023-11-14T22:13:20Z");
        assert_eq!(at("1700000000000"), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn what_is_no_date_time_is_refused() {
        for text in ["yesterday", "2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00+15:00", "-1"] {
            assert_eq!(CwmpDateTime::parse(text), Err(DateTimeError), "{text:?}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_are_written_as_the_ends() {
        assert_eq!(CwmpDateTime::At(Timestamp::from_micros(i64::MAX)).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(CwmpDateTime::At(Timestamp::from_micros(i64::MIN)).to_string(), "0001-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in -30_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let value = CwmpDateTime::At(Timestamp::from_micros(micros));
            prop_assert_eq!(CwmpDateTime::parse(&value.to_string()), Ok(value));
        }

        #[test]
        fn time_since_boot_is_read_back(micros in 0_u64..31_000_000_000_000_000) {
            let value = CwmpDateTime::SinceBoot(Duration::from_micros(micros));
            prop_assert_eq!(CwmpDateTime::parse(&value.to_string()), Ok(value));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZtz:+. \u{e9}-]{0,32}") {
            let _ = CwmpDateTime::parse(&text);
        }
    }
}
