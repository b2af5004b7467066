//! The loop around the state machine: hand in, drain, do what it wants, hand in the answer.

use std::sync::Arc;
use std::time::Duration;

use acs_proto::{Answer, AnswerOutcome, BeginReply, BeginRequest, Call, ErrorClass, NextRequest, ServiceError};
use acs_store::CachedSession;
use acs_types::{AuthLevel, DeviceId, SessionId, SessionPhase, SessionRef, SessionStamp};
use cwmp_codec::{CpeResponse, Fault, TransferComplete};
use cwmp_model::Timestamp;
use cwmp_session::AcsSession;
use cwmp_session::acs::{self, Begun, InformFacts, Input, NotDurable, Output, PostBody, Reply, ResumeFacts, Step};
use fail::fail_point;
use http::StatusCode;
use tokio::sync::OwnedMutexGuard;

use crate::authentication::Verdict;
use crate::cookie::{CookieFacts, address_hash};
use crate::ending::PanicGuard;
use crate::front_end::FrontEnd;
use crate::hand_over::resume_number;
use crate::ladder::{Rung, reply_name};
use crate::models;
use crate::post::{Content, Post};
use crate::records;
use crate::response::{self, HttpResponse};
use crate::session::{Label, Origin, Session, to_provisioning};
use crate::sessions::Slot;

/// Segments asked for in a row because a work hint came up each time; then the session ends all the same, and the hint
/// wakes the device.
const HINTS_IN_A_ROW_MAX: u32 = 8;

impl FrontEnd {
    /// An Inform that was accepted: it always begins a new session, whatever cookie came with it (CWMP-130).
    pub(crate) async fn begin_session(self: &Arc<Self>, post: Post, auth: AuthLevel) -> HttpResponse {
        let Some(inform) = post.inform() else { return response::closing(StatusCode::BAD_REQUEST) };
        let device = DeviceId::of(&inform.device);
        let stamp = self.stamps.issue(self.last_stamp(&device).await, post.at);
        let id = SessionId::from_bytes(rand::random());
        let connection = Arc::clone(&post.connection);
        let origin = Origin { remote: connection.source(), tls: connection.peer.tls, auth };
        let at = SessionRef { device: device.clone(), session: id, stamp, resume: 0 };
        let machine = AcsSession::new(self.config.session.clone(), post.at);
        let mut session = Session::new(machine, at, self.config.tenant.clone(), origin, post.at);
        session.device = inform.device.clone();
        session.events = inform.events.iter().map(|event| event.code.clone()).collect();
        session.retry_count = inform.retry_count;
        models::software_version(inform).clone_into(&mut session.software_version);
        session.rule = models::rule(&self.config.models, &inform.device, &session.software_version).cloned();
        if let Some(challenged) = connection.take_challenged() {
            session.started_at = challenged.at;
            session.ladder.add_challenge(&challenged);
        }
        let slot = Slot::new(id, device.clone(), stamp, session);
        let session = Arc::clone(&slot.session).lock_owned().await;
        connection.bind(id, device, |other| self.sessions.is_live(other));
        self.metrics.session_began();
        if let Some(older) = self.sessions.begin(&slot) {
            self.supersede(older);
        }
        self.serve_post(&slot, session, post).await
    }

    /// A POST of a session that has begun.
    pub(crate) async fn go_on(self: Arc<Self>, post: Post) -> HttpResponse {
        let (slot, by_cookie) = match self.find(&post).await {
            Found::Session(slot, by_cookie) => (slot, by_cookie),
            Found::Nothing => return self.without_session(post),
            Found::NotProved(verdict) => return self.not_accepted(&post, verdict),
        };
        let turn = Arc::clone(&slot.session).lock_owned();
        // One owner at a time: a second POST of the session waits for the first.
        let Ok(mut session) = tokio::time::timeout(self.config.waits.turn, turn).await else {
            self.metrics.rejected("session_busy");
            return response::unavailable(self.admission.retry_after());
        };
        self.catch_up(&mut session, &post).await;
        session.cookieless = !by_cookie;
        if post.connection.bound().is_none_or(|bound| bound.session != slot.id) {
            post.connection.bind(slot.id, slot.device.clone(), |other| self.sessions.is_live(other));
        }
        if session.accepted && !session.followed {
            session.followed = true;
            self.devices.followed(&slot.device, &slot.id);
        }
        self.serve_post(&slot, session, post).await
    }

