//! The ends of sessions: by their own last message, by time, by a newer one, by a stop, by a bug.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_proto::{EndRequest, ErrorClass};
use acs_types::{EventRecord, SessionOutcome, SessionRef};
use cwmp_session::acs::{self, Input};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::front_end::FrontEnd;
use crate::hand_over::Whereabouts;
use crate::session::{Session, outcome, to_provisioning};
use crate::sessions::Slot;

/// How often deadlines are looked at: an unknown outcome has to be visible within 5 s of one (P3).
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// When the end of a session is told again to provisioning that did not take it. Its record comes after that, within
/// [`acs_store::END_TOLD_WITHIN`] of the moment when the session cache was told.
const END_RETRIES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];
/// When the session cache, which did not tell whether the end of a silent session is ours, is asked again; and how often. Then
/// the session is forgotten, so that what times out while the cache is away for long takes no room for ever (P19).
const ASK_AGAIN: Duration = Duration::from_secs(5);
const ASKS_MAX: u8 = 12;
/// How long a stop waits for what goes on after the last replies.
const LAST_WORK: Duration = Duration::from_secs(5);

impl FrontEnd {
    /// Looks after the deadlines of sessions, and after records that found no place, as long as the front-end is there. Asked
    /// again it does nothing; [`serve`](crate::serve) asks, too.
    pub fn look_after_sessions(self: &Arc<Self>) {
        if self.sweeps.swap(true, Ordering::Relaxed) {
            return;
        }
        self.sweep(SWEEP_INTERVAL, |front_end| async move { front_end.time_out().await });
        // By itself: an event log that hangs must not hold up the deadlines of sessions.
        self.sweep(SWEEP_INTERVAL, |front_end| async move {
            if front_end.emitter.kept() > 0 {
                front_end.emitter.retry_kept().await;
            }
        });
        self.sweep(self.config.receipts.totals, |front_end| async move { front_end.account_for_records().await });
    }

    /// Control totals (P10).
    async fn account_for_records(&self) {
        self.emitter.emit_totals(self.now(), &self.config.tenant, self.sessions.len() > 0).await;
    }

