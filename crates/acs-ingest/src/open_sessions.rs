use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acs_events::{Cursor, LogPosition, LoggedEvent, Partition, Positions};
use acs_types::{
    DeviceId, EmitterId, EventBody, EventId, EventRecord, InformRecord, Position, SessionId, SessionOutcome,
    SessionRecord, SessionRef, SessionStamp,
};
use cwmp_model::Timestamp;
use hashlink::LruCache;

/// Sessions followed at once; of more than these, the oldest are not closed as lost.
const OPEN_MAX: usize = 500_000;
/// Ends remembered whose session did not begin yet: topics are read side by side.
const ENDED_MAX: usize = 100_000;
/// Why nobody saw an end.
const DIED: &str = "the front-end that served it died";
const UNTOLD: &str = "whoever served it last did not tell it";

/// Sessions whose end is not in the log yet.
#[derive(Debug)]
pub(crate) struct OpenSessions {
    sessions: BTreeMap<SessionId, Open>,
    /// By the number of their partitions, then as they were read.
    order: BTreeMap<(u32, u64), SessionId>,
    opened: u64,
    /// Ended before they began.
    ended: LruCache<SessionId, ()>,
    /// Followed up to here.
    at: Positions,
    /// The latest time in the log.
    now: Timestamp,
    /// For how long the log was watched: what the silence of a session is measured by, because no clock of a front-end is believed.
    watched: Duration,
    /// The number of the look at quiet ones.
    looks: u64,
}

#[derive(Debug)]
struct Open {
    order: (u32, u64),
    /// From where its partitions have to be read again to know it.
    marks: Box<[(Partition, LogPosition)]>,
    first: EventRecord,
    last_at: Timestamp,
    last_emitter: EmitterId,
    /// The place of its last record (P9).
    last: Position,
    records: u32,
    /// `OpenSessions::watched` at its last record.
    heard: Duration,
    /// The look at which the session cache was last asked about it.
    asked: u64,
    /// `OpenSessions::watched` at which whoever may know its end has told it.
    told_by: Option<Duration>,
}

/// A session of which nothing has come for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quiet {
    pub(crate) session: SessionId,
    pub(crate) device: DeviceId,
    pub(crate) stamp: SessionStamp,
    /// It is known already that it is over.
    pub(crate) is_left: bool,
}

impl OpenSessions {
    pub(crate) fn new() -> Self {
        Self {
            sessions: BTreeMap::new(),
            order: BTreeMap::new(),
            opened: 0,
            ended: LruCache::new(ENDED_MAX),
            at: Positions::default(),
            now: Timestamp::default(),
            watched: Duration::ZERO,
            looks: 0,
        }
    }

    /// The records of this partition come from after here.
    pub(crate) fn begin(&mut self, partition: Partition, after: LogPosition) {
        self.at.set(partition, after);
    }

    /// Someone else follows the partitions of this number now.
    pub(crate) fn leave(&mut self, number: u32) {
        while let Some((&order, &session)) = self.order.range((number, 0)..=(number, u64::MAX)).next() {
            self.order.remove(&order);
            self.sessions.remove(&session);
        }
    }

    /// Follows a record; once, however often it is told.
    pub(crate) fn follow(&mut self, event: &LoggedEvent) {
        if event.position <= self.at.get(event.partition) {
            return;
        }
        self.follow_new(event);
        self.at.advance(event);
    }

    fn follow_new(&mut self, event: &LoggedEvent) {
        let record = &event.record;
        let Some(session) = record.session else { return };
        self.now = self.now.max(record.occurred_at);
        match (&record.body, self.sessions.get_mut(&session)) {
            (EventBody::SessionEnded(_), Some(_)) => self.remove(&session),
            (EventBody::SessionEnded(_), None) => drop(self.ended.insert(session, ())),
            (_, Some(open)) => {
                open.records = open.records.saturating_add(1);
                open.last_at = open.last_at.max(record.occurred_at);
                open.last_emitter = record.emitter.clone();
                open.last = open.last.max(record.position);
                (open.heard, open.told_by) = (self.watched, None);
            }
            (EventBody::Inform(_), None) if self.ended.remove(&session).is_none() => self.open(session, event),
            _ => {}
        }
    }

