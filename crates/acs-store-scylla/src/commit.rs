//! A commit: read, decide, write if the partition is still as it was read.
//!
//! The decision is [`rules::decide_commit`], shared with the other backends. What it decided on is held by one condition, the
//! version of the partition, which every commit and every deletion of the device moves on. All rows of a commit are in the
//! device's partition, final tasks too, so the conditional write is all there is: killed at any instruction, all of it
//! happened or nothing. Around it stand two hints, written before and harmless without it: which device a task has, and which
//! devices have open tasks.
//!
//! A conditional write of unknown outcome is looked for: the next read of the partition is SERIAL, which ends what is under
//! way, and each partition has the ids of its last commits. One that did not happen on the version it was decided on can only
//! happen as long as that version stands; so a decision made on a later version is not overtaken by it.

use acs_store::rules::{self, CommitPlan};
use acs_store::{Commit, CommitOutcome, Result};
use acs_types::{DeviceId, Task, TaskId};
use fail::fail_point;

use crate::cql;
use crate::doubt::unknown_outcome;
use crate::index::{self, Index};
use crate::partition::{Control, Stored};
use crate::store::Shared;
use crate::task_rows::TaskRows;

impl Shared {
    pub(crate) async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome> {
        let mut turn = self.turn("device", device.as_str().as_bytes()).await?;
        let id: u64 = rand::random();
        let mut tried: Option<Option<i64>> = None;
        loop {
            let stored = self.stored(device).await?;
            if let Some(version) = tried
                && stored.control.has(id, version).ok_or_else(|| unknown_outcome(device))?
            {
                return Ok(CommitOutcome::Applied);
            }
            let plan = match self.decide(device, &stored, commit.clone()).await? {
                Ok(plan) => plan,
                Err(outcome) => return Ok(outcome),
            };
            if plan.writes.is_empty() && plan.holder.is_none() {
                return Ok(CommitOutcome::Applied);
            }
            if self.write_plan(device, &stored, plan, id).await? {
                return Ok(CommitOutcome::Applied);
            }
            tried = Some(stored.control.version);
            turn.again(device).await?;
        }
    }

    async fn decide(
        &self,
        device: &DeviceId,
        stored: &Stored,
        commit: Commit,
    ) -> Result<Result<CommitPlan, CommitOutcome>> {
        // Read after the partition: what it misses of a commit in between, the condition notices.
        let open = &stored.partition.tasks;
        let others: Vec<&TaskId> =
            commit.writes.iter().map(|w| &w.task.id).filter(|id| open.iter().all(|task| task.id != **id)).collect();
        let others = match commit.writes.len() > Commit::WRITES_MAX {
            true => Vec::new(),
            false => self.tasks_by_id(device, &others).await?,
        };
        let known = || Ok(stored.partition.summary.is_some());
        let current = |id: &TaskId| Ok(open.iter().chain(&others).find(|task| task.id == *id).cloned());
        rules::decide_commit(device, stored.partition.holder, commit, known, current)
    }

    /// Writes a plan, if the partition still has the version it was made for; whether it did.
    async fn write_plan(&self, device: &DeviceId, stored: &Stored, plan: CommitPlan, id: u64) -> Result<bool> {
        let Control { version, .. } = stored.control;
        let next_version = stored.control.next_version();
        let new = plan.writes.iter().filter(|write| write.before.is_none()).map(|write| &write.task);
        self.note_devices_of(device, new).await?;
        fail_point!("scylla::after_task_device", crate::failed_here);
        let opens = plan.writes.iter().any(|write| !write.task.state.is_final());
        if opens && stored.partition.tasks.is_empty() {
            index::write(self, Index::OpenTasks, device, next_version).await?;
        }
        if plan.writes.iter().any(|write| write.task.state.is_final()) {
            self.register_list(&format!("task/{device}")).await?;
        }
        fail_point!("scylla::before_commit", crate::failed_here);
        let still_open = self.still_open(stored, &plan);
        let holder = plan.holder.or(stored.partition.holder);
        let mut rows = TaskRows::new(self, device, &stored.control, id, holder);
        for write in &plan.writes {
            rows.write(write.before.as_ref(), &write.task);
        }
        if !rows.commit().await? {
            return Ok(false);
        }
        tracing::trace!(%device, ?version, "a commit was applied");
        fail_point!("scylla::after_commit", crate::failed_here);
        if !still_open && !stored.partition.tasks.is_empty() {
            // A hint too many is passed over by the list, which tries to take it away again.
            if let Err(error) = index::delete(self, Index::OpenTasks, device, next_version).await {
                tracing::debug!(%device, %error, "an entry of the index of open tasks stays");
            }
        }
        Ok(true)
    }

    fn still_open(&self, stored: &Stored, plan: &CommitPlan) -> bool {
        let written = |id: &TaskId| plan.writes.iter().any(|write| write.task.id == *id);
        plan.writes.iter().any(|write| !write.task.state.is_final())
            || stored.partition.tasks.iter().any(|task| !written(&task.id))
    }

    async fn note_devices_of(&self, device: &DeviceId, tasks: impl Iterator<Item = &Task>) -> Result<()> {
        let write = |task: &Task| self.note_device_of(device, task.id.clone());
        cql::all(tasks.map(write).collect()).await.map(|_| ())
    }

    async fn note_device_of(&self, device: &DeviceId, task: TaskId) -> Result<()> {
        self.cql.write(&self.s.task_device_write, (&self.tenant, task.as_str(), device.as_str())).await
    }
}
