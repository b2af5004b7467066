//! Stores for tests: one keyspace, a tenant for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use acs_proto::records::Unsealed;
use acs_store_scylla::{Replication, Retention, ScyllaConfig, ScyllaStore, migrate};
use tokio::sync::OnceCell;

/// The CQL servers that all tests share; `None`, with a word about it, if there are none and none are asked for.
pub(crate) fn contact_points() -> Option<Vec<String>> {
    let named = std::env::var("LASTMILE_TEST_CQL").ok();
    let text = named.clone().unwrap_or_else(|| "127.0.0.1:19042".into());
    let points: Vec<String> = text.split(',').map(str::to_owned).collect();
    if points.iter().any(|point| is_there(point)) {
        return Some(points);
    }
    let wanted = named.is_some() || std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!wanted, "no CQL server at {text}; `cargo xtask services up` starts one");
    eprintln!("skipped: no CQL server at {text}; `cargo xtask services up` starts one");
    None
}

fn is_there(point: &str) -> bool {
    use std::net::{TcpStream, ToSocketAddrs};
    let Ok(mut addresses) = point.to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
}

/// A configuration with a tenant of its own, and patience: a machine that is busy fails no test about something else.
pub(crate) fn config() -> Option<ScyllaConfig> {
    let points = contact_points()?;
    let copies = if points.len() < 3 { 1 } else { 3 };
    Some(ScyllaConfig {
        replication: Replication::Simple(copies),
        retention: Retention::FOR_EVER,
        tenant: unique("t").parse().unwrap(),
        request_timeout: Duration::from_secs(10),
        ..ScyllaConfig::new(points, keyspace())
    })
}

/// A keyspace for each text of the schema: checkouts that work on it share the servers.
fn keyspace() -> String {
    let text = include_str!("../../src/schema.rs");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("lastmile_test_{hash:016x}")
}

/// A name that no other test has, nor had before.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("{prefix}{now}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A store of a tenant of its own.
pub(crate) async fn fresh() -> Option<(ScyllaStore, ScyllaConfig)> {
    let config = config()?;
    Some((open(&config).await, config))
}

/// A store as another process would open it.
pub(crate) async fn open(config: &ScyllaConfig) -> ScyllaStore {
    migrated(config).await;
    ScyllaStore::open(config.clone(), Arc::new(Unsealed)).await.unwrap()
}

pub(crate) async fn migrated(config: &ScyllaConfig) {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    let migrate = async || {
        migrate(config).await.unwrap();
    };
    MIGRATED.get_or_init(migrate).await;
}
