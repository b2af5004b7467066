//! Sessions that any front-end continues (`design.md` §4.4): what is laid down in the session cache before a reply leaves,
//! and how it is picked up where the next POST comes.
//!
//! Nothing depends on it (P14). What is not there, cannot be read or is not the latest costs what a lost snapshot costs: the
//! session goes on from its cookie. So every front-end that goes on numbers its records under a `resume` of its own (P8), and
//! only a session that one front-end served over one connection from its Inform to its end is told as complete (P9).

use std::sync::Arc;

use acs_keyring::Purpose;
use acs_proto::{Record, records::Unsealed};
use acs_store::CachedSession;
use acs_types::{HandedSession, SessionId, SessionOutcome, SessionRef};
use cwmp_codec::Message;
use cwmp_model::Timestamp;
use cwmp_session::acs::PostBody;
use cwmp_session::{AcsSession, Snapshot};

use crate::front_end::FrontEnd;
use crate::ladder::Ladder;
use crate::models;
use crate::post::Post;
use crate::session::{Origin, Session};
use crate::sessions::Slot;

/// Who serves a session now, as far as the session cache knows.
pub(crate) enum Whereabouts {
    /// This front-end.
    Here,
    /// Another one, which left this.
    Elsewhere(CachedSession),
    /// The cache knows nothing of it: it is over, or the cache was emptied.
    Unknown,
    /// The cache is away.
    NotTold,
}

impl FrontEnd {
    /// Lays down what the next front-end needs, before the reply leaves: only where it is more than the cookie says, or where
    /// something older lies.
    pub(crate) async fn lay_down(&self, session: &mut Session) {
        if !self.config.shared_sessions {
            return;
        }
        let Some(snapshot) = session.machine.snapshot() else { return };
        if !snapshot.is_needed() && !session.laid_down {
            return;
        }
        session.laid_down = true;
        let id = session.at.session;
        let handed = self.seal(&id, &session.handed(self.emitter.id(), self.now(), &snapshot));
        if self.in_cache(self.services.cache.put_snapshot(&id, handed)).await.is_none() {
            self.metrics.session_not_laid_down();
        }
    }

    /// Whether another front-end has served the session since this one did. Asked when a POST comes on another connection
    /// than the last one, and before a session is given up for its silence.
    pub(crate) async fn whereabouts(&self, session: &SessionId) -> Whereabouts {
        match self.in_cache(self.services.cache.session(session)).await {
            Some(Some(cached)) if cached.front_end == *self.emitter.id() => Whereabouts::Here,
            Some(Some(cached)) => Whereabouts::Elsewhere(cached),
            Some(None) => Whereabouts::Unknown,
            None => Whereabouts::NotTold,
        }
    }

    /// Whether the end of the session was told already, by another front-end or by ingest as lost: then nobody goes on with it,
    /// so no second end is told (P9).
    pub(crate) async fn ended_elsewhere(&self, session: &SessionId) -> bool {
        self.config.shared_sessions && self.in_cache(self.services.cache.has_ended(session)).await.unwrap_or(false)
    }

    /// Brings a session up to date that may have been served elsewhere since the last POST here.
    pub(crate) async fn catch_up(&self, session: &mut Session, post: &Post) {
        let same_connection = session.connection.as_ref().is_some_and(|c| Arc::ptr_eq(c, &post.connection));
        let answers_another = answers_another(session, &post.content.body);
        if !self.config.shared_sessions || session.connection.is_none() || same_connection && !answers_another {
            return;
        }
        match self.whereabouts(&session.at.session).await {
            // Over the same connection the CPE is wrong. Over another one it may have been at a front-end that could not say so, and
            // emitted a record (P9).
            Whereabouts::Here if same_connection || !answers_another => session.unsure |= !same_connection,
            Whereabouts::Elsewhere(cached) => {
                let picked_up = self.pick_up(&cached, post);
                *session = picked_up.unwrap_or_else(|| self.begun_anew(session, post));
                self.taken_over(session, cached.snapshot).await;
            }
            Whereabouts::Here | Whereabouts::Unknown | Whereabouts::NotTold => {
                session.unsure = true;
                if answers_another {
                    *session = self.begun_anew(session, post);
                    self.taken_over(session, Vec::new()).await;
                }
            }
        }
    }

