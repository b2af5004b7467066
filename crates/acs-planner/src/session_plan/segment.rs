//! Which tasks have their turn, and what each sends.

use acs_types::{Task, TaskId, TaskSpec, TaskState};
use cwmp_codec::{AcsRequest, GetParameterNames, GetParameterValues};
use cwmp_model::ParameterPath;

use super::{InFlight, Job, PlannedCall, Purpose, Step};
use crate::life::{self, Intent, own_fault};
use crate::limits::{SEGMENT_READS_MAX, TASK_READS_PER_SESSION};
use crate::reader::Reader;

impl Step<'_, '_> {
    pub(super) fn plan(&mut self) {
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
