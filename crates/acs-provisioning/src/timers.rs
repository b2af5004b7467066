use std::panic::AssertUnwindSafe;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use acs_planner::{deadline_of, life};
use acs_proto::ServiceError;
use acs_store::{CommitOutcome, HolderGuard};
use acs_types::{DeviceId, TaskId, TaskState, Timer, TimerKind};
use fail::fail_point;
use futures::{FutureExt, StreamExt, stream};
use hashlink::LinkedHashMap;
use tokio_util::sync::CancellationToken;

use crate::commit::{COMMIT_TRIES, Change};
use crate::error;
use crate::metrics::{TimerFailureLabels, TimerLabels};
use crate::service::Inner;
use crate::session::wants_now;

/// Timers handled between two looks at the clock.
const DUE_BATCH: usize = 256;
/// How often old history is dropped.
const HISTORY_INTERVAL: Duration = Duration::from_secs(3600);
/// Calls to drop history in one go; what is left goes the next time.
const HISTORY_ROUNDS: usize = 1000;

/// Timers handled at the same time: a slow answer to one does not make the others late (P3).
const FIRED_AT_ONCE: usize = 16;
/// How long a timer of another process's shard may be overdue before this one handles it: with the sweeps of both still
/// within the 5 s of P3.
const LATE: Duration = Duration::from_secs(2);
/// How long the first failure of a timer puts it off; each further one twice as long as the last.
const PUT_OFF_MIN: Duration = Duration::from_secs(1);
/// The longest time that a timer is put off.
const PUT_OFF_MAX: Duration = Duration::from_secs(300);
/// Failing timers whose failures are counted; the oldest one beyond begins anew.
const FAILING_MAX: usize = 10_000;

/// How often timers failed in a row. Lost with the process: then they are tried sooner, and no harm is done.
#[derive(Debug, Default)]
pub(crate) struct FailingTimers(LinkedHashMap<(DeviceId, TimerKind, String), u32>);

impl FailingTimers {
    /// Counts a failure; says how long the timer is put off.
    fn failed(&mut self, timer: &Timer) -> Duration {
        let key = failing_key(timer);
        let before = self.0.remove(&key).unwrap_or(0);
        self.0.insert(key, before.saturating_add(1));
        while self.0.len() > FAILING_MAX {
            self.0.pop_front();
        }
        let factor = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        PUT_OFF_MIN.saturating_mul(factor).min(PUT_OFF_MAX)
    }

    fn succeeded(&mut self, timer: &Timer) {
        if !self.0.is_empty() {
            self.0.remove(&failing_key(timer));
        }
    }
}

/// The same for a timer that was put off.
fn failing_key(timer: &Timer) -> (DeviceId, TimerKind, String) {
    (timer.device.clone(), timer.kind, timer.reference.clone())
}

/// Why a timer could not be handled.
enum Failure {
    Error(ServiceError),
    Panic,
}

impl Failure {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Panic => "panic",
        }
    }
}

impl Inner {
    /// An unknown outcome is visible within seconds of its deadline (P3): timers are looked for every second.
    pub(crate) async fn run_timers(self: Arc<Self>, shutdown: CancellationToken) {
        let mut history_at = self.now();
        loop {
            match self.fire_due().await {
                Ok(count) if count >= DUE_BATCH && !shutdown.is_cancelled() => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "deadlines are late, trying again"),
            }
            let now = self.now();
            let (plans, bytes) = self.plans.sweep(now);
            self.deps.metrics.plans.set(i64::try_from(plans).unwrap_or(i64::MAX));
            self.deps.metrics.plan_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            if now >= history_at {
                history_at = now.plus(HISTORY_INTERVAL);
                if let Err(error) = self.drop_history().await {
                    tracing::warn!(%error, "old history could not be dropped, trying again in an hour");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(self.config.timer_interval) => {}
            }
        }
        if let Some(shards) = &self.shards {
            shards.release().await;
        }
    }

    /// Handles what is due. One that fails does not stop the others: it is put off, each time for longer, so that those
    /// behind it have their turn.
    pub(crate) async fn fire_due(self: &Arc<Self>) -> Result<usize, ServiceError> {
        let due = self.due().await?;
        let count = due.len();
        let handled = stream::iter(due).map(|timer| self.clone().handle(timer)).buffer_unordered(FIRED_AT_ONCE);
        let failed = handled.fold(None, |failed, result| async { failed.or_else(|| result.err()) }).await;
        failed.map_or(Ok(count), Err)
    }

    /// What is due here: the timers of the shards that this process holds, and of the others what nobody handled in time.
    async fn due(&self) -> Result<Vec<Timer>, ServiceError> {
        let now = self.now();
        let Some(shards) = &self.shards else {
            return self.store().due_timers(now, DUE_BATCH).await.map_err(error::store);
        };
        let (held, others) = shards.split().await;
        let mut due = self.store().due_timers_in(&held, now, DUE_BATCH).await.map_err(error::store)?;
        let late = self.store().due_timers_in(&others, now.minus(LATE), DUE_BATCH).await.map_err(error::store)?;
        due.extend(late);
        Ok(due)
    }

