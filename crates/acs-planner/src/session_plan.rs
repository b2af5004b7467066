mod answers;
mod requests;
mod segment;
mod size;

use std::collections::BTreeMap;
use std::sync::Arc;

use acs_types::{AttemptId, FaultRecord, ModelNotes, SessionId, Task, TaskId, TaskState, Timer};
use cwmp_codec::{AcsRequest, CpeResponse, Fault, ParameterInfo};
use cwmp_model::{ParameterPath, Timestamp};

use crate::life::{self, Settings};
use crate::limits::NAMES_HELD_MAX;
use crate::news::{SummaryNews, TreeNews};
use crate::reader::{Ask, Reader};
use crate::view::View;

/// What is kept in memory for one session between two segments. When it is lost, discovery repeats; nothing else does.
#[derive(Debug, Clone, Default)]
pub struct SessionPlan {
    jobs: BTreeMap<TaskId, Job>,
    in_flight: Vec<InFlight>,
    parameter_key: Option<String>,
    reads: BTreeMap<TaskId, u32>,
    /// Names told whose values are on their way: an object is written once, with both.
    names: Vec<Arc<Names>>,
    /// The ids answered with the last step, which planned what is in flight: the same step again is as once.
    last: Option<Vec<String>>,
    resume: u32,
}

/// What a step works on.
#[derive(Debug, Clone)]
pub struct StepInput<'a> {
    /// The session.
    pub session: SessionId,
    /// How often it went on without its snapshot.
    pub resume: u32,
    /// Now, by the clock of the front-end.
    pub at: Timestamp,
    /// Now, by the clock that deadlines and expiries are set by.
    pub now: Timestamp,
    /// When a request sent now counts as unanswered, by that clock.
    pub deadline: Timestamp,
    /// Whether secrets may go to the device: nobody else can read the session, or it proved who it is (P24).
    pub secrets: bool,
    /// The device's open tasks.
    pub tasks: &'a [Task],
    /// What is known of the device.
    pub view: &'a View,
    /// Answers to the last segment, in the order sent.
    pub answers: &'a [CallAnswer],
    /// Makes message ids unlike any other of the session.
    pub salt: u64,
    /// What follows the answers.
    pub then: Then,
}

/// What follows the answers of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The session goes on: the next segment is planned.
    Plan,
    /// The session goes on at another front-end: what is at the CPE may still be answered there, until its deadline.
    HandOver,
    /// The session is over: what has no answer counts as unanswered.
    Leave,
    /// A newer session holds the device. What an answer says of an attempt whose outcome is not known yet is evidence;
    /// everything else is the newer session's to decide.
    Evidence,
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
            match input.then {
                Then::Evidence => step.absorb_evidence(answer),
                // No answer here is not yet no answer.
                Then::HandOver if answer.outcome == CallOutcome::None(NoAnswer::Lost) => {}
                _ => step.absorb(answer),
            }
        }
        match input.then {
            Then::Plan => {
                step.give_back_rest();
                step.finish_reads();
                step.pass_time();
                step.plan();
            }
            Then::HandOver => step.finish_reads(),
            Then::Leave => {
                step.give_back_rest();
                step.finish_reads();
                step.leave();
            }
            Then::Evidence => {}
        }
        let planned = step.into_planned();
        self.last = (input.then == Then::Plan).then(|| input.answers.iter().map(|a| a.id.clone()).collect());
        planned
    }

    /// The calls of the last step, if this is the same step again because its reply was lost: they were not sent.
    fn repeated(&self, input: &StepInput<'_>) -> Option<Vec<PlannedCall>> {
        let ids = self.last.as_ref()?;
        let same = ids.iter().eq(input.answers.iter().map(|a| &a.id)) && input.resume == self.resume;
        let open = !self.in_flight.is_empty();
        (input.then == Then::Plan && same && open).then(|| self.in_flight.iter().map(|f| f.call.clone()).collect())
    }
}

/// What a GetParameterNames told.
#[derive(Debug)]
struct Names {
    within: ParameterPath,
    next_level: bool,
    told: Vec<ParameterInfo>,
    at: Timestamp,
}

impl Names {
    fn tell(&self, tree: &mut TreeNews) {
        tree.names(&self.within, self.next_level, &self.told, self.at);
    }
}

struct Step<'p, 'a> {
    plan: &'p mut SessionPlan,
    input: &'p StepInput<'a>,
    settings: &'p Settings,
    tasks: BTreeMap<TaskId, Task>,
    notes: ModelNotes,
    /// The answers are names alone: they are kept until their values come, or something else does.
    holds_names: bool,
    planned: Planned,
}

impl<'p, 'a> Step<'p, 'a> {
    fn new(plan: &'p mut SessionPlan, input: &'p StepInput<'a>, settings: &'p Settings) -> Self {
        let tasks: BTreeMap<_, _> = input.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect();
        plan.jobs.retain(|id, _| tasks.contains_key(id));
        let is_names =
            |answer: &CallAnswer| matches!(&answer.outcome, CallOutcome::Response(CpeResponse::GetParameterNames(_)));
        let holds_names = input.then == Then::Plan && input.answers.iter().all(is_names);
        let notes = input.view.notes.clone();
        let mut step = Self { plan, input, settings, tasks, notes, holds_names, planned: Planned::default() };
        if !holds_names {
            step.tell_names();
        }
        step
    }

    /// What was told of names is older than anything that this step tells.
    fn tell_names(&mut self) {
        for names in std::mem::take(&mut self.plan.names) {
            names.tell(&mut self.planned.tree);
        }
    }

    /// Names wait as long as reads go on for them, and there is room.
    fn names_wait(&self) -> bool {
        let reads = |flight: &InFlight| matches!(flight.purpose, Purpose::Read(_));
        let held: usize = self.plan.names.iter().map(|names| names.told.len()).sum();
        held <= NAMES_HELD_MAX && self.plan.in_flight.iter().any(reads)
    }

    fn into_planned(mut self) -> Planned {
        if !self.names_wait() {
            self.tell_names();
        }
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

impl Job {
    fn is_done(&self) -> bool {
        matches!(self, Self::Read(reader) if reader.is_done())
    }
}
