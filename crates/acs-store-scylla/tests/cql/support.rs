//! Stores for tests: one keyspace, a tenant for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use acs_proto::records::Unsealed;
use acs_store_scylla::{Replication, Retention, ScyllaConfig, ScyllaStore, migrate};
use tokio::sync::OnceCell;

/// Where the tests find a CQL server.
pub(crate) fn contact_points() -> Vec<String> {
    let points = std::env::var("LASTMILE_TEST_CQL").unwrap_or_else(|_| "127.0.0.1:19042".into());
    points.split(',').map(str::to_owned).collect()
}

pub(crate) fn config() -> ScyllaConfig {
    ScyllaConfig {
        replication: Replication::Simple(1),
        retention: Retention::FOR_EVER,
        tenant: tenant().parse().unwrap(),
        ..ScyllaConfig::new(contact_points(), "lastmile_test")
    }
}

/// One that no other test has, nor had before.
fn tenant() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("t{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A store of a tenant of its own.
pub(crate) async fn fresh() -> (ScyllaStore, ()) {
    (open(config()).await, ())
}

pub(crate) async fn open(config: ScyllaConfig) -> ScyllaStore {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    MIGRATED.get_or_init(async || { migrate(&config).await.unwrap(); }).await;
    ScyllaStore::open(config, Arc::new(Unsealed)).await.unwrap()
}
