//! What the log proves: the rules of `docs/events.md`, as every consumer may apply them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use acs_cwmp_server::CHAIN_UNKNOWN;
use acs_events::{LoggedEvent, Partition, Positions};
use acs_proto::records::{Record, Unsealed};
use acs_types::{
    ControlTotals, DeviceId, EmitterId, EventBody, EventId, EventRecord, Position, SessionId, SessionOutcome,
    SessionRecord,
};
use anyhow::ensure;
use cwmp_model::Timestamp;
use serde::Serialize;

use super::numbers::{Numbers, count};
use super::when::Window;

/// Records of the window that are kept in mind; about 100 bytes each.
const RECORDS_MAX: usize = 20_000_000;
/// Incomplete sessions that are named; the others are only counted.
const NAMED_MAX: usize = 1000;

/// What is known of the log. It is given every record that is kept, whatever the window: gaps have no time.
#[derive(Debug)]
pub(super) struct Ledger {
    /// What is judged.
    window: Window,
    records_max: usize,
    /// Partitions of which retention took the beginning, until their first record shows how old the rest is.
    cut: BTreeSet<Partition>,
    /// From here on nothing was taken by retention; `None`: nothing was at all.
    whole_from: Option<Timestamp>,
    /// Distinct records with a hash of their content.
    known: HashMap<EventId, u64>,
    sessions: BTreeMap<SessionId, Session>,
    emitters: BTreeMap<EmitterId, Emitter>,
    messages: u64,
    duplicates: u64,
    late: u64,
    conflicting: BTreeSet<String>,
    skipped: u64,
    unreadable: u64,
    first_unreadable: Option<String>,
    by_type: BTreeMap<&'static str, u64>,
    devices: HashSet<DeviceId>,
    occurrences: Occurrences,
}

/// What happened at CPEs, each once, however often a CPE repeated it.
#[derive(Debug, Default)]
struct Occurrences {
    /// Of `dedup_key`: a hash of each.
    known: HashSet<u64>,
    repetitions: u64,
    chain_unknown: u64,
}

impl Occurrences {
    fn add(&mut self, dedup_key: &str) {
        if dedup_key == CHAIN_UNKNOWN {
            self.chain_unknown += 1;
        } else {
            self.repetitions += u64::from(!self.known.insert(hash(dedup_key.as_bytes())));
        }
    }
}

#[derive(Debug)]
struct Session {
    device: DeviceId,
    /// The records but the end that ingest tells of a lost one.
    places: BTreeMap<Position, EventId>,
    is_lost: bool,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    at: Position,
    is_complete: bool,
    count: u32,
    /// Of the ids of the records; older versions do not say it.
    hash: Option<[u8; 32]>,
}

#[derive(Debug, Default)]
struct Emitter {
    numbers: Numbers,
    totals: Vec<(Timestamp, ControlTotals)>,
}

impl Ledger {
    /// `from`: after which places the log is read.
    pub(super) fn new(window: Window, from: &Positions) -> Self {
        Self {
            window,
            records_max: RECORDS_MAX,
            cut: from.iter().filter(|(_, start)| *start > 0).map(|(partition, _)| partition).collect(),
            whole_from: None,
            known: HashMap::new(),
            sessions: BTreeMap::new(),
            emitters: BTreeMap::new(),
            messages: 0,
            duplicates: 0,
            late: 0,
            conflicting: BTreeSet::new(),
            skipped: 0,
            unreadable: 0,
            first_unreadable: None,
            by_type: BTreeMap::new(),
            devices: HashSet::new(),
            occurrences: Occurrences::default(),
        }
    }

