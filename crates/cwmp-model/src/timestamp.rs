use std::fmt;
use std::time::Duration;

/// A moment: microseconds since 1970-01-01T00:00:00Z. The only form of time inside the pure crates.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From whole seconds since 1970 UTC; saturates at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970 UTC, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The moment `duration` later; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// The moment `duration` earlier; saturates.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC with microseconds, `2026-01-31T12:00:00.000000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_move_by_durations_and_saturate() {
        let moment = Timestamp::from_seconds(10);
        assert_eq!(moment.plus(Duration::from_micros(1)).as_micros(), 10_000_001);
        assert_eq!(moment.minus(Duration::from_secs(11)).as_seconds(), -1);
        assert_eq!(moment.plus(Duration::MAX), Timestamp::from_micros(i64::MAX));
        assert_eq!(moment.minus(Duration::MAX), Timestamp::from_micros(10_000_000 - i64::MAX));
        assert_eq!(Timestamp::from_seconds(i64::MAX), Timestamp::from_micros(i64::MAX));
        assert_eq!(Timestamp::from_micros(-1).as_seconds(), -1);
    }

    #[test]
    fn what_is_not_later_is_no_time_after() {
        let (early, late) = (Timestamp::from_seconds(1), Timestamp::from_seconds(3));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn moments_are_written_in_rfc_3339() {
        assert_eq!(Timestamp::from_seconds(1_769_860_800).to_string(), "2026-01-31T12:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9223372036854775807us");
    }
}
