use std::collections::{BTreeMap, BTreeSet};

use acs_types::{
    Applied, AttemptId, AuthLevel, DownloadSource, DownloadSpec, Evidence, FaultRecord, ModelNotes,
    ParameterFaultRecord, SessionId, SetValue, Task, TaskFault, TaskId, TaskResult, TaskSpec, TaskState, Timer,
    TransferResult,
};
use cwmp_codec::{
    AcsRequest, AddObject, CpeResponse, DeleteObject, Download, Fault, GetParameterNames, GetParameterValues,
    SetParameterValues,
};
use cwmp_model::{FaultAdvice, FaultFacts, ParameterPath, ParameterValue, Root, Timestamp, is_secret_name};

use crate::evidence;
use crate::life::{self, Follow, Intent, Settings, own_fault};
use crate::limits::{SEGMENT_READS_MAX, TASK_READS_PER_SESSION, URL_CHARS_MAX};
use crate::news::{SummaryNews, TreeNews};
use crate::reader::{Ask, Reader};
use crate::typing::{string_value, type_value};
use crate::view::{View, below};

/// What is kept in memory for one session between two segments. When it is lost, discovery repeats; nothing else does.
#[derive(Debug, Clone, Default)]
pub struct SessionPlan {
    jobs: BTreeMap<TaskId, Job>,
    in_flight: Vec<InFlight>,
    parameter_key: Option<String>,
    reads: BTreeMap<TaskId, u32>,
    /// The ids answered with the last step, and what it returned: the same step again is as once.
    last: Option<(Vec<String>, Vec<PlannedCall>)>,
    resume: u32,
}

/// What a step works on.
#[derive(Debug, Clone)]
pub struct StepInput<'a> {
    /// The session.
    pub session: SessionId,
    /// How often it went on without its snapshot.
    pub resume: u32,
    /// Now.
    pub at: Timestamp,
    /// When a request sent now counts as unanswered.
    pub deadline: Timestamp,
    /// How the device proved who it is.
    pub auth: AuthLevel,
    /// Whether the session is over TLS.
    pub tls: bool,
    /// The device's open tasks.
    pub tasks: &'a [Task],
    /// What is known of the device.
    pub view: &'a View,
    /// Answers to the last segment, in the order sent.
    pub answers: &'a [CallAnswer],
    /// Makes message ids unlike any other of the session.
    pub salt: u64,
    /// The session goes on. At its end nothing is planned, and what has no answer counts as unanswered.
    pub more: bool,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct CallAnswer {
    /// Its `cwmp:ID`.
    pub id: String,
    /// The attempt it was, as far as known.
    pub attempt: Option<AttemptId>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: CallOutcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum CallOutcome {
    /// A response.
    Response(CpeResponse),
    /// A fault.
    Fault(Fault),
    /// Nothing.
    None(NoAnswer),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// Its first byte did not leave.
    NotSent,
    /// It may have been sent; silence, or something that does not fit.
    Lost,
}

/// A request to send.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    /// Its `cwmp:ID`: 1–32 characters of letters, digits and `-`.
    pub id: String,
    /// The task it serves.
    pub task: TaskId,
    /// The attempt whose intent has to be durable before it is sent; `None` for reads.
    pub attempt: Option<AttemptId>,
    /// What.
    pub request: AcsRequest,
}

/// A task to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskChange {
    /// The state's name before.
    pub from: &'static str,
    /// The revision it must have now.
    pub expected_revision: u64,
    /// The task as it will be.
    pub task: Task,
}

/// What to do: news first, then timers, then tasks, then the calls go out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Planned {
    /// What was learned of the tree.
    pub tree: TreeNews,
    /// What was learned for the summary.
    pub summary: SummaryNews,
    /// What was learned of the model, if anything.
    pub notes: Option<ModelNotes>,
    /// Faults, each with the id of its call.
    pub faults: Vec<(String, FaultRecord)>,
    /// The device has taken its new credentials.
    pub credential_proved: bool,
    /// Deadlines of the tasks to be written.
    pub timers: Vec<Timer>,
    /// Tasks to be written, all or none.
    pub tasks: Vec<TaskChange>,
    /// What to send, in this order.
    pub calls: Vec<PlannedCall>,
}

/// Whether a task has something to be done in a session that begins now.
pub fn is_runnable(task: &Task, at: Timestamp) -> bool {
    match task.state {
        TaskState::Queued => task.expires_at.is_none_or(|expiry| expiry > at),
        TaskState::Unknown { attempt } => life::bears_key(task, attempt),
        _ => false,
    }
}

#[derive(Debug, Clone)]
enum Job {
    Read(Box<Reader>),
    /// The instances of a table, for AddObject and to find out what became of AddObject and DeleteObject.
    Table(Option<Vec<u32>>),
    /// The ParameterKey was asked for.
    Key,
    /// Read back in vain; not again in this session.
    Vain,
}

#[derive(Debug, Clone)]
struct InFlight {
    call: PlannedCall,
    purpose: Purpose,
}