    /// Takes a record into account.
    pub(super) fn add(&mut self, event: &LoggedEvent) -> anyhow::Result<()> {
        let record = &event.record;
        if self.cut.remove(&event.partition) {
            self.whole_from = self.whole_from.max(Some(record.occurred_at));
        }
        let emitter = self.emitters.entry(record.emitter.clone()).or_default();
        emitter.numbers.insert(record.emitter_seq);
        let is_counted = self.window.has(record.occurred_at);
        if !is_counted && !self.is_of_session_in_window(record) {
            return Ok(());
        }
        self.messages += u64::from(is_counted);
        let content = content(record);
        if let Some(known) = self.known.get(&record.event_id) {
            self.duplicates += u64::from(is_counted);
            if *known != content {
                self.conflicting.insert(record.event_id.to_string());
            }
            return Ok(());
        }
        let limit = self.records_max;
        ensure!(self.known.len() < limit, "more than {limit} records; judge less at a time with --from and --to");
        self.known.insert(record.event_id, content);
        if is_counted {
            self.count(record);
        }
        if let EventBody::ControlTotals(totals) = &record.body {
            let emitter = self.emitters.entry(record.emitter.clone()).or_default();
            emitter.totals.push((record.occurred_at, *totals));
        }
        self.follow_session(record);
        Ok(())
    }

    fn count(&mut self, record: &EventRecord) {
        self.late += u64::from(record.late);
        *self.by_type.entry(record.event_type().as_str()).or_default() += 1;
        if let Some(device) = &record.device
            && !self.devices.contains(device)
        {
            self.devices.insert(device.clone());
        }
        match &record.body {
            EventBody::Inform(inform) => inform.events.iter().for_each(|event| self.occurrences.add(&event.dedup_key)),
            EventBody::Transfer(transfer) => self.occurrences.add(&transfer.dedup_key),
            _ => {}
        }
    }

    /// Takes into account that messages were of types of a newer version.
    pub(super) fn skip(&mut self, count: u64) {
        self.skipped += count;
        self.messages += count;
    }

    /// Takes into account that a message was no event.
    pub(super) fn unreadable(&mut self, why: String) {
        self.unreadable += 1;
        self.messages += 1;
        self.first_unreadable.get_or_insert(why);
    }

    /// Whether it belongs to a session that began within the window, and came after its end.
    fn is_of_session_in_window(&self, record: &EventRecord) -> bool {
        record.session.is_some() && self.window.has(Timestamp::from_micros(record.position.stamp.as_micros()))
    }

    /// Device changes and transitions only repeat the places of others.
    fn follow_session(&mut self, record: &EventRecord) {
        let (Some(session), Some(device)) = (record.session, &record.device) else { return };
        if !self.is_of_session_in_window(record) {
            return;
        }
        let is_numbered =
            matches!(record.body, EventBody::Inform(_) | EventBody::Transfer(_) | EventBody::SessionEnded(_));
        if !is_numbered {
            return;
        }
        let known = self.sessions.entry(session).or_insert_with(|| Session {
            device: device.clone(),
            places: BTreeMap::new(),
            is_lost: false,
            end: None,
        });
        if let EventBody::SessionEnded(end) = &record.body {
            if end.outcome == SessionOutcome::Lost {
                known.is_lost = true;
                return;
            }
            let (is_complete, count, hash) = (end.complete, end.record_count, end.record_hash);
            known.end = Some(End { at: record.position, is_complete, count, hash });
        }
        known.places.insert(record.position, record.event_id);
    }

    /// What all of it proves.
    pub(super) fn report(self) -> Report {
        let mut report = Report {
            messages: self.messages,
            skipped: self.skipped,
            unreadable: self.unreadable,
            first_unreadable: self.first_unreadable,
            duplicates: self.duplicates,
            conflicting_copies: self.conflicting.into_iter().collect(),
            records: self.by_type,
            late: self.late,
            devices: self.devices.len(),
            occurrences: self.occurrences.known.len(),
            repetitions: self.occurrences.repetitions,
            chain_unknown: self.occurrences.chain_unknown,
            sessions: State::ALL.into_iter().map(|state| (state, 0)).collect(),
            incomplete_sessions: Vec::new(),
            emitters: BTreeMap::new(),
            mismatches: Vec::new(),
            broken_totals: Vec::new(),
            unjudged_totals: 0,
        };
        for (id, session) in self.sessions {
            report.judge_session(id, &session, self.whole_from);
        }
        for (id, emitter) in self.emitters {
            report.judge_emitter(&id, emitter, self.window, self.whole_from);
        }
        report
    }
}

