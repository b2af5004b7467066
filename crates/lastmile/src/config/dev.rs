//! What `lastmile dev` runs with.

use std::path::PathBuf;
use std::time::Duration;

use acs_telemetry::LogConfig;

use super::sections::{self, Api, Cwmp, Files, Provisioning, bounded, days};
use crate::settings::Settings;

/// Everything that `lastmile dev` runs with.
#[derive(Debug)]
pub(crate) struct DevConfig {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where the key ring lies; `None`: in the data folder.
    pub(crate) keys: Option<PathBuf>,
    /// Free space that is never used, in bytes.
    pub(crate) disk_reserve_bytes: u64,
    /// How long the event log is kept.
    pub(crate) events_age: Duration,
    /// How much of it is kept, in bytes.
    pub(crate) events_bytes: u64,
    /// The front-end.
    pub(crate) cwmp: Cwmp,
    /// The API.
    pub(crate) api: Api,
    /// The file server.
    pub(crate) files: Files,
    /// Provisioning.
    pub(crate) provisioning: Provisioning,
    /// Connection requests.
    pub(crate) connection_requests: acs_connreq::Config,
    /// Simulated devices.
    pub(crate) fleet_devices: usize,
    /// Their PeriodicInformInterval.
    pub(crate) fleet_periodic: Duration,
    /// The log.
    pub(crate) log: LogConfig,
}

impl DevConfig {
    /// Reads all of it.
    pub(crate) fn read(s: &mut Settings) -> Self {
        Self {
            data: sections::data_folder(s),
            keys: Some(s.text("keys.dir")).filter(|folder| !folder.is_empty()).map(PathBuf::from),
            disk_reserve_bytes: s.number("data.disk_reserve_mib", 0..=1 << 30) << 20,
            events_age: days(s.number("data.events_days", 1..=36_500)),
            events_bytes: s.number("data.events_mib", 16..=1 << 30) << 20,
            cwmp: Cwmp::read(s),
            api: Api::read(s),
            files: Files::read(s),
            provisioning: Provisioning::read(s),
            connection_requests: sections::connection_requests(s),
            fleet_devices: bounded(s.number("fleet.devices", 0..=100_000)),
            fleet_periodic: Duration::from_secs(s.number("fleet.periodic_seconds", 1..=86_400)),
            log: sections::log(s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn the_defaults_are_sound() {
        let config = read(Settings::defaults(), DevConfig::read).unwrap();
        assert_eq!(config.cwmp.listen.to_string(), "127.0.0.1:7547");
        assert!(!config.connection_requests.policy.allow_loopback, "P25");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let mut settings = Settings::defaults();
        for (key, value) in [
            ("cwmp.auth", "none"),
            ("cwmp.tls_key", "key.pem"),
            ("cwmp.user", "acs"),
            ("api.admin_token", "short"),
            ("provisioning.first_contact", "all"),
            ("connection_requests.only", "10.0.0.0/99"),
            ("log.format", "xml"),
        ] {
            settings.add_flag("x", key, Some(value.to_owned()));
        }
        let told = read(settings, DevConfig::read).unwrap_err().to_string();
        assert!(told.starts_with("the configuration has 7 problem(s):"), "{told}");
    }
}
