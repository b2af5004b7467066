//! What the tests stand on.

pub(crate) mod api;
#[cfg(feature = "distributed")]
mod balancer;
#[cfg(feature = "distributed")]
#[allow(dead_code, reason = "shared: no test program needs all of it")]
pub(crate) mod cluster;
pub(crate) mod cpe;
pub(crate) mod events;
pub(crate) mod judge;
pub(crate) mod load;
#[cfg(feature = "distributed")]
#[allow(dead_code, reason = "shared: no test program needs all of it")]
pub(crate) mod role;
pub(crate) mod server;
#[cfg(feature = "distributed")]
pub(crate) mod services;

use std::time::{Duration, SystemTime};

use lastmile_fleet::{DeviceHandle, FleetConfig, RetryRule};
use tokio::time::Instant;

pub(crate) use api::Api;
#[allow(unused_imports, reason = "shared: no test program needs all of it")]
pub(crate) use server::{Options, Server};

/// The longest wait for something that takes moments; a debug build on a busy machine is slow.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Devices that come back quickly after everything.
pub(crate) fn fleet_config(server: &Server, devices: usize, seed: u64) -> FleetConfig {
    let mut config = FleetConfig::new(server.acs_url());
    config.devices = devices;
    config.seed = seed;
    config.boot_time = Duration::from_millis(200);
    config.retry = RetryRule::After(Duration::from_millis(200));
    config.honour_retry_after = false;
    config
}

/// The id of a device in the API.
pub(crate) fn id_of(device: &DeviceHandle) -> String {
    acs_types::DeviceId::of(&device.identity()).to_string()
}

/// Waits until `is_so` gives something; panics with `what` when it takes too long.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut is_so: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = is_so().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A number from the environment.
pub(crate) fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// `LASTMILE_TEST_SEED`, or by the clock.
pub(crate) fn seed() -> u64 {
    let by_clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_micros() as u64);
    number("LASTMILE_TEST_SEED").unwrap_or_else(by_clock)
}