    /// One timer, to its deletion or its next try.
    async fn handle(self: Arc<Self>, timer: Timer) -> Result<(), ServiceError> {
        self.deps.metrics.timers.get_or_create(&TimerLabels { kind: timer.kind.as_str() }).inc();
        fail_point!("timer::before");
        // A panic is a bug, or stored input that meets one: the others still have their turn, now and after a restart (P20).
        let failure = match AssertUnwindSafe(self.fire(&timer)).catch_unwind().await {
            Ok(Ok(())) => {
                fail_point!("timer::after");
                self.failing().succeeded(&timer);
                return self.store().delete_timers(&[timer]).await.map_err(error::store);
            }
            Ok(Err(error)) => Failure::Error(error),
            Err(_) => Failure::Panic,
        };
        self.put_off(&timer, &failure).await
    }

    async fn put_off(&self, timer: &Timer, failure: &Failure) -> Result<(), ServiceError> {
        let wait = self.failing().failed(timer);
        let labels = TimerFailureLabels { kind: timer.kind.as_str(), cause: failure.cause() };
        self.deps.metrics.timer_failures.get_or_create(&labels).inc();
        let (device, kind, reference) = (&timer.device, timer.kind.as_str(), &timer.reference);
        match failure {
            Failure::Error(error) => {
                tracing::warn!(%device, kind, reference, %error, ?wait, "a deadline could not be handled, trying again");
            }
            Failure::Panic => {
                tracing::error!(%device, kind, reference, ?wait, "handling a deadline panicked, which is a bug");
            }
        }
        let later = Timer { due: self.now().plus(wait), ..timer.clone() };
        self.store().put_timers(vec![later]).await.map_err(error::store)?;
        self.store().delete_timers(std::slice::from_ref(timer)).await.map_err(error::store)
    }

    fn failing(&self) -> MutexGuard<'_, FailingTimers> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fire(self: &Arc<Self>, timer: &Timer) -> Result<(), ServiceError> {
        match timer.kind {
            TimerKind::Wake => self.wake_due(timer).await,
            TimerKind::AttemptDeadline | TimerKind::EvidenceDeadline | TimerKind::TaskExpiry => {
                self.deadline_passed(timer).await
            }
        }
    }

    /// The row decides: a deadline that moved gets its own timer, one that holds changes the task.
    async fn deadline_passed(self: &Arc<Self>, timer: &Timer) -> Result<(), ServiceError> {
        let Ok(id) = timer.reference.parse::<TaskId>() else { return Ok(()) };
        let device = &timer.device;
        let _turn = self.turn(device).await;
        for _ in 0..COMMIT_TRIES {
            let Some(task) = self.store().task(device, &id).await.map_err(error::store)? else {
                return self.look_later(device).await;
            };
            if task.state == TaskState::Quarantined {
                return self.review(timer, &task).await;
            }
            let now = self.now();
            let mut after = task.clone();
            if !life::time_passed(&mut after, now, &self.config.settings) {
                let own = deadline_of(&task, &self.config.settings).filter(|own| own != timer);
                let guarded = own.as_ref().is_some_and(|own| own.kind == timer.kind);
                if let Some(own) = own {
                    self.store().put_timers(vec![own]).await.map_err(error::store)?;
                }
                // What this one stands for may be about to be written.
                return if guarded || task.state.is_final() { Ok(()) } else { self.look_later(device).await };
            }
            let subscriber = self.subscriber(device).await?;
            let change = Change::of(&task, after, now);
            let waits = wants_now(&change.task, now);
            match self.commit(device, HolderGuard::Any, vec![change], &subscriber).await? {
                CommitOutcome::Applied if waits => return self.arm_wake(device, now, false).await,
                CommitOutcome::Applied => return Ok(()),
                _ => {}
            }
        }
        Err(error::contended(device))
    }

    async fn drop_history(&self) -> Result<(), ServiceError> {
        let before = self.now().minus(self.config.retention);
        for _ in 0..HISTORY_ROUNDS {
            if self.store().drop_history(before).await.map_err(error::store)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(n: usize) -> Timer {
        let device: DeviceId = format!("00AABB-{n}").parse().unwrap();
        Timer { due: cwmp_model::Timestamp::default(), device, kind: TimerKind::Wake, reference: "0".into() }
    }

    #[test]
    fn a_failing_timer_is_put_off_for_longer_each_time_up_to_a_bound() {
        let mut failing = FailingTimers::default();
        let waits: Vec<u64> = (0..12).map(|_| failing.failed(&timer(1)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let later = Timer { due: cwmp_model::Timestamp::from_seconds(9), ..timer(1) };
        assert_eq!(failing.failed(&later).as_secs(), 300, "put off, it is the same");
        for _ in 0..40 {
            assert_eq!(failing.failed(&timer(1)).as_secs(), 300);
        }
        failing.succeeded(&later);
        assert_eq!(failing.failed(&timer(1)).as_secs(), 1);
    }

    #[test]
    fn failing_timers_are_bounded_p19() {
        let mut failing = FailingTimers::default();
        for n in 0..=FAILING_MAX {
            failing.failed(&timer(n));
        }
        assert_eq!(failing.0.len(), FAILING_MAX);
        assert_eq!(failing.failed(&timer(0)).as_secs(), 1, "the oldest was forgotten");
        assert_eq!(failing.failed(&timer(FAILING_MAX)).as_secs(), 2);
    }
}