#[derive(Debug, Clone)]
enum Purpose {
    Read(Ask),
    Table(ParameterPath),
    Key,
    Change,
}

impl SessionPlan {
    /// For a session whose Inform reported this ParameterKey (`None`: it reported none).
    pub fn new(parameter_key: Option<String>) -> Self {
        Self { parameter_key, ..Self::default() }
    }

    /// Takes the answers to the last segment and plans the next one. Apply all of what it returns, or go back to the plan
    /// as it was before and step again.
    pub fn step(&mut self, input: &StepInput<'_>, settings: &Settings) -> Planned {
        if let Some(calls) = self.repeated(input) {
            return Planned { calls, ..Planned::default() };
        }
        self.resume = input.resume;
        let mut step = Step::new(self, input, settings);
        for answer in input.answers {
            step.absorb(answer);
        }
        step.give_back_rest();
        step.finish_reads();
        if input.more {
            step.pass_time();
            step.plan();
        } else {
            step.leave();
        }
        let planned = step.into_planned();
        self.last = Some((input.answers.iter().map(|a| a.id.clone()).collect(), planned.calls.clone()));
        planned
    }

    /// The calls of the last step, if this is the same step again because its reply was lost: they were not sent.
    fn repeated(&self, input: &StepInput<'_>) -> Option<Vec<PlannedCall>> {
        let (ids, calls) = self.last.as_ref()?;
        let same = ids.iter().eq(input.answers.iter().map(|a| &a.id)) && input.resume == self.resume;
        let open = !calls.is_empty() && self.in_flight.len() == calls.len();
        (input.more && same && open).then(|| calls.clone())
    }
}

struct Step<'p, 'a> {
    plan: &'p mut SessionPlan,
    input: &'p StepInput<'a>,
    settings: &'p Settings,
    tasks: BTreeMap<TaskId, Task>,
    notes: ModelNotes,
    planned: Planned,
}

impl<'p, 'a> Step<'p, 'a> {
    fn new(plan: &'p mut SessionPlan, input: &'p StepInput<'a>, settings: &'p Settings) -> Self {
        let tasks: BTreeMap<_, _> = input.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect();
        plan.jobs.retain(|id, _| tasks.contains_key(id));
        Self { plan, input, settings, tasks, notes: input.view.notes.clone(), planned: Planned::default() }
    }

    // === answers ===

    fn absorb(&mut self, answer: &CallAnswer) {
        let known = self.plan.in_flight.iter().position(|flight| flight.call.id == answer.id);
        let Some(flight) = known.map(|at| self.plan.in_flight.remove(at)) else {
            return self.absorb_unknown(answer);
        };
        if let CallOutcome::Fault(fault) = &answer.outcome {
            self.note_unsupported(fault.code, flight.call.request.method());
        }
        match flight.purpose {
            Purpose::Change => self.changed(&flight.call.task, &flight.call.request, answer),
            Purpose::Read(ask) => self.read(&flight.call.task, ask, answer),
            Purpose::Table(table) => self.table_read(&flight.call.task, &table, answer),
            Purpose::Key => self.key_read(&flight.call.task, answer),
        }
    }

    /// An answer to a request that this plan does not know: evidence for an attempt, or values.
    fn absorb_unknown(&mut self, answer: &CallAnswer) {
        let id = answer.attempt.as_ref().map_or(answer.id.as_str(), AttemptId::as_str);
        let task = self.tasks.values().find(|task| task.attempts.iter().any(|a| a.id.as_str() == id));
        if let Some(task) = task.map(|task| task.id.clone()) {
            // What was sent is not known word by word; the method and the task tell enough.
            return self.attempt_answered(&task, id.to_owned(), None, answer);
        }
        if let CallOutcome::Response(CpeResponse::GetParameterValues(told)) = &answer.outcome {
            self.learn_values(&told.parameters, answer.at);
        }
    }

    /// Fault 9000 holds for every device of the model until its SoftwareVersion changes (CWMP-223).
    fn note_unsupported(&mut self, code: u32, method: &str) {
        let tells = FaultFacts::of(code).advice == FaultAdvice::RememberUnsupported;
        if tells && !self.is_unsupported(method) {
            self.notes.unsupported_methods.push(method.to_owned());
        }
    }

    fn is_unsupported(&self, method: &str) -> bool {
        self.notes.unsupported_methods.iter().any(|known| known == method)
    }

    fn changed(&mut self, task: &TaskId, request: &AcsRequest, answer: &CallAnswer) {
        let id = self.attempt_of(request, answer);
        self.attempt_answered(task, id, Some(request), answer);
    }

    fn attempt_of(&self, request: &AcsRequest, answer: &CallAnswer) -> String {
        match request {
            AcsRequest::SetParameterValues(set) => set.parameter_key.clone(),
            AcsRequest::AddObject(add) => add.parameter_key.clone(),
            AcsRequest::DeleteObject(delete) => delete.parameter_key.clone(),
            AcsRequest::Download(download) => download.command_key.clone(),
            AcsRequest::Reboot { command_key } => command_key.clone(),
            // The message id of a changing request is the attempt's id.
            _ => answer.id.clone(),
        }
    }

