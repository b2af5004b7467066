use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::Metrics;

/// Whether a process lives, whether it should get traffic, and why not. Clones share one state.
///
/// Each part of a process owns a named [`Check`] and says when its state changes; asking for health is only a look at
/// what was said, so a probe never waits and never loads what it asks about.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

/// What a failing check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impact {
    /// The process cannot recover by itself: restart it.
    Fatal,
    /// It should get no traffic.
    NotReady,
    /// It serves, but worse; traffic stays.
    Degraded,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    /// All is well.
    Passing,
    /// Why not: what happened and what to do, for a person. No secrets.
    Failing(String),
}

/// Health at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// No fatal check fails: answer `/health/live` with 200, else 503.
    pub live: bool,
    /// Live, not draining, and nothing that traffic needs fails: answer `/health/ready` with 200, else 503.
    pub ready: bool,
    /// Something fails, of whatever impact.
    pub degraded: bool,
    /// The process is about to end.
    pub draining: bool,
    /// Every check by name.
    pub checks: Vec<(&'static str, Impact, CheckState)>,
}

/// The right to say how one thing is. It fails from the start until it is said to pass.
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    gauge: Family<[(&'static str, &'static str); 1], Gauge>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    checks: BTreeMap<&'static str, (Impact, CheckState)>,
}

impl Health {
    /// Health without checks: live and ready. Each check shows as `lastmile_health_check{check="…"}`, 1 or 0.
    pub fn new(metrics: &Metrics) -> Self {
        let gauge = Family::default();
        metrics.register("health", |registry| registry.register("check", "1: the check passes", gauge.clone()));
        Self { inner: Arc::new(Inner { state: Mutex::default(), gauge }) }
    }

    /// Adds a check, failing as `starting`. The same name again replaces the earlier one.
    pub fn check(&self, name: &'static str, impact: Impact) -> Check {
        self.inner.set(name, impact, CheckState::Failing("starting".to_owned()));
        Check { name, inner: Arc::clone(&self.inner) }
    }

    /// From now on not ready: the process ends as soon as what it serves is done.
    pub fn drain(&self) {
        self.inner.lock().draining = true;
    }

    /// Health now.
    pub fn report(&self) -> Report {
        let state = self.inner.lock();
        let fails = |wanted: Impact| {
            state.checks.values().any(|(impact, s)| *impact == wanted && matches!(s, CheckState::Failing(_)))
        };
        let live = !fails(Impact::Fatal);
        let ready = live && !state.draining && !fails(Impact::NotReady);
        Report {
            live,
            ready,
            degraded: !live || fails(Impact::NotReady) || fails(Impact::Degraded),
            draining: state.draining,
            checks: state.checks.iter().map(|(name, (impact, s))| (*name, *impact, s.clone())).collect(),
        }
    }
}

impl Check {
    /// All is well.
    pub fn pass(&self) {
        self.inner.change(self.name, CheckState::Passing);
    }

    /// It is not: `why` is shown to operators, so it holds no secret.
    pub fn fail(&self, why: impl Into<String>) {
        self.inner.change(self.name, CheckState::Failing(why.into()));
    }
}

impl Inner {
    fn set(&self, name: &'static str, impact: Impact, new: CheckState) {
        let mut state = self.lock();
        self.gauge.get_or_create(&[("check", name)]).set(i64::from(new == CheckState::Passing));
        state.checks.insert(name, (impact, new));
    }

    /// Changes a check and logs the change; saying the same again costs nothing.
    fn change(&self, name: &'static str, new: CheckState) {
        let mut state = self.lock();
        let Some((impact, old)) = state.checks.get_mut(name) else { return };
        if *old == new {
            return;
        }
        match &new {
            CheckState::Passing => tracing::info!(check = name, "health check passes"),
            CheckState::Failing(why) => tracing::warn!(check = name, ?impact, why, "health check fails"),
        }
        self.gauge.get_or_create(&[("check", name)]).set(i64::from(new == CheckState::Passing));
        *old = new;
    }

    // The state is consistent after each statement, so a panic elsewhere under the lock does no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_decide_by_their_impact() {
        let metrics = Metrics::default();
        let health = Health::new(&metrics);
        assert!(health.report().ready);
        let store = health.check("store", Impact::NotReady);
        assert_eq!((health.report().live, health.report().ready), (true, false), "starting");
        store.pass();
        assert!(health.report().ready && !health.report().degraded);
        let cache = health.check("cache", Impact::Degraded);
        cache.fail("no answer");
        let report = health.report();
        assert!(report.ready && report.degraded);
        assert_eq!(report.checks[0], ("cache", Impact::Degraded, CheckState::Failing("no answer".into())));
        let log = health.check("log", Impact::Fatal);
        assert!(!health.report().live && !health.report().ready);
        log.pass();
        assert!(metrics.exposition().contains(r#"lastmile_health_check{check="cache"} 0"#));
        assert!(metrics.exposition().contains(r#"lastmile_health_check{check="store"} 1"#));
    }

    #[test]
    fn a_draining_process_lives_and_is_not_ready() {
        let health = Health::new(&Metrics::default());
        health.drain();
        let report = health.report();
        assert!(report.live && report.draining && !report.ready);
    }
}
