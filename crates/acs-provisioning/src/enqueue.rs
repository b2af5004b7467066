use std::sync::Arc;
use std::time::Duration;

use acs_planner::{LifeError, life};
use acs_proto::{EnqueueReply, EnqueueRequest, ErrorClass, ServiceError, WakeOutcome};
use acs_store::{CommitOutcome, HolderGuard};
use acs_types::{DeviceId, DeviceSummary, Origin, Task, TaskId, TaskState, Wanted};
use cwmp_model::Timestamp;
use fail::fail_point;

use crate::commit::{COMMIT_TRIES, Change, Conditions};
use crate::error;
use crate::service::Inner;

/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 128;
/// The time over which tasks of a device are counted.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Inner {
    pub(crate) async fn enqueue(self: &Arc<Self>, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        let device = request.device.clone();
        let (task, created) = {
            let _turn = self.turn(&device).await;
            self.insert(request).await?
        };
        let wake = match task.state {
            TaskState::Queued => self.call_for(&task).await?,
            _ => None,
        };
        Ok(EnqueueReply { task, created, wake })
    }

    /// Finds the task of this key or makes it; durable when it returns.
    async fn insert(&self, request: EnqueueRequest) -> Result<(Task, bool), ServiceError> {
        check_key(&request.key)?;
        let id = TaskId::of(&request.principal, &request.device, &request.key);
        for _ in 0..COMMIT_TRIES {
            if let Some(task) = self.store().task(&request.device, &id).await.map_err(error::store)? {
                return same_body(task, &request).map(|task| (task, false));
            }
            let summary = self.store().summary(&request.device).await.map_err(error::store)?;
            let summary = summary.ok_or_else(|| error::no_device(&request.device))?;
            self.validate(&request, &summary).await?;
            self.check_daily_limit(&request.device).await?;
            let task = self.new_task(id.clone(), &request, &summary).await?;
            fail_point!("enqueue::before_insert");
            let change = Change::new(task.clone());
            // A device deleted since it was read gets no task: the next round says that it is not known.
            let outcome = self.commit(&request.device, Conditions::KNOWN, vec![change], &summary.subscriber_id).await?;
            fail_point!("enqueue::after_insert");
            if outcome == CommitOutcome::Applied {
                return Ok((task, true));
            }
        }
        Err(error::contended(&request.device))
    }

    /// Tells a live session or wakes the device, and says what came of it as far as that is known soon.
    async fn call_for(self: &Arc<Self>, task: &Task) -> Result<Option<WakeOutcome>, ServiceError> {
        if task.wanted == Wanted::NextSession {
            // A session that is live may take it along.
            if let Err(error) = self.deps.sessions.hint_work(&task.device).await {
                tracing::warn!(device = %task.device, %error, "no work hint could be left");
            }
            return Ok(None);
        }
        let Some(wake) = self.work_waits(&task.device).await? else { return Ok(None) };
        // The wake-up goes on when nobody waits for it any more.
        let outcome = tokio::time::timeout(self.config.wake_reply_wait, wake).await;
        Ok(outcome.ok().and_then(Result::ok).flatten())
    }

    async fn check_daily_limit(&self, device: &DeviceId) -> Result<(), ServiceError> {
        let since = self.now().minus(DAY).as_micros();
        let count = self.store().count_tasks_since(device, since).await.map_err(error::store)?;
        if count < self.config.tasks_per_day {
            return Ok(());
        }
        let text = format!(
            "device {device} has {count} tasks of the last 24 hours, the limit is {}; try later",
            self.config.tasks_per_day
        );
        Err(ServiceError::new(ErrorClass::Exhausted, "too_many_tasks", text))
    }

    async fn new_task(
        &self,
        id: TaskId,
        request: &EnqueueRequest,
        summary: &DeviceSummary,
    ) -> Result<Task, ServiceError> {
        let created_at = self.next_created_at(&request.device, None).await?;
        let origin = Origin::Request { principal: request.principal.clone() };
        let (tenant, device, spec) = (summary.tenant.clone(), request.device.clone(), request.spec.clone());
        Ok(Task {
            wanted: request.wanted,
            expires_at: request.expires_at,
            body_sha256: request.body_sha256,
            ..Task::queued(id, tenant, device, spec, origin, created_at)
        })
    }

    pub(crate) async fn cancel(&self, device: &DeviceId, id: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        let _turn = self.turn(device).await;
        tracing::info!(%device, task = %id, principal, "cancel asked for");
        self.decide(device, id, HolderGuard::Any.into(), life::cancel).await
    }

    pub(crate) async fn retry(
        self: &Arc<Self>,
        device: &DeviceId,
        id: &TaskId,
        principal: &str,
    ) -> Result<Task, ServiceError> {
        tracing::info!(%device, task = %id, principal, "retry asked for");
        let task = {
            let _turn = self.turn(device).await;
            self.decide(device, id, Conditions::KNOWN, |task| life::retry(task).map(|()| true)).await?
        };
        if task.wanted == Wanted::Now {
            self.work_waits(device).await?;
        }
        Ok(task)
    }

    /// A person's decision about one task.
    async fn decide(
        &self,
        device: &DeviceId,
        id: &TaskId,
        conditions: Conditions,
        decision: impl Fn(&mut Task) -> Result<bool, LifeError>,
    ) -> Result<Task, ServiceError> {
        for _ in 0..COMMIT_TRIES {
            let task = self.store().task(device, id).await.map_err(error::store)?.ok_or_else(|| error::no_task(id))?;
            let mut after = task.clone();
            if !decision(&mut after).map_err(|error| cannot(&task, error))? {
                return Ok(task);
            }
            let subscriber = self.subscriber(device).await?;
            let change = Change::of(&task, after, self.after(task.updated_at));
            let after = change.task.clone();
            match self.commit(device, conditions, vec![change], &subscriber).await? {
                CommitOutcome::Applied => return Ok(after),
                CommitOutcome::DeviceUnknown => return Err(error::no_device(device)),
                CommitOutcome::Conflict { .. } | CommitOutcome::HolderLost { .. } => {}
            }
        }
        Err(error::contended(device))
    }

    /// Now, and not before what was written last.
    pub(crate) fn after(&self, last: Timestamp) -> Timestamp {
        self.now().max(last)
    }
}

fn check_key(key: &str) -> Result<(), ServiceError> {
    let chars = key.chars().count();
    if (1..=KEY_CHARS_MAX).contains(&chars) && !key.chars().any(char::is_control) {
        return Ok(());
    }
    let text = format!("an idempotency key has 1 to {KEY_CHARS_MAX} characters without control characters");
    let mut error = ServiceError::new(ErrorClass::Invalid, "invalid_key", text.clone());
    error.fields.push(("key".to_owned(), text));
    Err(error)
}

fn same_body(task: Task, request: &EnqueueRequest) -> Result<Task, ServiceError> {
    if task.body_sha256 == request.body_sha256 {
        return Ok(task);
    }
    let text = format!("the key was used for task {} with another body; use a new key", task.id);
    Err(ServiceError::new(ErrorClass::Invalid, "idempotency_key_reused", text))
}

fn cannot(task: &Task, error: LifeError) -> ServiceError {
    let text = format!("task {} is {}: {error}", task.id, task.state.as_str());
    ServiceError::new(ErrorClass::Conflict, "task_state", text)
}
