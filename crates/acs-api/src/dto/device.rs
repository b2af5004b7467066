use acs_proto::WakeOutcome;
use acs_types::{DeviceSummary, RefusedInform, SessionId, Task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TimeDto;

/// A device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device, example = json!({
    "id": "00AABB-IGD-000001", "tenant": "default", "subscriber_id": "customer-4711", "manufacturer": "Acme",
    "oui": "00AABB", "product_class": "IGD", "serial_number": "000001", "root": "Device.", "software_version": "2.1",
    "hardware_version": "A", "provisioning_code": "", "connection_request_url": "http://192.0.2.1:7547/cr",
    "parameter_key": "", "cwmp_version": "1.2", "remote_address": "192.0.2.1", "auth": "device",
    "first_seen": "2026-01-01T12:00:00.000000Z", "last_inform": "2026-01-31T12:00:00.000000Z",
    "last_events": ["2 PERIODIC"], "last_boot": null, "last_bootstrap": "2026-01-01T12:00:00.000000Z",
    "last_session": "000102030405060708090a0b0c0d0e0f", "discovered_at": null,
}))]
pub(crate) struct DeviceDto {
    /// Its id: `OUI-ProductClass-SerialNumber`, each percent-encoded. In URLs `%` is written `%25`.
    #[schema(example = "00AABB-IGD-000001")]
    id: String,
    tenant: String,
    /// The subscriber it is assigned to; empty: none.
    subscriber_id: String,
    manufacturer: String,
    #[schema(example = "00AABB")]
    oui: String,
    product_class: String,
    serial_number: String,
    /// The root object of its data model; empty: not known yet.
    #[schema(example = "Device.")]
    root: String,
    software_version: String,
    hardware_version: String,
    provisioning_code: String,
    /// Where the device said it listens for connection requests.
    connection_request_url: String,
    /// The ParameterKey it last reported.
    parameter_key: String,
    /// `1.0` to `1.4`.
    #[schema(example = "1.2")]
    cwmp_version: String,
    /// Where its last session came from.
    remote_address: Option<String>,
    /// How it proved who it is: `open`, `shared`, `device`, `certificate`.
    auth: String,
    first_seen: TimeDto,
    last_inform: TimeDto,
    /// The event codes of the last Inform.
    #[schema(example = json!(["2 PERIODIC"]))]
    last_events: Vec<String>,
    last_boot: Option<TimeDto>,
    last_bootstrap: Option<TimeDto>,
    last_session: String,
    /// When its whole tree was last read.
    discovered_at: Option<TimeDto>,
}

impl From<DeviceSummary> for DeviceDto {
    fn from(device: DeviceSummary) -> Self {
        Self {
            id: device.id.to_string(),
            tenant: device.tenant.to_string(),
            subscriber_id: device.subscriber_id,
            manufacturer: device.identity.manufacturer,
            oui: device.identity.oui,
            product_class: device.identity.product_class,
            serial_number: device.identity.serial_number,
            root: device.root.to_string(),
            software_version: device.software_version,
            hardware_version: device.hardware_version,
            provisioning_code: device.provisioning_code,
            connection_request_url: without_user_information(&device.connection_request_url),
            parameter_key: device.parameter_key,
            cwmp_version: device.cwmp_version,
            remote_address: device.remote.map(|address| address.to_string()),
            auth: device.auth.as_str().to_owned(),
            first_seen: device.first_seen.into(),
            last_inform: device.last_inform.into(),
            last_events: device.last_events,
            last_boot: device.last_boot.map(TimeDto::from),
            last_bootstrap: device.last_bootstrap.map(TimeDto::from),
            last_session: device.last_session.to_string(),
            discovered_at: device.discovered_at.map(TimeDto::from),
        }
    }
}

/// A URL without `user:password@`, which some devices put into theirs (P26).
fn without_user_information(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// A device, and what happens on it now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceDetail)]
pub(crate) struct DeviceDetailDto {
    #[serde(flatten)]
    device: DeviceDto,
    /// The session it is in now; `null`: none.
    live_session: Option<String>,
    /// How many of its tasks are not final.
    open_tasks: usize,
}

impl DeviceDetailDto {
    pub(crate) fn new(device: DeviceSummary, live: Option<SessionId>, open: &[Task]) -> Self {
        Self { device: device.into(), live_session: live.map(|id| id.to_string()), open_tasks: open.len() }
    }
}

/// What may be changed of a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DevicePatch, example = json!({"subscriber_id": "customer-4711"}))]
pub(crate) struct DevicePatchDto {
    /// The subscriber it is assigned to; empty: none.
    #[schema(max_length = 128, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub(crate) subscriber_id: String,
}

/// What happened when a device was woken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wake, example = json!({"outcome": "accepted", "reason": null}))]
pub(crate) struct WakeDto {
    /// `accepted`, `busy`, `not_sent`, `refused`, `wrong_credentials`, `unreachable`.
    outcome: String,
    /// More about it, for people.
    reason: Option<String>,
}

impl From<WakeOutcome> for WakeDto {
    fn from(outcome: WakeOutcome) -> Self {
        let name = outcome.as_str().to_owned();
        let reason = match outcome {
            WakeOutcome::NotSent { reason } | WakeOutcome::Refused { reason } | WakeOutcome::Unreachable { reason } => {
                Some(reason)
            }
            WakeOutcome::Accepted | WakeOutcome::Busy | WakeOutcome::WrongCredentials => None,
        };
        Self { outcome: name, reason }
    }
}

/// An Inform that was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedInform)]
pub(crate) struct RefusedInformDto {
    at: TimeDto,
    remote_address: Option<String>,
    /// Who it said it was.
    manufacturer: String,
    oui: String,
    product_class: String,
    serial_number: String,
    /// The user name it sent; empty: none.
    username: String,
    /// `unknown_user`, `wrong_password`, `other_device`, `basic_without_tls`, `rate_limited`.
    #[schema(example = "wrong_password")]
    reason: String,
}

impl From<RefusedInform> for RefusedInformDto {
    fn from(refused: RefusedInform) -> Self {
        Self {
            at: refused.at.into(),
            remote_address: refused.remote.map(|address| address.to_string()),
            manufacturer: refused.identity.manufacturer,
            oui: refused.identity.oui,
            product_class: refused.identity.product_class,
            serial_number: refused.identity.serial_number,
            username: refused.username,
            reason: refused.reason.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_passwords() {
        // P26
        assert_eq!(without_user_information("http://u:canary@192.0.2.1:7547/x"), "http://192.0.2.1:7547/x");
        assert_eq!(without_user_information("http://u:c@n@host"), "http://host");
        for same in ["http://192.0.2.1/a@b", "not a url", ""] {
            assert_eq!(without_user_information(same), same);
        }
    }
}
