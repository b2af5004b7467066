use acs_store::{CommitOutcome, Result, Step, Steps};
use acs_types::DeviceId;
use async_trait::async_trait;

use crate::transaction::Transaction;
use crate::{Embedded, access, devices, objects, tasks, timers};

/// All of a step is one job of the commit thread: one wait, one sync, and all of it or nothing after a crash.
#[async_trait]
impl Steps for Embedded {
    async fn write_step(&self, device: &DeviceId, mut step: Step) -> Result<CommitOutcome> {
        if let Some(patch) = &step.objects
            && self.is_forgotten(device, patch)?
        {
            step.objects = None;
        }
        if step == Step::default() {
            return Ok(CommitOutcome::Applied);
        }
        let device = device.clone();
        let writing = self.begin_timers(&step.timers);
        let written = self.write(move |transaction| Ok((write(transaction, &device, step)?, writing))).await;
        written.map(|(outcome, _)| outcome)
    }
}

fn write(transaction: &mut Transaction<'_>, device: &DeviceId, step: Step) -> Result<CommitOutcome> {
    if let Some(patch) = step.objects {
        objects::write(transaction, device, patch)?;
    }
    if let Some(patch) = step.summary {
        devices::write_summary(transaction, device, &patch)?;
    }
    if let Some(credential) = step.credential {
        access::put_credential(transaction, device, Some(credential))?;
    }
    timers::write(transaction, &step.timers);
    if let Some(commit) = step.commit {
        let outcome = tasks::write_commit(transaction, device, commit)?;
        if outcome != CommitOutcome::Applied {
            return Ok(outcome);
        }
    }
    if let Some(patch) = step.then {
        devices::write_summary(transaction, device, &patch)?;
    }
    Ok(CommitOutcome::Applied)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use acs_proto::records::Unsealed;
    use acs_store::contract::sample::{at, commit, device, first_patch, task};
    use acs_store::{Devices as _, Timers as _};
    use acs_types::{Timer, TimerKind};

    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { disk_reserve_bytes: 0, ..Options::new(Arc::new(Unsealed)) };
        let store = Embedded::open(folder.path(), options).unwrap();
        let timer = Timer { due: at(5), device: device(1), kind: TimerKind::Wake, reference: "ref".into() };
        let of_another = commit([(None, task(2, "a", 5))]);
        let step = Step {
            summary: Some(first_patch(1, 10)),
            timers: vec![timer],
            commit: Some(of_another),
            ..Step::default()
        };
        let failed = store.write_step(&device(1), step).await;
        assert!(matches!(failed, Err(acs_store::Error::Invalid(_))), "{failed:?}");
        assert_eq!(store.summary(&device(1)).await.unwrap(), None);
        assert_eq!(store.due_timers(at(5), 10).await.unwrap(), []);
    }
}
