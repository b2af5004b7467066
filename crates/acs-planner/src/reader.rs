use std::collections::VecDeque;

use acs_types::{ModelNotes, ParameterFaultRecord, TaskFault, TaskResult, TaskSpec};
use cwmp_codec::{AcsRequest, GetParameterNames, GetParameterValues, ParameterInfo};
use cwmp_model::{FaultAdvice, FaultFacts, ParameterPath, ParameterValue, Root, is_secret_name};

use crate::life::METHOD_NOT_SUPPORTED;
use crate::limits::{FAULTS_PER_TASK_MAX, FRAGILE_OBJECTS_MAX, NAMES_PER_TASK_MAX, VALUES_PER_REQUEST};
use crate::size::{entry_bytes, paths_bytes};

/// Reads names and values of one task in portions that fragile devices survive: what fails is asked for in smaller parts,
/// and what worked is remembered for the model (CWMP-233, CWMP-237, CWMP-239).
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    goal: Goal,
    names: VecDeque<NamesAsk>,
    values: VecDeque<Vec<ParameterPath>>,
    /// Names found whose values are not asked for yet.
    found: VecDeque<ParameterPath>,
    in_flight: u32,
    names_in_flight: u32,
    portion: usize,
    counts: (u32, u32),
    results: Vec<ParameterValue>,
    refused: Vec<(ParameterPath, u32)>,
    faults: u32,
    /// The first fault, kept in case nothing else comes.
    fault: Option<TaskFault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Goal {
    /// Values are read, too.
    values: bool,
    /// The values are the task's result.
    collect: bool,
    /// Everything below is read.
    deep: bool,
    /// It is the whole tree.
    whole: bool,
}

/// A GetParameterNames to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamesAsk {
    path: ParameterPath,
    next_level: bool,
}

/// A request to send, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Names(NamesAsk),
    Values(Vec<ParameterPath>),
}

/// What a reading task ends with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    pub(crate) result: TaskResult,
    /// What could not be read.
    pub(crate) fault: Option<TaskFault>,
    /// Nothing could be read.
    pub(crate) failed: bool,
    /// The whole tree was read.
    pub(crate) whole: bool,
}

impl Ask {
    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Names(ask) => entry_bytes(ask.path.as_str().len()),
            Self::Values(names) => paths_bytes(names),
        }
    }

    pub(crate) fn request(&self) -> AcsRequest {
        match self {
            Self::Names(ask) => {
                AcsRequest::GetParameterNames(GetParameterNames { path: ask.path.clone(), next_level: ask.next_level })
            }
            Self::Values(names) => AcsRequest::GetParameterValues(GetParameterValues { names: names.clone() }),
        }
    }
}

impl Reader {
    /// For a reading task; `None` for a task that reads nothing.
    pub(crate) fn new(spec: &TaskSpec, root: &ParameterPath, notes: &ModelNotes) -> Option<Self> {
        let learned = usize::try_from(notes.values_per_request).unwrap_or(VALUES_PER_REQUEST);
        let mut reader = Self {
            goal: Goal { values: true, collect: false, deep: true, whole: false },
            names: VecDeque::new(),
            values: VecDeque::new(),
            found: VecDeque::new(),
            in_flight: 0,
            names_in_flight: 0,
            portion: if learned == 0 { VALUES_PER_REQUEST } else { learned },
            counts: (0, 0),
            results: Vec::new(),
            refused: Vec::new(),
            faults: 0,
            fault: None,
        };
        match spec {
            TaskSpec::GetValues { paths } => {
                reader.goal.collect = true;
                reader.found = paths.iter().map(|p| if p.as_str().is_empty() { root } else { p }).cloned().collect();
            }
            TaskSpec::GetNames { path, next_level } => {
                reader.goal.values = false;
                reader.goal.deep = !next_level;
                match next_level {
                    true => reader.ask_names(path.clone(), true),
                    false => reader.ask_tree(path, root, notes),
                }
            }
            TaskSpec::Refresh { path } => reader.ask_tree(path, root, notes),
            TaskSpec::Discover => reader.ask_tree(&ParameterPath::root(), root, notes),
            _ => return None,
        }
        Some(reader)
    }

    /// The next request; names come before values, so that portions of values are full.
    pub(crate) fn next(&mut self) -> Option<Ask> {
        let ask = if let Some(ask) = self.names.pop_front() {
            self.names_in_flight += 1;
            Ask::Names(ask)
        } else if let Some(names) = self.values.pop_front() {
            Ask::Values(names)
        } else if !self.found.is_empty() && self.names_in_flight == 0 {
            // While names are on their way, a portion of values would not be full.
            let count = self.portion.min(self.found.len());
            Ask::Values(self.found.drain(..count).collect())
        } else {
            return None;
        };
        self.in_flight += 1;
        Some(ask)
    }

    /// A request that was not sent after all.
    pub(crate) fn give_back(&mut self, ask: Ask) {
        self.landed(&ask);
        match ask {
            Ask::Names(ask) => self.names.push_front(ask),
            Ask::Values(names) => self.values.push_front(names),
        }
    }

