//! From settings to the configuration of each service. Every problem is noted in the settings.

#[cfg(feature = "distributed")]
pub(crate) mod cluster;
pub(crate) mod dev;
pub(crate) mod sections;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use acs_types::EmitterId;

use crate::settings::Settings;

/// Reads a configuration; the error has every problem, one a line.
pub(crate) fn read<T>(mut settings: Settings, read: impl FnOnce(&mut Settings) -> T) -> Result<T, ConfigErrors> {
    let config = read(&mut settings);
    if settings.problems().is_empty() { Ok(config) } else { Err(ConfigErrors(settings.problems().to_vec())) }
}

/// What is wrong with the configuration: all of it.
#[derive(Debug)]
pub(crate) struct ConfigErrors(Vec<String>);

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Who this process is in records: host and boot, so that its numbers are dense from 1.
pub(crate) fn emitter(role: &str, booted_at_micros: i64) -> EmitterId {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
    let host = if host.is_empty() { "localhost" } else { &host };
    let text = format!("{host}.{role}.{booted_at_micros}");
    text.parse().expect("letters, digits, dashes and dots make an emitter id")
}

/// The address that others use for a listener: loopback stands for "any".
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let loopback = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(loopback, listener.port())
}

/// The key ring as the seal of stored secrets.
pub(crate) struct StoreSeal(pub(crate) Arc<acs_keyring::KeyRing>);

impl acs_proto::records::SecretSeal for StoreSeal {
    fn seal(&self, plain: &str) -> Vec<u8> {
        self.0.seal(acs_keyring::Purpose::Secret, plain.as_bytes(), &[])
    }

    fn open(&self, sealed: &[u8]) -> Option<String> {
        String::from_utf8(self.0.unseal(acs_keyring::Purpose::Secret, sealed, &[]).ok()?).ok()
    }
}
