use acs_types::EmitterId;

use crate::Limits;

/// How the service runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// How much it takes at a time.
    pub limits: Limits,
    /// The name under which it emits event records (audit, deleted devices): unlike that of every other emitter, and new at
    /// each start, so that `emitter_seq` is dense (P10).
    pub emitter: EmitterId,
    /// Takes configured tokens of any length. Only for `dev` (P23).
    pub weak_tokens: bool,
}

impl Config {
    /// The default limits.
    pub fn new(emitter: EmitterId) -> Self {
        Self { limits: Limits::default(), emitter, weak_tokens: false }
    }
}