    /// The names that were told. An empty list for a root tells nothing, so it counts as a fault.
    pub(crate) fn names(&mut self, ask: NamesAsk, told: &[ParameterInfo], notes: &mut ModelNotes) {
        if told.is_empty() && is_root(&ask.path) {
            return self.faulted(Ask::Names(ask), 0, "the device told no names", false, notes);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        self.names_in_flight = self.names_in_flight.saturating_sub(1);
        for info in told.iter().filter(|info| info.name.is_within(&ask.path)) {
            let room = self.counts.0 < u32::try_from(NAMES_PER_TASK_MAX).unwrap_or(u32::MAX);
            if !room {
                self.fault
                    .get_or_insert_with(|| fault(0, format!("only the first {NAMES_PER_TASK_MAX} names were read")));
                return;
            }
            self.counts.0 += 1;
            if !info.name.is_object() {
                if self.goal.values {
                    self.found.push_back(info.name.clone());
                }
            } else if ask.next_level && self.goal.deep && info.name != ask.path {
                self.ask_tree_part(info.name.clone(), notes);
            }
        }
    }

    /// The values that were told: more or fewer than asked for (CWMP-234).
    pub(crate) fn values(&mut self, told: &[ParameterValue]) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.counts.1 = self.counts.1.saturating_add(u32::try_from(told.len()).unwrap_or(u32::MAX));
        if self.goal.collect {
            let room = TaskResult::VALUES_MAX.saturating_sub(self.results.len());
            self.results.extend(told.iter().take(room).map(without_secret));
        }
    }

    /// A fault, or (`silent`) no answer: the same is asked for in smaller parts, as far as there are any.
    pub(crate) fn faulted(&mut self, ask: Ask, code: u32, text: &str, silent: bool, notes: &mut ModelNotes) {
        if FaultFacts::of(code).advice == FaultAdvice::RememberUnsupported {
            return self.unsupported(&ask, text.to_owned());
        }
        self.landed(&ask);
        self.faults += 1;
        if self.faults > FAULTS_PER_TASK_MAX {
            self.give_up(code, text);
            return;
        }
        match ask {
            Ask::Names(ask) => self.names_faulted(ask, code, text, silent, notes),
            Ask::Values(names) => self.values_faulted(names, code, text, silent, notes),
        }
    }

    /// The device does not have the method of `ask`: nothing more is asked with it (CWMP-223).
    pub(crate) fn unsupported(&mut self, ask: &Ask, text: String) {
        self.landed(ask);
        self.fault.get_or_insert_with(|| fault(METHOD_NOT_SUPPORTED, text));
        match ask {
            Ask::Names(_) => self.names.clear(),
            Ask::Values(_) => {
                self.values.clear();
                self.found.clear();
            }
        }
    }

