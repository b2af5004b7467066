//! Requirements of the CWMP list that the projection holds, each by its number.
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use acs_store::{Devices, History, Objects};
use acs_types::{EventBody, EventId, EventRecord, PageRequest};
use cwmp_model::{ParameterValue, Value};
use support::*;

async fn value(world: &World, object: &str, leaf: &str) -> Option<Value> {
    let object = world.store.object(&id(1), &path(object)).await.unwrap()?;
    object.parameters.into_iter().find(|p| p.name == leaf)?.value
}

fn with(mut record: EventRecord, values: &[(&str, &str)], retry_count: u32) -> EventRecord {
    let EventBody::Inform(inform) = &mut record.body else { panic!("{record:?}") };
    let told = |(name, text): &(&str, &str)| ParameterValue { name: path(name), value: Value::string(*text) };
    inform.parameters.extend(values.iter().map(told));
    inform.retry_count = retry_count;
    record
}

#[tokio::test]
async fn cwmp_188_a_value_change_brings_every_value_of_its_inform() {
    let world = World::new();
    let before = [("Device.LAN.IPAddress", "192.0.2.1"), ("Device.LAN.Untold", "kept")];
    world.append(&[with(inform(1, 1, &["1 BOOT"], "1.0", "up"), &before, 0)]).await;
    let after = [("Device.LAN.IPAddress", "192.0.2.9"), ("Device.WiFi.SSID.1.SSID", "home"), ("Device.X_New.A", "1")];
    world.append(&[with(inform(1, 2, &["4 VALUE CHANGE"], "1.0", "down"), &after, 0)]).await;
    world.run().await;
    for (object, leaf, text) in [
        ("Device.LAN.", "IPAddress", "192.0.2.9"),
        ("Device.LAN.", "Untold", "kept"),
        ("Device.WiFi.SSID.1.", "SSID", "home"),
        ("Device.X_New.", "A", "1"),
        ("Device.X_Acme.", "State", "down"),
    ] {
        assert_eq!(value(&world, object, leaf).await, Some(Value::string(text)), "CWMP-188: {object}{leaf}");
    }
}

#[tokio::test]
async fn cwmp_178_an_inform_that_is_repeated_counts_once() {
    let world = World::new();
    let events = ["0 BOOTSTRAP", "1 BOOT", "4 VALUE CHANGE"];
    world.append(&[inform(1, 1, &events, "1.0", "up"), transfer(1, 1, 9010), ended(1, 1)]).await;
    world.run().await;
    let first = world.store.summary(&id(1)).await.unwrap().unwrap();
    // The session before did not end well: the same again, in a session of its own.
    world.append(&[with(inform(1, 2, &events, "1.0", "up"), &[], 1), transfer(1, 2, 9010), ended(1, 2)]).await;
    world.run().await;
    let again = world.store.summary(&id(1)).await.unwrap().unwrap();
    assert_eq!((again.first_seen, again.last_inform), (first.first_seen, at(2)), "CWMP-178");
    let changes = world.changes();
    let count = |name: &str| changes.iter().filter(|change| *change == name).count();
    assert_eq!((count("first_seen"), count("firmware_changed")), (1, 0), "CWMP-178: {changes:?}");
    assert_eq!(value(&world, "Device.X_Acme.", "State").await, Some(Value::string("up")));
    // The very same records once more, as a log may deliver them: nothing more.
    let state = world.state().await;
    let copies = [with(inform(1, 2, &events, "1.0", "up"), &[], 1), transfer(1, 2, 9010), ended(1, 2)];
    world.append(&copies).await;
    world.run().await;
    assert_eq!(world.state().await, state, "CWMP-178");
    assert_eq!(world.changes(), changes, "CWMP-178");
    assert_eq!(world.store.faults(Some(&id(1)), &PageRequest::first(9)).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn cwmp_341_only_the_software_version_tells_new_firmware() {
    let world = World::new();
    world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up")]).await;
    let done = ["7 TRANSFER COMPLETE", "M Download", "1 BOOT"];
    world.append(&[inform(1, 2, &done, "1.0", "up"), transfer(1, 2, 0)]).await;
    world.run().await;
    let version = || async { world.store.summary(&id(1)).await.unwrap().unwrap().software_version };
    assert_eq!(version().await, "1.0", "CWMP-341: transferred and booted, and the firmware is the old one");
    assert!(!world.changes().contains(&"firmware_changed".to_owned()), "CWMP-341: {:?}", world.changes());
    let mut silent = inform(1, 3, &["1 BOOT"], "2.0", "up");
    if let EventBody::Inform(inform) = &mut silent.body {
        inform.parameters.clear();
    }
    world.append(&[silent]).await;
    world.run().await;
    assert_eq!(version().await, "1.0", "CWMP-341: nothing was told");
    let mut changed = inform(1, 4, &["2 PERIODIC"], "2.0", "up");
    changed.event_id = EventId::from_bytes([4; 16]);
    world.append(&[changed]).await;
    world.run().await;
    assert_eq!(version().await, "2.0", "CWMP-341");
    assert_eq!(world.changes().iter().filter(|change| *change == "firmware_changed").count(), 1, "CWMP-341");
}
