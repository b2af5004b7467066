use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use acs_types::{
    ApiToken, AuditRecord, CpeCredential, DeviceId, DeviceSummary, EventId, FaultRecord, FileId, FileRecord, Holder,
    ModelKey, ModelNotes, ObjectRecord, Page, PageRequest, Partition, RefusedInform, SessionId, SessionRecord,
    SessionStamp, SummaryPatch, Task, TaskId, Timer, TokenId,
};
use async_trait::async_trait;
use cwmp_model::{ParameterPath, Timestamp};

use super::page::{self, TimeKey};
use crate::rules::{self, SummaryRow};
use crate::{
    AccessRecords, AuditLog, Commit, CommitOutcome, Credentials, DeleteOutcome, DeviceFilter, Devices, Error, Files,
    History, Models, Objects, ObjectsPatch, Result, Steps, TaskFilter, Tasks, Timers,
};

/// A store in memory, for tests: one lock around plain maps. Nothing survives it, and only refused Informs are bounded.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    failure: Mutex<Option<Error>>,
    damaged: Mutex<BTreeMap<DeviceId, Error>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call fails so and changes nothing; `None`: works again.
    pub fn fail_with(&self, failure: Option<Error>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// From now on reading the tasks of this device fails so, as where its rows are damaged; `None`: they are mended.
    pub fn damage(&self, device: &DeviceId, failure: Option<Error>) {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => damaged.insert(device.clone(), failure),
            None => damaged.remove(device),
        };
    }

    /// The state, unless the rows of `device` are damaged.
    fn state_of(&self, device: &DeviceId) -> Result<MutexGuard<'_, State>> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.get(device).map_or(Ok(()), |failure| Err(failure.clone()))?;
        drop(damaged);
        self.state()
    }

    fn state(&self) -> Result<MutexGuard<'_, State>> {
        if let Some(failure) = &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(failure.clone());
        }
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug, Default)]
struct State {
    devices: BTreeMap<DeviceId, Device>,
    final_tasks: BTreeMap<DeviceId, BTreeMap<TimeKey<TaskId>, Task>>,
    /// Every task, open or final.
    tasks: HashMap<TaskId, TaskPlace>,
    sessions: BTreeMap<DeviceId, BTreeMap<TimeKey<SessionId>, SessionRecord>>,
    session_places: HashMap<SessionId, (DeviceId, i64)>,
    faults: BTreeMap<TimeKey<EventId>, FaultRecord>,
    fault_times: HashMap<EventId, i64>,
    refused: BTreeMap<TimeKey<EventId>, RefusedInform>,
    cursors: HashMap<String, u64>,
    files: HashMap<FileId, FileRecord>,
    tokens: BTreeMap<TokenId, ApiToken>,
    audit: Vec<AuditRecord>,
    credentials: HashMap<DeviceId, CpeCredential>,
    usernames: HashMap<String, DeviceId>,
    models: HashMap<ModelKey, ModelNotes>,
    timers: std::collections::BTreeSet<Timer>,
}

#[derive(Debug)]
struct Device {
    row: SummaryRow,
    holder: Option<Holder>,
    open_tasks: BTreeMap<TimeKey<TaskId>, Task>,
    objects: BTreeMap<ParameterPath, ObjectRecord>,
    forgotten: Option<SessionStamp>,
}

#[derive(Debug, Clone)]
struct TaskPlace {
    device: DeviceId,
    created_at: i64,
}

impl State {
    fn device(&mut self, id: &DeviceId) -> &mut Device {
        self.devices.entry(id.clone()).or_insert_with(|| Device {
            row: SummaryRow::new(id.clone()),
            holder: None,
            open_tasks: BTreeMap::new(),
            objects: BTreeMap::new(),
            forgotten: None,
        })
    }

    fn task(&self, id: &TaskId) -> Option<&Task> {
        let place = self.tasks.get(id)?;
        let key = (place.created_at, id.clone());
        let open = self.devices.get(&place.device).and_then(|d| d.open_tasks.get(&key));
        open.or_else(|| self.final_tasks.get(&place.device)?.get(&key))
    }