    fn attempt_answered(&mut self, id: &TaskId, attempt: String, request: Option<&AcsRequest>, answer: &CallAnswer) {
        let Some(mut task) = self.tasks.remove(id) else { return };
        if let Some(record) = task.attempts.iter().find(|a| a.id.as_str() == attempt).cloned() {
            match &answer.outcome {
                CallOutcome::Response(response) if response.method() == record.method => {
                    self.responded(&mut task, record.number, attempt, request, response, answer.at);
                }
                CallOutcome::Fault(fault) => {
                    self.note_unsupported(fault.code, &record.method);
                    let fault = task_fault(fault);
                    if life::faulted(&mut task, record.number, answer.at, fault.clone()) {
                        self.record_fault(&task, &record.method, answer, fault);
                    }
                }
                CallOutcome::None(NoAnswer::NotSent) => {
                    life::not_sent(&mut task, record.number);
                }
                CallOutcome::Response(_) | CallOutcome::None(NoAnswer::Lost) => {
                    life::unanswered(&mut task, record.number);
                }
            }
        }
        self.tasks.insert(id.clone(), task);
    }

    fn responded(
        &mut self,
        task: &mut Task,
        number: u32,
        attempt: String,
        request: Option<&AcsRequest>,
        response: &CpeResponse,
        at: Timestamp,
    ) {
        let follow = self.follow(task, response, at);
        if !life::answered(task, number, at, follow) {
            return;
        }
        if life::bears_key(task, number) {
            self.planned.summary.parameter_key = Some(attempt.clone());
            self.plan.parameter_key = Some(attempt);
        }
        match (response, request) {
            (CpeResponse::SetParameterValues(set), Some(AcsRequest::SetParameterValues(sent))) if set.status == 0 => {
                self.learn_values(&sent.parameters, at);
            }
            (CpeResponse::DeleteObject(deleted), _) if deleted.status == 0 => {
                if let TaskSpec::DeleteObject { object } = &task.spec {
                    self.planned.tree.remove.push(object.clone());
                }
            }
            (CpeResponse::AddObject(_), _) => {
                if let Some(object) = life::instance_made(task).cloned() {
                    self.planned.tree.object_seen(&object);
                }
            }
            _ => {}
        }
        if matches!(task.spec, TaskSpec::SetCredentials) && task.state.is_success() {
            self.planned.credential_proved |= task.state != (TaskState::Done { applied: Applied::AfterReboot });
        }
    }

    fn follow(&self, task: &Task, response: &CpeResponse, at: Timestamp) -> Follow {
        let applied = |status: u32| if status == 0 { Applied::Now } else { Applied::AfterReboot };
        match response {
            CpeResponse::SetParameterValues(set) => Follow::Done(applied(set.status), None),
            CpeResponse::DeleteObject(deleted) => Follow::Done(applied(deleted.status), None),
            CpeResponse::AddObject(added) => {
                let TaskSpec::AddObject { object, values } = &task.spec else {
                    return Follow::Done(applied(added.status), None);
                };
                // Some devices answer with instance 0: which one it is has to be read.
                let instance = (added.instance > 0).then(|| object.child(&format!("{}.", added.instance)).ok());
                match instance.flatten() {
                    None => Follow::ReadBack,
                    Some(object) if values.is_empty() => {
                        Follow::Done(applied(added.status), Some(TaskResult::Instance { object }))
                    }
                    Some(object) => Follow::Step(TaskResult::Instance { object }),
                }
            }
            CpeResponse::Download(download) if download.status == 0 => {
                let result = TransferResult {
                    start_time: download.start_time.clone(),
                    complete_time: download.complete_time.clone(),
                };
                Follow::Done(Applied::Now, Some(TaskResult::Transfer(result)))
            }
            CpeResponse::Download(_) => {
                let delay = match &task.spec {
                    TaskSpec::Download(download) => u64::from(download.delay_seconds),
                    _ => 0,
                };
                let until = at.plus(self.settings.transfer_wait).plus(std::time::Duration::from_secs(delay));
                Follow::Await(Evidence::TransferComplete, until)
            }
            CpeResponse::Reboot => Follow::Await(Evidence::Reboot, at.plus(self.settings.reboot_wait)),
            CpeResponse::FactoryReset => Follow::Await(Evidence::Bootstrap, at.plus(self.settings.reset_wait)),
            CpeResponse::GetRpcMethods(_) | CpeResponse::GetParameterNames(_) | CpeResponse::GetParameterValues(_) => {
                Follow::Done(Applied::Now, None)
            }
        }
    }