    /// Does `work` every `interval`, as long as the front-end is there.
    fn sweep<F: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        interval: Duration,
        work: impl Fn(Arc<Self>) -> F + Send + 'static,
    ) {
        let front_end = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(front_end) = front_end.upgrade() else { return };
                work(front_end).await;
            }
        });
    }

    async fn time_out(self: &Arc<Self>) {
        let now = self.now();
        for slot in self.sessions.due(now) {
            // One that is being served has its own deadlines.
            let Ok(mut session) = Arc::clone(&slot.session).try_lock_owned() else { continue };
            match self.left_to(&slot, &mut session).await {
                LeftTo::Us => self.interrupt(&slot, &mut session, Input::Timeout).await,
                LeftTo::NotKnown if session.asked < ASKS_MAX => {
                    session.asked += 1;
                    slot.set_due(now.plus(ASK_AGAIN));
                }
                LeftTo::NotKnown | LeftTo::Others => self.moved(&slot, &mut session),
            }
        }
    }

    /// Takes no new session any more, waits for those that have begun, and leaves the rest to other front-ends.
    /// [`serve`](crate::serve) does it at its end.
    pub async fn drain(self: &Arc<Self>) {
        self.admission.close();
        let deadline = Instant::now() + self.config.waits.drain;
        while self.sessions.len() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for slot in self.sessions.all() {
            let turn = Arc::clone(&slot.session).lock_owned();
            if let Ok(mut session) = tokio::time::timeout(Duration::from_secs(1), turn).await {
                match self.left_to(&slot, &mut session).await {
                    LeftTo::Us | LeftTo::NotKnown => self.interrupt(&slot, &mut session, Input::Drain).await,
                    LeftTo::Others => self.moved(&slot, &mut session),
                }
            }
        }
        self.tasks.close();
        if tokio::time::timeout(LAST_WORK, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "the front-end stops before all ends of sessions were told");
        }
        self.emitter.retry_kept().await;
        self.account_for_records().await;
    }

    /// A newer session of the device has begun (CWMP-129, CWMP-130).
    pub(crate) fn supersede(self: &Arc<Self>, older: Arc<Slot>) {
        let front_end = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut session = Arc::clone(&older.session).lock_owned().await;
            let mut left_to = front_end.left_to(&older, &mut session).await;
            for wait in END_RETRIES {
                if left_to != LeftTo::NotKnown {
                    break;
                }
                tokio::time::sleep(wait).await;
                left_to = front_end.left_to(&older, &mut session).await;
            }
            match left_to {
                LeftTo::Us => front_end.interrupt(&older, &mut session, Input::Superseded).await,
                LeftTo::NotKnown | LeftTo::Others => front_end.moved(&older, &mut session),
            }
        });
    }

    /// Whose it is to tell the end of a session that its CPE does not end here. Ours only if the session cache names this
    /// front-end: all others ask the same, and find another one named, so that no two tell an end. One that another front-end
    /// serves or ended is forgotten here; so is one of which the cache knows nothing: if nobody tells its end, ingest closes it
    /// as lost (P9), and its tasks have deadlines of their own (P3).
    async fn left_to(&self, slot: &Slot, session: &mut Session) -> LeftTo {
        if !self.config.shared_sessions {
            return LeftTo::Us;
        }
        // Another one that served it may not have been able to say so: this end proves nothing (P9).
        session.unsure = true;
        match self.whereabouts(&slot.id).await {
            Whereabouts::Here => LeftTo::Us,
            Whereabouts::Elsewhere(_) | Whereabouts::Unknown => LeftTo::Others,
            Whereabouts::NotTold => LeftTo::NotKnown,
        }
    }

    /// The socket is gone. A session that has nothing else ends with it (CWMP-023).
    pub(crate) fn connection_closed(self: &Arc<Self>, connection: &Arc<Connection>, error: Option<hyper::Error>) {
        if let Some(deadline) = connection.timing.expired() {
            self.metrics.connection_expired(deadline);
        } else if let Some(error) = error {
            tracing::debug!(%error, source = %connection.source(), "a connection broke");
        }
        let Some(slot) = connection.bound().and_then(|bound| self.sessions.get(&bound.session)) else { return };
        let (front_end, connection) = (Arc::clone(self), Arc::clone(connection));
        self.tasks.spawn(async move {
            let mut session = Arc::clone(&slot.session).lock_owned().await;
            let here = session.connection.as_ref().is_some_and(|c| Arc::ptr_eq(c, &connection));
            if session.cookieless && here {
                front_end.interrupt(&slot, &mut session, Input::Disconnected).await;
            }
        });
    }

    /// Something other than a POST happens to a session.
    async fn interrupt(self: &Arc<Self>, slot: &Arc<Slot>, session: &mut Session, input: Input) {
        self.drive(slot, session, self.now(), input).await;
        // A session that drained goes on elsewhere.
        self.lay_down(session).await;
        if session.end.is_some() {
            self.over(slot, session);
        }
    }

    /// The session is over: it leaves the table at once, the rest follows behind the reply.
    pub(crate) fn over(self: &Arc<Self>, slot: &Slot, session: &mut Session) {
        let Some(end) = session.end.take() else { return };
        self.sessions.end(slot);
        if let Some(connection) = session.connection.take() {
            connection.release(&slot.id);
        }
        let outcome = outcome(end.outcome);
        self.metrics.session_ended(outcome);
        let now = self.now();
        let mut answers = std::mem::take(&mut session.undelivered);
        answers.extend(end.answers.into_iter().map(to_provisioning));
        let wants_to_know = session.worked || !answers.is_empty();
        let request = EndRequest { session: session.at.clone(), at: now, outcome, answers };
        let goes_on = self.goes_on_elsewhere(outcome);
        // Without its InformResponse it has never been one for the CPE, nor for those who read the events. One that goes on has its
        // end told by whoever goes on with it, or by ingest, which finds this front-end gone: one end, not two (P9).
        let is_told = session.accepted && !goes_on;
        let account = is_told.then(|| session.account(self.emitter.id(), now, outcome, end.detail));
        let front_end = Arc::clone(self);
        self.tasks.spawn(async move { front_end.tell_end(account, request, wants_to_know).await });
    }

    /// Whether a session that ends here so may go on at another front-end.
    fn goes_on_elsewhere(&self, outcome: SessionOutcome) -> bool {
        self.config.shared_sessions && outcome == SessionOutcome::Drained
    }

    async fn tell_end(self: Arc<Self>, account: Option<EventRecord>, request: EndRequest, wants_to_know: bool) {
        let SessionRef { device, session, .. } = request.session.clone();
        // A session that goes on elsewhere stays in the cache.
        let goes_on = self.goes_on_elsewhere(request.outcome);
        let ended = if goes_on { Some(false) } else { self.in_cache(self.services.cache.end(&device, &session)).await };
        // An idle session costs provisioning nothing at its end, unless work came up in its last moment: or may have, where
        // the cache does not tell.
        if wants_to_know || ended != Some(false) {
            self.end_in_provisioning(request.clone()).await;
        }
        if let Some(account) = account {
            self.emitter.unawaited(account).await;
        }
        if ended.is_none() {
            self.end_in_cache(request).await;
        }
    }

    /// Tells the session cache again: a session that it believes to be live keeps its device from being woken (P14).
    async fn end_in_cache(&self, request: EndRequest) {
        let SessionRef { device, session, .. } = &request.session;
        for wait in END_RETRIES {
            tokio::time::sleep(wait).await;
            match self.in_cache(self.services.cache.end(device, session)).await {
                Some(true) => return self.end_in_provisioning(request).await,
                Some(false) => return,
                None => {}
            }
        }
        tracing::debug!(%device, "the session cache was not told of a session's end; it forgets it by itself");
    }

    async fn end_in_provisioning(&self, request: EndRequest) {
        for wait in END_RETRIES.into_iter().map(Some).chain([None]) {
            let asked = self.services.provisioning.end(request.clone());
            let error = match tokio::time::timeout(self.config.waits.next, asked).await {
                Ok(Ok(_)) => return,
                Ok(Err(error)) if error.class == ErrorClass::Superseded => return,
                Ok(Err(error)) => error.text,
                Err(_) => "no answer in time".to_owned(),
            };
            self.metrics.provisioning_failed("end");
            let Some(wait) = wait else {
                tracing::error!(error, device = %request.session.device, "provisioning was not told of a session's end");
                return;
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Who tells the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftTo {
    Us,
    Others,
    /// The session cache is away.
    NotKnown,
}

/// Drops a session in which a bug panicked (P20): the process goes on, and so does the device with its next Inform.
pub(crate) struct PanicGuard {
    front_end: Arc<FrontEnd>,
    slot: Arc<Slot>,
    armed: bool,
}

impl PanicGuard {
    pub(crate) fn new(front_end: &Arc<FrontEnd>, slot: &Arc<Slot>) -> Self {
        Self { front_end: Arc::clone(front_end), slot: Arc::clone(slot), armed: true }
    }

    pub(crate) fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (front_end, slot) = (Arc::clone(&self.front_end), Arc::clone(&self.slot));
        front_end.sessions.end(&slot);
        let tasks = front_end.tasks.clone();
        tasks.spawn(async move {
            let mut session = slot.session.lock().await;
            tracing::error!(device = %slot.device, session = %slot.id, "a session was dropped because of a bug");
            session.worked = true;
            session.end = Some(acs::End {
                outcome: acs::Outcome::ServerError,
                detail: "a bug in this front-end".to_owned(),
                answers: Vec::new(),
            });
            front_end.over(&slot, &mut session);
        });
    }
}

/// Sessions have outcomes of their own in records; `Lost` is only for front-ends that died.
const _: () = assert!(SessionOutcome::ALL.len() == acs::Outcome::ALL.len() + 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReceiptLimits, Waits};

    #[test]
    fn an_end_is_told_as_soon_as_the_session_cache_says_p9() {
        let (waits, receipts) = (Waits::default(), ReceiptLimits::default());
        let asked = waits.next * (1 + END_RETRIES.len() as u32);
        let slowest = waits.cache + asked + END_RETRIES.iter().sum::<Duration>() + receipts.log;
        assert!(slowest < acs_store::END_TOLD_WITHIN, "it takes {slowest:?} while provisioning is away");
    }
}
