use std::collections::HashMap;
use std::time::{Duration, Instant};

use acs_proto::WakeOutcome;
use acs_types::DeviceId;

/// When each device may be asked next. Pure: the time is an argument, and `F` stands for a request in flight that others
/// can join.
#[derive(Debug)]
pub(crate) struct Schedule<F> {
    limits: Limits,
    devices: HashMap<DeviceId, Entry<F>>,
    /// When room was last made: looking through all devices is worth it once in a while only.
    swept: Option<Instant>,
}

/// Least time between two looks through all devices.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) min_interval: Duration,
    pub(crate) busy_wait_max: Duration,
    pub(crate) wrong_credentials_wait: Duration,
    pub(crate) max_devices: usize,
}

/// What to do with a wake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<F> {
    /// Ask the device; `finish` must follow.
    Go,
    /// A request is on its way: share its outcome.
    Join(F),
    /// Not now.
    Rest(Rest),
}

/// Why not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rest {
    #[error("too soon after the last connection request; the next may go in {} s", seconds_up(*.0))]
    TooSoon(Duration),
    #[error("the device was busy (503); the next connection request may go in {} s", seconds_up(*.0))]
    Busy(Duration),
    #[error("the device refused these credentials; set new ones, or wait {} s", seconds_up(*.0))]
    WrongCredentials(Duration),
    #[error("more devices than this process remembers were woken lately; try again later")]
    Full,
}

#[derive(Debug)]
struct Entry<F> {
    state: State<F>,
    /// Answers `Busy` in a row.
    busy: u32,
}

#[derive(Debug)]
enum State<F> {
    InFlight { fingerprint: u64, join: F },
    Resting { until: Instant, why: fn(Duration) -> Rest, fingerprint: u64 },
}

impl<F: Clone> Schedule<F> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, devices: HashMap::new(), swept: None }
    }

    /// Decides on a wake. `fingerprint` stands for URL and credentials; `join` is kept for later comers if the answer is
    /// [`Admission::Go`].
    pub(crate) fn admit(&mut self, device: &DeviceId, fingerprint: u64, now: Instant, join: F) -> Admission<F> {
        let mut busy = 0;
        match self.devices.get(device) {
            Some(Entry { state: State::InFlight { join, .. }, .. }) => return Admission::Join(join.clone()),
            Some(entry) => match entry.rest(fingerprint, now) {
                Some(rest) => return Admission::Rest(rest),
                None => busy = entry.busy,
            },
            None => {
                if !self.make_room(now) {
                    return Admission::Rest(Rest::Full);
                }
            }
        }
        self.devices.insert(device.clone(), Entry { state: State::InFlight { fingerprint, join }, busy });
        Admission::Go
    }

    /// The request ended. One that sent nothing leaves no trace.
    pub(crate) fn finish(&mut self, device: &DeviceId, outcome: &WakeOutcome, now: Instant) {
        let Some(entry) = self.devices.get_mut(device) else { return };
        let State::InFlight { fingerprint, .. } = entry.state else { return };
        let limits = self.limits;
        entry.busy = if *outcome == WakeOutcome::Busy { entry.busy.saturating_add(1) } else { 0 };
        let (wait, why): (_, fn(Duration) -> Rest) = match outcome {
            WakeOutcome::NotSent { .. } | WakeOutcome::Refused { .. } => {
                self.devices.remove(device);
                return;
            }
            WakeOutcome::Busy => (limits.busy_wait(entry.busy), Rest::Busy),
            WakeOutcome::WrongCredentials => (limits.wrong_credentials_wait, Rest::WrongCredentials),
            WakeOutcome::Accepted | WakeOutcome::Unreachable { .. } => (limits.min_interval, Rest::TooSoon),
        };
        entry.state = State::Resting { until: now + wait, why, fingerprint };
    }

    /// How many devices are remembered.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Forgets what has no effect any more, if needed. The number of busy answers goes with it.
    fn make_room(&mut self, now: Instant) -> bool {
        let full = self.devices.len() >= self.limits.max_devices;
        if full && self.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.devices.retain(|_, entry| match entry.state {
                State::InFlight { .. } => true,
                State::Resting { until, .. } => until > now,
            });
        }
        self.devices.len() < self.limits.max_devices
    }
}

impl Limits {
    fn busy_wait(&self, times: u32) -> Duration {
        let factor = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
        self.min_interval.saturating_mul(factor).min(self.busy_wait_max)
    }
}