    fn read(&mut self, id: &TaskId, ask: Ask, answer: &CallAnswer) {
        let response = match &answer.outcome {
            CallOutcome::Response(response) => Some(response),
            _ => None,
        };
        match (response, &ask) {
            (Some(CpeResponse::GetParameterNames(told)), Ask::Names(_)) => self.learn_names(&ask, told, answer.at),
            (Some(CpeResponse::GetParameterValues(told)), Ask::Values(_)) => {
                self.learn_values(&told.parameters, answer.at);
            }
            _ => {}
        }
        let Some(Job::Read(mut reader)) = self.plan.jobs.remove(id) else { return };
        match (&answer.outcome, ask) {
            (CallOutcome::Response(CpeResponse::GetParameterNames(told)), Ask::Names(ask)) => {
                reader.names(ask, &told.parameters, &mut self.notes);
            }
            (CallOutcome::Response(CpeResponse::GetParameterValues(told)), Ask::Values(_)) => {
                reader.values(&told.parameters);
            }
            (CallOutcome::None(NoAnswer::NotSent), ask) => reader.give_back(ask),
            (CallOutcome::Fault(fault), ask) => {
                let method = ask.request().method();
                reader.faulted(ask, fault.code, &fault.text, false, &mut self.notes);
                if let Some(task) = self.tasks.get(id).cloned() {
                    self.record_fault(&task, method, answer, task_fault(fault));
                }
            }
            (CallOutcome::Response(_) | CallOutcome::None(NoAnswer::Lost), ask) => {
                reader.faulted(ask, 0, "the device gave no answer", true, &mut self.notes);
                self.tasks.get_mut(id).map(life::read_unanswered);
            }
        }
        self.plan.jobs.insert(id.clone(), Job::Read(reader));
    }

    fn learn_names(&mut self, ask: &Ask, told: &cwmp_codec::GetParameterNamesResponse, at: Timestamp) {
        if let AcsRequest::GetParameterNames(asked) = ask.request() {
            self.planned.tree.names(&asked.path, asked.next_level, &told.parameters, at);
        }
        if self.input.view.root.as_str().is_empty()
            && let Some(root) = Root::from_inform(told.parameters.iter().map(|info| &info.name))
        {
            self.planned.summary.root = ParameterPath::from_device(root.as_str()).ok();
        }
    }

    fn learn_values(&mut self, values: &[ParameterValue], at: Timestamp) {
        for value in values {
            self.planned.tree.value(value, at);
            self.planned.summary.value(value);
        }
    }

    fn table_read(&mut self, id: &TaskId, table: &ParameterPath, answer: &CallAnswer) {
        let instances = match &answer.outcome {
            CallOutcome::Response(CpeResponse::GetParameterNames(told)) => {
                self.planned.tree.names(table, true, &told.parameters, answer.at);
                let rows = told.parameters.iter().filter(|info| info.name.parent() == table.as_str());
                Some(rows.filter_map(|info| info.name.instance()).collect())
            }
            // An empty table is unknown to some devices.
            CallOutcome::Fault(fault) if fault.code == 9005 => Some(Vec::new()),
            CallOutcome::None(NoAnswer::NotSent) => {
                self.plan.jobs.remove(id);
                return;
            }
            CallOutcome::Fault(_) => None,
            CallOutcome::Response(_) | CallOutcome::None(NoAnswer::Lost) => {
                self.tasks.get_mut(id).map(life::read_unanswered);
                None
            }
        };
        if let CallOutcome::Fault(fault) = &answer.outcome
            && fault.code != 9005
            && let Some(task) = self.tasks.get(id).cloned()
        {
            self.record_fault(&task, "GetParameterNames", answer, task_fault(fault));
        }
        let job = match (instances, self.tasks.get_mut(id)) {
            (Some(instances), Some(task)) if matches!(task.state, TaskState::Unknown { .. }) => {
                read_back(task, table, &instances);
                Job::Vain
            }
            (Some(instances), _) => Job::Table(Some(instances)),
            (None, Some(task)) if task.state == TaskState::Queued => {
                // Without the instances before, an unknown outcome has less evidence; the task itself is not impossible.
                Job::Table(Some(Vec::new()))
            }
            (None, _) => Job::Vain,
        };
        // A task that is queued again begins anew.
        match self.tasks.get(id) {
            Some(task) if matches!(job, Job::Vain) && task.state == TaskState::Queued => {
                self.plan.jobs.remove(id);
            }
            _ => {
                self.plan.jobs.insert(id.clone(), job);
            }
        }
    }

    fn key_read(&mut self, id: &TaskId, answer: &CallAnswer) {
        let told = match &answer.outcome {
            CallOutcome::Response(CpeResponse::GetParameterValues(told)) => &told.parameters[..],
            CallOutcome::None(NoAnswer::NotSent) => {
                self.plan.jobs.remove(id);
                return;
            }
            CallOutcome::None(NoAnswer::Lost) => {
                self.tasks.get_mut(id).map(life::read_unanswered);
                &[]
            }
            _ => &[],
        };
        self.learn_values(told, answer.at);
        let key = told.iter().find(|v| v.name.leaf() == "ParameterKey").map(|v| v.value.text.clone());
        self.plan.jobs.insert(id.clone(), Job::Vain);
        let Some(task) = self.tasks.get_mut(id) else { return };
        if let Some(key) = key {
            evidence::key_read(task, &key);
            self.plan.parameter_key = Some(key);
        }
        life::needs_operator(task, "the device was read back, and nothing tells what became of it");
        if task.state == TaskState::Queued {
            self.plan.jobs.remove(id);
        }
    }

