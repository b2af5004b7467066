//! What the traits demand of every backend, as pure functions: backends that read, decide and write under their own lock
//! share these instead of each deciding for itself.

use acs_types::{DeviceSummary, Holder, ObjectRecord, ParameterRecord, SessionStamp, Task, TaskId};

use crate::{Commit, CommitOutcome, DeviceFilter, Error, HolderGuard, ObjectsPatch, TaskFilter, UpsertObject};

pub use crate::summary_row::SummaryRow;

/// Decides a commit against the partition as it is now. `known` says whether the device is known, and is asked only where
/// that matters; `current` gives a task, open or final.
///
/// `Ok(Ok(plan))`: it holds, and `plan` is what is to be written. `Ok(Err(outcome))`: nothing is to be written.
pub fn decide_commit<E: From<Error>>(
    device: &acs_types::DeviceId,
    holder: Option<Holder>,
    commit: Commit,
    known: impl FnOnce() -> Result<bool, E>,
    mut current: impl FnMut(&TaskId) -> Result<Option<Task>, E>,
) -> Result<Result<CommitPlan, CommitOutcome>, E> {
    check_commit(device, &commit)?;
    if commit.device_known && !known()? {
        return Ok(Err(CommitOutcome::DeviceUnknown));
    }
    let new_holder = match commit.holder {
        HolderGuard::Any => None,
        HolderGuard::Session(session) => match take_over(holder, session) {
            Ok(new) => new,
            Err(holder) => return Ok(Err(CommitOutcome::HolderLost { holder })),
        },
    };
    let mut writes = Vec::with_capacity(commit.writes.len());
    for write in commit.writes {
        let before = current(&write.task.id)?;
        if before.as_ref().map(|t| t.revision) != write.expected_revision {
            return Ok(Err(CommitOutcome::Conflict { current: before.map(Box::new) }));
        }
        let mut task = write.task;
        task.revision = write.expected_revision.unwrap_or(0) + 1;
        writes.push(PlannedWrite { before, task });
    }
    Ok(Ok(CommitPlan { holder: new_holder, writes }))
}

/// What a commit that holds writes.
#[derive(Debug)]
pub struct CommitPlan {
    /// The new holder; `None`: it stays.
    pub holder: Option<Holder>,
    /// The tasks.
    pub writes: Vec<PlannedWrite>,
}

/// One task of a plan.
#[derive(Debug)]
pub struct PlannedWrite {
    /// As it is now.
    pub before: Option<Task>,
    /// As it will be, with its new revision.
    pub task: Task,
}

fn check_commit(device: &acs_types::DeviceId, commit: &Commit) -> Result<(), Error> {
    let count = commit.writes.len();
    if count > Commit::WRITES_MAX {
        return Err(Error::Invalid(format!(
            "a commit of {count} tasks is over the limit of {}; split it",
            Commit::WRITES_MAX
        )));
    }
    for (i, write) in commit.writes.iter().enumerate() {
        let task = &write.task;
        if task.device != *device {
            return Err(Error::Invalid(format!("task {} is of device {}, not of {device}", task.id, task.device)));
        }
        if commit.writes[..i].iter().any(|w| w.task.id == task.id) {
            return Err(Error::Invalid(format!("task {} stands twice in one commit", task.id)));
        }
    }
    Ok(())
}

/// Whether `session` may write: `Ok(Some)` makes it the holder, `Err` names the newer one.
fn take_over(holder: Option<Holder>, session: Holder) -> Result<Option<Holder>, Holder> {
    match holder {
        Some(holder) if holder.session == session.session => Ok((session.stamp > holder.stamp).then_some(session)),
        Some(holder) if (holder.stamp, holder.session) > (session.stamp, session.session) => Err(holder),
        _ => Ok(Some(session)),
    }
}

/// Whether a patch of objects counts: `None` if it is older than the one that forgot everything. Otherwise whether it
/// forgets now.
pub fn patch_forgets(forgotten: Option<SessionStamp>, patch: &ObjectsPatch) -> Option<bool> {
    match forgotten {
        Some(forgotten) if patch.stamp < forgotten => None,
        Some(forgotten) => Some(patch.forget && patch.stamp > forgotten),
        None => Some(patch.forget),
    }
}

/// An object after news of it; `late` as in [`ObjectsPatch::late`]. Parameters stand in order of their name, each once.
pub fn merge_object(known: Option<ObjectRecord>, news: UpsertObject, late: bool) -> ObjectRecord {
    let UpsertObject { object: new, complete } = news;
    let mut merged = known.unwrap_or_else(|| ObjectRecord {
        path: new.path.clone(),
        writable: None,
        named_at: None,
        parameters: Vec::with_capacity(new.parameters.len()),
    });
    merged.writable = new.writable.or(merged.writable);
    merged.named_at = new.named_at.or(merged.named_at);
    if complete && !merged.parameters.is_empty() {
        let mut listed: Vec<&str> = new.parameters.iter().map(|p| p.name.as_str()).collect();
        listed.sort_unstable();
        merged.parameters.retain(|p| listed.binary_search(&p.name.as_str()).is_ok());
    }
    for parameter in new.parameters {
        match merged.parameters.binary_search_by(|p| p.name.cmp(&parameter.name)) {
            Ok(at) => merge_parameter(&mut merged.parameters[at], parameter, late),
            Err(at) => merged.parameters.insert(at, parameter),
        }
    }
    merged
}

fn merge_parameter(known: &mut ParameterRecord, new: ParameterRecord, late: bool) {
    known.writable = new.writable.or(known.writable);
    let outdated = late && known.value.is_some() && known.value_at > new.value_at;
    if new.value.is_some() && !outdated {
        known.value = new.value;
        known.value_at = new.value_at;
        known.secret = new.secret;
    } else {
        known.secret |= new.secret;
    }
}

impl DeviceFilter {
    /// Whether a device is wanted.
    pub fn matches(&self, device: &DeviceSummary) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w == has);
        is(&self.serial_number, &device.identity.serial_number)
            && is(&self.oui, &device.identity.oui)
            && is(&self.product_class, &device.identity.product_class)
            && is(&self.software_version, &device.software_version)
            && is(&self.subscriber_id, &device.subscriber_id)
            && self.informed_since.is_none_or(|since| device.last_inform >= since)
            && self.informed_before.is_none_or(|before| device.last_inform < before)
            && self.text.as_deref().is_none_or(|text| has_text(device, text))
    }
}

fn has_text(device: &DeviceSummary, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |field: &str| field.to_lowercase().contains(&text);
    has(device.id.as_str())
        || has(&device.identity.manufacturer)
        || has(&device.identity.product_class)
        || has(&device.identity.serial_number)
        || device.remote.is_some_and(|address| has(&address.to_string()))
}

impl TaskFilter {
    /// Whether `task` is wanted.
    pub fn matches(&self, task: &Task) -> bool {
        let has = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        has(&self.states, task.state.as_str()) && has(&self.kinds, task.spec.kind().as_str())
    }
}

/// Puts the open tasks of a device in the order they run: priority, creation, id (P6).
pub fn sort_open_tasks(tasks: &mut [Task]) {
    tasks.sort_by(|a, b| (a.priority, a.created_at, &a.id).cmp(&(b.priority, b.created_at, &b.id)));
}
