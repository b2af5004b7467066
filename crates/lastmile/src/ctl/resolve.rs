//! Which device is meant: an id, a serial number, or a part of an id that only one device has.

use acs_types::DeviceId;
use serde_json::Value;

use super::client::{Client, ListOptions, Query};
use super::exit::Failure;
use super::output;

/// Devices that are named when several are meant.
const CANDIDATES_MAX: usize = 10;

/// The device that `text` means, as the API shows it.
pub(super) async fn device(client: &Client, text: &str) -> Result<Value, Failure> {
    if text.parse::<DeviceId>().is_ok() {
        match client.get(&["devices", text], &Query::new()).await {
            Err(Failure::NotFound(_)) => {}
            other => return other,
        }
    }
    for field in ["serial_number", "text"] {
        let query = vec![(field, text.to_owned())];
        let found = client.list(&["devices"], &query, &ListOptions::first(CANDIDATES_MAX as u32 + 1)).await?;
        if let Some(device) = only(text, found.items)? {
            return Ok(device);
        }
    }
    Err(Failure::NotFound(format!("there is no device `{text}`; `lastmile ctl devices` lists them")))
}

/// The id of the device that `text` means.
pub(super) async fn device_id(client: &Client, text: &str) -> Result<String, Failure> {
    Ok(output::text(&device(client, text).await?, "id"))
}

/// As [`device_id`], for what is kept after a device was deleted: its history is found by the whole id.
pub(super) async fn device_id_in_history(client: &Client, text: &str) -> Result<String, Failure> {
    let missing = match device_id(client, text).await {
        Err(Failure::NotFound(missing)) if text.parse::<DeviceId>().is_ok() => Failure::NotFound(missing),
        other => return other,
    };
    for history in ["sessions", "tasks"] {
        let path = ["devices", text, history];
        if !client.list(&path, &Query::new(), &ListOptions::first(1)).await?.items.is_empty() {
            return Ok(text.to_owned());
        }
    }
    Err(missing)
}

/// The one device that was found, if there is one.
fn only(text: &str, mut found: Vec<Value>) -> Result<Option<Value>, Failure> {
    if found.len() < 2 {
        return Ok(found.pop());
    }
    let more = if found.len() > CANDIDATES_MAX { "\n  and more" } else { "" };
    let ids: Vec<String> = found.iter().take(CANDIDATES_MAX).map(|device| output::text(device, "id")).collect();
    Err(Failure::NotFound(format!("`{text}` may mean several devices; name one:\n  {}{more}", ids.join("\n  "))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(count: usize) -> Vec<Value> {
        (1..=count).map(|i| json!({"id": format!("00AABB-IGD-{i}")})).collect()
    }

    #[test]
    fn one_device_is_taken_and_none_is_none() {
        assert_eq!(only("x", found(1)).unwrap().unwrap()["id"], "00AABB-IGD-1");
        assert!(only("x", found(0)).unwrap().is_none());
    }

    #[test]
    fn several_devices_are_named() {
        let failure = only("IGD", found(2)).unwrap_err();
        assert_eq!(failure.code(), 3);
        let text = failure.to_string();
        assert_eq!(text, "`IGD` may mean several devices; name one:\n  00AABB-IGD-1\n  00AABB-IGD-2");
    }

    #[test]
    fn at_most_ten_candidates_are_named() {
        let text = only("IGD", found(CANDIDATES_MAX)).unwrap_err().to_string();
        assert!(text.ends_with("00AABB-IGD-10"), "{text}");
        let text = only("IGD", found(CANDIDATES_MAX + 1)).unwrap_err().to_string();
        assert!(text.ends_with("00AABB-IGD-10\n  and more"), "{text}");
    }
}
