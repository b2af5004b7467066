use std::time::Duration;

/// How the ACS side holds a session. `Default` is the service's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long the next POST may take when the Inform names no time (CWMP-124).
    pub idle_timeout: Duration,
    /// The most that a `SessionTimeout` header can ask for (CWMP-125).
    pub idle_timeout_max: Duration,
    /// How long a POST may stay without a response while a back end thinks (CWMP-127).
    pub answer_within: Duration,
    /// POSTs in one session (CWMP-140).
    pub messages_max: u32,
    /// The life of one session (CWMP-140).
    pub age_max: Duration,
    /// Faults 8005 in one session (CWMP-100).
    pub retry_faults_max: u32,
    /// Ask for a step at the CPE's empty POST even if neither `Begun` nor a hint says that work waits.
    pub ask_always: bool,
    /// Send HoldRequests until the ACS has no request left (CWMP-090); off unless configured.
    pub hold_requests: bool,
}

/// The least that any idle time-out may be (CWMP-124, CWMP-125).
pub const IDLE_TIMEOUT_MIN: Duration = Duration::from_secs(30);

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            idle_timeout_max: Duration::from_secs(600),
            answer_within: Duration::from_secs(25),
            messages_max: 1_000,
            age_max: Duration::from_secs(30 * 60),
            retry_faults_max: 3,
            ask_always: false,
            hold_requests: false,
        }
    }
}

impl Config {
    /// The idle time-out of a session whose Inform carried `session_timeout` seconds, or none.
    pub(super) fn idle_timeout(&self, session_timeout: Option<u32>) -> Duration {
        let asked = session_timeout
            .map_or(self.idle_timeout, |seconds| Duration::from_secs(seconds.into()).min(self.idle_timeout_max));
        asked.max(IDLE_TIMEOUT_MIN)
    }
}