/// A hash of what copies of a record have in common. What ingest makes of other records it may make again, after a rebalance or
/// as another process: the same in all but who says it.
fn content(record: &EventRecord) -> u64 {
    let is_derived = match &record.body {
        EventBody::Device(_) => true,
        EventBody::SessionEnded(end) => end.outcome == SessionOutcome::Lost,
        _ => false,
    };
    if !is_derived {
        return hash(&record.to_bytes(&Unsealed));
    }
    let emitter = "ingest".parse().expect("a word is an id");
    hash(&EventRecord { emitter, emitter_seq: 0, ..record.clone() }.to_bytes(&Unsealed))
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// What was read, and everything that is missing. The names are those of the consumers in `tests/consumers`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) messages: u64,
    pub(super) skipped: u64,
    unreadable: u64,
    first_unreadable: Option<String>,
    pub(super) duplicates: u64,
    conflicting_copies: Vec<String>,
    records: BTreeMap<&'static str, u64>,
    pub(super) late: u64,
    pub(super) devices: usize,
    pub(super) occurrences: usize,
    pub(super) repetitions: u64,
    pub(super) chain_unknown: u64,
    pub(super) sessions: BTreeMap<State, u64>,
    incomplete_sessions: Vec<IncompleteSession>,
    pub(super) emitters: BTreeMap<String, EmitterReport>,
    mismatches: Vec<Mismatch>,
    broken_totals: Vec<BrokenTotals>,
    /// Control totals whose range may begin before what is kept.
    pub(super) unjudged_totals: u64,
}

/// How much is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Nothing is missing.
    Complete,
    /// Several front-ends served it, and not less is there than they know of.
    Unproven,
    /// Something is missing.
    Incomplete,
    /// Its front-end died.
    Lost,
    /// No end came yet.
    Open,
}

impl State {
    const ALL: [Self; 5] = [Self::Complete, Self::Unproven, Self::Incomplete, Self::Lost, Self::Open];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Unproven => "unproven",
            Self::Incomplete => "incomplete",
            Self::Lost => "lost",
            Self::Open => "open",
        }
    }
}

/// The `seq` that are missing; none if only their number is known.
#[derive(Debug, Serialize)]
struct IncompleteSession {
    session: String,
    device: String,
    missing: Vec<[u64; 2]>,
}

/// The numbers of one emitter.
#[derive(Debug, Serialize)]
pub(super) struct EmitterReport {
    held: u64,
    highest: u64,
    /// The last number that control totals account for; 0: none.
    accounted_to: u64,
    /// In a range of control totals that has less than it should.
    missing: Vec<[u64; 2]>,
    /// In a range of control totals that knows of it.
    given_up: Vec<[u64; 2]>,
    /// Behind the last control totals.
    unaccounted: Vec<[u64; 2]>,
}

/// Control totals of which less than `count` is there.
#[derive(Debug, Serialize)]
struct Mismatch {
    emitter: String,
    first: u64,
    last: u64,
    count: u64,
    held: u64,
}

/// Control totals that do not begin where the ones before end.
#[derive(Debug, Serialize)]
struct BrokenTotals {
    emitter: String,
    expected: u64,
    first: u64,
}

