use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

/// How many logins may fail (CWMP-062). Every number counts within one window.
#[derive(Debug, Clone)]
pub struct AttemptLimits {
    /// The window.
    pub window: Duration,
    /// Of one user name from one source.
    pub per_login: u32,
    /// Of one user name from everywhere.
    pub per_user: u32,
    /// Of one source.
    pub per_source: u32,
    /// A login that succeeded is free of the last two limits for so long from the same source, so that a guesser can lock
    /// out neither the device whose name it uses nor its neighbours behind one address.
    pub trusted_for: Duration,
    /// Refusals that go to the event log, per second; further ones are only counted (P24).
    pub listed_per_second: u32,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            per_login: 10,
            per_user: 60,
            per_source: 300,
            trusted_for: Duration::from_secs(24 * 3600),
            listed_per_second: 10,
        }
    }
}

/// Windows and successes remembered; the least used are forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// Counts failed logins.
pub(crate) struct Attempts {
    limits: AttemptLimits,
    failed: Cache<Key, Arc<Mutex<Window>>>,
    trusted: Cache<(IpAddr, u64), Instant>,
    names: RandomState,
    listed: Mutex<Window>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Login(IpAddr, u64),
    User(u64),
    Source(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    count: u32,
}

impl Attempts {
    pub(crate) fn new(limits: AttemptLimits) -> Self {
        Self {
            limits,
            failed: Cache::new(REMEMBERED_MAX),
            trusted: Cache::new(REMEMBERED_MAX),
            names: RandomState::new(),
            listed: Mutex::new(Window { since: Instant::now(), count: 0 }),
        }
    }

    /// Whether this login has failed too often to be looked at.
    pub(crate) fn is_blocked(&self, source: IpAddr, username: &str) -> bool {
        let name = self.names.hash_one(username);
        if self.count(Key::Login(source, name)) >= self.limits.per_login {
            return true;
        }
        let trusted = self.trusted.get(&(source, name)).is_some_and(|at| at.elapsed() < self.limits.trusted_for);
        let often = || {
            self.count(Key::User(name)) >= self.limits.per_user
                || self.count(Key::Source(source)) >= self.limits.per_source
        };
        !trusted && often()
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, source: IpAddr, username: &str) {
        let name = self.names.hash_one(username);
        for key in [Key::Login(source, name), Key::User(name), Key::Source(source)] {
            let window = self.failed.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
            let Ok(window) = window;
            add(&window, self.limits.window);
        }
    }

    /// The login was right.
    pub(crate) fn succeeded(&self, source: IpAddr, username: &str) {
        let login = (source, self.names.hash_one(username));
        let now = Instant::now();
        // Written once in a while, not with every Inform.
        let fresh = self.trusted.get(&login).is_some_and(|at| now - at < self.limits.trusted_for / 24);
        if !fresh {
            self.trusted.insert(login, now);
        }
    }

    /// Whether one more refusal may go to the event log now.
    pub(crate) fn may_list(&self) -> bool {
        add(&self.listed, Duration::from_secs(1)) <= self.limits.listed_per_second
    }

    fn count(&self, key: Key) -> u32 {
        let Some(window) = self.failed.get(&key) else { return 0 };
        let window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.since.elapsed() < self.limits.window { window.count } else { 0 }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { since: Instant::now(), count: 0 }
    }
}

/// Counts one more and says how many there are in the window.
fn add(window: &Mutex<Window>, length: Duration) -> u32 {
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
    if window.since.elapsed() >= length {
        *window = Window::default();
    }
    window.count = window.count.saturating_add(1);
    window.count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn fail(attempts: &Attempts, source: u8, user: &str, times: u32) {
        (0..times).for_each(|_| attempts.failed(address(source), user));
    }

    #[tokio::test(start_paused = true)]
    async fn cwmp_062_a_login_is_blocked_at_its_limit_for_the_window() {
        let attempts = Attempts::new(AttemptLimits::default());
        fail(&attempts, 1, "u", 9);
        assert!(!attempts.is_blocked(address(1), "u"));
        fail(&attempts, 1, "u", 1);
        assert!(attempts.is_blocked(address(1), "u"));
        assert!(!attempts.is_blocked(address(1), "v") && !attempts.is_blocked(address(2), "u"));
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!(!attempts.is_blocked(address(1), "u"));
    }

    #[tokio::test(start_paused = true)]
    async fn cwmp_062_a_guesser_does_not_lock_out_the_device_or_its_neighbours() {
        let attempts = Attempts::new(AttemptLimits::default());
        attempts.succeeded(address(1), "u");
        for source in 2..8 {
            fail(&attempts, source, "u", 10);
        }
        assert!(attempts.is_blocked(address(9), "u"), "60 failures of one user name");
        assert!(!attempts.is_blocked(address(1), "u"), "but it is known here");
        for n in 0..300 {
            fail(&attempts, 1, &format!("guess{n}"), 1);
        }
        assert!(attempts.is_blocked(address(1), "another"), "300 failures of one source");
        assert!(!attempts.is_blocked(address(1), "u"));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_listed_at_a_bounded_rate_p24() {
        let attempts = Attempts::new(AttemptLimits::default());
        assert_eq!((0..50).filter(|_| attempts.may_list()).count(), 10);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(attempts.may_list());
    }
}
