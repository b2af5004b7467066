use cwmp_model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A moment in UTC (RFC 3339).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Time, value_type = String, format = DateTime, example = "2026-01-31T12:00:00.000000Z")]
pub(crate) struct TimeDto(String);

impl From<Timestamp> for TimeDto {
    fn from(time: Timestamp) -> Self {
        Self(time.to_string())
    }
}

/// A moment as a caller writes it (RFC 3339).
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let time = Timestamp::from_micros(1_769_860_800_000_001);
        assert_eq!(parse_time(&TimeDto::from(time).0), Some(time));
        assert_eq!(parse_time("2026-01-31T13:00:00+01:00"), Some(Timestamp::from_seconds(1_769_860_800)));
        assert_eq!(parse_time("yesterday"), None);
    }
}
