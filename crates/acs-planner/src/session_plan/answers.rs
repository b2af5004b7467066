//! What the answers to a segment say of its tasks and of the device.

use std::sync::Arc;

use acs_types::{
    Applied, AttemptId, AttemptOutcome, Evidence, FaultRecord, ParameterFaultRecord, Task, TaskFault, TaskId,
    TaskResult, TaskSpec, TaskState, TransferResult,
};
use cwmp_codec::{AcsRequest, CpeResponse, Fault};
use cwmp_model::{FaultAdvice, FaultFacts, ParameterPath, ParameterValue, Root, Timestamp};

use super::{CallAnswer, CallOutcome, Job, Names, NoAnswer, Purpose, Step};
use crate::evidence;
use crate::life::{self, Follow};
use crate::reader::{Ask, Reader};

impl Step<'_, '_> {
    pub(super) fn absorb(&mut self, answer: &CallAnswer) {
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
        if let Some((task, attempt)) = self.attempt_named(answer) {
            // What was sent is not known word by word; the method and the task tell enough.
            return self.attempt_answered(&task, attempt, None, answer);
        }
        if let CallOutcome::Response(CpeResponse::GetParameterValues(told)) = &answer.outcome {
            self.learn_values(&told.parameters, answer.at);
        }
    }

    /// An answer in a session that has lost the device to a newer one. The CPE gave it before it opened that one, so it
    /// settles an outcome that the newer session knows nothing about (`design.md` §5.7), and never one that it has settled
    /// or sent again. What waits in the queue may repeat by itself, and the newer Inform has told its ParameterKey and
    /// whether the device was reset since: that decides, not the older answer. Reads repeat; what they told is kept.
    pub(super) fn absorb_evidence(&mut self, answer: &CallAnswer) {
        if let Some((task, attempt)) = self.attempt_named(answer) {
            return self.attempt_proved(&task, attempt, answer);
        }
        if let CallOutcome::Response(CpeResponse::GetParameterValues(told)) = &answer.outcome {
            self.learn_values(&told.parameters, answer.at);
        }
    }

    fn attempt_proved(&mut self, id: &TaskId, attempt: String, answer: &CallAnswer) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(number) = task.attempts.iter().find(|a| a.id.as_str() == attempt).map(|a| a.number) else { return };
        let (TaskState::Sending { attempt: now } | TaskState::Unknown { attempt: now }) = task.state else {
            match answer.outcome {
                CallOutcome::None(NoAnswer::NotSent) => life::not_sent(task, number),
                CallOutcome::None(NoAnswer::Lost) => false,
                CallOutcome::Response(_) | CallOutcome::Fault(_) => life::answered_late(task, number, answer.at),
            };
            return;
        };
        if now == number {
            self.attempt_answered(id, attempt, None, answer);
        }
    }

    /// The attempt that an answer names, and its task.
    fn attempt_named(&self, answer: &CallAnswer) -> Option<(TaskId, String)> {
        let id = answer.attempt.as_ref().map_or(answer.id.as_str(), AttemptId::as_str);
        let task = self.tasks.values().find(|task| task.attempts.iter().any(|a| a.id.as_str() == id))?;
        Some((task.id.clone(), id.to_owned()))
    }

    /// Fault 9000 holds for every device of the model until its SoftwareVersion changes (CWMP-223).
    fn note_unsupported(&mut self, code: u32, method: &str) {
        let tells = FaultFacts::of(code).advice == FaultAdvice::RememberUnsupported;
        if tells && !self.is_unsupported(method) {
            self.notes.unsupported_methods.push(method.to_owned());
        }
    }

    pub(super) fn is_unsupported(&self, method: &str) -> bool {
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
                    self.planned.tree.object_removed(object);
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
                self.read_unanswered(id);
            }
        }
        self.plan.jobs.insert(id.clone(), Job::Read(reader));
    }

    fn read_unanswered(&mut self, id: &TaskId) {
        if let Some(task) = self.tasks.get_mut(id) {
            life::read_unanswered(task, self.input.session);
        }
    }

    fn learn_names(&mut self, ask: &Ask, told: &cwmp_codec::GetParameterNamesResponse, at: Timestamp) {
        if let AcsRequest::GetParameterNames(asked) = ask.request() {
            let names = Names { within: asked.path, next_level: asked.next_level, told: told.parameters.clone(), at };
            match self.holds_names {
                true => self.plan.names.push(Arc::new(names)),
                false => names.tell(&mut self.planned.tree),
            }
        }
        if self.input.view.root.as_str().is_empty()
            && let Some(root) = Root::from_inform(told.parameters.iter().map(|info| &info.name))
        {
            self.planned.summary.root = ParameterPath::from_device(root.as_str()).ok();
        }
    }

    fn learn_values(&mut self, values: &[ParameterValue], at: Timestamp) {
        self.planned.tree.values(values, at);
        for value in values {
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
                self.read_unanswered(id);
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
                // The next session asks again, until it has gone unanswered too often.
                self.read_unanswered(id);
                self.plan.jobs.insert(id.clone(), Job::Vain);
                return;
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
    pub(super) fn give_back_rest(&mut self) {
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

    pub(super) fn finish_reads(&mut self) {
        let done: Vec<TaskId> =
            self.plan.jobs.iter().filter(|(_, job)| job.is_done()).map(|(id, _)| id.clone()).collect();
        for id in done {
            let Some(Job::Read(reader)) = self.plan.jobs.remove(&id) else { continue };
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            self.finish_read(&mut task, *reader);
            self.tasks.insert(id, task);
        }
    }

    pub(super) fn finish_read(&mut self, task: &mut Task, reader: Reader) {
        // What a task has read is written before the task is done.
        self.tell_names();
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
    pub(super) fn leave(&mut self) {
        for task in self.tasks.values_mut() {
            if let TaskState::Sending { attempt } = task.state
                && task.attempts.last().is_some_and(|last| last.session == self.input.session)
            {
                life::unanswered(task, attempt);
            }
        }
        self.plan.jobs.clear();
    }

    pub(super) fn pass_time(&mut self) {
        for task in self.tasks.values_mut() {
            let other = task.attempts.last().is_some_and(|last| last.session != self.input.session);
            match task.state {
                // The session that sent it is gone: this one is the newer.
                TaskState::Sending { attempt } if other => {
                    life::unanswered(task, attempt);
                }
                _ => {
                    life::time_passed(task, self.input.now, self.settings);
                }
            }
        }
    }
}

/// What the rows of a table tell about an AddObject or DeleteObject whose outcome is unknown.
fn read_back(task: &mut Task, table: &ParameterPath, instances: &[u32]) {
    let TaskState::Unknown { attempt: number } = task.state else { return };
    let Some(attempt) = task.attempts.iter().find(|a| a.number == number) else { return };
    let proved = attempt.outcome == Some(AttemptOutcome::ProvedApplied);
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
