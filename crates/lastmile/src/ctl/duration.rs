//! Lengths of time as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};

/// The longest that is taken: what the API takes at most, ten years.
const DAYS_MAX: u64 = 3650;

/// `90` (seconds), `90s`, `15m`, `2h`, `7d`, `1h 30m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => of_span(text).ok_or("write a time such as 90, 15m, 2h or 7d")?,
    };
    if seconds > DAYS_MAX * 24 * 3600 {
        return Err(format!("it must be at most {DAYS_MAX} days"));
    }
    Ok(Duration::from_secs(seconds))
}

fn of_span(text: &str) -> Option<u64> {
    let span: Span = text.parse().ok()?;
    if span.is_negative() {
        return None;
    }
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    // A span is far below 2^53 seconds.
    Some(seconds.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_units() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("1h 30m", 5400)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "soon", "-5", "-5m", "2h ago", "1.5", "1 month"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_longest_time_is_bounded() {
        assert!(parse("3650d").is_ok());
        assert!(parse("3651d").is_err());
        assert!(parse("99999999999999").is_err());
    }
}
