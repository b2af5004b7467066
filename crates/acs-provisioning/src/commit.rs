use std::sync::Arc;
use std::sync::atomic::Ordering;

use acs_planner::{TaskChange, deadline_of, life};
use acs_proto::ServiceError;
use acs_store::{Commit, CommitOutcome, HolderGuard, Step, TaskWrite};
use acs_types::{DeviceId, EventBody, EventId, EventRecord, Position, SessionStamp, Task, TaskState, TaskTransition};
use cwmp_model::Timestamp;

use crate::error;
use crate::metrics::{AttemptLabels, Transition};
use crate::service::Inner;
use crate::session::wants_now;

/// How often a decision is made anew because someone else wrote first.
pub(crate) const COMMIT_TRIES: usize = 8;

/// A task to be written: the name of its state before (empty: new) and the revision it must have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) from: &'static str,
    pub(crate) expected: Option<u64>,
    pub(crate) task: Task,
}

impl From<TaskChange> for Change {
    fn from(change: TaskChange) -> Self {
        Self { from: change.from, expected: Some(change.expected_revision), task: change.task }
    }
}

impl Change {
    /// A task after a transition, with its new revision and time.
    pub(crate) fn of(before: &Task, mut after: Task, at: Timestamp) -> Self {
        life::seal(&mut after, before.revision, at);
        Self { from: before.state.as_str(), expected: Some(before.revision), task: after }
    }

    pub(crate) fn new(task: Task) -> Self {
        Self { from: "", expected: None, task }
    }
}

/// What must hold for a commit, beside the revisions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) holder: HolderGuard,
    /// The device was read as known, and must still be: work is not left at a device that was deleted meanwhile (P1).
    pub(crate) device_known: bool,
}

impl Conditions {
    /// For new work from outside a session.
    pub(crate) const KNOWN: Self = Self { holder: HolderGuard::Any, device_known: true };
}

impl From<HolderGuard> for Conditions {
    fn from(holder: HolderGuard) -> Self {
        Self { holder, device_known: false }
    }
}

impl Inner {
    /// The subscriber of a device, for the events of its tasks; empty: none.
    pub(crate) async fn subscriber(&self, device: &DeviceId) -> Result<String, ServiceError> {
        let summary = self.store().summary(device).await.map_err(error::store)?;
        Ok(summary.map(|summary| summary.subscriber_id).unwrap_or_default())
    }

    /// Writes tasks: their timers first, then the tasks, then the events. All of them or none, as far as they fit one
    /// commit; what is about to be sent is in the last one.
    pub(crate) async fn commit(
        &self,
        device: &DeviceId,
        conditions: impl Into<Conditions>,
        changes: Vec<Change>,
        subscriber_id: &str,
    ) -> Result<CommitOutcome, ServiceError> {
        self.commit_with(Step::default(), device, conditions.into(), changes, subscriber_id).await
    }

    /// The same with what else is to be written before the tasks or after them.
    pub(crate) async fn commit_with(
        &self,
        beside: Step,
        device: &DeviceId,
        conditions: Conditions,
        mut changes: Vec<Change>,
        subscriber_id: &str,
    ) -> Result<CommitOutcome, ServiceError> {
        let Conditions { holder, device_known } = conditions;
        let mut timers: Vec<_> = changes.iter().filter_map(|c| deadline_of(&c.task, &self.config.settings)).collect();
        // Whoever is to wake the device for what goes into the queue may die before doing so.
        let now = self.now();
        let waits = changes.iter().any(|change| wants_now(&change.task, now));
        let wake = waits.then(|| self.wake_to_arm(device, now)).flatten();
        timers.extend(wake.clone());
        changes.sort_by_key(|change| matches!(change.task.state, TaskState::Sending { .. }));
        let then = beside.then;
        let mut step = Step { timers, then: None, ..beside };
        let parts: Vec<&[Change]> = changes.chunks(Commit::WRITES_MAX).collect();
        for (at, part) in parts.iter().enumerate() {
            let write = |c: &Change| TaskWrite { expected_revision: c.expected, task: c.task.clone() };
            step.commit = Some(Commit { holder, device_known, writes: part.iter().map(write).collect() });
            if at + 1 == parts.len() {
                step.then.clone_from(&then);
            }
            let outcome = self.write_step(device, std::mem::take(&mut step)).await?;
            if let (0, Some(wake)) = (at, &wake) {
                self.note_armed(device, wake.due, now);
            }
            if outcome != CommitOutcome::Applied {
                self.deps.metrics.conflicts.inc();
                return Ok(outcome);
            }
            self.tell(part, subscriber_id).await;
        }
        if parts.is_empty() {
            step.then = then;
            self.write_step(device, step).await?;
        }
        Ok(CommitOutcome::Applied)
    }

    async fn write_step(&self, device: &DeviceId, step: Step) -> Result<CommitOutcome, ServiceError> {
        self.store().write_step(device, step).await.map_err(error::store)
    }

    /// Every transition is an event and reaches who watches. The store proves it anyway, so nothing waits for the log.
    async fn tell(&self, changes: &[Change], subscriber_id: &str) {
        let records: Vec<_> = changes.iter().map(|change| self.record(change, subscriber_id)).collect();
        if let Err(error) = self.deps.log.append_unawaited(records).await {
            tracing::warn!(%error, "transitions of tasks are missing in the event log");
        }
        for change in changes {
            self.count(change);
            // Nobody watching is no error.
            let _ = self.changes.send(Arc::new(change.task.clone()));
        }
    }

    fn record(&self, change: &Change, subscriber_id: &str) -> EventRecord {
        let task = &change.task;
        let attempt = match task.state {
            TaskState::Sending { attempt } | TaskState::Awaiting { attempt, .. } | TaskState::Unknown { attempt } => {
                attempt
            }
            _ => task.last_attempt().map_or(0, |attempt| attempt.number),
        };
        let transition = TaskTransition {
            task: task.id.clone(),
            kind: task.spec.kind(),
            from: change.from.to_owned(),
            to: task.state.as_str().to_owned(),
            attempt,
            revision: task.revision,
            fault: task.fault.clone(),
        };
        // Transitions stand among a device's records by time: a session's own positions are its front-end's.
        let stamp = SessionStamp::from_micros(task.updated_at.as_micros());
        EventRecord {
            event_id: EventId::of_transition(&task.id, task.revision),
            device: Some(task.device.clone()),
            tenant: task.tenant.clone(),
            subscriber_id: subscriber_id.to_owned(),
            session: None,
            position: Position { stamp, resume: 0, seq: 0 },
            occurred_at: task.updated_at,
            emitter: self.config.emitter.clone(),
            emitter_seq: self.emitted.fetch_add(1, Ordering::Relaxed) + 1,
            late: false,
            body: EventBody::Task(Box::new(transition)),
        }
    }

    fn count(&self, change: &Change) {
        let task = &change.task;
        if change.from != task.state.as_str() {
            let labels = Transition { kind: task.spec.kind().as_str(), to: task.state.as_str() };
            self.deps.metrics.transitions.get_or_create(&labels).inc();
        }
        if let (TaskState::Sending { .. }, Some(attempt)) = (&task.state, task.last_attempt()) {
            let labels = AttemptLabels { method: method_label(&attempt.method), reason: attempt.reason.as_str() };
            self.deps.metrics.attempts.get_or_create(&labels).inc();
        }
    }
}

/// Methods that change a device, as labels.
fn method_label(method: &str) -> &'static str {
    const METHODS: [&str; 6] =
        ["SetParameterValues", "AddObject", "DeleteObject", "Download", "Reboot", "FactoryReset"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}