    /// The ends of the sessions that `is_lost` says, told the emitter of their last record, or that are older than `age`.
    pub(crate) fn lost(&self, is_lost: impl Fn(&EmitterId) -> bool, age: Duration) -> Vec<EventRecord> {
        let lost = |open: &&Open| is_lost(&open.last_emitter) || self.now.since(open.last_at) > age;
        self.sessions.values().filter(lost).filter_map(|open| lost_record(open, DIED)).collect()
    }

    /// The log was watched for so long now.
    pub(crate) fn watched(&mut self, watched: Duration) {
        self.watched = watched;
    }

    /// Sessions of which nothing came in the last `span` of watched time, but for those whose last record is from one that
    /// `is_silent` says; at most `limit`, those first that were told least of late.
    pub(crate) fn quiet(&mut self, span: Duration, limit: usize, is_silent: impl Fn(&EmitterId) -> bool) -> Vec<Quiet> {
        let is_quiet = |open: &Open| self.watched - open.heard >= span && !is_silent(&open.last_emitter);
        let quiet = self.sessions.iter().filter(|(_, open)| is_quiet(open));
        let mut quiet: Vec<_> = quiet.map(|(session, open)| (open.asked, *session)).collect();
        if quiet.len() > limit {
            quiet.sort_unstable();
            quiet.truncate(limit);
        }
        self.looks += 1;
        quiet.into_iter().filter_map(|(_, session)| self.ask(session)).collect()
    }

    fn ask(&mut self, session: SessionId) -> Option<Quiet> {
        let open = self.sessions.get_mut(&session)?;
        open.asked = self.looks;
        let (device, stamp) = (open.first.device.clone()?, open.first.position.stamp);
        Some(Quiet { session, device, stamp, is_left: open.told_by.is_some() })
    }

    /// It is known that a session is over: whoever lives and knows its end tells it within so much watched time. After that it is
    /// lost, and this gives its end.
    pub(crate) fn left(&mut self, session: &SessionId, within: Duration) -> Option<EventRecord> {
        let open = self.sessions.get_mut(session)?;
        let told_by = open.told_by.get_or_insert_with(|| self.watched.saturating_add(within));
        if self.watched < *told_by { None } else { lost_record(open, UNTOLD) }
    }

    /// Who emitted the last record of each.
    pub(crate) fn front_ends(&self) -> BTreeSet<EmitterId> {
        let mut front_ends = BTreeSet::new();
        for open in self.sessions.values() {
            if !front_ends.contains(&open.last_emitter) {
                front_ends.insert(open.last_emitter.clone());
            }
        }
        front_ends
    }

    /// This front-end serves the session now, although it may have emitted nothing yet.
    pub(crate) fn moved(&mut self, session: &SessionId, front_end: EmitterId) {
        if let Some(open) = self.sessions.get_mut(session) {
            (open.last_emitter, open.told_by) = (front_end, None);
        }
    }

    /// These are closed.
    pub(crate) fn forget(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            self.remove(session);
        }
    }

    /// How far the work on `partition` came that is done up to `done`: with the place from where it has to be read again to
    /// know all open sessions.
    pub(crate) fn cursor(&self, partition: Partition, done: LogPosition) -> Cursor {
        let lane = (partition.number, 0)..=(partition.number, u64::MAX);
        let oldest = self.order.range(lane).next().and_then(|(_, session)| self.sessions.get(session));
        let known = |open: &Open| open.marks.iter().find(|(of, _)| *of == partition).map_or(0, |(_, mark)| *mark);
        let mark = oldest.map(known);
        Cursor { done, mark: mark.unwrap_or(done).min(done) }
    }

    fn open(&mut self, session: SessionId, event: &LoggedEvent) {
        let record = &event.record;
        let number = event.partition.number;
        let order = (number, self.opened);
        self.opened += 1;
        let open = Open {
            order,
            marks: self.at.iter().filter(|(partition, _)| partition.number == number).collect(),
            first: record.clone(),
            last_at: record.occurred_at,
            last_emitter: record.emitter.clone(),
            last: record.position,
            records: 1,
            heard: self.watched,
            asked: 0,
            told_by: None,
        };
        self.order.insert(order, session);
        self.sessions.insert(session, open);
        if self.sessions.len() > OPEN_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.sessions.remove(&oldest);
        }
    }

    fn remove(&mut self, session: &SessionId) {
        if let Some(open) = self.sessions.remove(session) {
            self.order.remove(&open.order);
        }
    }
}

