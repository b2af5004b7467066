//! Which key holds what. These names and forms are for ever; a new form gets a new number in place of the `1`, because
//! front-ends of two versions share one Redis during an upgrade.
//!
//! | key | value | life |
//! |---|---|---|
//! | `P:1:{T/D}:current` | id of the current session of device D of tenant T | `Lives::session` |
//! | `P:1:{T/D}:device` | hash: `stamp` (last, µs), `hint` (`1`: work waits) | `Lives::device` |
//! | `P:1:{live-NN}:SESSION` | hash: `device`, `stamp`, `front_end`, `snapshot` | `Lives::session` |
//! | `P:1:{live-NN}:SESSION:ended` | `1`: the session is over | `END_KEPT` |
//! | `P:1:{live-NN}` | sorted set: the sessions of shard NN by the millisecond in which they expire | `Lives::session` |
//! | `P:1:nonce:NONCE:NC` | `1`: the pair was used | `Lives::nonce` |
//!
//! What is in braces decides about the hash slot, so the two keys of a device are in one, and so are a session, its
//! end and the set that counts it. A session does not lie with its device, because who has its id alone must find it in one step.

use acs_types::{DeviceId, SessionId};

use crate::config::RedisConfig;

/// Sets that count sessions: enough to spread over the masters of a Cluster, few enough to ask all for a metric.
pub(crate) const SHARDS: u8 = 64;

/// Builds the keys.
#[derive(Debug)]
pub(crate) struct Keys {
    /// With its colon.
    prefix: String,
    tenant: String,
}

impl Keys {
    pub(crate) fn new(config: &RedisConfig) -> Self {
        Self { prefix: format!("{}:1:", config.key_prefix), tenant: config.tenant.to_string() }
    }

    /// Its current session, and the rest of a device.
    pub(crate) fn device(&self, device: &DeviceId) -> [String; 2] {
        let Self { prefix, tenant } = self;
        [format!("{prefix}{{{tenant}/{device}}}:current"), format!("{prefix}{{{tenant}/{device}}}:device")]
    }

    /// A session, and the set that counts it.
    pub(crate) fn session(&self, session: &SessionId) -> [String; 2] {
        let live = self.live(session.as_bytes()[0] % SHARDS);
        [format!("{live}:{session}"), live]
    }

    /// A session, the set that counts it, and its end.
    pub(crate) fn session_end(&self, session: &SessionId) -> [String; 3] {
        let [session, live] = self.session(session);
        let ended = format!("{session}:ended");
        [session, live, ended]
    }

    /// The live sessions of a shard.
    pub(crate) fn live(&self, shard: u8) -> String {
        format!("{}{{live-{shard:02}}}", self.prefix)
    }

    pub(crate) fn nonce(&self, nonce: &str, nc: u32) -> String {
        format!("{}nonce:{nonce}:{nc}", self.prefix)
    }
}
