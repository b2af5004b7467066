use std::time::Duration;

use acs_types::{EmitterId, Tenant};
use cwmp_codec::Limits;

use crate::{Clock, CpeAuth, HttpLimits, ModelRule, OverloadLimits, ReceiptLimits};

/// Everything a front-end may be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who emits: host and boot. Also the name of this front-end in records.
    pub emitter: EmitterId,
    /// Whose devices connect here.
    pub tenant: Tenant,
    /// How CPEs prove who they are.
    pub auth: CpeAuth,
    /// What is done otherwise for some models; the first rule that fits a device counts.
    pub models: Vec<ModelRule>,
    /// What connections and bodies may take.
    pub http: HttpLimits,
    /// What one message may ask of the XML reader.
    pub codec: Limits,
    /// How sessions are held.
    pub session: cwmp_session::acs::Config,
    /// How many new sessions at a time.
    pub overload: OverloadLimits,
    /// How long records may take.
    pub receipts: ReceiptLimits,
    /// How long the others may take.
    pub waits: Waits,
    /// Other front-ends serve the same devices: sessions are laid down in the session cache for them.
    pub shared_sessions: bool,
    /// What time it is.
    pub clock: Clock,
}

/// How long a reply waits for services, and the drain for sessions.
#[derive(Debug, Clone)]
pub struct Waits {
    /// `Provisioning::begin`; then the session goes on without work (P16).
    pub begin: Duration,
    /// `Provisioning::next`; then the session ends without work (CWMP-127).
    pub next: Duration,
    /// `Provisioning::verifier`; then an old verifier serves, or the CPE gets 503 (P16).
    pub verifier: Duration,
    /// The session cache; then the session goes on without it (P14).
    pub cache: Duration,
    /// A second POST of a session, for the first one; then it gets 503.
    pub turn: Duration,
    /// Begun sessions, when the front-end stops; then they end as `drained`.
    pub drain: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            begin: Duration::from_secs(5),
            next: Duration::from_secs(20),
            verifier: Duration::from_secs(3),
            cache: Duration::from_millis(40),
            turn: Duration::from_secs(10),
            drain: Duration::from_secs(25),
        }
    }
}

impl Config {
    /// The defaults, for this front-end.
    pub fn new(emitter: EmitterId, auth: CpeAuth) -> Self {
        Self {
            emitter,
            tenant: Tenant::default(),
            auth,
            models: Vec::new(),
            http: HttpLimits::default(),
            codec: Limits::default(),
            session: cwmp_session::acs::Config::default(),
            overload: OverloadLimits::default(),
            receipts: ReceiptLimits::default(),
            waits: Waits::default(),
            shared_sessions: false,
            clock: Clock::default(),
        }
    }
}