/// The end that nobody saw (P9).
fn lost_record(open: &Open, why: &str) -> Option<EventRecord> {
    let record = &open.first;
    let (EventBody::Inform(inform), Some(device), Some(session)) = (&record.body, &record.device, record.session)
    else {
        return None;
    };
    let InformRecord { events, retry_count, cwmp_version, remote, auth, tls, .. } = &**inform;
    let ended = SessionRecord {
        at: SessionRef { device: device.clone(), session, stamp: record.position.stamp, resume: open.last.resume },
        tenant: record.tenant.clone(),
        front_end: open.last_emitter.clone(),
        started_at: record.occurred_at,
        ended_at: open.last_at,
        outcome: SessionOutcome::Lost,
        detail: format!("nobody saw its end: {why}"),
        remote: *remote,
        tls: *tls,
        auth: *auth,
        cwmp_version: cwmp_version.clone(),
        events: events.iter().map(|event| event.code.clone()).collect(),
        retry_count: *retry_count,
        exchanges: Vec::new(),
        exchange_count: 0,
        record_count: open.records,
        complete: false,
        record_hash: None,
    };
    Some(EventRecord {
        event_id: EventId::derived(&record.event_id, "lost"),
        // A place of its own behind the last record: nobody numbers on in this resume any more (P9).
        position: Position { seq: open.last.seq.saturating_add(1), ..open.last },
        occurred_at: open.last_at,
        late: true,
        body: EventBody::SessionEnded(Box::new(ended)),
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use acs_events::Topic;
    use acs_types::{AuthLevel, Tenant};
    use cwmp_model::DeviceIdentity;

    use super::*;

    const INFORM: Topic = Topic::Inform;
    const SESSION: Topic = Topic::Session;

    fn session(n: u8) -> SessionId {
        SessionId::from_bytes([n; 16])
    }

    fn event(topic: Topic, number: u32, position: u64, n: u8, body: EventBody) -> LoggedEvent {
        let record = EventRecord {
            event_id: EventId::of(&session(n), 0, position as u32),
            device: Some(DeviceId::of(&DeviceIdentity { oui: "00AABB".into(), ..DeviceIdentity::default() })),
            tenant: Tenant::default(),
            subscriber_id: String::new(),
            session: Some(session(n)),
            position: Position { stamp: SessionStamp::from_micros(i64::from(n)), resume: 0, seq: 1 },
            occurred_at: Timestamp::from_seconds(i64::from(n)),
            emitter: "front.1".parse().expect("an id"),
            emitter_seq: 1,
            late: false,
            body,
        };
        LoggedEvent { partition: Partition::of(topic, number), position, record }
    }

    fn inform(number: u32, position: u64, n: u8) -> LoggedEvent {
        let body = InformRecord {
            identity: DeviceIdentity::default(),
            events: Vec::new(),
            retry_count: 0,
            current_time: String::new(),
            parameters: Vec::new(),
            cwmp_version: "1.0".into(),
            remote: None,
            auth: AuthLevel::Open,
            tls: false,
        };
        event(INFORM, number, position, n, EventBody::Inform(Box::new(body)))
    }

    fn end(number: u32, position: u64, n: u8) -> LoggedEvent {
        let mut open = OpenSessions::new();
        open.follow(&inform(number, 1, n));
        let mut lost = open.lost(|_| true, Duration::ZERO);
        event(SESSION, number, position, n, lost.remove(0).body)
    }

    fn open(sessions: &OpenSessions) -> Vec<SessionId> {
        sessions.lost(|_| true, Duration::MAX).into_iter().filter_map(|record| record.session).collect()
    }

    #[test]
    fn an_end_that_is_read_before_its_inform_leaves_nothing_open_p9() {
        let mut sessions = OpenSessions::new();
        sessions.follow(&end(0, 1, 1));
        sessions.follow(&inform(0, 1, 1));
        assert_eq!(open(&sessions), []);
        assert_eq!(sessions.cursor(Partition::of(INFORM, 0), 1), Cursor { done: 1, mark: 1 });
    }

    #[test]
    fn a_cursor_marks_what_has_to_be_read_again_in_every_topic_of_the_number() {
        let mut sessions = OpenSessions::new();
        for event in [inform(0, 1, 1), end(0, 1, 1), inform(0, 2, 2), inform(0, 3, 3), end(0, 2, 3), inform(1, 1, 4)] {
            sessions.follow(&event);
        }
        assert_eq!(open(&sessions), [session(2), session(4)]);
        let cursor = |topic, number, done| sessions.cursor(Partition::of(topic, number), done);
        assert_eq!(cursor(INFORM, 0, 3), Cursor { done: 3, mark: 1 }, "before the Inform of the oldest open one");
        assert_eq!(cursor(SESSION, 0, 2), Cursor { done: 2, mark: 1 }, "and what had been read of ends then");
        assert_eq!(cursor(INFORM, 1, 1), Cursor { done: 1, mark: 0 }, "each number by itself");
        // Reading from the marks again opens the same sessions and no other.
        let mut again = OpenSessions::new();
        again.begin(Partition::of(INFORM, 0), 1);
        again.begin(Partition::of(SESSION, 0), 1);
        for event in [end(0, 2, 3), inform(0, 2, 2), inform(0, 3, 3)] {
            again.follow(&event);
        }
        assert_eq!(open(&again), [session(2)]);
    }

    #[test]
    fn a_record_counts_once_and_a_number_that_is_left_is_forgotten() {
        let mut sessions = OpenSessions::new();
        for event in [inform(0, 1, 1), inform(0, 1, 1), inform(1, 1, 2)] {
            sessions.follow(&event);
        }
        let lost = sessions.lost(|_| true, Duration::MAX);
        let EventBody::SessionEnded(first) = &lost[0].body else { panic!("{lost:?}") };
        assert_eq!((lost.len(), first.record_count), (2, 1));
        sessions.leave(0);
        assert_eq!(open(&sessions), [session(2)]);
    }

    #[test]
    fn of_quiet_sessions_so_many_are_asked_about_in_turn_and_no_others_p9_p19() {
        let mut sessions = OpenSessions::new();
        (1..=3).for_each(|n| sessions.follow(&inform(0, n.into(), n)));
        let span = Duration::from_secs(80);
        let mut ask = |watched: u64, limit: usize| -> Vec<SessionId> {
            sessions.watched(Duration::from_secs(watched));
            sessions.quiet(span, limit, |_| false).into_iter().map(|quiet| quiet.session).collect()
        };
        assert_eq!(ask(79, 2), []);
        assert_eq!(ask(80, 2), [session(1), session(2)]);
        assert_eq!(ask(81, 2), [session(3), session(1)]);
        assert_eq!(ask(81, 3), [session(1), session(2), session(3)]);
        assert_eq!(sessions.quiet(span, 3, |_| true), [], "those of dead front-ends are seen to otherwise");
        sessions.follow(&event(INFORM, 0, 4, 2, inform(0, 4, 2).record.body));
        let quiet = sessions.quiet(span, 3, |_| false);
        assert_eq!(
            quiet.iter().map(|quiet| quiet.session).collect::<Vec<_>>(),
            [session(1), session(3)],
            "a record came"
        );
    }

    #[test]
    fn one_that_is_over_is_lost_when_nobody_tells_its_end_in_time_p9() {
        let mut sessions = OpenSessions::new();
        sessions.follow(&inform(0, 1, 1));
        let within = Duration::from_secs(150);
        assert_eq!(sessions.left(&session(1), within), None);
        sessions.watched(within - Duration::from_millis(1));
        assert_eq!(sessions.left(&session(1), within), None);
        sessions.moved(&session(1), "front.2".parse().expect("an id"));
        sessions.watched(within);
        assert_eq!(sessions.left(&session(1), within), None, "it went on meanwhile: the time runs anew");
        sessions.watched(within * 2);
        let lost = sessions.left(&session(1), within).expect("its end");
        assert_eq!(lost.session, Some(session(1)));
        assert_eq!(sessions.left(&session(9), within), None);
    }
}
