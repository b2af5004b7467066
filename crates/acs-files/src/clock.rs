use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cwmp_model::Timestamp;

/// This host's time.
pub(crate) fn now() -> Timestamp {
    Timestamp::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// In whole seconds, as HTTP dates are.
pub(crate) fn http_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(at.as_seconds()).unwrap_or(0))
}
