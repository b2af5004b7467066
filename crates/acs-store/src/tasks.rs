use acs_types::{DeviceId, Holder, Page, PageRequest, Task, TaskId};
use async_trait::async_trait;

use crate::Result;

/// Tasks: the open ones in their device's partition, the final ones in its history.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// A conditional write to one device's partition: all of it or nothing. A task written in a final state moves to the
    /// history in the same step; one written in a state that is not final moves back.
    async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome>;

    /// One task, open or final.
    async fn task(&self, device: &DeviceId, task: &TaskId) -> Result<Option<Task>>;

    /// The device of a task, for callers that know the task alone.
    async fn device_of_task(&self, task: &TaskId) -> Result<Option<DeviceId>>;

    /// The tasks of a device, open and final, newest first.
    async fn list_tasks(&self, device: &DeviceId, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>>;

    /// The open tasks of all devices, in order of device and creation.
    async fn list_open_tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>>;

    /// How many tasks of the device were created at or after `since` (micros since 1970 UTC).
    async fn count_tasks_since(&self, device: &DeviceId, since_micros: i64) -> Result<u32>;
}

/// One conditional write.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// What must hold of the holder.
    pub holder: HolderGuard,
    /// The tasks to write; at most [`Commit::WRITES_MAX`].
    pub writes: Vec<TaskWrite>,
}

impl Commit {
    /// Tasks in one commit.
    pub const WRITES_MAX: usize = 100;
}

/// What must hold of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderGuard {
    /// Nothing (writes from outside a session).
    Any,
    /// The session is the holder, or no session with a larger stamp is: then it becomes the holder in the same step.
    Session(Holder),
}

/// One task to write.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskWrite {
    /// The revision it must have now; `None`: it must not exist, neither open nor final.
    pub expected_revision: Option<u64>,
    /// The task as it will be; its revision is the expected one + 1, or 1.
    pub task: Task,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// All written.
    Applied,
    /// Nothing written: a newer session holds the device.
    HolderLost {
        /// Who does.
        holder: Holder,
    },
    /// Nothing written: this task has another revision, or exists already. Read again and decide anew.
    Conflict {
        /// The first such task as it is; `None`: it does not exist.
        current: Option<Box<Task>>,
    },
}

/// Which tasks are wanted; empty fields do not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// State names ([`acs_types::TaskState::NAMES`]); empty: all.
    pub states: Vec<String>,
    /// Kind names; empty: all.
    pub kinds: Vec<String>,
}

impl TaskFilter {
    /// Whether `task` is wanted.
    pub fn matches(&self, task: &Task) -> bool {
        let has = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        has(&self.states, task.state.as_str()) && has(&self.kinds, task.spec.kind().as_str())
    }
}