    /// Reads of the last segment without an answer were not sent; a change without one is judged by its deadline.
    fn give_back_rest(&mut self) {
        for flight in std::mem::take(&mut self.plan.in_flight) {
            match (flight.purpose, self.plan.jobs.get_mut(&flight.call.task)) {
                (Purpose::Read(ask), Some(Job::Read(reader))) => reader.give_back(ask),
                (Purpose::Table(_) | Purpose::Key, _) => {
                    self.plan.jobs.remove(&flight.call.task);
                }
                _ => {}
            }
        }
    }

    fn finish_reads(&mut self) {
        let done: Vec<TaskId> =
            self.plan.jobs.iter().filter(|(_, job)| job.is_done()).map(|(id, _)| id.clone()).collect();
        for id in done {
            let Some(Job::Read(reader)) = self.plan.jobs.remove(&id) else { continue };
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            self.finish_read(&mut task, *reader);
            self.tasks.insert(id, task);
        }
    }

    fn finish_read(&mut self, task: &mut Task, reader: Reader) {
        let finished = reader.finish();
        match finished.fault {
            Some(fault) if finished.failed => {
                life::fail(task, fault);
            }
            fault => {
                if life::read_done(task, finished.result, fault) && finished.whole {
                    self.planned.summary.discovered_at = Some(self.input.at);
                }
            }
        }
    }

    fn record_fault(&mut self, task: &Task, method: &str, answer: &CallAnswer, fault: TaskFault) {
        let record = FaultRecord {
            at: answer.at,
            tenant: task.tenant.clone(),
            device: task.device.clone(),
            session: self.input.session,
            task: Some(task.id.clone()),
            method: method.to_owned(),
            fault,
        };
        self.planned.faults.push((answer.id.clone(), record));
    }

    /// The session is over: what it has on its way is not answered any more.
    fn leave(&mut self) {
        for task in self.tasks.values_mut() {
            if let TaskState::Sending { attempt } = task.state
                && task.attempts.last().is_some_and(|last| last.session == self.input.session)
            {
                life::unanswered(task, attempt);
            }
        }
        self.plan.jobs.clear();
    }

    fn pass_time(&mut self) {
        for task in self.tasks.values_mut() {
            let other = task.attempts.last().is_some_and(|last| last.session != self.input.session);
            match task.state {
                // The session that sent it is gone: this one is the newer.
                TaskState::Sending { attempt } if other => {
                    life::unanswered(task, attempt);
                }
                _ => {
                    life::time_passed(task, self.input.at, self.settings);
                }
            }
        }
    }

    // === the next segment ===

    fn plan(&mut self) {
        if self.is_closing() {
            return;
        }
        let mut budget = SEGMENT_READS_MAX;
        for id in self.unknown_tasks() {
            self.plan_read_back(&id, &mut budget);
        }
        let mut waits = !self.planned.calls.is_empty();
        let mut held = false;
        for id in self.queued_tasks() {
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            let turn = self.turn(&mut task, &mut budget, waits || held);
            self.tasks.insert(id, task);
            match turn {
                Turn::Nothing => {}
                Turn::Reads => waits = true,
                Turn::Change => return,
                // Nobody passes a change that waits for its turn, unless it waits for evidence.
                Turn::Waits if self.is_blocked() => held = true,
                Turn::Waits => return,
            }
        }
    }

    /// A Reboot or FactoryReset is on its way or accepted: nothing follows it in its session (CWMP-139).
    fn is_closing(&self) -> bool {
        self.tasks.values().any(|task| {
            let mine = task.attempts.last().is_some_and(|last| last.session == self.input.session);
            let last = matches!(task.spec, TaskSpec::Reboot | TaskSpec::FactoryReset);
            let sent = !matches!(task.state, TaskState::Queued | TaskState::Cancelled | TaskState::Failed);
            mine && last && sent
        })
    }

    /// One request that changes the device at a time (P6), and no other one that bears a key while the outcome of one is
    /// unknown (`design.md` §5.7).
    fn is_blocked(&self) -> bool {
        self.tasks.values().any(|task| match task.state {
            TaskState::Sending { .. } => true,
            TaskState::Unknown { attempt } => life::bears_key(task, attempt),
            _ => false,
        })
    }

    fn unknown_tasks(&self) -> Vec<TaskId> {
        let bears =
            |task: &&Task| matches!(task.state, TaskState::Unknown { attempt } if life::bears_key(task, attempt));
        self.tasks.values().filter(bears).map(|task| task.id.clone()).collect()
    }

    /// By priority and creation (P6); those that had their share of reads come after the others.
    fn queued_tasks(&self) -> Vec<TaskId> {
        let mut queued: Vec<&Task> = self.tasks.values().filter(|task| task.state == TaskState::Queued).collect();
        let spent = |task: &Task| self.plan.reads.get(&task.id).is_some_and(|n| *n >= TASK_READS_PER_SESSION);
        queued.sort_by_key(|task| (spent(task), task.priority, task.created_at, task.id.clone()));
        queued.into_iter().map(|task| task.id.clone()).collect()
    }