impl<F> Entry<F> {
    fn rest(&self, fingerprint: u64, now: Instant) -> Option<Rest> {
        let State::Resting { until, why, fingerprint: last } = &self.state else { return None };
        let left = until.saturating_duration_since(now);
        match why(left) {
            _ if left.is_zero() => None,
            // Another URL or other credentials are worth a try at once.
            Rest::WrongCredentials(_) if *last != fingerprint => None,
            rest => Some(rest),
        }
    }
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(max_devices: usize) -> Schedule<u32> {
        Schedule::new(Limits {
            min_interval: 10 * SECOND,
            busy_wait_max: 60 * SECOND,
            wrong_credentials_wait: 300 * SECOND,
            max_devices,
        })
    }

    fn device(n: u32) -> DeviceId {
        format!("00AABB-{n}").parse().unwrap()
    }

    // CWMP-418
    #[test]
    fn one_request_at_a_time_and_one_in_ten_seconds() {
        let (mut schedule, start, id) = (schedule(10), Instant::now(), device(1));
        assert_eq!(schedule.admit(&id, 1, start, 7), Admission::Go);
        assert_eq!(schedule.admit(&id, 1, start, 8), Admission::Join(7));
        assert_eq!(schedule.admit(&device(2), 1, start, 9), Admission::Go, "devices do not wait for each other");
        schedule.finish(&id, &WakeOutcome::Accepted, start + SECOND);
        let soon = schedule.admit(&id, 1, start + 11 * SECOND - Duration::from_millis(1), 10);
        assert_eq!(soon, Admission::Rest(Rest::TooSoon(Duration::from_millis(1))));
        assert_eq!(schedule.admit(&id, 1, start + 11 * SECOND, 11), Admission::Go);
    }

    // CWMP-416
    #[test]
    fn a_busy_device_is_left_alone_longer_each_time() {
        let (mut schedule, mut now, id) = (schedule(10), Instant::now(), device(1));
        for wait in [10, 20, 40, 60, 60] {
            assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Go);
            schedule.finish(&id, &WakeOutcome::Busy, now);
            assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Rest(Rest::Busy(wait * SECOND)));
            now += wait * SECOND;
        }
        assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Go);
        schedule.finish(&id, &WakeOutcome::Accepted, now);
        now += 10 * SECOND;
        assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Go);
        schedule.finish(&id, &WakeOutcome::Busy, now);
        assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Rest(Rest::Busy(10 * SECOND)), "it begins anew");
    }

    // CWMP-417
    #[test]
    fn wrong_credentials_are_not_repeated_but_new_ones_are_tried() {
        let (mut schedule, now, id) = (schedule(10), Instant::now(), device(1));
        assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Go);
        schedule.finish(&id, &WakeOutcome::WrongCredentials, now);
        assert!(matches!(schedule.admit(&id, 1, now + 299 * SECOND, 0), Admission::Rest(Rest::WrongCredentials(_))));
        assert_eq!(schedule.admit(&id, 2, now + 299 * SECOND, 0), Admission::Go);
    }

    #[test]
    fn what_was_not_sent_does_not_count() {
        let (mut schedule, now, id) = (schedule(10), Instant::now(), device(1));
        for outcome in [WakeOutcome::NotSent { reason: String::new() }, WakeOutcome::Refused { reason: String::new() }]
        {
            assert_eq!(schedule.admit(&id, 1, now, 0), Admission::Go);
            schedule.finish(&id, &outcome, now);
            assert_eq!(schedule.len(), 0);
        }
    }

    // P19
    #[test]
    fn no_more_devices_are_remembered_than_allowed() {
        let (mut schedule, now) = (schedule(2), Instant::now());
        assert_eq!(schedule.admit(&device(1), 1, now, 0), Admission::Go);
        assert_eq!(schedule.admit(&device(2), 1, now, 0), Admission::Go);
        assert_eq!(schedule.admit(&device(3), 1, now, 0), Admission::Rest(Rest::Full));
        schedule.finish(&device(1), &WakeOutcome::Accepted, now);
        assert_eq!(schedule.admit(&device(3), 1, now + 10 * SECOND, 0), Admission::Go, "device 1 has rested");
        assert_eq!(schedule.len(), 2);
    }

    #[test]
    fn the_time_left_is_rounded_up() {
        assert!(Rest::TooSoon(Duration::from_millis(9001)).to_string().ends_with("in 10 s"));
    }
}