    /// Whose POST it is: the cookie tells, else the connection (CWMP-018, CWMP-023).
    async fn find(self: &Arc<Self>, post: &Post) -> Found {
        let Some(cookie) = &post.cookie else {
            let bound = post.connection.bound().and_then(|bound| self.sessions.get(&bound.session));
            return bound.map_or(Found::Nothing, |slot| Found::Session(slot, false));
        };
        if cookie.tls != post.connection.peer.tls {
            return Found::Nothing;
        }
        let proved =
            cookie.source == address_hash(post.connection.source()) || post.connection.has_proven(&cookie.session);
        if !proved {
            match self.authenticator.check(self.login(post, None)).await {
                Verdict::Accepted { level, device } if is_of(cookie, level, device.as_ref()) => {
                    post.connection.prove(cookie.session);
                }
                Verdict::Accepted { .. } => {
                    let username = String::new();
                    let reason = acs_types::RefusedReason::OtherDevice;
                    return Found::NotProved(Verdict::Refused { reason, username });
                }
                verdict => return Found::NotProved(verdict),
            }
        }
        if let Some(slot) = self.sessions.get(&cookie.session) {
            return Found::Session(slot, true);
        }
        if self.sessions.has_ended(&cookie.session) {
            return Found::Nothing;
        }
        self.resume(cookie, post).await.map_or(Found::Nothing, |slot| Found::Session(slot, true))
    }

    /// Goes on with a session that another process began, from what that one laid down, else from what its cookie says;
    /// unless the device has begun a newer one, or its end was told.
    async fn resume(self: &Arc<Self>, cookie: &CookieFacts, post: &Post) -> Option<Arc<Slot>> {
        if self.last_stamp(&cookie.device).await > cookie.stamp {
            return None;
        }
        let cached = self.laid_down(cookie).await;
        if cached.is_none() && self.ended_elsewhere(&cookie.session).await {
            return None;
        }
        let picked_up = cached.as_ref().and_then(|cached| self.pick_up(cached, post));
        let session = picked_up.unwrap_or_else(|| self.by_cookie(cookie, post));
        let slot = Slot::new(cookie.session, cookie.device.clone(), cookie.stamp, session);
        let (here, older) = self.sessions.resume(&slot)?;
        if let Some(older) = older {
            self.supersede(older);
        }
        if Arc::ptr_eq(&here, &slot) {
            slot.set_due(post.at.plus(self.config.session.idle_timeout));
            self.metrics.session_began();
            let session = Arc::clone(&slot.session).lock_owned().await;
            self.taken_over(&session, cached.map(|cached| cached.snapshot).unwrap_or_default()).await;
        }
        Some(here)
    }

    async fn laid_down(&self, cookie: &CookieFacts) -> Option<CachedSession> {
        match self.config.shared_sessions {
            true => self.in_cache(self.services.cache.session(&cookie.session)).await.flatten(),
            false => None,
        }
    }

    fn by_cookie(&self, cookie: &CookieFacts, post: &Post) -> Session {
        let started_at = Timestamp::from_micros(cookie.stamp.as_micros());
        let facts = ResumeFacts { version: cookie.version, namespace: cookie.namespace, started_at };
        let machine = AcsSession::resume(facts, self.config.session.clone(), post.at);
        let at = SessionRef {
            device: cookie.device.clone(),
            session: cookie.session,
            stamp: cookie.stamp,
            resume: resume_number(started_at, post.at),
        };
        let origin = Origin { remote: post.connection.source(), tls: cookie.tls, auth: cookie.auth };
        let mut session = Session::new(machine, at, self.config.tenant.clone(), origin, started_at);
        session.subscriber = self.devices.subscriber(&cookie.device);
        session.accepted = true;
        session.followed = true;
        session.worked = true;
        session
    }

