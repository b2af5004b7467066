//! A fleet against a scripted ACS, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod acs;
mod connection_requests;
mod load;
mod restarts;
mod sessions;
mod tls;
mod transfers;

use std::time::Duration;

use lastmile_fleet::{DeviceHandle, Fleet, FleetConfig};

use crate::acs::Acs;

/// Longest wait for something that takes milliseconds.
const SOON: Duration = Duration::from_secs(20);

fn config(acs: &Acs) -> FleetConfig {
    FleetConfig { periodic: Duration::ZERO, boot_time: Duration::from_millis(50), ..FleetConfig::new(&acs.url) }
}

/// One TR-098 device after its first session.
async fn one_device(acs: &Acs) -> (Fleet, DeviceHandle) {
    let fleet = Fleet::start(config(acs)).await.unwrap();
    let device = fleet.device(0).unwrap();
    assert!(device.wait_idle(SOON).await, "{:?}", device.last_session());
    (fleet, device)
}

/// The event codes of the Informs that the ACS got.
fn events(acs: &Acs) -> Vec<Vec<String>> {
    let codes = |inform: &cwmp_codec::Inform| inform.events.iter().map(|event| event.code.clone()).collect();
    acs.state().informs.iter().map(codes).collect()
}
