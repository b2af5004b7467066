use std::collections::BTreeMap;
use std::time::Duration;

use acs_events::LoggedEvent;
use acs_types::{
    EmitterId, EventBody, EventId, EventRecord, InformRecord, Position, SessionId, SessionOutcome, SessionRecord,
    SessionRef,
};
use cwmp_model::Timestamp;

/// Sessions followed at once; of more than these, the oldest are not closed as lost.
const OPEN_MAX: usize = 500_000;

/// Sessions whose end is not in the log yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenSessions {
    sessions: BTreeMap<SessionId, Open>,
    /// By the position of their first record.
    order: BTreeMap<u64, SessionId>,
    /// The latest time in the log.
    now: Timestamp,
}

#[derive(Debug, Clone)]
struct Open {
    position: u64,
    first: EventRecord,
    last_at: Timestamp,
    last_emitter: EmitterId,
    /// The place of its last record (P9).
    last: Position,
    records: u32,
}

impl OpenSessions {
    /// Follows a record.
    pub(crate) fn follow(&mut self, event: &LoggedEvent) {
        let record = &event.record;
        let Some(session) = record.session else { return };
        self.now = self.now.max(record.occurred_at);
        match (&record.body, self.sessions.get_mut(&session)) {
            (EventBody::SessionEnded(_), _) => self.remove(&session),
            (_, Some(open)) => {
                // The same record again is not counted twice.
                if event.position > open.position {
                    open.records = open.records.saturating_add(1);
                }
                open.last_at = open.last_at.max(record.occurred_at);
                open.last_emitter = record.emitter.clone();
                open.last = open.last.max(record.position);
            }
            (EventBody::Inform(_), None) => self.open(session, event),
            _ => {}
        }
    }

    /// The ends of the sessions that `is_lost` says, told the emitter of their last record, or that are older than `age`.
    pub(crate) fn lost(&self, is_lost: impl Fn(&EmitterId) -> bool, age: Duration) -> Vec<EventRecord> {
        let lost = |open: &&Open| is_lost(&open.last_emitter) || self.now.since(open.last_at) > age;
        self.sessions.values().filter(lost).filter_map(lost_record).collect()
    }

    /// These are closed.
    pub(crate) fn forget(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            self.remove(session);
        }
    }

    /// From where the log has to be read again to know all open sessions, if `cursor` is where it was read to.
    pub(crate) fn low_mark(&self, cursor: u64) -> u64 {
        self.order.keys().next().map_or(cursor, |position| position.saturating_sub(1).min(cursor))
    }

    fn open(&mut self, session: SessionId, event: &LoggedEvent) {
        let record = &event.record;
        let open = Open {
            position: event.position,
            first: record.clone(),
            last_at: record.occurred_at,
            last_emitter: record.emitter.clone(),
            last: record.position,
            records: 1,
        };
        self.order.insert(event.position, session);
        self.sessions.insert(session, open);
        if self.sessions.len() > OPEN_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.sessions.remove(&oldest);
        }
    }

    fn remove(&mut self, session: &SessionId) {
        if let Some(open) = self.sessions.remove(session) {
            self.order.remove(&open.position);
        }
    }
}

/// The end that nobody saw (P9).
fn lost_record(open: &Open) -> Option<EventRecord> {
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
        detail: "nobody saw its end: the front-end that served it died".to_owned(),
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