    /// One POST of a session and its response.
    async fn serve_post(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        mut session: OwnedMutexGuard<Session>,
        post: Post,
    ) -> HttpResponse {
        let guard = PanicGuard::new(self, slot);
        fail_point!("front_end::post");
        let Post { connection, at, bytes, content, .. } = post;
        session.connection = Some(connection);
        self.note_post(&mut session, at, bytes, &content);
        if matches!(content.body, PostBody::Empty) && session.machine.outstanding().is_none() {
            self.look_for_work(&mut session).await;
        }
        if session.machine.outstanding().is_some() {
            fail_point!("front_end::answer_received");
        }
        let input = Input::Post(acs::Post { message: content.body });
        let reply = self.drive(slot, &mut session, at, input).await;
        let response = self.write_reply(slot, &mut session, reply).await;
        if session.end.is_none() {
            self.lay_down(&mut session).await;
        }
        if session.machine.outstanding().is_some() {
            fail_point!("front_end::before_call");
        }
        guard.disarm();
        if session.end.is_some() {
            self.over(slot, &mut session);
        }
        response
    }

    fn note_post(&self, session: &mut Session, at: Timestamp, bytes: u64, content: &Content) {
        let phase = match session.phase() {
            // The same POST again, now with credentials.
            SessionPhase::Initiation if session.ladder.count() > 0 => SessionPhase::Authentication,
            phase => phase,
        };
        for remark in &content.remarks {
            self.metrics.remark(remark.as_str(), &session.device.manufacturer, &session.device.product_class);
        }
        let rung = Rung {
            at,
            from_cpe: true,
            phase,
            message: content.name.clone(),
            bytes,
            task: session.task(),
            remarks: content.remarks.iter().map(|remark| remark.as_str().to_owned()).collect(),
        };
        session.ladder.add(rung);
    }

    /// Hands `input` to the state machine and does what it wants until it waits for the CPE.
    pub(crate) async fn drive(
        self: &Arc<Self>,
        slot: &Slot,
        session: &mut Session,
        now: Timestamp,
        input: Input,
    ) -> Option<Reply> {
        let mut reply = None;
        let mut hints = 0;
        let mut next = Some((now, input));
        while let Some((now, input)) = next.take() {
            session.machine.handle(now, input);
            while let Some(output) = session.machine.poll_output() {
                match output {
                    Output::Begin(facts) => next = Some(self.answered(self.begin(session, *facts).await)),
                    Output::Record(transfer) => next = Some(self.answered(self.keep(session, &transfer).await)),
                    Output::NeedStep { answers } => {
                        let step = self.step(session, answers, &mut hints).await;
                        next = Some(self.answered(step));
                    }
                    Output::Reply(given) => reply = Some(given),
                    Output::Remark(remark) => self.note_remark(session, remark.as_str()),
                    Output::Wait(until) => slot.set_due(until),
                    Output::Closed(end) => session.end = Some(end),
                }
            }
        }
        reply
    }

    fn answered(&self, input: Input) -> (Timestamp, Input) {
        (self.now(), input)
    }

    fn note_remark(&self, session: &mut Session, remark: &'static str) {
        self.metrics.remark(remark, &session.device.manufacturer, &session.device.product_class);
        session.ladder.remark(remark);
    }

    /// The receipt of the Inform and `Provisioning::begin`, side by side (`design.md` §4.6).
    async fn begin(&self, session: &mut Session, facts: InformFacts) -> Input {
        session.idle_timeout = Some(facts.idle_timeout);
        let device = session.at.device.clone();
        let chain = self.devices.chain(&device, session.at.session, session.at.stamp, facts.inform.retry_count);
        session.subscriber = self.devices.subscriber(&device);
        let body = records::inform_body(&facts, &device, chain, &session.origin);
        let record = session.record(self.emitter.id(), facts.received_at, body);
        let request = BeginRequest {
            session: session.at.clone(),
            tenant: session.tenant.clone(),
            event_id: record.event_id,
            at: facts.received_at,
            inform: facts.inform,
            version: facts.version,
            auth: session.origin.auth,
            tls: session.origin.tls,
            remote: Some(session.origin.remote),
        };
        let cached = self.cached(session);
        let (receipt, begun, _) = tokio::join!(
            self.emitter.receipt(record),
            self.ask_begin(request),
            self.in_cache(self.services.cache.begin(&cached)),
        );
        let begun = begun.unwrap_or_default();
        session.worked = begun.work;
        session.late = begun.stale;
        if begun.stale {
            self.devices.saw(&device, begun.last_stamp);
        }
        if receipt.is_err() {
            return Input::Begun(Begun::Unavailable);
        }
        if !begun.subscriber_id.is_empty() {
            self.devices.set_subscriber(&device, &begun.subscriber_id);
            session.subscriber = begun.subscriber_id.into();
        }
        session.accepted = true;
        self.metrics.inform_answered();
        fail_point!("front_end::before_inform_response");
        Input::Begun(Begun::Accepted { work: begun.work })
    }