    fn plan_read_back(&mut self, id: &TaskId, budget: &mut usize) {
        let Some(task) = self.tasks.get(id) else { return };
        if self.plan.jobs.contains_key(id) || *budget == 0 {
            return;
        }
        let table = match &task.spec {
            TaskSpec::AddObject { object, .. } if life::instance_made(task).is_none() => Some(object.clone()),
            TaskSpec::DeleteObject { object } => ParameterPath::from_device(object.parent()).ok(),
            _ => None,
        };
        let method = if table.is_some() { "GetParameterNames" } else { "GetParameterValues" };
        if self.is_unsupported(method) {
            self.plan.jobs.insert(id.clone(), Job::Vain);
            if let Some(task) = self.tasks.get_mut(id) {
                life::needs_operator(task, &format!("the device does not have {method} to be read back with"));
            }
            return;
        }
        match table {
            Some(table) => self.ask_table(id, table),
            None => {
                let name = format!("{}ManagementServer.ParameterKey", self.input.view.root);
                let Ok(name) = ParameterPath::from_device(&name) else { return };
                let request = AcsRequest::GetParameterValues(GetParameterValues { names: vec![name] });
                self.plan.jobs.insert(id.clone(), Job::Key);
                self.send_read(id, Purpose::Key, request);
            }
        }
        *budget -= 1;
    }

    fn turn(&mut self, task: &mut Task, budget: &mut usize, waits: bool) -> Turn {
        match &task.spec {
            TaskSpec::GetValues { .. } | TaskSpec::GetNames { .. } | TaskSpec::Refresh { .. } | TaskSpec::Discover => {
                self.turn_to_read(task, budget)
            }
            _ => self.turn_to_change(task, budget, waits),
        }
    }

    fn turn_to_read(&mut self, task: &mut Task, budget: &mut usize) -> Turn {
        let mut reader = match self.plan.jobs.remove(&task.id) {
            Some(Job::Read(reader)) => reader,
            _ => match Reader::new(&task.spec, &self.input.view.root, &self.notes) {
                Some(reader) => Box::new(reader),
                None => return Turn::Nothing,
            },
        };
        // One task leaves room for others in the segment.
        let mut share = (*budget).min(SEGMENT_READS_MAX / 2);
        while share > 0
            && let Some(ask) = reader.next()
        {
            let request = ask.request();
            if self.is_unsupported(request.method()) {
                reader.unsupported(&ask, life::unsupported_fault(request.method()).text);
                continue;
            }
            self.send_read(&task.id, Purpose::Read(ask), request);
            share -= 1;
            *budget -= 1;
        }
        if reader.is_done() {
            self.finish_read(task, *reader);
            return Turn::Nothing;
        }
        self.plan.jobs.insert(task.id.clone(), Job::Read(reader));
        Turn::Reads
    }

    fn turn_to_change(&mut self, task: &mut Task, budget: &mut usize, waits: bool) -> Turn {
        let needs_table = matches!(task.spec, TaskSpec::AddObject { .. }) && life::instance_made(task).is_none();
        if let Some(method) = change_method(task).filter(|method| self.is_unsupported(method)) {
            self.plan.jobs.remove(&task.id);
            life::fail(task, life::unsupported_fault(method));
            return Turn::Nothing;
        }
        let needs_table = needs_table && !self.is_unsupported("GetParameterNames");
        let instances = match (&task.spec, self.plan.jobs.get(&task.id)) {
            (TaskSpec::AddObject { .. }, Some(Job::Table(Some(instances)))) if needs_table => instances.clone(),
            (TaskSpec::AddObject { object, .. }, None) if needs_table => {
                // Its table is read in its turn, so that nothing changes between this and the AddObject.
                if waits || *budget == 0 || self.is_blocked() {
                    return Turn::Waits;
                }
                let object = object.clone();
                self.ask_table(&task.id, object);
                return Turn::Waits;
            }
            _ if needs_table => return Turn::Waits,
            _ => Vec::new(),
        };
        let request = match self.change(task) {
            Ok(Some(request)) => request,
            Ok(None) => return Turn::Nothing,
            Err(fault) => {
                life::fail(task, fault);
                return Turn::Nothing;
            }
        };
        if waits || self.is_blocked() {
            return Turn::Waits;
        }
        self.send_change(task, request, instances)
    }

    fn send_change(&mut self, task: &mut Task, request: AcsRequest, instances_before: Vec<u32>) -> Turn {
        let intent = Intent {
            session: self.input.session,
            method: request.method(),
            at: self.input.at,
            deadline: self.input.deadline,
            key_before: self.plan.parameter_key.clone(),
            instances_before,
        };
        let attempt = match life::claim(task, intent) {
            Ok(attempt) => attempt,
            Err(error) => {
                life::fail(task, own_fault(error.to_string()));
                return Turn::Nothing;
            }
        };
        self.plan.jobs.remove(&task.id);
        let call = PlannedCall {
            // An answer whose context was lost still names its attempt.
            id: attempt.to_string(),
            task: task.id.clone(),
            attempt: Some(attempt.clone()),
            request: with_key(request, attempt.as_str()),
        };
        self.plan.in_flight.push(InFlight { call: call.clone(), purpose: Purpose::Change });
        self.planned.calls.push(call);
        Turn::Change
    }