    /// Whether nothing is left to ask or to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.in_flight == 0 && self.names.is_empty() && self.values.is_empty() && self.found.is_empty()
    }

    pub(crate) fn finish(mut self) -> Finished {
        let (names, values) = self.counts;
        if self.goal.whole && names > 0 {
            // Both roots were tried, one of them is there.
            self.refused.retain(|(path, _)| !is_root(path));
            self.fault = self.fault.filter(|_| !self.refused.is_empty());
        }
        let read_any = names > 0 || values > 0 || (self.refused.is_empty() && self.fault.is_none());
        let fault = match (self.refused.first(), self.fault) {
            (Some((_, code)), first) => Some(refused_fault(*code, &self.refused, first)),
            (None, Some(fault)) => Some(fault),
            (None, None) => None,
        };
        let whole = self.goal.whole && self.goal.values && read_any;
        let result = match self.goal.collect {
            true => TaskResult::Values(self.results),
            false => TaskResult::Counts { names, values },
        };
        Finished { result, failed: !read_any, fault, whole }
    }

    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let names = paths_bytes(self.names.iter().map(|ask| &ask.path));
        let values: usize = self.values.iter().map(|names| entry_bytes(paths_bytes(names))).sum();
        let results: usize =
            self.results.iter().map(|told| entry_bytes(told.name.as_str().len() + told.value.text.len())).sum();
        let refused = paths_bytes(self.refused.iter().map(|(path, _)| path));
        let fault = self.fault.as_ref().map_or(0, |fault| fault.text.len());
        size_of::<Self>() + names + values + paths_bytes(&self.found) + results + refused + fault
    }

    fn landed(&mut self, ask: &Ask) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if matches!(ask, Ask::Names(_)) {
            self.names_in_flight = self.names_in_flight.saturating_sub(1);
        }
    }

    fn ask_names(&mut self, path: ParameterPath, next_level: bool) {
        self.names.push_back(NamesAsk { path, next_level });
    }

    /// The whole of `path`: at once, or level by level where that is known to be too much.
    fn ask_tree(&mut self, path: &ParameterPath, root: &ParameterPath, notes: &ModelNotes) {
        self.goal.whole = is_root(path);
        match (path.as_str().is_empty(), root.as_str().is_empty()) {
            // The root has to be found first; asking for all with an empty path breaks some devices.
            (true, true) => self.ask_names(ParameterPath::root(), true),
            (true, false) => self.ask_names(root.clone(), notes.names_per_object),
            (false, _) if is_root(path) => self.ask_names(path.clone(), notes.names_per_object),
            (false, _) if !path.is_object() => {
                self.ask_names(path.clone(), false);
            }
            (false, _) => self.ask_tree_part(path.clone(), notes),
        }
    }

    fn ask_tree_part(&mut self, path: ParameterPath, notes: &ModelNotes) {
        let by_level = notes.fragile_objects.contains(&path) || is_root(&path) && notes.names_per_object;
        self.ask_names(path, by_level);
    }

    fn names_faulted(&mut self, ask: NamesAsk, code: u32, text: &str, silent: bool, notes: &mut ModelNotes) {
        let is_unknown = code == 9005 && !is_root(&ask.path);
        if ask.path.as_str().is_empty() {
            // CWMP-239: which root it has is not known, so both are tried.
            for root in Root::ALL {
                let path = ParameterPath::from_device(root.as_str()).unwrap_or_default();
                self.ask_names(path, true);
            }
            self.note_fault(code, text);
        } else if silent && (ask.next_level || !ask.path.is_object()) {
            // Nothing smaller is left; silence is counted by the task (P4).
            self.names.push_front(ask);
        } else if ask.next_level || is_unknown || !ask.path.is_object() {
            self.refused.push((ask.path, code));
            self.note_fault(code, text);
        } else {
            remember_fragile(&ask.path, notes);
            self.names.push_front(NamesAsk { path: ask.path, next_level: true });
        }
    }

    fn values_faulted(
        &mut self,
        mut names: Vec<ParameterPath>,
        code: u32,
        text: &str,
        silent: bool,
        notes: &mut ModelNotes,
    ) {
        if names.len() > 1 {
            let second = names.split_off(names.len().div_ceil(2));
            // Too much at once, as opposed to a name that the device does not like (CWMP-232, CWMP-233).
            if silent || matches!(code, 9002 | 9004) {
                self.portion = self.portion.min(names.len());
                notes.values_per_request = u32::try_from(self.portion).unwrap_or(u32::MAX);
            }
            self.values.push_front(second);
            self.values.push_front(names);
            return;
        }
        let Some(name) = names.pop() else { return };
        if name.is_object() && code != 9005 {
            // A partial path that is too much: its names first, then their values.
            self.ask_tree_part(name, notes);
        } else if silent {
            // Nothing smaller is left; silence is counted by the task (P4).
            self.values.push_front(vec![name]);
        } else {
            self.refused.push((name, code));
            self.note_fault(code, text);
        }
    }

    fn note_fault(&mut self, code: u32, text: &str) {
        self.fault.get_or_insert_with(|| fault(code, text.to_owned()));
    }

    fn give_up(&mut self, code: u32, text: &str) {
        self.names.clear();
        self.values.clear();
        self.found.clear();
        self.fault = Some(fault(code, format!("gave up after {FAULTS_PER_TASK_MAX} faults, the last one: {text}")));
    }
}

fn is_root(path: &ParameterPath) -> bool {
    path.as_str().is_empty() || Root::ALL.iter().any(|root| root.as_str() == path.as_str())
}

fn remember_fragile(path: &ParameterPath, notes: &mut ModelNotes) {
    if is_root(path) {
        notes.names_per_object = true;
    } else if notes.fragile_objects.len() < FRAGILE_OBJECTS_MAX && !notes.fragile_objects.contains(path) {
        notes.fragile_objects.push(path.clone());
    }
}

fn without_secret(value: &ParameterValue) -> ParameterValue {
    let mut value = value.clone();
    if is_secret_name(&value.name) {
        value.value.text.clear();
    }
    value
}

fn fault(code: u32, text: String) -> TaskFault {
    TaskFault { code, text, parameters: Vec::new() }
}

/// Names listed with a fault; the rest is only counted.
const REFUSED_LISTED_MAX: usize = 100;

fn refused_fault(code: u32, refused: &[(ParameterPath, u32)], first: Option<TaskFault>) -> TaskFault {
    let said = first.map(|f| f.text).filter(|t| !t.is_empty());
    let said = said.unwrap_or_else(|| FaultFacts::of(code).meaning.to_owned());
    let record = |(name, code): &(ParameterPath, u32)| ParameterFaultRecord {
        name: name.clone(),
        code: *code,
        text: FaultFacts::of(*code).meaning.to_owned(),
    };
    TaskFault {
        code,
        text: format!("the device refused {} name(s): {said}", refused.len()),
        parameters: refused.iter().take(REFUSED_LISTED_MAX).map(record).collect(),
    }
}
