use acs_store::{Objects, ObjectsPatch, UpsertObject};
use acs_types::{ObjectRecord, ParameterRecord, SessionStamp};
use cwmp_model::{ParameterPath, Timestamp, Value as CwmpValue};
use serde_json::{Value, json};

use crate::bench::Bench;

/// A device with the access point and the rows 2 and 10 of its SSIDs.
pub(crate) async fn with_tree() -> (Bench, String) {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    let object = |path: &str, parameters: &[(&str, &str)]| {
        let parameters = parameters.iter().map(|(name, text)| ParameterRecord {
            name: (*name).into(),
            writable: Some(true),
            value: Some(CwmpValue::string(*text)),
            value_at: Timestamp::from_seconds(1),
            secret: *name == "Marked",
        });
        let path = ParameterPath::new(path).unwrap();
        let object = ObjectRecord { path, writable: Some(true), named_at: None, parameters: parameters.collect() };
        UpsertObject { object, complete: true }
    };
    let upsert = vec![
        object("Device.", &[]),
        object("Device.WiFi.SSID.10.", &[("Enable", "1"), ("SSID", "ten")]),
        object("Device.WiFi.SSID.2.", &[("Enable", "0"), ("SSID", "two")]),
        object("Device.WiFi.AccessPoint.1.Security.", &[("KeyPassphrase", "canary"), ("Marked", "canary")]),
    ];
    let patch = ObjectsPatch { stamp: SessionStamp::from_micros(1), upsert, ..ObjectsPatch::default() };
    bench.store.patch_objects(&device, patch).await.unwrap();
    (bench, format!("/devices/{device}"))
}

fn paths(json: &Value) -> Vec<&str> {
    json["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn parameters_are_listed_in_natural_order() {
    let (bench, device) = with_tree().await;
    let all = [
        "Device.WiFi.AccessPoint.1.Security.KeyPassphrase",
        "Device.WiFi.AccessPoint.1.Security.Marked",
        "Device.WiFi.SSID.2.Enable",
        "Device.WiFi.SSID.2.SSID",
        "Device.WiFi.SSID.10.Enable",
        "Device.WiFi.SSID.10.SSID",
    ];
    let reply = bench.get(&format!("{device}/parameters")).await;
    assert_eq!(paths(&reply.json), all);
    let secret = &reply.json["items"][0];
    assert_eq!((&secret["secret"], &secret["value"], &secret["type"]), (&json!(true), &json!(null), &json!("string")));
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = bench.get(&format!("{device}/parameters?limit=4{after}")).await;
        seen.extend(paths(&page.json).into_iter().map(str::to_owned));
        match page.json["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_part_of_the_parameters_is_listed() {
    let (bench, device) = with_tree().await;
    for (path, count) in [
        ("Device.WiFi.SSID.", 4),
        ("Device.WiFi.SSID.2.", 2),
        ("Device.WiFi.SSID.2.SSID", 1),
        ("Device.WiFi.SSID.2", 0),
        ("Device.Nothing.", 0),
        ("Device.Nothing", 0),
    ] {
        let reply = bench.get(&format!("{device}/parameters?path={path}")).await;
        assert_eq!(paths(&reply.json).len(), count, "{path}");
    }
    for query in ["path=Device..A", "path=a%20b", "after=AAAA", "limit=0"] {
        assert_eq!(bench.get(&format!("{device}/parameters?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(bench.get("/devices/0-1/parameters").await.status, 404);
}

#[tokio::test]
async fn the_tree_is_nested_as_deep_as_asked() {
    let (bench, device) = with_tree().await;
    let reply = bench.get(&format!("{device}/tree")).await;
    assert_eq!(reply.status, 200);
    let wifi = &reply.json["objects"][0]["objects"][0];
    assert_eq!(
        (&wifi["path"], &wifi["name"], &wifi["writable"]),
        (&json!("Device.WiFi."), &json!("WiFi"), &json!(null))
    );
    let rows = &wifi["objects"][1]["objects"];
    assert_eq!((&rows[0]["name"], &rows[1]["name"]), (&json!("2"), &json!("10")));
    assert_eq!(rows[1]["parameters"][1]["value"], "ten");
    let flat = bench.get(&format!("{device}/tree?path=Device.WiFi.&depth=0")).await;
    assert_eq!((&flat.json["objects"], &flat.json["objects_below"]), (&json!([]), &json!(2)));
    for query in ["depth=65", "depth=x", "path=Device.WiFi", "path=Device..", "x=1"] {
        assert_eq!(bench.get(&format!("{device}/tree?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(bench.get(&format!("{device}/tree?path=Device.No.")).await.status, 404);
    assert_eq!(bench.get("/devices/0-1/tree").await.status, 404);
}

#[tokio::test]
async fn names_are_completed() {
    let bench = Bench::new().await;
    let reply = bench.get("/catalogue/complete?prefix=Device.WiFi.ssid").await;
    assert_eq!(
        reply.json["items"][0],
        json!({
            "path": "Device.WiFi.SSID.", "kind": "table", "type": null, "writable": true
        })
    );
    let roots = bench.get("/catalogue/complete").await;
    assert_eq!(paths(&roots.json), ["InternetGatewayDevice.", "Device."]);
    let enable = bench.get("/catalogue/complete?prefix=Device.WiFi.SSID.1.Enable&limit=1").await;
    assert_eq!(
        (&enable.json["items"][0]["kind"], &enable.json["items"][0]["type"]),
        (&json!("parameter"), &json!("boolean"))
    );
    assert_eq!(bench.get("/catalogue/complete?limit=1001").await.status, 400);
    assert_eq!(paths(&bench.get("/catalogue/complete?prefix=Nothing").await.json).len(), 0);
}
