use acs_store::rules::{self, PlannedWrite};
use acs_store::{Commit, CommitOutcome, Result, TaskFilter, Tasks};
use acs_types::{DeviceId, Page, PageRequest, Task, TaskId};
use async_trait::async_trait;
use cwmp_model::Timestamp;

use crate::embedded::SCAN_MAX;
use crate::keys::{self, Key, Space};
use crate::rows::{self, TaskPlace};
use crate::transaction::Transaction;
use crate::{Embedded, decode, engine_error};

/// So many tasks are read where the caller is: another thread costs more than they do.
const FEW: usize = 8;

#[async_trait]
impl Tasks for Embedded {
    async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome> {
        let device = device.clone();
        self.write(move |transaction| write_commit(transaction, &device, commit)).await
    }

    async fn task(&self, device: &DeviceId, task: &TaskId) -> Result<Option<Task>> {
        let engine = self.engine()?;
        let view = engine.view();
        let Some(bytes) = view.get(Space::Rows, &keys::task_place(task)).map_err(engine_error)? else {
            return Ok(None);
        };
        let place = TaskPlace::from_bytes(&bytes)?;
        if place.device != *device {
            return Ok(None);
        }
        let (space, key) = key(&place, task);
        let bytes = view.get(space, &key).map_err(engine_error)?;
        bytes.map(|bytes| decode(&bytes, self.seal())).transpose()
    }

    async fn device_of_task(&self, task: &TaskId) -> Result<Option<DeviceId>> {
        let bytes = self.engine()?.get(Space::Rows, &keys::task_place(task)).map_err(engine_error)?;
        bytes.map(|bytes| Ok(TaskPlace::from_bytes(&bytes)?.device)).transpose()
    }

    async fn list_tasks(&self, device: &DeviceId, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        if page.limit <= FEW && *filter == TaskFilter::default() {
            return self.tasks_newest_first(device, filter, page);
        }
        let (device, filter, page) = (device.clone(), filter.clone(), page.clone());
        self.scan(move |store| store.tasks_newest_first(&device, &filter, &page)).await
    }

    async fn list_open_tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.scan(move |store| {
            store.page(Space::Rows, keys::OPEN_TASKS, &page, |_, value| {
                let task: Task = decode(value, store.seal())?;
                Ok(filter.matches(&task).then_some(task))
            })
        })
        .await
    }

    async fn count_tasks_since(&self, device: &DeviceId, since_micros: i64) -> Result<u32> {
        let device = device.clone();
        self.scan(move |store| {
            let engine = store.engine()?;
            let view = engine.view();
            let mut count = 0;
            let open = keys::open_tasks(&device);
            for row in view.scan(Space::Rows, &open, None) {
                let (key, _) = row.map_err(engine_error)?;
                count += u32::from(keys::from_oldest(&key[open.len()..]).is_some_and(|at| at >= since_micros));
            }
            let done = keys::final_tasks(&device);
            for row in view.scan(Space::History, &done, None) {
                let (key, _) = row.map_err(engine_error)?;
                // Newest first.
                if keys::from_newest(&key[done.len()..]).is_none_or(|at| at < since_micros) {
                    break;
                }
                count += 1;
            }
            Ok(count)
        })
        .await
    }
}

impl Embedded {
    /// Open and final tasks in one order, from one moment: a task that becomes final between two pages keeps its place.
    fn tasks_newest_first(&self, device: &DeviceId, filter: &TaskFilter, request: &PageRequest) -> Result<Page<Task>> {
        let engine = self.engine()?;
        let view = engine.view();
        let prefix = keys::final_tasks(device);
        let after = request.after.as_deref().map(|text| rows::place_key(text, &prefix)).transpose()?;
        let mut open: Vec<(Key, Task)> = Vec::new();
        for row in view.scan(Space::Rows, &keys::open_tasks(device), None) {
            let task: Task = decode(&row.map_err(engine_error)?.1, self.seal())?;
            // The place it will have when it is final.
            open.push((keys::final_task(device, task.created_at, &task.id), task));
        }
        open.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        open.sort_by(|(a, _), (b, _)| b.cmp(a));

        let limit = request.limit.clamp(1, PageRequest::LIMIT_MAX);
        let mut done = view.scan(Space::History, &prefix, after.as_deref());
        let mut next_done = done.next().transpose().map_err(engine_error)?;
        let (mut items, mut last) = (Vec::new(), None);
        for seen in 0.. {
            let open_first = match (open.last(), &next_done) {
                (None, None) => return Ok(Page { items, next: None }),
                (Some((open, _)), Some((done, _))) => open.as_slice() < &**done,
                (open, None) => open.is_some(),
                (None, Some(_)) => false,
            };
            if items.len() == limit || seen == SCAN_MAX {
                break;
            }
            let (place, task) = if open_first {
                let Some(next) = open.pop() else { break };
                next
            } else {
                let Some((key, value)) = next_done.take() else { break };
                next_done = done.next().transpose().map_err(engine_error)?;
                (key.to_vec(), decode(&value, self.seal())?)
            };
            if filter.matches(&task) {
                items.push(task);
            }
            last = Some(place);
        }
        Ok(Page { items, next: last.map(|place| rows::place_text(&place, &prefix)) })
    }
}

/// Decides a commit and writes it, seen from the commit thread.
pub(crate) fn write_commit(
    transaction: &mut Transaction<'_>,
    device: &DeviceId,
    commit: Commit,
) -> Result<CommitOutcome> {
    let holder = transaction.record(Space::Rows, &keys::holder(device))?;
    let known = || crate::devices::is_known(transaction, device);
    let current = |id: &TaskId| current(transaction, device, id);
    let plan = match rules::decide_commit(device, holder, commit, known, current)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(outcome),
    };
    if let Some(holder) = plan.holder {
        transaction.put_record(Space::Rows, keys::holder(device), &holder);
    }
    for planned in plan.writes {
        write(transaction, &planned);
    }
    Ok(CommitOutcome::Applied)
}

fn current(transaction: &Transaction<'_>, device: &DeviceId, task: &TaskId) -> Result<Option<Task>> {
    let Some(bytes) = transaction.get(Space::Rows, &keys::task_place(task))? else { return Ok(None) };
    let place = TaskPlace::from_bytes(&bytes)?;
    if place.device != *device {
        return Ok(None);
    }
    let (space, key) = key(&place, task);
    transaction.record(space, &key)
}

fn write(transaction: &mut Transaction<'_>, planned: &PlannedWrite) {
    let place = place(&planned.task);
    let (space, to) = key(&place, &planned.task.id);
    if let Some(before) = &planned.before {
        let (space, from) = key(&self::place(before), &before.id);
        if from != to {
            transaction.remove(space, from);
        }
    }
    transaction.put_record(space, to, &planned.task);
    let unmoved = planned.before.as_ref().is_some_and(|before| self::place(before) == place);
    if !unmoved {
        transaction.put(Space::Rows, keys::task_place(&planned.task.id), place.to_bytes());
    }
}

fn place(task: &Task) -> TaskPlace {
    let created_at = task.created_at.as_micros();
    TaskPlace { is_final: task.state.is_final(), created_at, device: task.device.clone() }
}

fn key(place: &TaskPlace, task: &TaskId) -> (Space, Key) {
    let created_at = Timestamp::from_micros(place.created_at);
    if place.is_final {
        (Space::History, keys::final_task(&place.device, created_at, task))
    } else {
        (Space::Rows, keys::open_task(&place.device, created_at, task))
    }
}
