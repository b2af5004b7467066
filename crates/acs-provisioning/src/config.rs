use std::net::IpAddr;
use std::time::Duration;

use acs_planner::Settings;
use acs_types::{AuthLevel, EmitterId, Secret};

/// How the service works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Under which name its events are emitted: host and boot.
    pub emitter: EmitterId,
    /// What is done with a device that comes for the first time or sent `0 BOOTSTRAP`.
    pub first_contact: FirstContact,
    /// A user name and password that every device may log in with; `None`: each needs its own.
    pub shared_credentials: Option<(String, Secret)>,
    /// How long devices are waited for.
    pub settings: Settings,
    /// Tasks per device and day.
    pub tasks_per_day: u32,
    /// How long sessions, faults and final tasks are kept.
    pub retention: Duration,
    /// Whether a device's challenge for Basic is answered with its password (CWMP-412).
    pub allow_basic: bool,
    /// Takes a session from this host's loopback as one that nobody else can read, as if it came over TLS: for `dev` and
    /// its simulated devices. Never behind a terminator or proxy on the same host.
    pub loopback_is_confidential: bool,
    /// How long `enqueue` waits for what came of waking the device.
    pub wake_reply_wait: Duration,
    /// How long after a wake-up the next one follows while wanted-now work is open; the last one repeats.
    pub wake_steps: Vec<Duration>,
    /// How often due timers are looked for.
    pub timer_interval: Duration,
    /// With other processes over the same store: shards of timers ([`acs_store::TIMER_SHARDS`] in all) that this one takes at
    /// most. A little over an even share leaves each process its part, and the parts of a dead one to the others.
    pub timer_shards_max: usize,
    /// With other processes over the same store: how far clocks may be apart, and how long a process may stand still between
    /// two writes. For so long a deadline that was due with nothing to do is looked after. Zero: this process is alone.
    pub clock_skew: Duration,
    /// Sessions whose plans are kept.
    pub plans_max: usize,
    /// Bytes that the plans kept take together, about. Beyond it the ones not touched for longest go: their sessions read
    /// again what they had read.
    pub plan_bytes_max: usize,
    /// How long an idle plan is kept.
    pub plan_age: Duration,
}

impl Config {
    /// The defaults.
    pub fn new(emitter: EmitterId) -> Self {
        Self {
            emitter,
            first_contact: FirstContact::Discover,
            shared_credentials: None,
            settings: Settings::default(),
            tasks_per_day: 1000,
            retention: Duration::from_secs(400 * 24 * 3600),
            allow_basic: false,
            loopback_is_confidential: false,
            wake_reply_wait: Duration::from_secs(2),
            wake_steps: [10, 30, 60, 300, 900, 3600].map(Duration::from_secs).to_vec(),
            timer_interval: Duration::from_secs(1),
            timer_shards_max: usize::from(acs_store::TIMER_SHARDS),
            clock_skew: Duration::ZERO,
            plans_max: 100_000,
            plan_bytes_max: 256 << 20,
            plan_age: Duration::from_secs(30 * 60),
        }
    }
}

impl Config {
    /// Whether secrets may go to a device: over TLS, or to one that proved who it is (P24).
    pub(crate) fn may_send_secrets(&self, tls: bool, auth: AuthLevel, remote: Option<IpAddr>) -> bool {
        let on_this_host = || self.loopback_is_confidential && remote.is_some_and(|remote| remote.is_loopback());
        tls || auth != AuthLevel::Open || on_this_host()
    }
}

/// What first contact does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstContact {
    /// Nothing.
    None,
    /// The device gets connection-request credentials of its own (CWMP-419).
    Credentials,
    /// And all its names and values are read.
    #[default]
    Discover,
}

impl FirstContact {
    /// From its name in configuration: `none`, `credentials`, `discover`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "credentials" => Some(Self::Credentials),
            "discover" => Some(Self::Discover),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p24_secrets_go_only_where_nobody_listens_or_the_device_proved_itself() {
        let mut config = Config::new("test".parse().unwrap());
        let (here, there) = (Some("127.0.0.1".parse().unwrap()), Some("192.0.2.1".parse().unwrap()));
        assert!(config.may_send_secrets(true, AuthLevel::Open, there));
        assert!(config.may_send_secrets(false, AuthLevel::Shared, there));
        assert!(!config.may_send_secrets(false, AuthLevel::Open, there));
        assert!(!config.may_send_secrets(false, AuthLevel::Open, here));
        config.loopback_is_confidential = true;
        assert!(config.may_send_secrets(false, AuthLevel::Open, here));
        assert!(!config.may_send_secrets(false, AuthLevel::Open, there));
        assert!(!config.may_send_secrets(false, AuthLevel::Open, None));
    }
}