    /// Without an answer the session goes on without work: what its events oblige us to follows from the record (P16).
    async fn ask_begin(&self, request: BeginRequest) -> Option<BeginReply> {
        let asked = self.services.provisioning.begin(request);
        let error = match tokio::time::timeout(self.config.waits.begin, asked).await {
            Ok(Ok(reply)) => return Some(reply),
            Ok(Err(error)) => error.text,
            Err(_) => "no answer in time".to_owned(),
        };
        self.metrics.provisioning_failed("begin");
        tracing::warn!(error, "provisioning did not begin a session, it goes on without work");
        None
    }

    /// The receipt of a TransferComplete.
    async fn keep(&self, session: &mut Session, transfer: &TransferComplete) -> Input {
        let body = records::transfer_body(transfer, &session.at.device);
        let record = session.record(self.emitter.id(), self.now(), body);
        Input::Recorded(self.emitter.receipt(record).await.map_err(|_| NotDurable))
    }

    /// The answers go to provisioning, the next segment comes back.
    async fn step(&self, session: &mut Session, answers: Vec<acs::Answer>, hints: &mut u32) -> Input {
        session.worked = true;
        let answers: Vec<Answer> = answers.into_iter().map(to_provisioning).collect();
        let kept = worth_keeping(&answers);
        let now = self.now();
        let request = NextRequest {
            session: session.at.clone(),
            at: now,
            deadline: now.plus(self.segment_time(session)),
            version: session.machine.version(),
            auth: session.origin.auth,
            tls: session.origin.tls,
            remote: Some(session.origin.remote),
            answers,
        };
        let asked = self.services.provisioning.next(request);
        let error = match tokio::time::timeout(self.config.waits.next, asked).await {
            Ok(Ok(reply)) if reply.calls.is_empty() => {
                if *hints < HINTS_IN_A_ROW_MAX && self.look_for_work(session).await {
                    *hints += 1;
                }
                return Input::Step(Step::Nothing);
            }
            Ok(Ok(reply)) => return Input::Step(Step::Calls(reply.calls.into_iter().map(to_machine).collect())),
            Ok(Err(ServiceError { class: ErrorClass::Superseded, .. })) => return Input::Superseded,
            Ok(Err(error)) => error.text,
            Err(_) => "no answer in time".to_owned(),
        };
        self.metrics.provisioning_failed("next");
        tracing::warn!(error, "provisioning gave no next step, the session ends without it");
        session.undelivered = kept;
        Input::Step(Step::Unavailable)
    }

    /// How long the answers to a segment may take: twice the idle time-out, because the request that changes something comes
    /// last in it.
    fn segment_time(&self, session: &Session) -> Duration {
        session.idle_timeout.unwrap_or(self.config.session.idle_timeout) * 2
    }

    /// Takes the work hint of the device, if one stands, so that the session asks once more (`design.md` §4.8).
    async fn look_for_work(&self, session: &mut Session) -> bool {
        let hint = self.in_cache(self.services.cache.take_hint(&session.at.device)).await.unwrap_or(false);
        if hint {
            session.machine.work_waits();
        }
        hint
    }

