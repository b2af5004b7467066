use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::BreakerConfig;

/// Keeps calls from waiting for a Redis that does not answer: closed, open for a pause, then one call tries for all.
#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Failures without a success between.
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is trying.
    HalfOpen,
}

/// Whether a call may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    /// It tries for all: what becomes of it has to be told.
    Probe,
    Refused,
}

/// What became of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Opened,
    /// Still no answer: another pause.
    OpenedAgain,
    Closed,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    pub(crate) fn admit(&self, now: Instant) -> Admission {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => Admission::Admitted,
            State::Open { until } if now >= until => {
                *state = State::HalfOpen;
                Admission::Probe
            }
            State::Open { .. } | State::HalfOpen => Admission::Refused,
        }
    }

    pub(crate) fn succeeded(&self, admission: Admission) -> Change {
        let mut state = self.state();
        match (*state, admission) {
            (State::HalfOpen, Admission::Probe) => {
                *state = State::Closed { failures: 0 };
                Change::Closed
            }
            (State::Closed { .. }, _) => {
                *state = State::Closed { failures: 0 };
                Change::None
            }
            // An answer to a question from before it opened.
            _ => Change::None,
        }
    }

    pub(crate) fn failed(&self, admission: Admission, now: Instant) -> Change {
        let mut state = self.state();
        let open = State::Open { until: now + self.config.pause };
        match (*state, admission) {
            (State::HalfOpen, Admission::Probe) => {
                *state = open;
                Change::OpenedAgain
            }
            (State::Closed { failures }, _) if failures + 1 >= self.config.failures => {
                *state = open;
                Change::Opened
            }
            (State::Closed { failures }, _) => {
                *state = State::Closed { failures: failures + 1 };
                Change::None
            }
            _ => Change::None,
        }
    }

    /// The caller went away before anything was known: the next one tries.
    pub(crate) fn given_up(&self, admission: Admission, now: Instant) {
        let mut state = self.state();
        if *state == State::HalfOpen && admission == Admission::Probe {
            *state = State::Open { until: now };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(500);

    fn opened() -> (Breaker, Instant) {
        let (breaker, now) = (Breaker::new(BreakerConfig { failures: 3, pause: PAUSE }), Instant::now());
        for expected in [Change::None, Change::None, Change::Opened] {
            assert_eq!(breaker.admit(now), Admission::Admitted);
            assert_eq!(breaker.failed(Admission::Admitted, now), expected);
        }
        (breaker, now)
    }

    #[test]
    fn it_opens_at_the_last_failure_in_a_row() {
        let (breaker, now) = (Breaker::new(BreakerConfig { failures: 3, pause: PAUSE }), Instant::now());
        for _ in 0..4 {
            breaker.failed(Admission::Admitted, now);
            breaker.failed(Admission::Admitted, now);
            assert_eq!(breaker.succeeded(Admission::Admitted), Change::None);
        }
        assert_eq!(breaker.admit(now), Admission::Admitted);
        let (breaker, now) = opened();
        assert_eq!(breaker.admit(now), Admission::Refused);
    }

    #[test]
    fn one_call_tries_after_the_pause() {
        let (breaker, now) = opened();
        assert_eq!(breaker.admit(now + PAUSE - Duration::from_nanos(1)), Admission::Refused);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Probe);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Refused, "one is enough");
        assert_eq!(breaker.failed(Admission::Probe, now + PAUSE), Change::OpenedAgain);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Refused);
        assert_eq!(breaker.admit(now + PAUSE * 2), Admission::Probe);
        assert_eq!(breaker.succeeded(Admission::Probe), Change::Closed);
        assert_eq!(breaker.admit(now), Admission::Admitted);
        assert_eq!(breaker.failed(Admission::Admitted, now), Change::None, "it counts from the beginning");
    }

    #[test]
    fn calls_from_before_change_nothing_while_it_is_open() {
        let (breaker, now) = opened();
        assert_eq!(breaker.succeeded(Admission::Admitted), Change::None);
        assert_eq!(breaker.failed(Admission::Admitted, now + PAUSE), Change::None);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Probe);
        assert_eq!(breaker.succeeded(Admission::Admitted), Change::None);
        assert_eq!(breaker.failed(Admission::Admitted, now), Change::None);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Refused, "the probe is still out");
    }

    #[test]
    fn a_probe_that_was_given_up_leaves_its_place() {
        let (breaker, now) = opened();
        assert_eq!(breaker.admit(now + PAUSE), Admission::Probe);
        breaker.given_up(Admission::Admitted, now + PAUSE);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Refused);
        breaker.given_up(Admission::Probe, now + PAUSE);
        assert_eq!(breaker.admit(now + PAUSE), Admission::Probe);
    }
}
