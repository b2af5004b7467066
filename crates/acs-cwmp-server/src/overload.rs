use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many new sessions at a time (CWMP-033, P17). Sessions that have begun are always let through.
#[derive(Debug, Clone)]
pub struct OverloadLimits {
    /// Informs between their arrival and their InformResponse.
    pub informs: usize,
    /// Informs that wait for their turn beside those.
    pub informs_waiting: usize,
    /// How long one may wait; short, so that a refusal is quick.
    pub wait: Duration,
    /// Live sessions.
    pub sessions: usize,
    /// Retry-After of a refusal is a random number of seconds of this range.
    pub retry_after_seconds: RangeInclusive<u32>,
}

impl Default for OverloadLimits {
    fn default() -> Self {
        Self {
            informs: 512,
            informs_waiting: 512,
            wait: Duration::from_millis(40),
            sessions: 20_000,
            retry_after_seconds: 30..=180,
        }
    }
}

/// Lets new sessions in, or says why not.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: OverloadLimits,
    turns: Semaphore,
    waiting: AtomicUsize,
    closed: AtomicBool,
}

/// Why a new session was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    Informs,
    Sessions,
    Draining,
}

impl Shed {
    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Informs => "informs",
            Self::Sessions => "sessions",
            Self::Draining => "draining",
        }
    }
}

impl Admission {
    pub(crate) fn new(limits: OverloadLimits) -> Self {
        let turns = Semaphore::new(limits.informs);
        Self { limits, turns, waiting: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// Whether a new session would be refused right now: asked before a body is read.
    pub(crate) fn sheds(&self, live_sessions: usize) -> Option<Shed> {
        if self.closed.load(Ordering::Relaxed) {
            return Some(Shed::Draining);
        }
        if live_sessions >= self.limits.sessions {
            return Some(Shed::Sessions);
        }
        let full = self.turns.available_permits() == 0 && self.is_queue_full();
        full.then_some(Shed::Informs)
    }

    /// A turn for one Inform; held until its response is made.
    pub(crate) async fn enter(&self, live_sessions: usize) -> Result<SemaphorePermit<'_>, Shed> {
        if let Some(shed) = self.sheds(live_sessions) {
            return Err(shed);
        }
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        if self.is_queue_full() {
            return Err(Shed::Informs);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = tokio::time::timeout(self.limits.wait, self.turns.acquire()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Shed::Informs),
        }
    }

    /// From now on nobody is let in.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// When to come again, in seconds: random, so that not all come at once.
    pub(crate) fn retry_after(&self) -> u32 {
        rand::random_range(self.limits.retry_after_seconds.clone())
    }

    fn is_queue_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.limits.informs_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(informs: usize, informs_waiting: usize) -> Admission {
        Admission::new(OverloadLimits { informs, informs_waiting, sessions: 10, ..OverloadLimits::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn cwmp_033_a_full_house_refuses_quickly_p17() {
        let admission = admission(1, 1);
        let turn = admission.enter(0).await.unwrap();
        let before = tokio::time::Instant::now();
        let (second, third) = tokio::join!(admission.enter(0), admission.enter(0));
        assert_eq!((second.unwrap_err(), third.unwrap_err()), (Shed::Informs, Shed::Informs));
        assert!(before.elapsed() <= Duration::from_millis(50), "P17");
        drop(turn);
        assert!(admission.enter(0).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_gets_the_turn_that_becomes_free() {
        let admission = admission(1, 1);
        let turn = admission.enter(0).await.unwrap();
        let free = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(turn);
        };
        let (waited, ()) = tokio::join!(admission.enter(0), free);
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn live_sessions_are_limited_at_the_edge_p19() {
        let admission = admission(5, 5);
        assert!(admission.enter(9).await.is_ok());
        assert_eq!(admission.enter(10).await.unwrap_err(), Shed::Sessions);
        admission.close();
        assert_eq!(admission.sheds(0), Some(Shed::Draining));
    }

    #[test]
    fn retry_after_is_random_within_its_range_p17() {
        let admission = admission(1, 1);
        let values: std::collections::HashSet<u32> = (0..100).map(|_| admission.retry_after()).collect();
        assert!(values.len() > 10 && values.iter().all(|v| (30..=180).contains(v)), "{values:?}");
    }
}