    fn remove_task(&mut self, id: &TaskId) {
        let Some(place) = self.tasks.remove(id) else { return };
        let key = (place.created_at, id.clone());
        if let Some(device) = self.devices.get_mut(&place.device) {
            device.open_tasks.remove(&key);
        }
        if let Some(tasks) = self.final_tasks.get_mut(&place.device) {
            tasks.remove(&key);
        }
    }

    fn put_task(&mut self, task: Task) {
        self.remove_task(&task.id);
        let created_at = task.created_at.as_micros();
        let key = (created_at, task.id.clone());
        self.tasks.insert(task.id.clone(), TaskPlace { device: task.device.clone(), created_at });
        if task.state.is_final() {
            self.final_tasks.entry(task.device.clone()).or_default().insert(key, task);
        } else {
            self.device(&task.device.clone()).open_tasks.insert(key, task);
        }
    }

    fn tasks_of(&self, device: &DeviceId) -> BTreeMap<&TimeKey<TaskId>, &Task> {
        let open = self.devices.get(device).into_iter().flat_map(|d| &d.open_tasks);
        open.chain(self.final_tasks.get(device).into_iter().flatten()).collect()
    }

    fn put_session(&mut self, record: SessionRecord) {
        let (id, device, stamp) = (record.at.session, record.at.device.clone(), record.at.stamp.as_micros());
        if let Some((device, stamp)) = self.session_places.insert(id, (device.clone(), stamp))
            && let Some(sessions) = self.sessions.get_mut(&device)
        {
            sessions.remove(&(stamp, id));
        }
        self.sessions.entry(device).or_default().insert((stamp, id), record);
    }

    fn put_credential(&mut self, device: &DeviceId, credential: Option<CpeCredential>) {
        if let Some(old) = self.credentials.remove(device)
            && self.usernames.get(&old.username) == Some(device)
        {
            self.usernames.remove(&old.username);
        }
        let Some(credential) = credential else { return };
        if !credential.username.is_empty() {
            self.usernames.insert(credential.username.clone(), device.clone());
        }
        self.credentials.insert(device.clone(), credential);
    }

    fn drop_history(&mut self, before: Timestamp) -> u64 {
        let mut dropped = 0;
        for sessions in self.sessions.values_mut() {
            sessions.retain(|(_, id), record| {
                let keep = record.ended_at >= before;
                if !keep {
                    self.session_places.remove(id);
                    dropped += 1;
                }
                keep
            });
        }
        for tasks in self.final_tasks.values_mut() {
            tasks.retain(|(_, id), task| {
                let keep = task.updated_at >= before;
                if !keep {
                    self.tasks.remove(id);
                    dropped += 1;
                }
                keep
            });
        }
        self.faults.retain(|(_, id), fault| {
            let keep = fault.at >= before;
            if !keep {
                self.fault_times.remove(id);
                dropped += 1;
            }
            keep
        });
        let count = self.refused.len();
        self.refused.retain(|_, refused| refused.at >= before);
        dropped + (count - self.refused.len()) as u64
    }
}

/// The part of `map` that comes after the page before, newest first.
fn newest_first<I: Ord + Clone, T>(
    map: &BTreeMap<TimeKey<I>, T>,
    after: Option<TimeKey<I>>,
) -> impl Iterator<Item = (TimeKey<I>, &T)> {
    let end = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range((Bound::Unbounded, end)).rev().map(|(key, item)| (key.clone(), item))
}

#[async_trait]
impl Devices for MemoryStore {
    async fn partition(&self, device: &DeviceId) -> Result<Partition> {
        let state = self.state_of(device)?;
        let Some(device) = state.devices.get(device) else { return Ok(Partition::default()) };
        let mut tasks: Vec<Task> = device.open_tasks.values().cloned().collect();
        rules::sort_open_tasks(&mut tasks);
        Ok(Partition { summary: device.row.known().cloned(), holder: device.holder, tasks })
    }

    async fn summary(&self, device: &DeviceId) -> Result<Option<DeviceSummary>> {
        Ok(self.state()?.devices.get(device).and_then(|d| d.row.known().cloned()))
    }

