//! Sessions that were lost with one of our front-ends: their answers may have been, too, so they say nothing of the device.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_planner::{deadline_of, life};
use acs_proto::ServiceError;
use acs_store::{CommitOutcome, TaskFilter};
use acs_types::{DeviceId, PageRequest, SessionId, Task, TaskState, Timer};
use cwmp_model::Timestamp;
use fail::fail_point;

use crate::commit::{COMMIT_TRIES, Change, Conditions};
use crate::error;
use crate::service::Inner;
use crate::session::wants_now;

/// Tasks that were put away, in one page, and pages of them that are looked at for one lost session: newest first. An older one
/// stays where it is until a person retries it.
const PAGE: usize = 100;
const PAGES_MAX: usize = 5;
/// The name under which it is kept when the last death of a front-end became known, in microseconds. Never another one: it is stored.
const DEATH: &str = "front-end-death";
/// A front-end that dies leaves many sessions: its death is noted anew after so long.
const DEATH_AGAIN: Duration = Duration::from_secs(10);
/// For how long a quarantined task is looked at again, each time after twice as long: where the log lags or Kafka is away, a death
/// becomes known late.
const REVIEWED: Duration = Duration::from_secs(2 * 3600);

impl Inner {
    /// What went unanswered in the session does not count against its tasks (P7, P4); what goes back into the queue for that wakes
    /// the device. The same again changes nothing.
    pub(crate) async fn session_lost(
        self: &Arc<Self>,
        device: &DeviceId,
        session: &SessionId,
    ) -> Result<(), ServiceError> {
        self.note_death().await?;
        let _turn = self.turn(device).await;
        if self.excuse(device, session).await? {
            fail_point!("observe::after_excuse");
            self.work_waits(device).await?;
        }
        Ok(())
    }

    /// Whether something waits in the queue now that did not before.
    async fn excuse(&self, device: &DeviceId, session: &SessionId) -> Result<bool, ServiceError> {
        for _ in 0..COMMIT_TRIES {
            let partition = self.store().partition(device).await.map_err(error::store)?;
            let open: BTreeSet<_> = partition.tasks.iter().map(|task| task.id.clone()).collect();
            let mut tasks = self.put_away(device).await?;
            // One that was in between is decided by what the partition says; if that is older, the commit finds out.
            tasks.retain(|task| !open.contains(&task.id));
            tasks.extend(partition.tasks);
            let now = self.now();
            let mut changes = Vec::new();
            for task in &tasks {
                let mut after = task.clone();
                if life::lost_with_session(&mut after, session) {
                    changes.push(Change::of(task, after, self.after(task.updated_at)));
                }
            }
            if changes.is_empty() {
                return Ok(false);
            }
            let queued = TaskState::Queued.as_str();
            let waits = changes.iter().any(|change| change.from != queued && wants_now(&change.task, now));
            let subscriber = partition.summary.map(|summary| summary.subscriber_id).unwrap_or_default();
            fail_point!("observe::before_excuse");
            match self.commit(device, Conditions::KNOWN, changes, &subscriber).await? {
                CommitOutcome::Applied => return Ok(waits),
                // Its tasks went with it.
                CommitOutcome::DeviceUnknown => return Ok(false),
                CommitOutcome::Conflict { .. } | CommitOutcome::HolderLost { .. } => {}
            }
        }
        Err(error::contended(device))
    }

    /// A front-end died just now, as far as anybody knows.
    async fn note_death(&self) -> Result<(), ServiceError> {
        let now = self.now();
        let noted = Timestamp::from_micros(self.death_noted.load(Ordering::Relaxed));
        if now >= noted && now.since(noted) < DEATH_AGAIN {
            return Ok(());
        }
        let micros = u64::try_from(now.as_micros()).unwrap_or(0);
        self.store().put_cursor(DEATH, micros).await.map_err(error::store)?;
        self.death_noted.store(now.as_micros(), Ordering::Relaxed);
        Ok(())
    }

    /// A front-end that lives tells an end, too, of a session whose CPE went on at another one that died before it could say that
    /// it had taken the session over; so a quarantine is looked at again when deaths before it are known.
    pub(crate) async fn review(self: &Arc<Self>, timer: &Timer, task: &Task) -> Result<(), ServiceError> {
        let Some(own) = deadline_of(task, &self.config.settings) else { return Ok(()) };
        // This one stood for what the task waited for before; its own was written with the quarantine.
        if timer.due < own.due {
            return Ok(());
        }
        let (device, now) = (&task.device, self.now());
        let died = self.store().cursor(DEATH).await.map_err(error::store)?;
        let mut after = task.clone();
        if !life::reviewed(&mut after, Timestamp::from_micros(i64::try_from(died).unwrap_or(i64::MAX))) {
            let wait = timer.due.since(task.updated_at) * 2;
            if wait <= REVIEWED {
                let later = Timer { due: task.updated_at.plus(wait), ..own };
                self.store().put_timers(vec![later]).await.map_err(error::store)?;
            }
            return Ok(());
        }
        let subscriber = self.subscriber(device).await?;
        let change = Change::of(task, after, self.after(task.updated_at));
        let waits = wants_now(&change.task, now);
        match self.commit(device, Conditions::KNOWN, vec![change], &subscriber).await? {
            CommitOutcome::Applied if waits => self.work_waits(device).await.map(drop),
            CommitOutcome::Applied | CommitOutcome::DeviceUnknown => Ok(()),
            CommitOutcome::Conflict { .. } | CommitOutcome::HolderLost { .. } => Err(error::contended(device)),
        }
    }

    /// The tasks of a device that may have been put away because they went unanswered.
    async fn put_away(&self, device: &DeviceId) -> Result<Vec<Task>, ServiceError> {
        let states = [TaskState::Quarantined, TaskState::NeedsOperator];
        let states = states.iter().map(|state| state.as_str().to_owned()).collect();
        let filter = TaskFilter { states, ..TaskFilter::default() };
        let (mut page, mut found) = (PageRequest::first(PAGE), Vec::new());
        for _ in 0..PAGES_MAX {
            let listed = self.store().list_tasks(device, &filter, &page).await.map_err(error::store)?;
            found.extend(listed.items);
            let Some(next) = listed.next else { break };
            page.after = Some(next);
        }
        Ok(found)
    }
}
