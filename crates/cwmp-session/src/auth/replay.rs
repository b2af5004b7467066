use std::collections::{HashSet, VecDeque};

use super::CheckedNonce;

/// Remembers which (nonce, nc) pairs were used, up to a fixed number (CWMP-052).
///
/// When it is full it forgets the oldest pair and from then on refuses every nonce that is no younger than the forgotten one,
/// so a forgotten pair cannot be used again: under pressure devices are challenged once more, and none gets in twice.
#[derive(Debug)]
pub struct ReplayWindow {
    capacity: usize,
    seen: HashSet<(CheckedNonce, u32)>,
    order: VecDeque<(CheckedNonce, u32)>,
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
        Self { capacity: capacity.max(1), seen: HashSet::new(), order: VecDeque::new(), floor: 0 }
    }

    /// Uses a pair. `count` is `nc`, or 0 where there is none: such a nonce serves once.
    pub fn admit(&mut self, nonce: CheckedNonce, count: u32) -> Admission {
        if nonce.issued_at() <= self.floor || !self.seen.insert((nonce, count)) {
            return Admission::Repeated;
        }
        self.order.push_back((nonce, count));
        if self.order.len() > self.capacity
            && let Some(forgotten) = self.order.pop_front()
        {
            self.seen.remove(&forgotten);
            self.floor = self.floor.max(forgotten.0.issued_at());
        }
        Admission::New
    }

    /// How many pairs it remembers.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
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
}
