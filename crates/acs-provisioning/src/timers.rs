use std::sync::Arc;
use std::time::Duration;

use acs_planner::{deadline_of, life};
use acs_proto::ServiceError;
use acs_store::{CommitOutcome, HolderGuard};
use acs_types::{TaskId, Timer, TimerKind};
use fail::fail_point;
use tokio_util::sync::CancellationToken;

use crate::commit::{COMMIT_TRIES, Change};
use crate::error;
use crate::metrics::TimerLabels;
use crate::service::Inner;
use crate::session::wants_now;

/// Timers handled between two looks at the clock.
const DUE_BATCH: usize = 256;
/// How often old history is dropped.
const HISTORY_INTERVAL: Duration = Duration::from_secs(3600);
/// Calls to drop history in one go; what is left goes the next time.
const HISTORY_ROUNDS: usize = 1000;

impl Inner {
    /// An unknown outcome is visible within seconds of its deadline (P3): timers are looked for every second.
    pub(crate) async fn run_timers(self: Arc<Self>, shutdown: CancellationToken) {
        let mut history_at = self.now();
        loop {
            match self.fire_due().await {
                Ok(count) if count >= DUE_BATCH => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "deadlines are late, trying again"),
            }
            let now = self.now();
            self.deps.metrics.plans.set(i64::try_from(self.plans.sweep(now)).unwrap_or(i64::MAX));
            if now >= history_at {
                history_at = now.plus(HISTORY_INTERVAL);
                if let Err(error) = self.drop_history().await {
                    tracing::warn!(%error, "old history could not be dropped, trying again in an hour");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.config.timer_interval) => {}
            }
        }
    }

    /// Handles what is due; one that fails stays and is tried again.
    pub(crate) async fn fire_due(self: &Arc<Self>) -> Result<usize, ServiceError> {
        let due = self.store().due_timers(self.now(), DUE_BATCH).await.map_err(error::store)?;
        let mut failed = None;
        for timer in &due {
            self.deps.metrics.timers.get_or_create(&TimerLabels { kind: timer.kind.as_str() }).inc();
            fail_point!("timer::before");
            match self.fire(timer).await {
                Ok(()) => {
                    fail_point!("timer::after");
                    self.store().delete_timers(std::slice::from_ref(timer)).await.map_err(error::store)?;
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(due.len()), Err)
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
            let Some(task) = self.store().task(device, &id).await.map_err(error::store)? else { return Ok(()) };
            let now = self.now();
            let mut after = task.clone();
            if !life::time_passed(&mut after, now, &self.config.settings) {
                let own = deadline_of(&task, &self.config.settings).filter(|own| own != timer);
                if let Some(own) = own {
                    self.store().put_timers(vec![own]).await.map_err(error::store)?;
                }
                return Ok(());
            }
            let subscriber = self.store().summary(device).await.map_err(error::store)?;
            let subscriber = subscriber.map(|summary| summary.subscriber_id).unwrap_or_default();
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
