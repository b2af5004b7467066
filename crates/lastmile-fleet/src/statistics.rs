use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::SessionReport;

/// Longest session that is told apart from longer ones.
const MICROS_MAX: u64 = 600_000_000;
/// Digits of a latency that are right.
const DIGITS: u8 = 3;

/// Counts sessions as they end: since the start, and since the last look.
#[derive(Debug)]
pub struct Statistics(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    all: Tally,
    lately: Tally,
}

#[derive(Debug)]
struct Tally {
    latencies: Histogram<u64>,
    failures: BTreeMap<&'static str, u64>,
    posts: u64,
}

/// What sessions came to in some time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Sessions that completed.
    pub completed: u64,
    /// Sessions that failed.
    pub failed: u64,
    /// The same by kind, see [`SessionFailure::kind`](crate::SessionFailure::kind).
    pub failures: BTreeMap<String, u64>,
    /// HTTP requests.
    pub posts: u64,
    /// How long those that completed took.
    pub latency_ms: Latency,
}

/// How long sessions took, in milliseconds; 0 if there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them took less.
    pub p50: f64,
    /// 95 of 100 took less.
    pub p95: f64,
    /// 99 of 100 took less.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Statistics {
    fn default() -> Self {
        Self(Mutex::new(Inner { all: Tally::new(), lately: Tally::new() }))
    }
}

impl Statistics {
    /// Counts one session.
    pub fn add(&self, report: &SessionReport) {
        let mut inner = self.inner();
        inner.all.add(report);
        inner.lately.add(report);
    }

    /// Everything since the start, or the last [`reset`](Self::reset).
    pub fn all(&self) -> Summary {
        self.inner().all.summary()
    }

    /// Everything since the last call.
    pub fn lately(&self) -> Summary {
        std::mem::replace(&mut self.inner().lately, Tally::new()).summary()
    }

    /// Forgets everything.
    pub fn reset(&self) {
        *self.inner() = Inner { all: Tally::new(), lately: Tally::new() };
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn new() -> Self {
        let latencies = Histogram::new_with_max(MICROS_MAX, DIGITS).expect("the bounds are constants that fit");
        Self { latencies, failures: BTreeMap::new(), posts: 0 }
    }

    fn add(&mut self, report: &SessionReport) {
        self.posts += u64::from(report.posts);
        match &report.failure {
            None => self.latencies.saturating_record(micros(report.duration)),
            Some(failure) => *self.failures.entry(failure.kind()).or_default() += 1,
        }
    }

    fn summary(&self) -> Summary {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let quantile = |q| millis(self.latencies.value_at_quantile(q));
        Summary {
            completed: self.latencies.len(),
            failed: self.failures.values().sum(),
            failures: self.failures.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            posts: self.posts,
            latency_ms: Latency {
                p50: quantile(0.5),
                p95: quantile(0.95),
                p99: quantile(0.99),
                max: millis(self.latencies.max()),
            },
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p95, p99, max } = self.latency_ms;
        write!(f, "p50 {p50:.1} p95 {p95:.1} p99 {p99:.1} max {max:.1} ms  failed {}", self.failed)?;
        if !self.failures.is_empty() {
            let kinds: Vec<String> = self.failures.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            write!(f, " ({})", kinds.join(", "))?;
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The processor time that this process has used, of all cores together. `None` where the system does not tell.
pub(crate) fn cpu_time() -> Option<Duration> {
    // Linux counts in hundredths of a second there, whatever the kernel's own tick is.
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionFailure;

    fn report(millis: u64, failure: Option<SessionFailure>) -> SessionReport {
        SessionReport { device: 0, session: 1, duration: Duration::from_millis(millis), posts: 2, failure }
    }

    #[test]
    fn sessions_are_counted_once_and_lately_apart() {
        let statistics = Statistics::default();
        (1..=100).for_each(|millis| statistics.add(&report(millis, None)));
        assert_eq!(statistics.lately().completed, 100);
        statistics.add(&report(9, Some(SessionFailure::Connect("no".to_owned()))));
        let (all, lately) = (statistics.all(), statistics.lately());
        assert_eq!((all.completed, all.failed, all.posts), (100, 1, 202));
        assert_eq!((lately.completed, lately.failed), (0, 1));
        assert!((49.9..51.1).contains(&all.latency_ms.p50) && (99.9..100.5).contains(&all.latency_ms.max));
        assert_eq!(all.failures, BTreeMap::from([("connect".to_owned(), 1)]));
        assert!(all.to_string().ends_with("failed 1 (connect 1)"), "{all}");
        statistics.reset();
        assert_eq!(statistics.all(), Summary::default());
    }

    #[test]
    fn longer_than_the_longest_is_the_longest() {
        let statistics = Statistics::default();
        statistics.add(&report(3_600_000, None));
        assert!((599_000.0..601_000.0).contains(&statistics.all().latency_ms.max));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_grows() {
        let before = cpu_time().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        assert!(cpu_time().unwrap() > before);
    }
}