    async fn patch_summary(&self, device: &DeviceId, patch: SummaryPatch) -> Result<()> {
        self.state()?.device(device).row.apply(&patch);
        Ok(())
    }

    async fn list_devices(&self, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<DeviceSummary>> {
        let after = match page.after.as_deref() {
            Some(text) => Bound::Excluded(text.parse::<DeviceId>().map_err(|_| page::bad_place(text))?),
            None => Bound::Unbounded,
        };
        let state = self.state()?;
        let known = state.devices.range((after, Bound::Unbounded)).filter_map(|(id, d)| Some((id, d.row.known()?)));
        Ok(page::take(known.filter(|(_, d)| filter.matches(d)), page, |id| id.to_string()).map(DeviceSummary::clone))
    }

    async fn count_devices(&self) -> Result<u64> {
        Ok(self.state()?.devices.values().filter(|d| d.row.is_known()).count() as u64)
    }

    async fn delete_device(&self, device: &DeviceId) -> Result<DeleteOutcome> {
        let mut state = self.state()?;
        if state.devices.get(device).is_some_and(|d| !d.open_tasks.is_empty()) {
            return Ok(DeleteOutcome::TasksOpen);
        }
        state.put_credential(device, None);
        state.timers.retain(|t| t.device != *device);
        let known = state.devices.remove(device).is_some_and(|d| d.row.is_known());
        Ok(if known { DeleteOutcome::Deleted } else { DeleteOutcome::Unknown })
    }
}

#[async_trait]
impl Objects for MemoryStore {
    async fn objects(&self, device: &DeviceId, within: &ParameterPath) -> Result<Vec<ObjectRecord>> {
        let state = self.state()?;
        let objects = state.devices.get(device).into_iter().flat_map(|d| &d.objects);
        Ok(objects.filter(|(path, _)| path.is_within(within)).map(|(_, object)| object.clone()).collect())
    }

    async fn object(&self, device: &DeviceId, path: &ParameterPath) -> Result<Option<ObjectRecord>> {
        Ok(self.state()?.devices.get(device).and_then(|d| d.objects.get(path).cloned()))
    }

    async fn patch_objects(&self, device: &DeviceId, patch: ObjectsPatch) -> Result<()> {
        let mut state = self.state()?;
        let device = state.device(device);
        let Some(forget) = rules::patch_forgets(device.forgotten, &patch) else { return Ok(()) };
        if forget {
            device.forgotten = Some(patch.stamp);
            device.objects.clear();
        }
        for gone in &patch.remove {
            device.objects.retain(|path, _| !path.is_within(gone));
        }
        for news in patch.upsert {
            let known = device.objects.remove(&news.object.path);
            let merged = rules::merge_object(known, news, patch.late);
            device.objects.insert(merged.path.clone(), merged);
        }
        Ok(())
    }
}

#[async_trait]
impl Tasks for MemoryStore {
    async fn commit(&self, device: &DeviceId, commit: Commit) -> Result<CommitOutcome> {
        let mut state = self.state()?;
        let holder = state.devices.get(device).and_then(|d| d.holder);
        let known = || Ok(state.devices.get(device).is_some_and(|d| d.row.is_known()));
        let current = |id: &TaskId| Ok::<_, Error>(state.task(id).filter(|t| t.device == *device).cloned());
        let plan = match rules::decide_commit(device, holder, commit, known, current)? {
            Ok(plan) => plan,
            Err(outcome) => return Ok(outcome),
        };
        if plan.holder.is_some() {
            state.device(device).holder = plan.holder;
        }
        for write in plan.writes {
            state.put_task(write.task);
        }
        Ok(CommitOutcome::Applied)
    }

    async fn task(&self, device: &DeviceId, task: &TaskId) -> Result<Option<Task>> {
        Ok(self.state_of(device)?.task(task).filter(|t| t.device == *device).cloned())
    }

    async fn device_of_task(&self, task: &TaskId) -> Result<Option<DeviceId>> {
        Ok(self.state()?.tasks.get(task).map(|place| place.device.clone()))
    }

