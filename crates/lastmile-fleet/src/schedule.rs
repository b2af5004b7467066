use std::time::Duration;

use cwmp_model::{CwmpDateTime, Timestamp};
use cwmp_session::cpe::retry_wait;

use crate::clock::FOREVER;
use crate::config::RetryRule;
use crate::model::DataModel;

/// When a device speaks next: pure, time and randomness are arguments.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// No session before, unless something new happens.
    hold_until: Option<Timestamp>,
    /// Failed sessions in a row, counted anew after a reboot (CWMP-176).
    failures: u32,
    /// When periodic Informs are due where PeriodicInformTime is unknown: any multiple of the interval from here.
    own_phase: Timestamp,
    /// Of the last periodic Inform that was due.
    last_periodic: Timestamp,
}

impl Schedule {
    pub(crate) const fn new(now: Timestamp, own_phase: Timestamp) -> Self {
        Self { hold_until: None, failures: 0, own_phase, last_periodic: now }
    }

    /// Nothing until something new happens.
    pub(crate) fn hold(&mut self, now: Timestamp) {
        self.hold_until = Some(now.plus(FOREVER));
    }

    /// Whether a session may open at `now`.
    pub(crate) fn may_open(&self, now: Timestamp) -> bool {
        self.hold_until.is_none_or(|until| until <= now)
    }

    pub(crate) const fn hold_until(&self) -> Option<Timestamp> {
        self.hold_until
    }

    pub(crate) const fn completed(&mut self) {
        self.hold_until = None;
        self.failures = 0;
    }

    /// A session failed, or completed without delivering all: the next one waits (CWMP-175).
    pub(crate) fn failed(&mut self, now: Timestamp, rule: RetryRule, intervals: (u16, u16), random: u64) {
        self.failures = self.failures.saturating_add(1);
        let wait = match rule {
            RetryRule::Table => retry_wait(self.failures, intervals.0, intervals.1, random),
            RetryRule::After(wait) => wait,
            RetryRule::Never => FOREVER,
        };
        self.hold_until = Some(now.plus(wait));
    }

    /// The ACS said when to come again.
    pub(crate) fn told(&mut self, now: Timestamp, wait: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.hold_until = Some(now.plus(wait));
    }

    /// CWMP-176.
    pub(crate) const fn restarted(&mut self) {
        self.failures = 0;
        self.hold_until = None;
    }

    /// When the next periodic Inform is due: the first moment PeriodicInformTime + n · PeriodicInformInterval after the last
    /// one. `None`: never.
    pub(crate) fn periodic_at(&self, model: &DataModel) -> Option<Timestamp> {
        let enabled = matches!(model.text("ManagementServer.PeriodicInformEnable"), "1" | "true");
        let interval: i64 = model.text("ManagementServer.PeriodicInformInterval").parse().ok().filter(|s| *s > 0)?;
        let interval = interval.checked_mul(1_000_000)?;
        let phase = match CwmpDateTime::parse(model.text("ManagementServer.PeriodicInformTime")) {
            Ok(CwmpDateTime::At(moment)) => moment,
            _ => self.own_phase,
        };
        let since_phase = self.last_periodic.as_micros().checked_sub(phase.as_micros())?.rem_euclid(interval);
        let next = self.last_periodic.as_micros().checked_add(interval - since_phase)?;
        enabled.then_some(Timestamp::from_micros(next))
    }

    /// A periodic Inform was due.
    pub(crate) const fn periodic_due(&mut self, now: Timestamp) {
        self.last_periodic = now;
    }
}

/// CWMPRetryMinimumWaitInterval and CWMPRetryIntervalMultiplier, with their defaults.
pub(crate) fn retry_intervals(model: &DataModel) -> (u16, u16) {
    let number = |name: &str, default| model.text(name).parse().unwrap_or(default);
    (
        number("ManagementServer.CWMPRetryMinimumWaitInterval", 5),
        number("ManagementServer.CWMPRetryIntervalMultiplier", 2000),
    )
}

#[cfg(test)]
mod tests {
    use cwmp_model::DeviceIdentity;

    use super::*;
    use crate::Gateway;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn model() -> DataModel {
        DataModel::new(Gateway::Tr181, &DeviceIdentity::default())
    }

    fn put(model: &mut DataModel, name: &str, text: &str) {
        model.put(&model.path(name), text);
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.as_seconds() + seconds)
    }

    #[test]
    fn retries_wait_by_the_table_cwmp_175() {
        let mut schedule = Schedule::new(NOW, NOW);
        for (n, least) in [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 2560].into_iter().enumerate() {
            schedule.failed(NOW, RetryRule::Table, (5, 2000), 0);
            assert!(!schedule.may_open(Timestamp::from_micros(after(least).as_micros() - 1)), "failure {}", n + 1);
            assert!(schedule.may_open(after(least)), "failure {}", n + 1);
        }
        // CWMP-176
        schedule.restarted();
        assert!(schedule.may_open(NOW));
        schedule.failed(NOW, RetryRule::Table, (5, 2000), 0);
        assert!(schedule.may_open(after(5)));
    }

    #[test]
    fn what_the_acs_says_counts_and_success_ends_the_waiting() {
        let mut schedule = Schedule::new(NOW, NOW);
        schedule.told(NOW, Duration::from_secs(77));
        assert!(!schedule.may_open(after(76)));
        assert!(schedule.may_open(after(77)));
        schedule.completed();
        assert!(schedule.may_open(NOW));
        schedule.failed(NOW, RetryRule::Never, (5, 2000), 0);
        assert!(!schedule.may_open(after(86_400 * 365)));
    }

    #[test]
    fn periodic_informs_keep_their_phase() {
        let mut model = model();
        put(&mut model, "ManagementServer.PeriodicInformEnable", "1");
        put(&mut model, "ManagementServer.PeriodicInformInterval", "60");
        let mut schedule = Schedule::new(NOW, after(-50));
        assert_eq!(schedule.periodic_at(&model), Some(after(10)));
        schedule.periodic_due(after(11));
        assert_eq!(schedule.periodic_at(&model), Some(after(70)));
        put(&mut model, "ManagementServer.PeriodicInformTime", &CwmpDateTime::At(after(3)).to_string());
        assert_eq!(schedule.periodic_at(&model), Some(after(63)));
        put(&mut model, "ManagementServer.PeriodicInformEnable", "0");
        assert_eq!(schedule.periodic_at(&model), None);
        put(&mut model, "ManagementServer.PeriodicInformEnable", "1");
        put(&mut model, "ManagementServer.PeriodicInformInterval", "0");
        assert_eq!(schedule.periodic_at(&model), None);
    }
}
