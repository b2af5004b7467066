//! Moments as people write them.

use cwmp_model::Timestamp;

use super::Failure;
use crate::ctl::duration;

/// A time within which something happened, both ends included; open where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Window {
    /// One that ends before it begins is a slip of the keyboard.
    pub(super) fn check(self) -> Result<Self, Failure> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(Failure::Usage(format!("--from {from} is after --to {to}"))),
            _ => Ok(self),
        }
    }

    pub(super) fn has(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.to.is_none_or(|to| moment <= to)
    }
}

/// `2026-01-31T12:00:00Z`, or how long ago: `90m`, `2h`, `7d`.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, jiff::Timestamp::now())
}

fn parse_at(text: &str, now: jiff::Timestamp) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(moment.as_microsecond()));
    }
    let ago = duration::parse(text).map_err(|_| "write a moment such as 2026-01-31T12:00:00Z, or how long ago: 2h")?;
    Ok(Timestamp::from_micros(now.as_microsecond()).minus(ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_absolute_or_ago() {
        let now: jiff::Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, seconds_ago) in [("2026-01-31T11:00:00Z", 3600), ("90m", 5400), ("2026-01-31T13:00:00+02:00", 3600)]
        {
            let expected = Timestamp::from_micros(now.as_microsecond() - seconds_ago * 1_000_000);
            assert_eq!(parse_at(text, now), Ok(expected), "{text}");
        }
        for wrong in ["", "yesterday", "2026-01-31", "-2h"] {
            assert!(parse_at(wrong, now).is_err(), "{wrong}");
        }
    }
}
