use std::time::Duration;

use crate::Policy;

/// How connection requests are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Longest time to resolve the name, and again to connect; 100 ms to 60 s.
    pub connect_timeout: Duration,
    /// Longest time for one request and its whole answer; 100 ms to 60 s. The specification wants the answer before the
    /// session opens, which is within 30 s (CWMP-414).
    pub answer_timeout: Duration,
    /// Least time between two requests to one device (CWMP-418); 0 to 1 h. A wake that comes sooner is answered with
    /// `NotSent` and the time left in words: the caller keeps the wish and the timer.
    pub min_interval: Duration,
    /// A busy device (503) is left alone for `min_interval`, then twice that, and so on up to this (CWMP-416); at least
    /// `min_interval`.
    pub busy_wait_max: Duration,
    /// After wrong credentials the same ones are not sent again for this long (CWMP-417); at least `min_interval`.
    pub wrong_credentials_wait: Duration,
    /// Most connections open at once; 1 to 10,000.
    pub max_dials: usize,
    /// Longest time a wake waits for its turn among `max_dials`; after it `NotSent`.
    pub queue_timeout: Duration,
    /// Most devices whose last request is remembered, the ones in flight included. About 200 bytes each. When all of them
    /// are needed, a wake of another device is `NotSent`.
    pub max_devices: usize,
    /// Where to.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            min_interval: Duration::from_secs(10),
            busy_wait_max: Duration::from_secs(300),
            wrong_credentials_wait: Duration::from_secs(300),
            max_dials: 256,
            queue_timeout: Duration::from_secs(5),
            max_devices: 100_000,
            policy: Policy::default(),
        }
    }
}