    async fn list_tasks(&self, device: &DeviceId, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        let after: Option<TimeKey<TaskId>> = page::time_after(page)?;
        let state = self.state()?;
        let tasks = state.tasks_of(device);
        let rest = tasks.into_iter().rev().filter(|(key, _)| after.as_ref().is_none_or(|after| *key < after));
        Ok(page::take(rest.filter(|(_, task)| filter.matches(task)), page, |key| page::time_text(key)).map(Task::clone))
    }

    async fn list_open_tasks(&self, filter: &TaskFilter, page: &PageRequest) -> Result<Page<Task>> {
        let after = page.after.as_deref().map(open_task_place).transpose()?;
        let state = self.state()?;
        let tasks = state.devices.iter().flat_map(|(id, d)| d.open_tasks.iter().map(move |(key, t)| ((id, key), t)));
        let rest = tasks.filter(|(key, _)| after.as_ref().is_none_or(|(device, at)| *key > (device, at)));
        let text = |(device, key): &(&DeviceId, &TimeKey<TaskId>)| format!("{device}:{}", page::time_text(key));
        Ok(page::take(rest.filter(|(_, task)| filter.matches(task)), page, text).map(Task::clone))
    }

    async fn count_tasks_since(&self, device: &DeviceId, since_micros: i64) -> Result<u32> {
        let count = self.state()?.tasks_of(device).keys().filter(|(created_at, _)| *created_at >= since_micros).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

fn open_task_place(text: &str) -> Result<(DeviceId, TimeKey<TaskId>)> {
    let parse = || {
        let mut parts = text.splitn(3, ':');
        let device = parts.next()?.parse().ok()?;
        Some((device, (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)))
    };
    parse().ok_or_else(|| page::bad_place(text))
}

#[async_trait]
impl History for MemoryStore {
    async fn put_sessions(&self, records: Vec<SessionRecord>) -> Result<()> {
        let mut state = self.state()?;
        records.into_iter().for_each(|record| state.put_session(record));
        Ok(())
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>> {
        let state = self.state()?;
        let place = state.session_places.get(session);
        Ok(place.and_then(|(device, stamp)| state.sessions.get(device)?.get(&(*stamp, *session)).cloned()))
    }

    async fn sessions(&self, device: &DeviceId, page: &PageRequest) -> Result<Page<SessionRecord>> {
        let after = page::time_after(page)?;
        let state = self.state()?;
        let Some(sessions) = state.sessions.get(device) else { return Ok(Page { items: Vec::new(), next: None }) };
        Ok(page::take(newest_first(sessions, after), page, page::time_text).map(SessionRecord::clone))
    }

    async fn put_faults(&self, faults: Vec<(EventId, FaultRecord)>) -> Result<()> {
        let mut state = self.state()?;
        for (id, fault) in faults {
            let at = fault.at.as_micros();
            if let Some(before) = state.fault_times.insert(id, at) {
                state.faults.remove(&(before, id));
            }
            state.faults.insert((at, id), fault);
        }
        Ok(())
    }

    async fn faults(&self, device: Option<&DeviceId>, page: &PageRequest) -> Result<Page<FaultRecord>> {
        let after = page::time_after(page)?;
        let state = self.state()?;
        let wanted = newest_first(&state.faults, after).filter(|(_, fault)| device.is_none_or(|d| *d == fault.device));
        Ok(page::take(wanted, page, page::time_text).map(FaultRecord::clone))
    }

    async fn put_refused(&self, id: EventId, refused: RefusedInform) -> Result<()> {
        let mut state = self.state()?;
        state.refused.insert((refused.at.as_micros(), id), refused);
        while state.refused.len() > crate::REFUSED_MAX {
            state.refused.pop_first();
        }
        Ok(())
    }

    async fn refused(&self, page: &PageRequest) -> Result<Page<RefusedInform>> {
        let after = page::time_after(page)?;
        let state = self.state()?;
        Ok(page::take(newest_first(&state.refused, after), page, page::time_text).map(RefusedInform::clone))
    }

    async fn drop_history(&self, before: Timestamp) -> Result<u64> {
        Ok(self.state()?.drop_history(before))
    }

    async fn cursor(&self, consumer: &str) -> Result<u64> {
        Ok(self.state()?.cursors.get(consumer).copied().unwrap_or(0))
    }

    async fn put_cursor(&self, consumer: &str, position: u64) -> Result<()> {
        self.state()?.cursors.insert(consumer.to_owned(), position);
        Ok(())
    }
}

#[async_trait]
impl Files for MemoryStore {
    async fn put_file(&self, record: FileRecord) -> Result<()> {
        self.state()?.files.insert(record.id.clone(), record);
        Ok(())
    }

    async fn file(&self, file: &FileId) -> Result<Option<FileRecord>> {
        Ok(self.state()?.files.get(file).cloned())
    }

    async fn files(&self, page: &PageRequest) -> Result<Page<FileRecord>> {
        let after: Option<TimeKey<FileId>> = page::time_after(page)?;
        let state = self.state()?;
        let by_time: BTreeMap<TimeKey<FileId>, &FileRecord> =
            state.files.values().map(|f| ((f.created_at.as_micros(), f.id.clone()), f)).collect();
        Ok(page::take(newest_first(&by_time, after), page, page::time_text).map(|f| FileRecord::clone(f)))
    }

    async fn delete_file(&self, file: &FileId) -> Result<bool> {
        Ok(self.state()?.files.remove(file).is_some())
    }
}

#[async_trait]
impl AccessRecords for MemoryStore {
    async fn put_token(&self, token: ApiToken) -> Result<()> {
        self.state()?.tokens.insert(token.id.clone(), token);
        Ok(())
    }

    async fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>> {
        Ok(self.state()?.tokens.values().find(|t| t.sha256 == *sha256).cloned())
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>> {
        Ok(self.state()?.tokens.values().cloned().collect())
    }

    async fn delete_token(&self, token: &TokenId) -> Result<bool> {
        Ok(self.state()?.tokens.remove(token).is_some())
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn append_audit(&self, record: AuditRecord) -> Result<()> {
        self.state()?.audit.push(record);
        Ok(())
    }

    async fn audit(&self, page: &PageRequest) -> Result<Page<AuditRecord>> {
        let after = match page.after.as_deref() {
            Some(text) => text.parse().map_err(|_| page::bad_place(text))?,
            None => usize::MAX,
        };
        let state = self.state()?;
        let rest = state.audit.iter().enumerate().rev().filter(|(at, _)| *at < after);
        Ok(page::take(rest, page, usize::to_string).map(AuditRecord::clone))
    }
}

#[async_trait]
impl Credentials for MemoryStore {
    async fn credential(&self, device: &DeviceId) -> Result<Option<CpeCredential>> {
        Ok(self.state()?.credentials.get(device).cloned())
    }

    async fn credential_by_username(&self, username: &str) -> Result<Option<(DeviceId, CpeCredential)>> {
        let state = self.state()?;
        let device = state.usernames.get(username);
        Ok(device.and_then(|d| Some((d.clone(), state.credentials.get(d)?.clone()))))
    }

    async fn put_credential(&self, device: &DeviceId, credential: Option<CpeCredential>) -> Result<()> {
        self.state()?.put_credential(device, credential);
        Ok(())
    }
}

#[async_trait]
impl Models for MemoryStore {
    async fn model_notes(&self, model: &ModelKey) -> Result<ModelNotes> {
        Ok(self.state()?.models.get(model).cloned().unwrap_or_default())
    }

    async fn put_model_notes(&self, model: &ModelKey, notes: ModelNotes) -> Result<()> {
        self.state()?.models.insert(model.clone(), notes);
        Ok(())
    }
}

#[async_trait]
impl Timers for MemoryStore {
    async fn put_timers(&self, timers: Vec<Timer>) -> Result<()> {
        self.state()?.timers.extend(timers);
        Ok(())
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<Timer>> {
        Ok(self.state()?.timers.iter().take_while(|t| t.due <= now).take(limit).cloned().collect())
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        Ok(self.state()?.timers.first().map(|t| t.due))
    }

    async fn delete_timers(&self, timers: &[Timer]) -> Result<()> {
        let mut state = self.state()?;
        for timer in timers {
            state.timers.remove(timer);
        }
        Ok(())
    }
}

/// Part by part, as a store of several partitions does.
impl Steps for MemoryStore {}
