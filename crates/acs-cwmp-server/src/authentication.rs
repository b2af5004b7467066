//! Who is there: Digest and Basic, checked before anything is stored or published (CWMP-532).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_keyring::{KeyRing, Purpose};
use acs_proto::{Provisioning, VerifierRequest};
use acs_types::{AuthLevel, CpeVerifier, DeviceId, RefusedReason};
use cwmp_model::{DeviceIdentity, Timestamp};
use cwmp_session::auth::{
    Algorithm, Authorization, Challenge, Credentials, DigestAnswer, DigestRefusal, DigestRules, DigestVerdict, Nonce,
    NonceKey, Nonces, Password, ReplayWindow, RequestTarget, UserName, Verifier, basic_challenge, parse_authorization,
    verify_basic,
};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::Waits;
use crate::attempts::{AttemptLimits, Attempts};
use crate::metrics::Metrics;

/// How CPEs prove who they are.
#[derive(Debug, Clone)]
pub struct CpeAuth {
    /// What they are asked for.
    pub scheme: CpeAuthScheme,
    /// The realm of challenges.
    pub realm: String,
    /// Take Basic without TLS (CWMP-043): for networks that protect it otherwise.
    pub allow_basic_over_http: bool,
    /// Offer SHA-256 in front of MD5 (CWMP-051). Many CPEs fail on two challenges.
    pub offer_sha256: bool,
    /// Take a Digest answer with `uri=""`, which some devices send.
    pub allow_empty_uri: bool,
    /// How many logins may fail.
    pub attempts: AttemptLimits,
    /// (nonce, nc) pairs remembered, about 100 bytes each.
    pub replay_window: usize,
    /// Verifiers remembered.
    pub verifiers: usize,
    /// How long a verifier is used without asking again.
    pub verifier_fresh: Duration,
    /// How long it is used while provisioning is away (P16).
    pub verifier_kept: Duration,
}

/// What CPEs are asked for. Whatever they are asked for, Digest is always taken, and Basic over TLS (CWMP-042).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpeAuthScheme {
    /// Nothing: every Inform is believed.
    Open,
    /// Basic; without TLS only if that is allowed, else Digest.
    Basic,
    /// Digest.
    Digest,
    /// Digest without TLS, Basic over it (CWMP-041).
    Auto,
}

impl CpeAuth {
    /// The defaults with this scheme.
    pub fn new(scheme: CpeAuthScheme) -> Self {
        Self {
            scheme,
            realm: "lastmile".to_owned(),
            allow_basic_over_http: false,
            offer_sha256: false,
            allow_empty_uri: true,
            attempts: AttemptLimits::default(),
            replay_window: 100_000,
            verifiers: 200_000,
            verifier_fresh: Duration::from_secs(60),
            verifier_kept: Duration::from_secs(24 * 3600),
        }
    }
}

/// A POST that has to prove itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    /// The `Authorization` header.
    pub(crate) authorization: Option<&'a str>,
    pub(crate) target: RequestTarget<'a>,
    pub(crate) tls: bool,
    pub(crate) source: IpAddr,
    /// The DeviceId of an Inform; `None`: a later POST.
    pub(crate) identity: Option<&'a DeviceIdentity>,
    /// Take a Digest answer without qop (CWMP-054).
    pub(crate) without_qop: bool,
    pub(crate) now: Timestamp,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is proved.
    Accepted {
        /// How.
        level: AuthLevel,
        /// Whom the credential belongs to; `None`: many devices, or nobody was asked.
        device: Option<DeviceId>,
    },
    /// No credentials yet, or only the nonce is old: 401.
    Challenge {
        /// Only the nonce is wrong (CWMP-052).
        stale: bool,
    },
    /// Wrong credentials: 401, counted and listed.
    Refused {
        /// Why.
        reason: RefusedReason,
        /// The user name sent.
        username: String,
    },
    /// Nobody can say now: 503 (P16).
    Unavailable,
}

/// Checks logins.
pub(crate) struct Authenticator {
    auth: CpeAuth,
    provisioning: Arc<dyn Provisioning>,
    /// What was used at any front-end, behind the window here.
    replay: Option<Arc<dyn acs_store::ReplayWindow>>,
    keys: Vec<NonceKey>,
    window: Mutex<ReplayWindow>,
    attempts: Attempts,
    verifiers: Cache<String, Cached>,
    wait: Duration,
    cache_wait: Duration,
    metrics: Arc<Metrics>,
}

#[derive(Clone)]
struct Cached {
    verifier: Option<Arc<CpeVerifier>>,
    at: Instant,
}

/// A user name that is not known is asked for again after this.
const UNKNOWN_FRESH: Duration = Duration::from_secs(2);
/// A password that fails is looked up again if what is known of it is older than this: it may have been changed.
const RECHECK_AFTER: Duration = Duration::from_secs(1);
/// The longest user name that is looked up, in bytes.
const USERNAME_BYTES_MAX: usize = 512;

