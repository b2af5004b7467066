//! P26: no plain secret reaches the driver.

use std::sync::Arc;

use acs_proto::records::SecretSeal;
use acs_store::contract::sample::commit;
use acs_store::contract::sample::{device, object, parameter, path, stamp, task};
use acs_store::{Credentials, Objects, ObjectsPatch, Tasks};
use acs_store_scylla::ScyllaStore;
use acs_types::{CpeCredential, Secret, SetValue, Task, TaskSpec};
use cwmp_model::Value;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::{CqlValue, Row};

use crate::support::{config, migrated};

const CANARY: &str = "canary-secret";

/// Turns each bit, so that nothing of the text is left.
struct TestSeal;

impl SecretSeal for TestSeal {
    fn seal(&self, plain: &str) -> Vec<u8> {
        plain.bytes().map(|byte| !byte).collect()
    }

    fn open(&self, sealed: &[u8]) -> Option<String> {
        String::from_utf8(sealed.iter().map(|byte| !byte).collect()).ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p26_secrets_are_sealed_in_every_table() {
    let Some(config) = config() else { return };
    migrated(&config).await;
    let store = ScyllaStore::open(config.clone(), Arc::new(TestSeal)).await.unwrap();
    let secret = || Secret::new(CANARY);
    let credential = CpeCredential {
        username: "cpe".into(),
        password: secret(),
        connection_request_password: secret(),
        pending_connection_request_password: secret(),
        ..CpeCredential::default()
    };
    store.put_credential(&device(1), Some(credential.clone())).await.unwrap();
    let mut read = object("Device.WiFi.", &[], false);
    read.object.parameters = vec![parameter("KeyPassphrase", None)];
    read.object.parameters[0].value = Some(Value::string(CANARY));
    read.object.parameters[0].secret = true;
    let patch = ObjectsPatch { stamp: stamp(10), upsert: vec![read], ..ObjectsPatch::default() };
    store.patch_objects(&device(1), patch).await.unwrap();
    let value = SetValue { path: path("Device.WiFi.KeyPassphrase"), kind: None, text: secret() };
    let set = Task { spec: TaskSpec::SetValues { values: vec![value] }, ..task(1, "set", 5) };
    store.commit(&device(1), commit([(None, set.clone())])).await.unwrap();

    assert_eq!(store.credential(&device(1)).await.unwrap(), Some(credential));
    assert_eq!(store.task(&device(1), &set.id).await.unwrap(), Some(set));
    let object = store.object(&device(1), &path("Device.WiFi.")).await.unwrap().unwrap();
    assert_eq!(object.parameters[0].value, Some(Value::string(CANARY)));
    let session = SessionBuilder::new().known_nodes(&config.contact_points).build().await.unwrap();
    for (table, column) in [("device", "record"), ("device_object", "record"), ("credential", "value")] {
        let text = format!("SELECT tenant, {column} FROM {}.{table}", config.keyspace);
        let rows = session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
        let mut seen = 0;
        for row in rows.rows::<Row>().unwrap() {
            let columns = row.unwrap().columns;
            let ours = columns[0] == Some(CqlValue::Text(config.tenant.to_string()));
            let Some(Some(CqlValue::Blob(bytes))) = columns.get(1).filter(|_| ours) else { continue };
            seen += 1;
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "plain in {table}");
        }
        assert!(seen > 0, "{table} has a row of this test");
    }
}
