use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cwmp_model::Timestamp;
use tokio::time::Instant;

/// The time of a fleet: the wall clock at its start, then the runtime's time, so that it never goes back and stands still
/// where a test pauses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    started: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Timestamp::from_micros(0).plus(since_1970), started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start.plus(self.started.elapsed())
    }

    /// Sleeps until `moment`; returns at once if it is past.
    pub(crate) async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep(moment.since(self.now())).await;
    }
}

/// A wait that no device lives to see the end of.
pub(crate) const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
