use acs_types::{DeviceId, Holder, Page, PageRequest, Task, TaskId};
use async_trait::async_trait;

use crate::Result;

/// Tasks: the open ones in their device's partition, the final ones in its history.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// A conditional write to one device's partition: all of it or nothing. A task written in a final state moves to the
    /// history in the same step; one written in a state that is not final moves back. The conditions are held against
    /// what stood before the commit; where one fails the holder does not change either. A commit of more than
    /// [`Commit::WRITES_MAX`] tasks, of one task twice or of another device's task is [`crate::Error::Invalid`].
    async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome>;

    /// One task, open or final.
    async fn task(&self, device: &DeviceId, task: &TaskId) -> Result<Option<Task>>;

    /// The device of a task, for callers that know the task alone.
    async fn device_of_task(&self, task: &TaskId) -> Result<Option<DeviceId>>;

    /// The tasks of a device, open and final, newest first. A page may be short, even empty, and have a next one: one call
    /// looks at a bounded number of rows.
    async fn list_tasks(&self, device: &DeviceId, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>>;

    /// The open tasks of all devices, in order of device and creation. Short pages as in [`Tasks::list_tasks`].
    async fn list_open_tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>>;

    /// How many tasks of the device were created at or after `since` (micros since 1970 UTC).
    async fn count_tasks_since(&self, device: &DeviceId, since_micros: i64) -> Result<u32>;
}

/// One conditional write.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// What must hold of the holder.
    pub holder: HolderGuard,
    /// Whether the device must be known ([`crate::Devices::summary`] gives one). Set for work that was made for a device
    /// read before: after a deletion in between it must not wait at a device that is not there (P1). Not set for the work
    /// of a new device, which is written before the device becomes known.
    pub device_known: bool,
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
    /// The session is the holder, or no session with a larger stamp is: then it becomes the holder in the same step. Of
    /// two sessions with the same stamp the one with the larger id counts as the newer.
    Session(Holder),
}

/// One task to write.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskWrite {
    /// The revision it must have now; `None`: it must not exist, neither open nor final.
    pub expected_revision: Option<u64>,
    /// The task as it will be. The store writes the expected revision + 1, or 1, as its revision.
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
    /// Nothing written: the device is not known, and must be.
    DeviceUnknown,
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