    fn ask_table(&mut self, id: &TaskId, table: ParameterPath) {
        let request = AcsRequest::GetParameterNames(GetParameterNames { path: table.clone(), next_level: true });
        self.plan.jobs.insert(id.clone(), Job::Table(None));
        self.send_read(id, Purpose::Table(table), request);
    }

    fn send_read(&mut self, id: &TaskId, purpose: Purpose, request: AcsRequest) {
        *self.plan.reads.entry(id.clone()).or_default() += 1;
        let number = self.planned.calls.len();
        let call =
            PlannedCall { id: format!("r{:016x}-{number}", self.input.salt), task: id.clone(), attempt: None, request };
        self.plan.in_flight.push(InFlight { call: call.clone(), purpose });
        self.planned.calls.push(call);
    }

    /// The request of a task that changes the device, without its key; `None`: it waits for something of ours.
    fn change(&self, task: &Task) -> Result<Option<AcsRequest>, TaskFault> {
        match &task.spec {
            TaskSpec::SetValues { values } => self.set_values(values.clone()).map(Some),
            TaskSpec::SetCredentials => self.set_credentials(),
            TaskSpec::AddObject { object, values } => match life::instance_made(task) {
                Some(instance) => self.set_values(below(instance, values)).map(Some),
                None => {
                    let add = AddObject { object: object.clone(), parameter_key: String::new() };
                    Ok(Some(AcsRequest::AddObject(add)))
                }
            },
            TaskSpec::DeleteObject { object } => {
                let delete = DeleteObject { object: object.clone(), parameter_key: String::new() };
                Ok(Some(AcsRequest::DeleteObject(delete)))
            }
            TaskSpec::Download(download) => self.download(&task.id, download),
            TaskSpec::Reboot => Ok(Some(AcsRequest::Reboot { command_key: String::new() })),
            TaskSpec::FactoryReset => Ok(Some(AcsRequest::FactoryReset)),
            TaskSpec::GetValues { .. } | TaskSpec::GetNames { .. } | TaskSpec::Refresh { .. } | TaskSpec::Discover => {
                Ok(None)
            }
        }
    }

    fn set_values(&self, values: Vec<SetValue>) -> Result<AcsRequest, TaskFault> {
        if values.iter().any(|value| is_secret_name(&value.path)) {
            self.require_proof()?;
        }
        let known = &self.input.view.known;
        let (mut parameters, mut problems, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        // Each name at most once (CWMP-224).
        for value in values.iter().filter(|value| seen.insert(&value.path)) {
            match type_value(&value.path, value, known.get(&value.path)) {
                Ok(value) => parameters.push(value),
                Err(problem) => {
                    problems.push(ParameterFaultRecord { name: problem.path, code: 0, text: problem.problem });
                }
            }
        }
        if !problems.is_empty() {
            let text = "a value does not fit the type that the device reported, change it".to_owned();
            return Err(TaskFault { code: 0, text, parameters: problems });
        }
        Ok(AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key: String::new() }))
    }

    /// Alone in its request: some devices roll back all of it for one bad value.
    fn set_credentials(&self) -> Result<Option<AcsRequest>, TaskFault> {
        self.require_proof()?;
        let View { root, credential, .. } = self.input.view;
        let Some((username, password)) = credential else { return Ok(None) };
        if root.as_str().is_empty() {
            return Err(own_fault("the root object of the device is not known, refresh its names and retry"));
        }
        let value = |leaf: &str, text: &str| {
            let path = root.child(&format!("ManagementServer.{leaf}")).map_err(|error| own_fault(error.to_string()))?;
            Ok(string_value(path, text))
        };
        let values =
            vec![value("ConnectionRequestUsername", username)?, value("ConnectionRequestPassword", password.reveal())?];
        self.set_values(values).map(Some)
    }

    fn download(&self, id: &TaskId, spec: &DownloadSpec) -> Result<Option<AcsRequest>, TaskFault> {
        let mut download = Download {
            file_type: spec.file_type.as_str().to_owned(),
            target_file_name: spec.target_file_name.clone(),
            delay_seconds: spec.delay_seconds,
            ..Download::default()
        };
        match &spec.source {
            DownloadSource::File(_) => match self.input.view.files.get(id) {
                None => return Ok(None),
                Some(Err(text)) => return Err(own_fault(text)),
                Some(Ok(file)) => {
                    download.url.clone_from(&file.url);
                    // 0 is unknown (CWMP-333).
                    download.file_size = u32::try_from(file.size).unwrap_or(0);
                }
            },
            DownloadSource::Url { url, username, password, file_size } => {
                if !password.is_empty() {
                    self.require_proof()?;
                }
                download.url.clone_from(url);
                download.username.clone_from(username);
                download.password = password.reveal().to_owned();
                download.file_size = *file_size;
            }
        }
        let chars = download.url.chars().count();
        if chars > URL_CHARS_MAX {
            return Err(own_fault(format!("the URL has {chars} characters, Download takes {URL_CHARS_MAX}")));
        }
        Ok(Some(AcsRequest::Download(download)))
    }

    /// Secrets go only over TLS or to a device that proved who it is (P24).
    fn require_proof(&self) -> Result<(), TaskFault> {
        if self.input.tls || self.input.auth != AuthLevel::Open {
            return Ok(());
        }
        Err(own_fault(
            "a secret is sent only over TLS or to a device that proved who it is; \
             give the device credentials or use https, then retry",
        ))
    }

    fn into_planned(self) -> Planned {
        let mut planned = self.planned;
        for before in self.input.tasks {
            let Some(mut task) = self.tasks.get(&before.id).filter(|task| *task != before).cloned() else { continue };
            life::seal(&mut task, before.revision, self.input.at);
            planned.timers.extend(life::deadline_of(&task, self.settings));
            planned.tasks.push(TaskChange { from: before.state.as_str(), expected_revision: before.revision, task });
        }
        planned.notes = (self.notes != self.input.view.notes).then_some(self.notes);
        planned
    }
}

