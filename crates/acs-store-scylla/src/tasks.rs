use std::collections::HashMap;

use acs_store::{Commit, CommitOutcome, Result, Steps, TaskFilter, Tasks};
use acs_types::{DeviceId, Page, PageRequest, Task, TaskId};
use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};

use crate::cql::{self, AT_ONCE};
use crate::index::{self, Index};
use crate::partition::{FINAL, OPEN, Stored};
use crate::place::{self, TimeKey};
use crate::store::{ScyllaStore, Shared};
use crate::task_rows;

/// Final tasks that one call of a list looks at; beyond, the page is short and has a next one.
const LOOKED_AT_MAX: usize = 1000;
/// Devices whose open tasks one call of the list of all looks at.
const DEVICES_MAX: usize = 200;
/// How often a read is made anew because a task moved during it.
const READS_MAX: usize = 5;

#[async_trait]
impl Tasks for ScyllaStore {
    async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome> {
        self.shared.commit(device, commit).await
    }

    async fn task(&self, device: &DeviceId, task: &TaskId) -> Result<Option<Task>> {
        Ok(self.shared.tasks_by_id(device, &[task]).await?.pop())
    }

    async fn device_of_task(&self, task: &TaskId) -> Result<Option<DeviceId>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let Some((device,)) = cql.row::<(String,)>(&s.task_device, (tenant, task.as_str())).await? else {
            return Ok(None);
        };
        // It is written before the task, which may never have come, or is gone by now.
        let device = place::stored(&device)?;
        let is_there = !self.shared.tasks_by_id(&device, &[task]).await?.is_empty();
        Ok(is_there.then_some(device))
    }

    async fn list_tasks(&self, device: &DeviceId, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        let after: Option<TimeKey<TaskId>> = place::time_after(page)?;
        let limit = place::limit(page);
        let look_at = if *filter == TaskFilter::default() { limit + 1 } else { LOOKED_AT_MAX };
        let (open, done) = self.shared.tasks_after(device, after.as_ref(), look_at).await?;
        // Beyond the last final task that was read there may be more; open ones beyond it have to wait for them.
        let all = done.len() < look_at;
        let end = if all { None } else { done.last().map(key) };
        let mut tasks: Vec<Task> = open.into_iter().chain(done).collect();
        tasks.retain(|task| end.as_ref().is_none_or(|end| key(task) >= *end));
        tasks.sort_by_cached_key(|task| std::cmp::Reverse(key(task)));
        let (mut items, mut last) = (Vec::new(), None);
        for task in tasks {
            if items.len() == limit {
                return Ok(Page { items, next: last });
            }
            last = Some(place::time_text(&key(&task)));
            if filter.matches(&task) {
                items.push(task);
            }
        }
        Ok(Page { items, next: if all { None } else { last } })
    }

    async fn list_open_tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        let after = page.after.as_deref().map(open_place).transpose()?;
        let limit = place::limit(page);
        let shared = &*self.shared;
        let mut ids =
            index::after(shared, Index::OpenTasks, after.as_ref().map(|(device, _)| device), DEVICES_MAX).await?;
        let all = ids.len() < DEVICES_MAX;
        // The page before may have ended in the middle of a device.
        ids.splice(0..0, after.as_ref().map(|(device, _)| device.clone()));
        let (mut items, mut last) = (Vec::new(), None);
        let mut partitions =
            stream::iter(ids).map(|id| async move { (shared.stored(&id).await, id) }).buffered(AT_ONCE);
        while let Some((stored, device)) = partitions.next().await {
            let Stored { partition, control, .. } = stored?;
            if partition.tasks.is_empty() {
                let version = control.version.unwrap_or(0);
                index::delete(shared, Index::OpenTasks, &device, version).await?;
                last = Some(format!("{device}:{}:{LAST_ID}", i64::MAX));
            }
            let mut tasks = partition.tasks;
            tasks.sort_by_cached_key(key);
            for task in tasks {
                let here = (device.clone(), key(&task));
                if after.as_ref().is_some_and(|after| here <= *after) {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { items, next: last });
                }
                last = Some(format!("{device}:{}", place::time_text(&here.1)));
                if filter.matches(&task) {
                    items.push(task);
                }
            }
        }
        Ok(Page { items, next: if all { None } else { last } })
    }

    async fn count_tasks_since(&self, device: &DeviceId, since_micros: i64) -> Result<u32> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let count = |kind: i8| cql.row::<(i64,)>(&s.tasks_since, (tenant, device.as_str(), kind, since_micros));
        let (open, done) = futures::try_join!(count(OPEN), count(FINAL))?;
        let count = open.map_or(0, |(count,)| count) + done.map_or(0, |(count,)| count);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Part by part: they lie in several partitions.