    /// The session that another front-end laid down; `None` if it left nothing that can be read, or nothing of late.
    pub(crate) fn pick_up(&self, cached: &CachedSession, post: &Post) -> Option<Session> {
        if cached.snapshot.is_empty() {
            return None;
        }
        let restored = self.unseal(&cached.session, &cached.snapshot).and_then(|handed| {
            let snapshot = Snapshot::from_bytes(&handed.machine).map_err(|error| error.to_string())?;
            Ok((handed, snapshot))
        });
        match restored {
            Ok((handed, snapshot)) if handed.account.at.session == cached.session => {
                let machine = AcsSession::restore(snapshot, self.config.session.clone());
                let resume =
                    resume_number(handed.account.started_at, post.at).max(handed.account.at.resume.saturating_add(1));
                let mut session = Session::handed_over(handed, machine, post.connection.source(), resume);
                session.rule = self.rule_of(&session);
                Some(session).filter(|session| !answers_later(session, &post.content.body))
            }
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(error, session = %cached.session, "what another front-end laid down is of no use");
                None
            }
        }
    }

    /// The same session as from its cookie alone: what is known here of its course is not the latest.
    fn begun_anew(&self, stale: &Session, post: &Post) -> Session {
        let facts = cwmp_session::acs::ResumeFacts {
            version: stale.machine.version(),
            namespace: stale.machine.namespace(),
            started_at: stale.started_at,
        };
        let machine = AcsSession::resume(facts, self.config.session.clone(), post.at);
        let resume = resume_number(stale.started_at, post.at).max(stale.at.resume.saturating_add(1));
        let at = SessionRef { resume, ..stale.at.clone() };
        let origin = Origin { remote: post.connection.source(), ..stale.origin };
        let mut session = Session::new(machine, at, stale.tenant.clone(), origin, stale.started_at);
        session.subscriber = Arc::clone(&stale.subscriber);
        session.device = stale.device.clone();
        session.software_version.clone_from(&stale.software_version);
        session.rule.clone_from(&stale.rule);
        session.accepted = true;
        session.followed = true;
        session.worked = true;
        session.late = stale.late;
        session
    }

    /// From now on this front-end serves it; what lies there stays until it lays down something newer.
    pub(crate) async fn taken_over(&self, session: &Session, snapshot: Vec<u8>) {
        self.metrics.session_resumed();
        self.in_cache(self.services.cache.begin(&CachedSession { snapshot, ..self.cached(session) })).await;
    }

    /// A session that another front-end serves is forgotten here, without an end: that one tells it.
    pub(crate) fn moved(&self, slot: &Slot, session: &mut Session) {
        self.sessions.leave(slot);
        if let Some(connection) = session.connection.take() {
            connection.release(&slot.id);
        }
        self.metrics.session_moved();
    }

    pub(crate) fn cached(&self, session: &Session) -> CachedSession {
        CachedSession {
            session: session.at.session,
            device: session.at.device.clone(),
            stamp: session.at.stamp,
            front_end: self.emitter.id().clone(),
            snapshot: Vec::new(),
        }
    }

    fn rule_of(&self, session: &Session) -> Option<models::ModelRule> {
        models::rule(&self.config.models, &session.device, &session.software_version).cloned()
    }

    fn seal(&self, session: &SessionId, handed: &HandedSession) -> Vec<u8> {
        // Sealed as a whole, so nothing in it is once more.
        self.services.keys.seal(Purpose::Session, &handed.to_bytes(&Unsealed), session.as_bytes())
    }

    fn unseal(&self, session: &SessionId, sealed: &[u8]) -> Result<HandedSession, String> {
        let bytes = self.services.keys.unseal(Purpose::Session, sealed, session.as_bytes());
        let bytes = bytes.map_err(|error| error.to_string())?;
        HandedSession::from_bytes(&bytes, &Unsealed).map_err(|error| error.to_string())
    }
}

/// Whether a message answers another request than the one that is at the CPE as far as is known here.
fn answers_another(session: &Session, body: &PostBody) -> bool {
    let PostBody::Envelope(envelope) = body else { return false };
    let is_answer = matches!(envelope.message, Message::CpeResponse(_) | Message::Fault(_));
    let outstanding = session.machine.outstanding().map(|call| call.id.as_str());
    is_answer && outstanding != envelope.header.id.as_deref()
}

/// Whether a message answers by its ID another request than a session that was laid down has: one that was sent later, and could
/// not be laid down.
fn answers_later(session: &Session, body: &PostBody) -> bool {
    let PostBody::Envelope(envelope) = body else { return false };
    let id = envelope.header.id.as_deref().map_or("", str::trim);
    let outstanding = session.machine.outstanding().map(|call| call.id.as_str());
    !id.is_empty() && outstanding != Some(id) && answers_another(session, body)
}

/// Grows with each front-end that goes on with a session: milliseconds since it began, at least 1. A count of 1, 2, 3 would
/// need a memory that a process has just lost, and two processes with the same number would give two records one id (P8).
pub(crate) fn resume_number(started_at: Timestamp, now: Timestamp) -> u32 {
    u32::try_from(now.since(started_at).as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Whether the end of a session proves that nothing of it is missing (P9): one front-end served it, and its CPE ended it
/// there.
pub(crate) const fn is_complete(resume: u32, outcome: SessionOutcome, unsure: bool) -> bool {
    resume == 0 && !unsure && !matches!(outcome, SessionOutcome::Drained | SessionOutcome::Lost)
}

impl Session {
    /// What the next front-end needs.
    fn handed(&self, front_end: &acs_types::EmitterId, now: Timestamp, snapshot: &Snapshot) -> HandedSession {
        HandedSession {
            account: self.record_so_far(front_end, now, self.ladder.exchanges().to_vec()),
            identity: self.device.clone(),
            software_version: self.software_version.clone(),
            subscriber_id: self.subscriber.as_ref().to_owned(),
            idle_timeout: self.idle_timeout,
            worked: self.worked,
            late: self.late,
            machine: snapshot.to_bytes(),
        }
    }

    /// The session as another front-end left it.
    fn handed_over(handed: HandedSession, machine: AcsSession, remote: std::net::IpAddr, resume: u32) -> Self {
        let account = handed.account;
        let at = SessionRef { resume, ..account.at };
        let origin = Origin { remote, tls: account.tls, auth: account.auth };
        let mut session = Self::new(machine, at, account.tenant, origin, account.started_at);
        session.subscriber = handed.subscriber_id.into();
        session.device = handed.identity;
        session.software_version = handed.software_version;
        session.events = account.events;
        session.retry_count = account.retry_count;
        session.idle_timeout = handed.idle_timeout;
        session.ladder = Ladder::of(account.exchanges, account.exchange_count);
        session.accepted = true;
        session.followed = true;
        session.worked = handed.worked;
        session.late = handed.late;
        session.laid_down = true;
        session.records_before = account.record_count;
        session
    }
}
