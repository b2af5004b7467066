use std::collections::BTreeSet;

use super::CheckedNonce;

/// Remembers which (nonce, nc) pairs were used, up to a fixed number (CWMP-052).
///
/// When it is full it forgets the pair with the oldest nonce and from then on refuses every nonce of that age or older, so a
/// forgotten pair cannot be used again: under pressure devices are challenged once more, and none gets in twice.
#[derive(Debug)]
pub struct ReplayWindow {
    capacity: usize,
    /// By age: a nonce begins with its time.
    seen: BTreeSet<(CheckedNonce, u32)>,
    /// Nonces made at this second or before are refused.
    floor: u32,
}

/// Whether a pair may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// For the first time.
    New,
    /// It was used, or may have been: answer with `stale=true`, so that a device that uses one nonce for ever recovers.
    Repeated,
}

impl ReplayWindow {
    /// Remembers up to `capacity` pairs (at least one), about 100 bytes each.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: BTreeSet::new(), floor: 0 }
    }

    /// Uses a pair. `count` is `nc`, or 0 where there is none: such a nonce serves once.
    pub fn admit(&mut self, nonce: CheckedNonce, count: u32) -> Admission {
        if nonce.issued_at() <= self.floor || !self.seen.insert((nonce, count)) {
            return Admission::Repeated;
        }
        if self.seen.len() > self.capacity
            && let Some((forgotten, _)) = self.seen.pop_first()
        {
            self.floor = self.floor.max(forgotten.issued_at());
        }
        Admission::New
    }

    /// How many pairs it remembers.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use cwmp_model::Timestamp;

    use super::*;
    use crate::auth::{Nonce, NonceKey};

    fn nonce(seconds: i64, random: u8) -> CheckedNonce {
        let key = NonceKey::new([1; 32]);
        let now = Timestamp::from_seconds(seconds);
        match NonceKey::check(std::slice::from_ref(&key), &key.issue(now, [random; 8]), now) {
            Nonce::Fresh(checked) => checked,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pair_is_refused_the_second_time_cwmp_052() {
        let mut window = ReplayWindow::new(10);
        let first = nonce(1000, 1);
        assert_eq!(window.admit(first, 1), Admission::New);
        assert_eq!(window.admit(first, 1), Admission::Repeated);
        assert_eq!(window.admit(first, 3), Admission::New);
        assert_eq!(window.admit(first, 2), Admission::New, "order does not matter");
        assert_eq!(window.admit(nonce(1000, 2), 1), Admission::New);
    }

    #[test]
    fn what_is_forgotten_cannot_be_used_again_cwmp_052() {
        let mut window = ReplayWindow::new(2);
        let old = nonce(1000, 1);
        for (nonce, count) in [(old, 1), (nonce(1001, 2), 1)] {
            assert_eq!(window.admit(nonce, count), Admission::New);
        }
        assert_eq!(window.len(), 2);
        assert_eq!(window.admit(nonce(1002, 3), 1), Admission::New);
        assert_eq!(window.len(), 2, "the limit holds");
        assert_eq!(window.admit(old, 1), Admission::Repeated);
        assert_eq!(window.admit(nonce(1000, 9), 1), Admission::Repeated, "as old as the forgotten one");
        assert_eq!(window.admit(nonce(1002, 4), 1), Admission::New);
    }

    #[test]
    fn nonces_of_a_clock_that_is_ahead_shut_nobody_out_cwmp_537() {
        let mut window = ReplayWindow::new(2);
        assert_eq!(window.admit(nonce(1500, 1), 1), Admission::New);
        for random in 2..20 {
            assert_eq!(window.admit(nonce(1000 + i64::from(random), random), 1), Admission::New);
        }
        assert_eq!(window.admit(nonce(1500, 1), 1), Admission::Repeated);
    }
}