impl Steps for ScyllaStore {}

/// Greater than any task id of ours, which are hashes in base 32.
const LAST_ID: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzz";

fn key(task: &Task) -> TimeKey<TaskId> {
    (task.created_at.as_micros(), task.id.clone())
}

fn open_place(text: &str) -> Result<(DeviceId, TimeKey<TaskId>)> {
    let parse = || {
        let (device, rest) = text.split_once(':')?;
        Some((device.parse().ok()?, place::time_key(rest)?))
    };
    parse().ok_or_else(|| place::bad(text))
}

type TaskRow = (i64, String, Vec<u8>);

impl Shared {
    /// Those of the tasks that exist, open or final.
    pub(crate) async fn tasks_by_id(&self, device: &DeviceId, ids: &[&TaskId]) -> Result<Vec<Task>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let Self { cql, s, tenant, .. } = self;
        let mut missing: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let mut found = Vec::new();
        for _ in 0..READS_MAX {
            let places = cql.rows::<(String, i8, i64)>(&s.places, (tenant, device.as_str(), &missing)).await?;
            let record = |(id, kind, at): &(String, i8, i64)| self.task_record(device, *kind, *at, id.clone());
            let records = cql::all(places.iter().map(record).collect()).await?;
            missing.clear();
            for (place, record) in places.iter().zip(records) {
                match record {
                    Some((record,)) => found.push(self.decode(&record)?),
                    // It moved between the two reads.
                    None => missing.extend(ids.iter().map(|id| id.as_str()).find(|id| *id == place.0)),
                }
            }
            if missing.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    async fn task_record(&self, device: &DeviceId, kind: i8, at: i64, id: String) -> Result<Option<(Vec<u8>,)>> {
        self.cql.row(&self.s.task, (&self.tenant, device.as_str(), kind, at, id)).await
    }

    /// The open tasks after a place, and the first final ones, newest first, of one moment.
    async fn tasks_after(
        &self,
        device: &DeviceId,
        after: Option<&TimeKey<TaskId>>,
        limit: usize,
    ) -> Result<(Vec<Task>, Vec<Task>)> {
        let mut read = (Vec::new(), Vec::new());
        for _ in 0..READS_MAX {
            let stored = self.stored(device).await?;
            let done = self.final_tasks_after(device, after, limit).await?;
            let done = done.iter().map(|(.., record)| self.decode(record)).collect::<Result<Vec<Task>>>()?;
            let mut open = stored.partition.tasks;
            open.retain(|task| after.is_none_or(|after| key(task) < *after));
            read = (open, done);
            let version =
                self.cql.row::<(Option<i64>,)>(&self.s.device_version, (&self.tenant, device.as_str())).await?;
            if version.and_then(|(version,)| version) == stored.control.version {
                return Ok(read);
            }
        }
        // It is written all the time: each task once, as it was read last.
        let mut newest: HashMap<TaskId, Task> = HashMap::new();
        for task in read.0.into_iter().chain(read.1) {
            let slot = newest.entry(task.id.clone()).or_insert_with(|| task.clone());
            if task.revision > slot.revision {
                *slot = task;
            }
        }
        let mut done: Vec<Task> = newest.into_values().collect();
        done.sort_by_cached_key(|task| std::cmp::Reverse(key(task)));
        Ok(done.into_iter().partition(|task| task_rows::place(task).0 == OPEN))
    }

    pub(crate) async fn final_tasks_after(
        &self,
        device: &DeviceId,
        after: Option<&TimeKey<TaskId>>,
        limit: usize,
    ) -> Result<Vec<TaskRow>> {
        let Self { cql, s, tenant, .. } = self;
        let device = device.as_str();
        let rows = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let Some((at, id)) = after else { return cql.rows(&s.final_tasks, (tenant, device, rows(limit))).await };
        let mut found = cql.rows(&s.final_tasks_at, (tenant, device, at, id.as_str(), rows(limit))).await?;
        if found.len() < limit {
            let rest = cql.rows(&s.final_tasks_before, (tenant, device, at, rows(limit - found.len()))).await?;
            found.extend(rest);
        }
        Ok(found)
    }
}
