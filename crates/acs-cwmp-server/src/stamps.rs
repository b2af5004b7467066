use std::sync::atomic::{AtomicI64, Ordering};

use acs_types::SessionStamp;
use cwmp_model::Timestamp;

/// Gives out session stamps, each larger than all before it at this front-end: also when two Informs of a device come at the
/// same moment, or the clock goes back (P9).
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// The largest given out, in microseconds.
    issued: AtomicI64,
}

impl Stamps {
    /// The stamp of a session that begins `now`, after one of the device with stamp `last`.
    pub(crate) fn issue(&self, last: SessionStamp, now: Timestamp) -> SessionStamp {
        let wanted = last.next(now).as_micros();
        let beyond = |issued: i64| wanted.max(issued.saturating_add(1));
        let before = self.issued.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |issued| Some(beyond(issued)));
        SessionStamp::from_micros(before.map_or(wanted, beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_one_moment_differ_and_grow_when_the_clock_goes_back_p9() {
        let stamps = Stamps::default();
        let last = SessionStamp::from_micros(50);
        let issue = |now| stamps.issue(last, Timestamp::from_micros(now)).as_micros();
        assert_eq!([issue(100), issue(100), issue(40), issue(200)], [100, 101, 102, 200]);
    }
}