impl Authenticator {
    pub(crate) fn new(
        auth: CpeAuth,
        provisioning: Arc<dyn Provisioning>,
        replay: Option<Arc<dyn acs_store::ReplayWindow>>,
        keys: &KeyRing,
        waits: &Waits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            provisioning,
            replay,
            keys: keys.keys_for(Purpose::Nonce).map(|key| NonceKey::new(*key)).collect(),
            window: Mutex::new(ReplayWindow::new(auth.replay_window)),
            attempts: Attempts::new(auth.attempts.clone()),
            verifiers: Cache::new(auth.verifiers),
            wait: waits.verifier,
            cache_wait: waits.cache,
            metrics,
            auth,
        }
    }

    /// Whether an Inform needs credentials.
    pub(crate) fn is_required(&self) -> bool {
        self.auth.scheme != CpeAuthScheme::Open
    }

    /// Whether one more refusal may go to the event log now.
    pub(crate) fn may_list(&self) -> bool {
        self.attempts.may_list()
    }

    /// The values of `WWW-Authenticate` for a 401 (CWMP-041, CWMP-050, CWMP-051).
    pub(crate) fn challenges(&self, tls: bool, stale: bool, now: Timestamp) -> Vec<String> {
        let basic = match self.auth.scheme {
            CpeAuthScheme::Basic => tls || self.auth.allow_basic_over_http,
            CpeAuthScheme::Auto => tls,
            CpeAuthScheme::Digest | CpeAuthScheme::Open => false,
        };
        let key = self.keys.first();
        let Some(key) = key.filter(|_| !basic) else { return vec![basic_challenge(&self.auth.realm)] };
        let digest = |algorithm| {
            // A new nonce for each (CWMP-049).
            let nonce = key.issue(now, rand::random());
            Challenge::new(&self.auth.realm, &nonce, algorithm, stale).to_header()
        };
        if self.auth.offer_sha256 {
            return vec![digest(Algorithm::Sha256), digest(Algorithm::Md5)];
        }
        vec![digest(Algorithm::Md5)]
    }

    /// Decides about an Inform: by its credentials, unless nothing is asked for.
    pub(crate) async fn check_inform(&self, login: Login<'_>) -> Verdict {
        if !self.is_required() {
            return Verdict::Accepted { level: AuthLevel::Open, device: None };
        }
        self.check(login).await
    }

    /// Decides by the credentials alone.
    pub(crate) async fn check(&self, login: Login<'_>) -> Verdict {
        let Some(header) = login.authorization else { return Verdict::Challenge { stale: false } };
        match parse_authorization(header) {
            Ok(Authorization::Basic(credentials)) => self.check_basic(login, &credentials).await,
            Ok(Authorization::Digest(answer)) => self.check_digest(login, &answer).await,
            Err(error) => {
                tracing::debug!(%error, source = %login.source, "an Authorization header is challenged again");
                self.metrics.rejected("authorization_unreadable");
                Verdict::Challenge { stale: false }
            }
        }
    }

    async fn check_basic(&self, login: Login<'_>, credentials: &Credentials) -> Verdict {
        if !login.tls && !self.auth.allow_basic_over_http {
            let username = shorten(&credentials.username);
            return Verdict::Refused { reason: RefusedReason::BasicWithoutTls, username };
        }
        let realm = &self.auth.realm;
        self.decide(login, &credentials.username, |verifier| {
            if verify_basic(credentials, verifier, realm) { Secret::Right } else { Secret::Wrong }
        })
        .await
    }

    async fn check_digest(&self, login: Login<'_>, answer: &DigestAnswer) -> Verdict {
        // A nonce of nobody proves nothing and tests nothing: no look-up, no failure.
        if NonceKey::check(&self.keys, &answer.nonce, login.now) == Nonce::Forged {
            return Verdict::Challenge { stale: false };
        }
        let rules = self.rules(login.without_qop);
        let verdict = self.decide(login, &answer.username, |verifier| {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            let nonces = Nonces { keys: &self.keys, window: &mut window };
            match rules.check(answer, "POST", login.target, verifier, nonces, login.now) {
                DigestVerdict::Accepted => Secret::Right,
                DigestVerdict::Stale => Secret::Stale,
                DigestVerdict::Refused(DigestRefusal::Response) => Secret::Wrong,
                DigestVerdict::Refused(refusal) => {
                    tracing::debug!(%refusal, source = %login.source, "a Digest answer is refused");
                    Secret::Wrong
                }
            }
        });
        match verdict.await {
            Verdict::Accepted { .. } if self.was_used_elsewhere(answer).await => Verdict::Challenge { stale: true },
            verdict => verdict,
        }
    }

    /// Whether another front-end took this answer already (X19). Where it cannot be told the window here decides (P14).
    async fn was_used_elsewhere(&self, answer: &DigestAnswer) -> bool {
        let Some(replay) = &self.replay else { return false };
        let asked =
            replay.first_use(&answer.nonce, answer.protection.as_ref().map_or(0, |protection| protection.count));
        match tokio::time::timeout(self.cache_wait, asked).await {
            Ok(Ok(first)) => !first,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the replay window of all front-ends does not answer");
                false
            }
            Err(_) => false,
        }
    }

    fn rules(&self, without_qop: bool) -> DigestRules {
        let mut rules = DigestRules::new(self.auth.realm.as_str());
        rules.algorithms = vec![Algorithm::Md5, Algorithm::Md5Sess];
        if self.auth.offer_sha256 {
            rules.algorithms.push(Algorithm::Sha256);
        }
        rules.allow_empty_uri = self.auth.allow_empty_uri;
        rules.allow_without_qop = without_qop;
        rules
    }

    /// The way that both schemes share: limits, verifier, secret, identity.
    async fn decide(&self, login: Login<'_>, username: &str, test: impl Fn(&Verifier) -> Secret) -> Verdict {
        if self.attempts.is_blocked(login.source, username) {
            return Verdict::Refused { reason: RefusedReason::RateLimited, username: shorten(username) };
        }
        let mut known = match self.verifier(username, self.auth.verifier_fresh).await {
            Ok(known) => known,
            Err(verdict) => return verdict,
        };
        let mut secret = test_known(&known, &test);
        if secret == Secret::Wrong
            && known.at.elapsed() > RECHECK_AFTER
            && let Ok(again) = self.verifier(username, RECHECK_AFTER).await
        {
            known = again;
            secret = test_known(&known, &test);
        }
        match (secret, known.verifier) {
            (Secret::Stale, _) => Verdict::Challenge { stale: true },
            (Secret::Right, Some(verifier)) => self.identify(login, username, &verifier),
            (_, None) => self.fail(login, RefusedReason::UnknownUser, username),
            (_, Some(_)) => self.fail(login, RefusedReason::WrongPassword, username),
        }
    }

    /// The credential is right; the Inform must be of its owner (CWMP-058).
    fn identify(&self, login: Login<'_>, username: &str, verifier: &CpeVerifier) -> Verdict {
        if let Some(identity) = login.identity {
            let owns = match &verifier.device {
                Some(device) => *device == DeviceId::of(identity),
                None => names_no_other(username, identity),
            };
            if !owns {
                return self.fail(login, RefusedReason::OtherDevice, username);
            }
        }
        self.attempts.succeeded(login.source, username);
        let level = if verifier.device.is_some() { AuthLevel::Device } else { AuthLevel::Shared };
        Verdict::Accepted { level, device: verifier.device.clone() }
    }

    fn fail(&self, login: Login<'_>, reason: RefusedReason, username: &str) -> Verdict {
        self.attempts.failed(login.source, username);
        Verdict::Refused { reason, username: shorten(username) }
    }

    /// The verifier of a user name, not older than `fresh` if provisioning answers.
    async fn verifier(&self, username: &str, fresh: Duration) -> Result<Cached, Verdict> {
        if username.len() > USERNAME_BYTES_MAX {
            return Ok(Cached { verifier: None, at: Instant::now() });
        }
        let cached = self.verifiers.get(username);
        if let Some(cached) = &cached {
            let fresh = if cached.verifier.is_some() { fresh } else { UNKNOWN_FRESH.min(fresh) };
            if cached.at.elapsed() < fresh {
                return Ok(cached.clone());
            }
        }
        let asked = self.provisioning.verifier(VerifierRequest { username: username.to_owned() });
        let why = match tokio::time::timeout(self.wait, asked).await {
            Ok(Ok(reply)) => {
                let cached = Cached { verifier: reply.verifier.map(Arc::new), at: Instant::now() };
                self.verifiers.insert(username.to_owned(), cached.clone());
                return Ok(cached);
            }
            Ok(Err(error)) => error.text,
            Err(_) => "no answer in time".to_owned(),
        };
        self.metrics.provisioning_failed("verifier");
        match cached.filter(|c| c.verifier.is_some() && c.at.elapsed() < self.auth.verifier_kept) {
            Some(cached) => {
                self.metrics.stale_verifier();
                Ok(cached)
            }
            None => {
                tracing::warn!(why, "a login cannot be checked, the device is asked to come again");
                Err(Verdict::Unavailable)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Right,
    Wrong,
    Stale,
}

fn test_known(known: &Cached, test: &impl Fn(&Verifier) -> Secret) -> Secret {
    match &known.verifier {
        Some(verifier) => test(&Verifier::Password(Password::new(verifier.password.reveal()))),
        None => Secret::Wrong,
    }
}

/// A shared credential whose user name has the form of CWMP-055 still names one device.
fn names_no_other(username: &str, identity: &DeviceIdentity) -> bool {
    let is_oui = |text: &str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
    UserName::parse(username).is_none_or(|name| !is_oui(&name.oui) || name.names(identity))
}

fn shorten(username: &str) -> String {
    username.chars().take(128).collect()
}