    async fn write_reply(self: &Arc<Self>, slot: &Slot, session: &mut Session, reply: Option<Reply>) -> HttpResponse {
        // The machine owes a reply to each POST; without one the session is broken.
        let Some(reply) = reply else { return response::closing(StatusCode::INTERNAL_SERVER_ERROR) };
        let (mut response, bytes) =
            match response::from_reply(&reply, session.rule.as_ref(), self.admission.retry_after()) {
                Ok(written) => written,
                Err(error) => return self.cannot_write(slot, session, &error.to_string()).await,
            };
        if reply.set_cookie {
            response::set_cookie(&mut response, self.cookies.set_cookie(&cookie_facts(session), self.now()));
        }
        let over = session.end.is_some();
        let phase = if reply.set_cookie { SessionPhase::Identification } else { session.phase() };
        let rung = Rung {
            at: self.now(),
            from_cpe: false,
            phase: if over { SessionPhase::Closing } else { phase },
            message: reply_name(&reply),
            bytes,
            task: session.task(),
            remarks: Vec::new(),
        };
        session.ladder.add(rung);
        if over && reply.status == StatusCode::NO_CONTENT {
            session.ladder.mark_last(1, SessionPhase::Closing);
        }
        response
    }

    /// A request of ours that breaks the standard never leaves: its task fails with the reason, the session ends.
    async fn cannot_write(self: &Arc<Self>, slot: &Slot, session: &mut Session, why: &str) -> HttpResponse {
        tracing::error!(why, device = %session.at.device, "a message to a CPE cannot be written");
        let outstanding = session.machine.outstanding().map(|call| call.id.clone());
        self.drive(slot, session, self.now(), Input::Superseded).await;
        if let Some(end) = &mut session.end {
            end.outcome = acs::Outcome::ServerError;
            end.detail = format!("a message cannot be written: {why}");
            let unwritten = end.answers.iter_mut().find(|answer| Some(&answer.id) == outstanding.as_ref());
            if let Some(answer) = unwritten {
                let text = format!("the request was not sent: {why}");
                answer.outcome = acs::AnswerOutcome::Fault(Fault { code: 0, text, parameters: Vec::new() });
            }
        }
        response::closing(StatusCode::NO_CONTENT)
    }

    async fn last_stamp(&self, device: &DeviceId) -> SessionStamp {
        let cached = self.in_cache(self.services.cache.last_stamp(device)).await.unwrap_or_default();
        // The cache may have lost it, and the clock may have gone back.
        cached.max(self.sessions.stamp_of(device)).max(self.devices.stamp(device))
    }

    /// Waits a little for the session cache; nothing in it is needed (P14).
    pub(crate) async fn in_cache<T>(&self, asked: impl Future<Output = acs_store::Result<T>>) -> Option<T> {
        match tokio::time::timeout(self.config.waits.cache, asked).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the session cache failed");
                None
            }
            Err(_) => None,
        }
    }
}

enum Found {
    /// The session, and whether a cookie named it.
    Session(Arc<Slot>, bool),
    Nothing,
    NotProved(Verdict),
}

/// Whether credentials that came with a cookie from elsewhere are those of its session.
fn is_of(cookie: &CookieFacts, level: AuthLevel, device: Option<&DeviceId>) -> bool {
    match device {
        Some(device) => *device == cookie.device,
        None => level == cookie.auth,
    }
}

fn to_machine(call: Call) -> acs::Call {
    let label = Label { task: call.task, attempt: call.attempt }.write();
    acs::Call { id: call.id, request: call.request, label }
}

/// Answers that are handed over again when they may not have arrived. Values and names that were read are left out: they are
/// large, and the read repeats by itself.
fn worth_keeping(answers: &[Answer]) -> Vec<Answer> {
    let is_read = |answer: &&Answer| {
        matches!(
            answer.outcome,
            AnswerOutcome::Response(CpeResponse::GetParameterValues(_) | CpeResponse::GetParameterNames(_))
        )
    };
    answers.iter().filter(|answer| !is_read(answer)).cloned().collect()
}

fn cookie_facts(session: &Session) -> CookieFacts {
    CookieFacts {
        session: session.at.session,
        stamp: session.at.stamp,
        device: session.at.device.clone(),
        auth: session.origin.auth,
        tls: session.origin.tls,
        version: session.machine.version(),
        namespace: session.machine.namespace(),
        source: address_hash(session.origin.remote),
    }
}
