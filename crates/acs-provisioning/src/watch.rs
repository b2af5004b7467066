use std::sync::Arc;
use std::time::Duration;

use acs_proto::{ServiceError, TaskStream};
use acs_types::{DeviceId, Task, TaskId};
use futures::stream;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error;
use crate::service::Inner;

/// How often a watched task is read again, for changes made by other processes.
const REREAD: Duration = Duration::from_secs(2);

struct Watch {
    inner: Arc<Inner>,
    changes: broadcast::Receiver<Arc<Task>>,
    task: Task,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Following,
    Ended,
}

impl Inner {
    pub(crate) async fn watch(self: &Arc<Self>, device: &DeviceId, id: &TaskId) -> Result<TaskStream, ServiceError> {
        // First listen, then read: nothing falls between the two.
        let changes = self.changes.subscribe();
        let task = self.store().task(device, id).await.map_err(error::store)?.ok_or_else(|| error::no_task(id))?;
        let watch = Watch { inner: self.clone(), changes, task, state: State::First };
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        })))
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Task, ServiceError>> {
        match self.state {
            State::Ended => return None,
            State::First => self.state = State::Following,
            State::Following => match self.changed().await {
                Ok(task) => self.task = task,
                Err(error) => {
                    self.state = State::Ended;
                    return Some(Err(error));
                }
            },
        }
        if self.task.state.is_final() {
            self.state = State::Ended;
        }
        Some(Ok(self.task.clone()))
    }

    /// The next state of the task, newer than the last one told.
    async fn changed(&mut self) -> Result<Task, ServiceError> {
        loop {
            match tokio::time::timeout(REREAD, self.changes.recv()).await {
                Ok(Ok(task)) if task.id == self.task.id && task.device == self.task.device => {
                    if task.revision > self.task.revision {
                        return Ok((*task).clone());
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {
                    if let Some(task) = self.reread().await? {
                        return Ok(task);
                    }
                }
                // Cannot be while `inner` is held.
                Ok(Err(RecvError::Closed)) => return Err(error::no_task(&self.task.id)),
            }
        }
    }

    async fn reread(&self) -> Result<Option<Task>, ServiceError> {
        let Task { device, id, revision, .. } = &self.task;
        let task = self.inner.store().task(device, id).await.map_err(error::store)?;
        let task = task.ok_or_else(|| error::no_task(id))?;
        Ok((task.revision > *revision).then_some(task))
    }
}
