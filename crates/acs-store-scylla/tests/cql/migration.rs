//! [`acs_store_scylla::migrate()`] and what `open` says of a schema that is not this program's.

use std::collections::BTreeMap;
use std::sync::Arc;

use acs_proto::records::Unsealed;
use acs_store::Devices;
use acs_store::contract::sample::{device, first_patch};
use acs_store_scylla::{CqlTls, OpenError, Product, Replication, ScyllaConfig, ScyllaStore, migrate};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::support::{config, unique};

/// A keyspace of its own, which goes at the end.
struct Keyspace {
    config: ScyllaConfig,
    session: Session,
}

impl Keyspace {
    async fn new() -> Option<Self> {
        let config = ScyllaConfig { keyspace: unique("m"), ..config()? };
        let session = SessionBuilder::new().known_nodes(&config.contact_points).build().await.unwrap();
        Some(Self { config, session })
    }

    async fn query(&self, text: &str) {
        let text = text.replace("{ks}", &self.config.keyspace);
        self.session.query_unpaged(text, ()).await.unwrap();
    }

    async fn open(&self) -> Result<ScyllaStore, OpenError> {
        ScyllaStore::open(self.config.clone(), Arc::new(Unsealed)).await
    }

    async fn end(self) {
        self.query("DROP KEYSPACE IF EXISTS {ks}").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_once_by_several_at_once_and_kept_by_the_next() {
    let Some(keyspace) = Keyspace::new().await else { return };
    assert!(matches!(keyspace.open().await, Err(OpenError::NotMigrated { .. })), "nothing is there");
    let config = &keyspace.config;
    let (one, other) = futures::join!(migrate(config), migrate(config));
    let (one, other) = (one.unwrap(), other.unwrap());
    let mut before = [one.version_before, other.version_before];
    before.sort_unstable();
    assert_eq!(before, [0, one.version], "one did it, the other waited");
    assert!(one.replication.contains("replication_factor: "), "{}", one.replication);
    keyspace.open().await.unwrap().patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    let again = migrate(config).await.unwrap();
    assert_eq!((again.version_before, again.version), (one.version, one.version));
    assert_eq!(keyspace.open().await.unwrap().count_devices().await.unwrap(), 1, "nothing was lost");
    keyspace.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_refused_and_says_what_to_do() {
    let Some(keyspace) = Keyspace::new().await else { return };
    let version = migrate(&keyspace.config).await.unwrap().version;
    keyspace.query(&format!("UPDATE {{ks}}.schema_version SET version = {} WHERE id = 'lastmile'", version + 1)).await;
    let newer = keyspace.open().await.expect_err("a newer schema");
    assert!(
        matches!(newer, OpenError::Newer { found, known, .. } if (found, known) == (version + 1, version)),
        "{newer}"
    );
    let newer = migrate(&keyspace.config).await.expect_err("a newer schema");
    assert!(matches!(newer, OpenError::Newer { .. }), "{newer}");
    keyspace.query("DELETE version FROM {ks}.schema_version WHERE id = 'lastmile'").await;
    let missing = keyspace.open().await.expect_err("a migration that did not come to its end");
    assert!(missing.to_string().contains("lastmile migrate"), "{missing}");
    assert_eq!(migrate(&keyspace.config).await.unwrap().version, version, "the migration goes on from what is there");
    keyspace.open().await.unwrap();
    keyspace.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_by_data_centre() {
    let Some(mut keyspace) = Keyspace::new().await else { return };
    let state = keyspace.session.get_cluster_state();
    let datacenter = state.get_nodes_info()[0].datacenter.clone().unwrap();
    keyspace.config.replication = Replication::Datacenters(BTreeMap::from([(datacenter.clone(), 1)]));
    keyspace.config.local_datacenter = Some(datacenter.clone());
    let report = migrate(&keyspace.config).await.unwrap();
    assert!(report.replication.contains(&format!("{datacenter}: 1")), "{}", report.replication);
    let elsewhere = ScyllaConfig { local_datacenter: Some("elsewhere".into()), ..keyspace.config.clone() };
    let refused = ScyllaStore::open(elsewhere, Arc::new(Unsealed)).await.expect_err("no such data centre");
    assert!(matches!(refused, OpenError::Datacenter { .. }) && refused.to_string().contains(&datacenter), "{refused}");
    assert_eq!(
        report.product.to_string(),
        if report.product == Product::ScyllaDb { "ScyllaDB" } else { "Apache Cassandra" }
    );
    keyspace.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_an_error_that_names_the_addresses() {
    let nobody = ScyllaConfig::new(vec!["127.0.0.1:1".into()], "nobody");
    let error = migrate(&nobody).await.expect_err("nobody listens on port 1");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tls_with_the_right_authority_only() {
    let Some(plain) = config() else { return };
    let Ok(ca) = std::env::var("LASTMILE_TEST_CA") else {
        eprintln!("skipped: LASTMILE_TEST_CA is not set; `cargo xtask services status` prints it");
        return;
    };
    crate::support::migrated(&plain).await;
    let by = |ca: std::path::PathBuf| {
        let tls = Some(CqlTls { ca, client: None });
        ScyllaStore::open(ScyllaConfig { tls, ..plain.clone() }, Arc::new(Unsealed))
    };
    let store = by(ca.into()).await.unwrap();
    store.patch_summary(&device(1), first_patch(1, 10)).await.unwrap();
    assert_eq!(store.count_devices().await.unwrap(), 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let refused = by(file).await.expect_err("no authority");
    assert!(matches!(refused, OpenError::Config(_)), "{refused}");
}
