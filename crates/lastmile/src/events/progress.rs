//! How far long work came, on stderr.

use std::time::{Duration, Instant};

/// Work that is done sooner says nothing.
const FIRST: Duration = Duration::from_secs(2);
/// The pause between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// What is read of a log.
#[derive(Debug)]
pub(super) struct Progress {
    of: u64,
    done: u64,
    next: Instant,
}

impl Progress {
    pub(super) fn new(of: u64) -> Self {
        Self { of, done: 0, next: Instant::now() + FIRST }
    }

    /// So many more are done. Says so now and then.
    pub(super) fn advance(&mut self, by: u64) {
        self.done += by;
        if let Some(line) = self.line(Instant::now()) {
            eprintln!("{line}");
        }
    }

    fn line(&mut self, now: Instant) -> Option<String> {
        if now < self.next {
            return None;
        }
        self.next = now + PAUSE;
        let percent = self.done.saturating_mul(100).checked_div(self.of).unwrap_or(100);
        Some(format!("read {} of {} messages ({percent} %)", self.done, self.of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_says_nothing_and_long_work_not_too_much() {
        let mut progress = Progress::new(200);
        progress.advance(50);
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(progress.line(later(1)), None);
        assert_eq!(progress.line(later(3)).as_deref(), Some("read 50 of 200 messages (25 %)"));
        progress.advance(100);
        assert_eq!(progress.line(later(7)), None);
        assert_eq!(progress.line(later(9)).as_deref(), Some("read 150 of 200 messages (75 %)"));
    }
}
