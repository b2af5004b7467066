use std::time::{SystemTime, UNIX_EPOCH};

use cwmp_model::Timestamp;
use tokio::time::Instant;

/// What time it is.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Moves with tokio's time, which tests can stop and advance.
    Tokio {
        /// The moment at `started`.
        base: Timestamp,
        /// When it began to run.
        started: Instant,
    },
}

impl Clock {
    /// A clock that begins at the machine's time and moves with tokio's.
    pub fn tokio() -> Self {
        Self::Tokio { base: system(), started: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system(),
            Self::Tokio { base, started } => base.plus(started.elapsed()),
        }
    }
}

fn system() -> Timestamp {
    // A clock before 1970 gives 1970: stamps stay in order by the last one known.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since)
}
