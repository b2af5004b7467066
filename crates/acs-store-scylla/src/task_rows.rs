//! The rows of tasks in their device's partition, written by one conditional batch.

use acs_store::Result;
use acs_types::{DeviceId, Holder, Task};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;

use crate::partition::{Control, FINAL, OPEN};
use crate::store::Shared;

/// What a commit writes, if the partition still has the version it was decided on.
pub(crate) struct TaskRows<'a> {
    shared: &'a Shared,
    device: &'a DeviceId,
    batch: Batch,
    values: Vec<Vec<Option<CqlValue>>>,
}

impl<'a> TaskRows<'a> {
    /// The commit `id` on what `control` says; nothing but the holder so far.
    pub(crate) fn new(
        shared: &'a Shared,
        device: &'a DeviceId,
        control: &Control,
        id: u64,
        holder: Option<Holder>,
    ) -> Self {
        let batch = Batch::new(BatchType::Unlogged);
        let mut rows = Self { shared, device, batch, values: Vec::new() };
        let first = vec![
            Some(CqlValue::BigInt(control.next_version())),
            Some(CqlValue::Blob(control.commits_with(id))),
            holder.map(|holder| CqlValue::Blob(shared.encode(&holder))),
            rows.tenant(),
            rows.device(),
            control.version.map(CqlValue::BigInt),
        ];
        rows.push(&shared.s.device_commit, first);
        rows
    }

    /// A task at its place, and no longer at the one before.
    pub(crate) fn write(&mut self, before: Option<&Task>, task: &Task) {
        let s = &self.shared.s;
        let (kind, at) = place(task);
        if let Some(before) = before.filter(|before| place(before) != (kind, at)) {
            self.push(&s.task_delete, self.key(before));
        }
        let ttl = Some(CqlValue::Int(if kind == FINAL { self.shared.history_ttl() } else { 0 }));
        let mut written = self.key(task);
        written.extend([Some(CqlValue::Blob(self.shared.encode(task))), ttl.clone()]);
        self.push(&s.task_write, written);
        let (kind, at) = (Some(CqlValue::TinyInt(kind)), Some(CqlValue::BigInt(at)));
        self.push(&s.place_write, vec![self.tenant(), self.device(), id(task), kind, at, ttl]);
    }

    /// No such task any more.
    pub(crate) fn forget(&mut self, task: &Task) {
        let s = &self.shared.s;
        self.push(&s.task_delete, self.key(task));
        self.push(&s.place_delete, vec![self.tenant(), self.device(), id(task)]);
    }

    /// Writes all or nothing; whether it did, as far as is known.
    pub(crate) async fn commit(self) -> Result<bool> {
        let doubt = self.shared.in_doubt(self.device);
        let applied = self.shared.cql.conditional_batch(&self.batch, &self.values).await?;
        doubt.settle(applied)
    }

    fn push(&mut self, statement: &PreparedStatement, values: Vec<Option<CqlValue>>) {
        self.batch.append_statement(statement.clone());
        self.values.push(values);
    }

    fn key(&self, task: &Task) -> Vec<Option<CqlValue>> {
        let (kind, at) = place(task);
        vec![self.tenant(), self.device(), Some(CqlValue::TinyInt(kind)), Some(CqlValue::BigInt(at)), id(task)]
    }

    fn tenant(&self) -> Option<CqlValue> {
        Some(CqlValue::Text(self.shared.tenant.clone()))
    }

    fn device(&self) -> Option<CqlValue> {
        Some(CqlValue::Text(self.device.as_str().to_owned()))
    }
}

/// Where a task stands.
pub(crate) fn place(task: &Task) -> (i8, i64) {
    (if task.state.is_final() { FINAL } else { OPEN }, task.created_at.as_micros())
}

fn id(task: &Task) -> Option<CqlValue> {
    Some(CqlValue::Text(task.id.as_str().to_owned()))
}