impl Report {
    /// Whether nothing is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.problems().next().is_none()
    }

    /// What is missing, for people.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        let sessions = self.incomplete_sessions.iter().map(|session| match ranges(&session.missing) {
            missing if missing.is_empty() => {
                format!("session {} of {} has not the records that its end tells of", session.session, session.device)
            }
            missing => format!("session {} of {} lacks seq {missing}", session.session, session.device),
        });
        let totals = self.mismatches.iter().map(|m| {
            let Mismatch { emitter, first, last, count, held } = m;
            let gaps = self.emitters.get(emitter).map(|emitter| &*emitter.missing).unwrap_or_default();
            let gaps: Vec<_> = gaps.iter().filter(|gap| gap[0] <= *last && *first <= gap[1]).copied().collect();
            let gaps = ranges(&gaps);
            format!("emitter {emitter} has {held} of {count} records from {first} to {last}; not there: {gaps}")
        });
        let broken = self.broken_totals.iter().map(|BrokenTotals { emitter, expected, first }| {
            format!("emitter {emitter} has control totals that begin at {first} instead of {expected}")
        });
        let copies = self.conflicting_copies.iter().map(|id| format!("copies of event {id} are not the same"));
        let unreadable = self
            .first_unreadable
            .iter()
            .map(|first| format!("{} messages cannot be read; the first: {first}", self.unreadable));
        sessions.chain(totals).chain(broken).chain(copies).chain(unreadable)
    }

    fn judge_session(&mut self, id: SessionId, session: &Session, whole_from: Option<Timestamp>) {
        let begun = session.places.keys().next().map(|place| Timestamp::from_micros(place.stamp.as_micros()));
        let (state, missing) = judge(session);
        // Retention may have taken its begin.
        if state == State::Incomplete && begun < whole_from {
            *self.sessions.entry(State::Unproven).or_default() += 1;
            return;
        }
        *self.sessions.entry(state).or_default() += 1;
        if state == State::Incomplete && self.incomplete_sessions.len() < NAMED_MAX {
            let (session, device) = (id.to_string(), session.device.to_string());
            self.incomplete_sessions.push(IncompleteSession { session, device, missing });
        }
    }

    fn judge_emitter(&mut self, id: &EmitterId, emitter: Emitter, window: Window, whole_from: Option<Timestamp>) {
        let Emitter { numbers, mut totals } = emitter;
        totals.sort_by_key(|(_, totals)| totals.first);
        let (mut missing, mut given_up) = (Vec::new(), Vec::new());
        let mut before: Option<(Timestamp, ControlTotals)> = None;
        for (at, range) in totals {
            let ControlTotals { first, last, count: expected } = range;
            if let Some((_, previous)) = before
                && first != previous.last.saturating_add(1)
            {
                let expected = previous.last.saturating_add(1);
                self.broken_totals.push(BrokenTotals { emitter: id.to_string(), expected, first });
            }
            // What the range has came after the totals before it.
            let is_whole = whole_from.is_none_or(|from| before.is_some_and(|(at, _)| at >= from));
            before = Some((at, range));
            if !is_whole {
                self.unjudged_totals += 1;
                continue;
            }
            let gaps = numbers.gaps(first..=last);
            let held = last.saturating_sub(first).saturating_add(1).saturating_sub(count(&gaps));
            if held >= expected {
                given_up.extend(gaps);
                continue;
            }
            missing.extend(gaps);
            self.mismatches.push(Mismatch { emitter: id.to_string(), first, last, count: expected, held });
        }
        let accounted_to = before.map_or(0, |(_, totals)| totals.last);
        let behind = match (accounted_to, whole_from) {
            (0, Some(_)) => numbers.lowest(),
            (last, _) => last.saturating_add(1),
        };
        // In a window there may be totals before and behind it.
        let is_open = window.to.is_none() && (window.from.is_none() || accounted_to > 0);
        let unaccounted = if is_open { numbers.gaps(behind..=numbers.highest()) } else { Vec::new() };
        let (held, highest) = (numbers.len(), numbers.highest());
        let report = EmitterReport { held, highest, accounted_to, missing, given_up, unaccounted };
        self.emitters.insert(id.to_string(), report);
    }
}

/// How much is known of a session, and which `seq` it lacks.
fn judge(session: &Session) -> (State, Vec<[u64; 2]>) {
    let Some(end) = &session.end else {
        return (if session.is_lost { State::Lost } else { State::Open }, Vec::new());
    };
    if !end.is_complete {
        let is_enough = session.places.len() >= end.count as usize;
        return (if is_enough { State::Unproven } else { State::Incomplete }, Vec::new());
    }
    let mut held = Numbers::default();
    let of_end = |(place, _): &(&Position, &EventId)| (place.stamp, place.resume) == (end.at.stamp, end.at.resume);
    session.places.iter().filter(of_end).for_each(|(place, _)| held.insert(place.seq.into()));
    let missing = held.gaps(1..=end.count.into());
    let ids = session.places.iter().filter(of_end).map(|(_, id)| id);
    let are_they = end.hash.is_none_or(|hash| SessionRecord::hash_of(ids) == hash);
    let is_complete = missing.is_empty() && held.len() == u64::from(end.count) && are_they;
    (if is_complete { State::Complete } else { State::Incomplete }, missing)
}

fn ranges(ranges: &[[u64; 2]]) -> String {
    let shown = |[first, last]: &[u64; 2]| if first == last { first.to_string() } else { format!("{first}–{last}") };
    ranges.iter().map(shown).collect::<Vec<_>>().join(", ")
}
