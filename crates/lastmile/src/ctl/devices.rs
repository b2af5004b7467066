//! Devices: which there are, what is known of one, waking and forgetting it.

use serde_json::Value;

use super::client::{ListOptions, Query};
use super::exit::Failure;
use super::output::{Column, NONE, text, time};
use super::{Ctl, resolve};

/// Which devices.
#[derive(Debug, clap::Args)]
pub(super) struct DevicesArgs {
    /// The serial number, exactly.
    #[arg(long)]
    serial: Option<String>,
    /// The OUI, exactly.
    #[arg(long)]
    oui: Option<String>,
    /// The product class, exactly.
    #[arg(long)]
    product_class: Option<String>,
    /// The software version, exactly.
    #[arg(long)]
    software: Option<String>,
    /// The subscriber, exactly.
    #[arg(long)]
    subscriber: Option<String>,
    /// A part of id, manufacturer, product class, serial number or address.
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

const COLUMNS: [Column; 6] = [
    Column::new("ID", |device| text(device, "id")),
    Column::wrapping("MANUFACTURER", |device| text(device, "manufacturer")),
    Column::wrapping("SOFTWARE", |device| text(device, "software_version")),
    Column::new("LAST INFORM", |device| time(device, "last_inform")),
    Column::wrapping("EVENTS", |device| text(device, "last_events")),
    Column::wrapping("ADDRESS", |device| text(device, "remote_address")),
];

/// `devices`
pub(super) async fn list(ctl: &Ctl, args: DevicesArgs) -> Result<(), Failure> {
    let filters = [
        ("serial_number", args.serial),
        ("oui", args.oui),
        ("product_class", args.product_class),
        ("software_version", args.software),
        ("subscriber_id", args.subscriber),
        ("text", args.text),
    ];
    let query: Query = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let devices = ctl.client.list(&["devices"], &query, &args.list).await?;
    ctl.out.list(&devices, &COLUMNS)
}

/// `device`
pub(super) async fn show(ctl: &Ctl, device: &str) -> Result<(), Failure> {
    let id = resolve::device_id(&ctl.client, device).await?;
    let device = ctl.client.get(&["devices", &id], &Query::new()).await?;
    if ctl.out.is_json() { ctl.out.json(&device) } else { ctl.out.facts(&facts(&device)) }
}

fn facts(device: &Value) -> Vec<(&'static str, String)> {
    let as_text = |name, key| (name, text(device, key));
    let as_time = |name, key| (name, time(device, key));
    vec![
        as_text("device", "id"),
        as_text("subscriber", "subscriber_id"),
        as_text("manufacturer", "manufacturer"),
        as_text("OUI", "oui"),
        as_text("product class", "product_class"),
        as_text("serial number", "serial_number"),
        as_text("software version", "software_version"),
        as_text("hardware version", "hardware_version"),
        as_text("provisioning code", "provisioning_code"),
        as_text("data model", "root"),
        as_text("CWMP version", "cwmp_version"),
        as_text("address", "remote_address"),
        as_text("connection requests to", "connection_request_url"),
        as_text("proved by", "auth"),
        as_text("parameter key", "parameter_key"),
        as_time("first seen", "first_seen"),
        as_time("last inform", "last_inform"),
        as_text("last events", "last_events"),
        as_time("last boot", "last_boot"),
        as_time("last bootstrap", "last_bootstrap"),
        as_time("tree read", "discovered_at"),
        as_text("last session", "last_session"),
        as_text("live session", "live_session"),
        as_text("open tasks", "open_tasks"),
        as_text("tenant", "tenant"),
    ]
}

/// `forget`
pub(super) async fn forget(ctl: &Ctl, device: &str, yes: bool) -> Result<(), Failure> {
    let id = resolve::device_id(&ctl.client, device).await?;
    if !yes {
        let what = "its parameters and credentials are deleted, its open tasks cancelled";
        return Err(Failure::Usage(format!("to forget {id} add --yes: {what}; its history stays")));
    }
    ctl.client.delete(&["devices", &id]).await?;
    ctl.done(&format!("{id} is forgotten"), &serde_json::json!({"id": id, "deleted": true}))
}

/// `wake`
pub(super) async fn wake(ctl: &Ctl, device: &str) -> Result<(), Failure> {
    let id = resolve::device_id(&ctl.client, device).await?;
    let wake = ctl.client.act(&["devices", &id, "wake"]).await?;
    let outcome = text(&wake, "outcome");
    let told = match text(&wake, "reason").as_str() {
        NONE => outcome.clone(),
        reason => format!("{outcome}: {reason}"),
    };
    if matches!(outcome.as_str(), "accepted" | "busy") {
        return ctl.done(&told, &wake);
    }
    if ctl.out.is_json() {
        ctl.out.json(&wake)?;
    }
    Err(Failure::NotDone(format!("{id} was not woken: {told}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every field that the API documents for a device is shown.
    #[test]
    fn all_known_facts_are_shown() {
        let document: Value = serde_json::from_str(&acs_api::openapi_json()).unwrap();
        let schema = &document["components"]["schemas"];
        let fields: BTreeSet<&str> =
            schema["Device"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let device: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), Value::from(format!("({field})")))).collect();
        let shown: BTreeSet<String> = facts(&Value::Object(device)).into_iter().map(|(_, value)| value).collect();
        let missing: Vec<_> = fields.iter().filter(|field| !shown.contains(&format!("({field})"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
