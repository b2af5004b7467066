//! The front-end: what a POST goes through, from its header to its response.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use acs_events::EventSink;
use acs_keyring::KeyRing;
use acs_proto::Provisioning;
use acs_store::SessionCache;
use acs_types::{EventBody, EventId, EventRecord, Position, RefusedInform, RefusedReason};
use cwmp_codec::Inform;
use cwmp_model::{DeviceIdentity, Timestamp};
use cwmp_session::AcsSession;
use cwmp_session::acs::{Input, Output, PostBody, ReadFailure};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::authentication::{Authenticator, Login, Verdict};
use crate::body::{self, BodyError};
use crate::connection::{Challenged, Connection};
use crate::cookie::Cookies;
use crate::device_memory::DeviceMemory;
use crate::emitter::Emitter;
use crate::limits::HttpLimits;
use crate::metrics::Metrics;
use crate::models;
use crate::overload::{Admission, Shed};
use crate::post::{Content, Post};
use crate::response::{self, HttpResponse};
use crate::sessions::Sessions;
use crate::stamps::Stamps;

/// How much longer a connection may be idle than a session.
const BEYOND_SESSION: Duration = Duration::from_secs(15);

/// The services that a front-end stands on.
#[derive(Clone)]
pub struct Services {
    /// Tasks and what sessions do for them.
    pub provisioning: Arc<dyn Provisioning>,
    /// Where receipts are made durable.
    pub events: Arc<dyn EventSink>,
    /// Which session of a device is current, and whether work waits for it.
    pub cache: Arc<dyn SessionCache>,
    /// The (nonce, nc) pairs that all front-ends used; `None`: this one is alone, its own window tells all.
    pub replay: Option<Arc<dyn acs_store::ReplayWindow>>,
    /// Keys for cookies and nonces.
    pub keys: Arc<KeyRing>,
}

/// One front-end: shared by its listeners.
pub struct FrontEnd {
    pub(crate) config: Config,
    pub(crate) services: Services,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) authenticator: Authenticator,
    pub(crate) cookies: Cookies,
    pub(crate) emitter: Emitter,
    pub(crate) sessions: Sessions,
    pub(crate) devices: DeviceMemory,
    pub(crate) admission: Admission,
    /// What goes on after its reply.
    pub(crate) tasks: TaskTracker,
    pub(crate) sweeps: AtomicBool,
    pub(crate) stamps: Stamps,
    large_bodies: Semaphore,
}

impl FrontEnd {
    /// A front-end. It serves nothing yet: see [`serve`](crate::serve).
    pub fn new(mut config: Config, services: Services, metrics: Metrics) -> Arc<Self> {
        config.codec.body_bytes = config.http.body_bytes;
        // A CPE that returns no cookie has nothing but its connection (CWMP-023).
        config.http.idle = config.http.idle.max(config.session.idle_timeout + BEYOND_SESSION);
        let metrics = Arc::new(metrics);
        let authenticator = Authenticator::new(
            config.auth.clone(),
            Arc::clone(&services.provisioning),
            services.replay.clone(),
            &services.keys,
            &config.waits,
            Arc::clone(&metrics),
        );
        let emitter = Emitter::new(
            config.emitter.clone(),
            Arc::clone(&services.events),
            Arc::clone(&services.provisioning),
            config.receipts.clone(),
            Arc::clone(&metrics),
        );
        Arc::new(Self {
            authenticator,
            cookies: Cookies::new(Arc::clone(&services.keys)),
            emitter,
            sessions: Sessions::new(),
            devices: DeviceMemory::new(),
            admission: Admission::new(config.overload.clone()),
            tasks: TaskTracker::new(),
            sweeps: AtomicBool::new(false),
            stamps: Stamps::default(),
            large_bodies: Semaphore::new(config.http.large_bodies),
            config,
            services,
            metrics,
        })
    }