/// What a task did in its turn.
enum Turn {
    /// Nothing, and nobody waits for it.
    Nothing,
    /// It reads.
    Reads,
    /// Its change is the last call of the segment.
    Change,
    /// It has to change something, but not now.
    Waits,
}

impl Job {
    fn is_done(&self) -> bool {
        matches!(self, Self::Read(reader) if reader.is_done())
    }
}

/// The method that a task that changes the device calls next.
fn change_method(task: &Task) -> Option<&'static str> {
    Some(match &task.spec {
        TaskSpec::SetValues { .. } | TaskSpec::SetCredentials => "SetParameterValues",
        TaskSpec::AddObject { .. } if life::instance_made(task).is_some() => "SetParameterValues",
        TaskSpec::AddObject { .. } => "AddObject",
        TaskSpec::DeleteObject { .. } => "DeleteObject",
        TaskSpec::Download(_) => "Download",
        TaskSpec::Reboot => "Reboot",
        TaskSpec::FactoryReset => "FactoryReset",
        TaskSpec::GetValues { .. } | TaskSpec::GetNames { .. } | TaskSpec::Refresh { .. } | TaskSpec::Discover => {
            return None;
        }
    })
}

/// What the rows of a table tell about an AddObject or DeleteObject whose outcome is unknown.
fn read_back(task: &mut Task, table: &ParameterPath, instances: &[u32]) {
    let TaskState::Unknown { attempt: number } = task.state else { return };
    let Some(attempt) = task.attempts.iter().find(|a| a.number == number) else { return };
    let proved = attempt.outcome == Some(acs_types::AttemptOutcome::ProvedApplied);
    let new: Vec<u32> = instances.iter().filter(|i| !attempt.instances_before.contains(i)).copied().collect();
    match (&task.spec, &new[..]) {
        (TaskSpec::DeleteObject { object }, _) => {
            let there = object.instance().is_some_and(|instance| instances.contains(&instance));
            match there {
                false => life::proved_applied(task, number, None),
                true => life::proved_not_applied(task, number),
            };
        }
        (TaskSpec::AddObject { .. }, [instance]) if proved => {
            if let Ok(object) = table.child(&format!("{instance}.")) {
                life::proved_applied(task, number, Some(TaskResult::Instance { object }));
            }
        }
        (TaskSpec::AddObject { .. }, []) if !proved => {
            life::proved_not_applied(task, number);
        }
        (TaskSpec::AddObject { .. }, _) => {
            life::needs_operator(task, "which instance was added, if any, cannot be told from the table");
        }
        _ => {}
    }
}

fn with_key(mut request: AcsRequest, key: &str) -> AcsRequest {
    match &mut request {
        AcsRequest::SetParameterValues(set) => key.clone_into(&mut set.parameter_key),
        AcsRequest::AddObject(add) => key.clone_into(&mut add.parameter_key),
        AcsRequest::DeleteObject(delete) => key.clone_into(&mut delete.parameter_key),
        AcsRequest::Download(download) => key.clone_into(&mut download.command_key),
        AcsRequest::Reboot { command_key } => key.clone_into(command_key),
        _ => {}
    }
    request
}

/// Texts of a device as kept in a task.
const FAULT_TEXT_CHARS_MAX: usize = 1000;
/// SetParameterValuesFaults kept in a task.
const FAULT_PARAMETERS_MAX: usize = 1000;

fn task_fault(fault: &Fault) -> TaskFault {
    let clip = |text: &str| text.chars().take(FAULT_TEXT_CHARS_MAX).collect::<String>();
    let parameters = fault.parameters.iter().take(FAULT_PARAMETERS_MAX).map(|p| ParameterFaultRecord {
        name: p.name.clone(),
        code: p.code,
        text: clip(&p.text),
    });
    TaskFault { code: fault.code, text: clip(&fault.text), parameters: parameters.collect() }
}
