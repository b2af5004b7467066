use std::sync::{Arc, PoisonError};
use std::time::Duration;

use acs_planner::deadline_of;
use acs_proto::{ServiceError, WakeOutcome, WakeRequest};
use acs_types::{DeviceId, Timer, TimerKind};
use cwmp_model::Timestamp;
use fail::fail_point;
use hashlink::LinkedHashMap;

use crate::error;
use crate::metrics::WakeLabels;
use crate::service::Inner;
use crate::session::wants_now;

/// Devices whose next wake-up is remembered; beyond them a device may have more than one chain of wake-ups.
const ARMED_MAX: usize = 100_000;

/// What stands in a wake-up's timer in place of its step: all of the device's open tasks are looked at.
const LOOK: &str = "look";

/// When each device is woken next, so that one chain of timers serves many tasks. Timers are durable, this is not.
pub(crate) type ArmedWakes = LinkedHashMap<DeviceId, Timestamp>;

impl Inner {
    /// Asks the device to open a session.
    pub(crate) async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        let summary = self.store().summary(device).await.map_err(error::store)?;
        let summary = summary.ok_or_else(|| error::no_device(device))?;
        let credential = self.credential(device).await?;
        let proved = credential.connection_request_password;
        // On first contact there is only the one on its way.
        let password = if proved.is_empty() { credential.pending_connection_request_password } else { proved };
        let request = WakeRequest {
            device: device.clone(),
            url: summary.connection_request_url,
            username: credential.connection_request_username,
            password,
            allow_basic: self.config.allow_basic,
        };
        let outcome = self.deps.connection_requests.wake(request).await?;
        self.deps.metrics.wakes.get_or_create(&WakeLabels { outcome: outcome.as_str() }).inc();
        if outcome == WakeOutcome::WrongCredentials {
            let _turn = self.turn(device).await;
            self.swap_credential(device).await?;
        }
        Ok(outcome)
    }

    /// Wakes in the background; what comes of it is logged and counted.
    pub(crate) fn spawn_wake(self: &Arc<Self>, device: &DeviceId) -> tokio::task::JoinHandle<Option<WakeOutcome>> {
        let (inner, device) = (self.clone(), device.clone());
        tokio::spawn(async move {
            match inner.wake(&device).await {
                Ok(outcome) => {
                    tracing::debug!(%device, outcome = outcome.as_str(), "device woken");
                    Some(outcome)
                }
                Err(error) => {
                    tracing::warn!(%device, %error, "device could not be woken");
                    None
                }
            }
        })
    }

    /// Wanted-now work waits: tells a live session, or wakes the device and goes on doing so. Returns the wake-up.
    pub(crate) async fn work_waits(
        self: &Arc<Self>,
        device: &DeviceId,
    ) -> Result<Option<tokio::task::JoinHandle<Option<WakeOutcome>>>, ServiceError> {
        self.arm_wake(device, self.now(), true).await?;
        match self.deps.sessions.hint_work(device).await {
            Ok(Some(_)) => Ok(None),
            Ok(None) => Ok(Some(self.spawn_wake(device))),
            // Without the hint nobody may come for it, so the device is woken to be sure (P14).
            Err(error) => {
                tracing::warn!(%device, %error, "no work hint could be left");
                Ok(Some(self.spawn_wake(device)))
            }
        }
    }

    /// Makes sure that the device is woken again; `soon`: after the first step even if it is armed for later.
    pub(crate) async fn arm_wake(&self, device: &DeviceId, now: Timestamp, soon: bool) -> Result<(), ServiceError> {
        let due = now.plus(self.wake_step(0));
        if self.is_armed(device, now, soon.then_some(due)) {
            return Ok(());
        }
        self.put_wake(wake_timer(device, due, 0)).await
    }

    /// The timer that has to stand before wanted-now work waits in the queue; `None`: one stands already.
    pub(crate) fn wake_to_arm(&self, device: &DeviceId, now: Timestamp) -> Option<Timer> {
        let due = now.plus(self.wake_step(0));
        (!self.is_armed(device, now, None)).then(|| wake_timer(device, due, 0))
    }

    /// Whether a wake-up of the device is to come, not after `by`.
    fn is_armed(&self, device: &DeviceId, now: Timestamp, by: Option<Timestamp>) -> bool {
        self.armed(device).is_some_and(|at| at > now && by.is_none_or(|by| at <= by))
    }

    /// A wake-up is due: the device is woken if it still has wanted-now work and no session.
    pub(crate) async fn wake_due(self: &Arc<Self>, timer: &Timer) -> Result<(), ServiceError> {
        let device = &timer.device;
        if timer.reference == LOOK {
            return self.look_again(device).await;
        }
        if !self.take_armed(timer) {
            return self.look_later(device).await;
        }
        let partition = self.store().partition(device).await.map_err(error::store)?;
        let now = self.now();
        if partition.summary.is_none() || !partition.tasks.iter().any(|task| wants_now(task, now)) {
            return self.look_later(device).await;
        }
        fail_point!("wake::after_look");
        let step: usize = timer.reference.parse().unwrap_or(0);
        let next = wake_timer(device, now.plus(self.wake_step(step + 1)), step + 1);
        self.put_wake(next.clone()).await?;
        let live = self.deps.sessions.hint_work(device).await.ok().flatten();
        // A session that has not asked by the second step may be one that only the cache believes in: its front-end died, or
        // its end was not told (P14).
        if live.is_none() || step > 0 {
            let (inner, again) = (self.clone(), wake_timer(device, now.plus(self.wake_step(step)), step));
            tokio::spawn(async move { inner.wake_in_turn(next, again).await });
        }
        Ok(())
    }

    /// A timer was due for which nothing was to do. It stands before what it guards is written, and another process may be
    /// about to write that: one whose clock is behind, or that stood still in between. So the device is looked at once more.
    pub(crate) async fn look_later(&self, device: &DeviceId) -> Result<(), ServiceError> {
        if self.config.clock_skew.is_zero() {
            return Ok(());
        }
        // Of one minute's timers of a device one look comes.
        let minute = 60 * 1_000_000;
        let due = self.now().plus(self.config.clock_skew).as_micros();
        let due = Timestamp::from_micros(due.saturating_sub(due.rem_euclid(minute)).saturating_add(minute));
        let look = Timer { due, device: device.clone(), kind: TimerKind::Wake, reference: LOOK.to_owned() };
        self.store().put_timers(vec![look]).await.map_err(error::store)
    }

    /// Puts every timer anew that the device's tasks need now.
    async fn look_again(&self, device: &DeviceId) -> Result<(), ServiceError> {
        let partition = self.store().partition(device).await.map_err(error::store)?;
        let now = self.now();
        let deadlines = partition.tasks.iter().filter_map(|task| deadline_of(task, &self.config.settings));
        let mut timers: Vec<Timer> = deadlines.collect();
        if partition.tasks.iter().any(|task| wants_now(task, now)) {
            timers.push(wake_timer(device, now.plus(self.wake_step(0)), 0));
        }
        self.store().put_timers(timers).await.map_err(error::store)
    }

    /// Wakes a device whose `next` wake-up stands already. Where nothing was sent because it was too soon, or too much was
    /// under way, the step was not taken: it comes `again` in place of the next one. A device that tells no URL cannot be
    /// asked however often it is tried, so its steps grow.
    async fn wake_in_turn(self: Arc<Self>, next: Timer, again: Timer) {
        let device = &next.device;
        let Ok(Some(WakeOutcome::NotSent { reason })) = self.spawn_wake(device).await else { return };
        if again.due >= next.due || self.armed(device) != Some(next.due) || !self.has_url(device).await {
            return;
        }
        tracing::debug!(%device, reason, "no connection request was sent, the same wake-up comes again");
        if let Err(error) = self.replace_wake(&next, again).await {
            tracing::warn!(%device, %error, "the next wake-up comes a step later");
        }
    }

    async fn has_url(&self, device: &DeviceId) -> bool {
        let summary = self.store().summary(device).await;
        summary.ok().flatten().is_some_and(|summary| !summary.connection_request_url.is_empty())
    }

    /// The new one stands before the old one goes.
    async fn replace_wake(&self, old: &Timer, new: Timer) -> Result<(), ServiceError> {
        self.put_wake(new).await?;
        self.store().delete_timers(std::slice::from_ref(old)).await.map_err(error::store)
    }

    async fn put_wake(&self, timer: Timer) -> Result<(), ServiceError> {
        let (device, due) = (timer.device.clone(), timer.due);
        self.store().put_timers(vec![timer]).await.map_err(error::store)?;
        self.note_armed(&device, due, self.now());
        Ok(())
    }

    /// The timer of a wake-up is durable. Of several the earliest is remembered: it leads the chain, the others find it at
    /// work when they are due.
    pub(crate) fn note_armed(&self, device: &DeviceId, due: Timestamp, now: Timestamp) {
        let mut wakes = self.lock_wakes();
        let earliest = wakes.remove(device).filter(|armed| *armed > now).map_or(due, |armed| armed.min(due));
        wakes.insert(device.clone(), earliest);
        while wakes.len() > ARMED_MAX {
            wakes.pop_front();
        }
    }

    /// Whether a wake-up that is due has its turn; `false`: an earlier one is to come after it, so another chain is at work.
    /// It is armed no more from here on, before the tasks are looked at: who brings work after that look arms its own.
    fn take_armed(&self, timer: &Timer) -> bool {
        let mut wakes = self.lock_wakes();
        if wakes.get(&timer.device).is_some_and(|armed| *armed > timer.due) {
            return false;
        }
        wakes.remove(&timer.device);
        true
    }

    fn wake_step(&self, step: usize) -> Duration {
        let steps = &self.config.wake_steps;
        steps.get(step).or_else(|| steps.last()).copied().unwrap_or(Duration::from_secs(60))
    }

    fn armed(&self, device: &DeviceId) -> Option<Timestamp> {
        self.lock_wakes().get(device).copied()
    }

    fn lock_wakes(&self) -> std::sync::MutexGuard<'_, ArmedWakes> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake_timer(device: &DeviceId, due: Timestamp, step: usize) -> Timer {
    Timer { due, device: device.clone(), kind: TimerKind::Wake, reference: step.to_string() }
}