    /// How many sessions are live here.
    pub fn live_sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Answers one request.
    pub(crate) async fn respond(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> HttpResponse {
        let began = Instant::now();
        let response = self.exchange(connection, request).await;
        self.metrics.responded(response.status().as_u16(), began.elapsed());
        response
    }

    async fn exchange(self: &Arc<Self>, connection: &Arc<Connection>, request: Request<Incoming>) -> HttpResponse {
        if request.method() != Method::POST {
            self.metrics.rejected("method");
            return response::method_not_allowed();
        }
        let at = self.now();
        let (parts, body) = request.into_parts();
        let cookie = self.cookies.read(&parts.headers, at);
        let has_session = cookie.is_some() || connection.bound().is_some();
        if !has_session && let Some(shed) = self.admission.sheds(self.sessions.len()) {
            return self.shed(shed);
        }
        let http = &self.config.http;
        let bytes_max = if has_session { http.body_bytes } else { http.first_body_bytes };
        let (content, bytes) = match body::read(&parts.headers, body, bytes_max, http, &self.large_bodies).await {
            Ok(body) => {
                let bytes = body.wire_bytes;
                (self.decode(body).await, bytes)
            }
            // The session, if there is one, has to know that it is over.
            Err(BodyError::TooLarge { limit }) if has_session => {
                (Content::unreadable(BodyError::TooLarge { limit }.as_str(), ReadFailure::TooLarge), 0)
            }
            Err(error) => return self.refuse_body(error),
        };
        if let Some(problem) = content.problem {
            self.metrics.rejected(problem);
        }
        let post = Post { connection: Arc::clone(connection), at, cookie, parts, bytes, content };
        // In a task of its own: it goes on to its end if the connection breaks, and a panic ends nothing but it (P20).
        let answer = tokio::spawn(Arc::clone(self).answer(post)).await;
        answer.unwrap_or_else(|_| {
            self.metrics.panicked();
            response::closing(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }

    async fn decode(&self, body: body::RequestBody<'_>) -> Content {
        let limits = self.config.codec;
        let (bytes, charset) = (body.bytes, body.charset);
        if bytes.len() <= HttpLimits::LARGE_BODY_BYTES {
            return Content::read(&bytes, charset.as_deref(), &limits);
        }
        let read = tokio::task::spawn_blocking(move || Content::read(&bytes, charset.as_deref(), &limits)).await;
        read.unwrap_or_else(|_| {
            self.metrics.panicked();
            Content::unreadable("panic", ReadFailure::NotAnEnvelope)
        })
    }

    async fn answer(self: Arc<Self>, post: Post) -> HttpResponse {
        if post.inform().is_some() { self.inform(post).await } else { self.go_on(post).await }
    }

    /// A new session, if there is room and the device proves itself.
    async fn inform(self: Arc<Self>, post: Post) -> HttpResponse {
        let _turn = match self.admission.enter(self.sessions.len()).await {
            Ok(turn) => turn,
            Err(shed) => return self.shed(shed),
        };
        match self.authenticator.check_inform(self.login(&post, post.inform())).await {
            Verdict::Accepted { level, .. } => self.begin_session(post, level).await,
            verdict => self.not_accepted(&post, verdict),
        }
    }

    /// The login in a POST.
    pub(crate) fn login<'a>(&self, post: &'a Post, inform: Option<&'a Inform>) -> Login<'a> {
        let rule = inform
            .and_then(|inform| models::rule(&self.config.models, &inform.device, models::software_version(inform)));
        Login {
            authorization: post.authorization(),
            target: post.target(),
            tls: post.connection.peer.tls,
            source: post.connection.source(),
            identity: inform.map(|inform| &inform.device),
            without_qop: rule.is_some_and(|rule| rule.digest_without_qop),
            now: post.at,
        }
    }

    /// What a POST gets that did not prove itself. It leaves no more than counters (CWMP-532), and a bounded list of
    /// refusals.
    pub(crate) fn not_accepted(self: &Arc<Self>, post: &Post, verdict: Verdict) -> HttpResponse {
        match verdict {
            Verdict::Challenge { stale } => {
                self.metrics.challenged();
                self.challenge(post, stale)
            }
            Verdict::Refused { reason, username } => {
                self.list_refusal(post, reason, username);
                self.challenge(post, false)
            }
            Verdict::Unavailable => {
                self.metrics.inform_shed("verifier");
                response::unavailable(self.admission.retry_after())
            }
            Verdict::Accepted { .. } => response::closing(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// 401, and the connection stays open (CWMP-047), unless its CPE does nothing but answer challenges.
    pub(crate) fn challenge(&self, post: &Post, stale: bool) -> HttpResponse {
        let connection = &post.connection;
        let now = self.now();
        let message = if post.inform().is_some() { "Inform" } else { "empty" };
        let nth = connection.challenge(Challenged { at: post.at, answered_at: now, message, bytes: post.bytes });
        let mut response = response::unauthorized(self.authenticator.challenges(connection.peer.tls, stale, now));
        if nth >= self.config.http.challenges {
            response::close(&mut response);
        }
        response
    }

    /// A security event (P24): counted always, listed at a bounded rate.
    pub(crate) fn list_refusal(self: &Arc<Self>, post: &Post, reason: RefusedReason, username: String) {
        self.metrics.login_failed(reason);
        let source = post.connection.source();
        tracing::debug!(%source, reason = reason.as_str(), "a login failed");
        if !self.authenticator.may_list() {
            return;
        }
        let identity = post.inform().map(|inform| shorten(&inform.device)).unwrap_or_default();
        let refused = RefusedInform { at: post.at, remote: Some(source), identity, username, reason };
        let record = EventRecord {
            event_id: EventId::from_bytes(rand::random()),
            device: None,
            tenant: self.config.tenant.clone(),
            subscriber_id: String::new(),
            session: None,
            position: Position::default(),
            occurred_at: post.at,
            emitter: self.emitter.id().clone(),
            emitter_seq: 0,
            late: false,
            body: EventBody::Refused(refused),
        };
        let front_end = Arc::clone(self);
        self.tasks.spawn(async move { front_end.emitter.unawaited(record).await });
    }

    /// A POST that belongs to no session: nothing but an Inform opens one (CWMP-111). It touches no state.
    pub(crate) fn without_session(&self, post: Post) -> HttpResponse {
        let is_empty = matches!(post.content.body, PostBody::Empty);
        if is_empty && self.authenticator.is_required() && post.authorization().is_none() {
            self.metrics.challenged();
            return self.challenge(&post, false);
        }
        self.metrics.rejected("no_session");
        let mut nobody = AcsSession::new(self.config.session.clone(), post.at);
        nobody.handle(post.at, Input::Post(cwmp_session::acs::Post { message: post.content.body }));
        let mut reply = None;
        while let Some(output) = nobody.poll_output() {
            if let Output::Reply(given) = output {
                reply = Some(given);
            }
        }
        let written = reply.and_then(|reply| response::from_reply(&reply, None, self.admission.retry_after()).ok());
        written.map_or_else(|| response::closing(StatusCode::BAD_REQUEST), |(response, _)| response)
    }

    pub(crate) fn shed(&self, shed: Shed) -> HttpResponse {
        self.metrics.inform_shed(shed.as_str());
        response::unavailable(self.admission.retry_after())
    }

    fn refuse_body(&self, error: BodyError) -> HttpResponse {
        tracing::debug!(%error, "a body is refused");
        self.metrics.rejected(error.as_str());
        match error.status() {
            StatusCode::SERVICE_UNAVAILABLE => response::unavailable(self.admission.retry_after()),
            status => response::closing(status),
        }
    }
}

/// What somebody unproved says of itself is kept short (CWMP-084).
fn shorten(identity: &DeviceIdentity) -> DeviceIdentity {
    let part = |text: &str| text.chars().take(64).collect();
    DeviceIdentity {
        manufacturer: part(&identity.manufacturer),
        oui: part(&identity.oui),
        product_class: part(&identity.product_class),
        serial_number: part(&identity.serial_number),
    }
}
