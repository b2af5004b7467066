use acs_types::{CpeCredential, DeviceId, SummaryPatch, Timer};
use async_trait::async_trait;
use fail::fail_point;

use crate::{Commit, CommitOutcome, Credentials, Devices, Objects, ObjectsPatch, Result, Tasks, Timers};

/// Writes that belong to one decision about a device, told to the store at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// News of the tree.
    pub objects: Option<ObjectsPatch>,
    /// News of the summary.
    pub summary: Option<SummaryPatch>,
    /// The device's credentials from now on.
    pub credential: Option<CpeCredential>,
    /// What is due for the tasks.
    pub timers: Vec<Timer>,
    /// The tasks; `None` is as a commit that holds.
    pub commit: Option<Commit>,
    /// News of the summary that must not be seen without the tasks: the identity of a new device, which is known as soon
    /// as it has what it is obliged to.
    pub then: Option<SummaryPatch>,
}

/// Writes in steps. A store that can write all of a step at once saves its callers the waits in between.
#[async_trait]
pub trait Steps: Devices + Objects + Credentials + Timers + Tasks {
    /// Writes a step, each part as by the call of its own. Whatever comes before the commit is durable no later than it,
    /// and stays whether it holds or not. What comes after it is written only if it holds. An error or a crash may leave
    /// any beginning of it: read again and decide anew.
    async fn write_step(&self, device: &DeviceId, step: Step) -> Result<CommitOutcome> {
        let Step { objects, summary, credential, timers, commit, then } = step;
        let objects = async {
            match objects {
                Some(patch) => self.patch_objects(device, patch).await,
                None => Ok(()),
            }
        };
        let credential = async {
            match credential {
                Some(credential) => self.put_credential(device, Some(credential)).await,
                None => Ok(()),
            }
        };
        let timers = async {
            match timers.is_empty() {
                true => Ok(()),
                false => self.put_timers(timers).await,
            }
        };
        // Side by side: none of these needs another.
        tokio::try_join!(objects, patch(self, device, summary), credential, timers)?;
        fail_point!("step::before_commit");
        if let Some(commit) = commit {
            let outcome = self.commit(device, commit).await?;
            if outcome != CommitOutcome::Applied {
                return Ok(outcome);
            }
        }
        fail_point!("step::after_commit");
        patch(self, device, then).await?;
        Ok(CommitOutcome::Applied)
    }
}

async fn patch<S: Devices + ?Sized>(store: &S, device: &DeviceId, patch: Option<SummaryPatch>) -> Result<()> {
    match patch {
        Some(patch) => store.patch_summary(device, patch).await,
        None => Ok(()),
    }
}
