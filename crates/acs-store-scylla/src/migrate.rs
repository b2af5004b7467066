//! `lastmile migrate`: makes keyspace and tables, or brings them to this program's version.

use std::fmt;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::statement::unprepared::Statement;
use scylla::value::{CqlValue, Row};

use crate::config::{Replication, ScyllaConfig};
use crate::connect::connect;
use crate::error::OpenError;
use crate::schema;

/// How long changes of the schema may take, each.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Whoever migrates says so for this long, and again at each statement. Longer than one may take.
const LOCK_SECONDS: i32 = 180;
/// How long another process may migrate before this one gives up.
const WAIT_MAX: Duration = Duration::from_secs(300);
const WAIT_STEP: Duration = Duration::from_millis(250);
/// The one row of `schema_version`.
const ROW: &str = "lastmile";

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who answers.
    pub product: Product,
    /// The keyspace.
    pub keyspace: String,
    /// Its replication as the cluster says it.
    pub replication: String,
    /// The version before; 0: there was none.
    pub version_before: i32,
    /// The version now.
    pub version: i32,
}

/// Who answers to CQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Apache Cassandra.
    Cassandra,
    /// ScyllaDB.
    ScyllaDb,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cassandra => "Apache Cassandra",
            Self::ScyllaDb => "ScyllaDB",
        })
    }
}

/// Makes what is missing of keyspace and tables. May be run again, and by several processes at once: one does the work, the
/// others wait. A schema of a newer program is refused.
///
/// # Errors
/// What was done before an error stays and is gone on from.
pub async fn migrate(config: &ScyllaConfig) -> Result<Report, OpenError> {
    let session = connect(config).await?;
    let product = product(&session).await?;
    create_keyspace(&session, config, product).await?;
    use_keyspace(&session, config).await?;
    change(&session, &schema::SCHEMA_VERSION.replace("{ks}", &config.keyspace)).await?;
    let me = format!("{:016x}", rand::random::<u64>());
    lock(&session, &me).await?;
    let migrated = bring_up(&session, config, &me).await;
    unlock(&session, &me).await?;
    let version_before = migrated?;
    let replication = replication(&session, &config.keyspace).await?;
    Ok(Report { product, keyspace: config.keyspace.clone(), replication, version_before, version: schema::VERSION })
}

/// Enters the keyspace, if it has this program's schema.
pub(crate) async fn enter(session: &Session, config: &ScyllaConfig) -> Result<(), OpenError> {
    let keyspace = config.keyspace.clone();
    let statement =
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'schema_version'";
    if rows(session, "looking for the schema", statement, (&keyspace,)).await?.is_empty() {
        return Err(OpenError::NotMigrated { keyspace });
    }
    use_keyspace(session, config).await?;
    match version(session).await? {
        0 => Err(OpenError::NotMigrated { keyspace }),
        found if found < schema::VERSION => Err(OpenError::Older { keyspace, found, wanted: schema::VERSION }),
        found if found > schema::VERSION => Err(OpenError::Newer { keyspace, found, known: schema::VERSION }),
        _ => Ok(()),
    }
}

async fn use_keyspace(session: &Session, config: &ScyllaConfig) -> Result<(), OpenError> {
    session.use_keyspace(&config.keyspace, false).await.map_err(|error| failed("entering the keyspace", &error))
}

/// Makes the tables of all versions that are not there; the version before.
async fn bring_up(session: &Session, config: &ScyllaConfig, me: &str) -> Result<i32, OpenError> {
    let before = version(session).await?;
    if before > schema::VERSION {
        return Err(OpenError::Newer { keyspace: config.keyspace.clone(), found: before, known: schema::VERSION });
    }
    let done = usize::try_from(before).unwrap_or(0);
    for (number, tables) in (1_i32..).zip(schema::VERSIONS).skip(done) {
        for table in *tables {
            change(session, &table.replace("{ks}", &config.keyspace)).await?;
            renew(session, me).await?;
        }
        let statement = "UPDATE schema_version SET version = ? WHERE id = ? IF migrating = ?";
        if !conditional(session, "noting the version", statement, (number, ROW, me)).await? {
            return Err(lost_lock());
        }
    }
    Ok(before)
}

async fn product(session: &Session) -> Result<Product, OpenError> {
    let is_scylla = has_system_table(session, "scylla_local").await?;
    Ok(if is_scylla { Product::ScyllaDb } else { Product::Cassandra })
}

async fn has_system_table(session: &Session, table: &str) -> Result<bool, OpenError> {
    let statement = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' AND table_name = ?";
    Ok(!rows(session, "asking which product answers", statement, (table,)).await?.is_empty())
}

async fn create_keyspace(session: &Session, config: &ScyllaConfig, product: Product) -> Result<(), OpenError> {
    let replication = match &config.replication {
        Replication::Simple(copies) => format!("'class': 'SimpleStrategy', 'replication_factor': {copies}"),
        Replication::Datacenters(all) => {
            let each = all.iter().map(|(name, copies)| format!(", '{name}': {copies}"));
            format!("'class': 'NetworkTopologyStrategy'{}", each.collect::<String>())
        }
    };
    // Conditional writes do not work with tablets in every release that has them.
    let has_tablets = product == Product::ScyllaDb && has_system_table(session, "tablets").await?;
    let tablets = if has_tablets { " AND tablets = {'enabled': false}" } else { "" };
    let keyspace = &config.keyspace;
    change(session, &format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{{replication}}}{tablets}"))
        .await
}

async fn replication(session: &Session, keyspace: &str) -> Result<String, OpenError> {
    let statement = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let found = rows(session, "reading the replication", statement, (keyspace,)).await?;
    let mut parts: Vec<String> = match found.into_iter().next().and_then(|mut row| row.columns.pop().flatten()) {
        Some(CqlValue::Map(parts)) => parts
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{}: {}", key.into_string()?, value.into_string()?)))
            .collect(),
        _ => Vec::new(),
    };
    parts.sort_unstable();
    Ok(parts.join(", "))
}

async fn version(session: &Session) -> Result<i32, OpenError> {
    let found = rows(session, "reading the version", "SELECT version FROM schema_version WHERE id = ?", (ROW,)).await?;
    match found.into_iter().next().and_then(|mut row| row.columns.pop().flatten()) {
        Some(CqlValue::Int(version)) => Ok(version),
        _ => Ok(0),
    }
}

/// Waits until nobody else migrates. The lock ends by itself if its holder dies.
async fn lock(session: &Session, me: &str) -> Result<(), OpenError> {
    let statement = "UPDATE schema_version USING TTL ? SET migrating = ? WHERE id = ? IF migrating = null";
    let started = tokio::time::Instant::now();
    while !conditional(session, "locking the schema", statement, (LOCK_SECONDS, me, ROW)).await? {
        if started.elapsed() > WAIT_MAX {
            let reason = "another process migrates for too long".to_owned();
            return Err(OpenError::Statement { doing: "locking the schema", reason });
        }
        tokio::time::sleep(WAIT_STEP).await;
    }
    Ok(())
}

async fn renew(session: &Session, me: &str) -> Result<(), OpenError> {
    let statement = "UPDATE schema_version USING TTL ? SET migrating = ? WHERE id = ? IF migrating = ?";
    match conditional(session, "keeping the lock", statement, (LOCK_SECONDS, me, ROW, me)).await? {
        true => Ok(()),
        false => Err(lost_lock()),
    }
}

async fn unlock(session: &Session, me: &str) -> Result<(), OpenError> {
    let statement = "DELETE migrating FROM schema_version WHERE id = ? IF migrating = ?";
    conditional(session, "unlocking the schema", statement, (ROW, me)).await.map(|_| ())
}

fn lost_lock() -> OpenError {
    OpenError::Statement {
        doing: "migrating",
        reason: "another process took over, because this one stood still".into(),
    }
}

/// One change of the schema, known to all nodes when it returns.
async fn change(session: &Session, text: &str) -> Result<(), OpenError> {
    let mut statement = Statement::new(text);
    statement.set_request_timeout(Some(CHANGE_TIMEOUT));
    statement.set_is_idempotent(true);
    session.query_unpaged(statement, ()).await.map_err(|error| failed("changing the schema", &error))?;
    session
        .await_schema_agreement()
        .await
        .map_err(|error| failed("waiting for all nodes to know the schema", &error))?;
    Ok(())
}

async fn rows(
    session: &Session,
    doing: &'static str,
    text: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<Vec<Row>, OpenError> {
    let statement = session.prepare(text).await.map_err(|error| failed(doing, &error))?;
    let result = session.execute_unpaged(&statement, values).await.map_err(|error| failed(doing, &error))?;
    let rows = result.into_rows_result().map_err(|error| failed(doing, &error))?;
    let rows = rows.rows::<Row>().map_err(|error| failed(doing, &error))?;
    rows.collect::<Result<_, _>>().map_err(|error| failed(doing, &error))
}

async fn conditional(
    session: &Session,
    doing: &'static str,
    text: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<bool, OpenError> {
    let statement = session.prepare(text).await.map_err(|error| failed(doing, &error))?;
    let result = session.execute_unpaged(&statement, values).await.map_err(|error| failed(doing, &error))?;
    crate::cql::applied(result).map_err(|error| failed(doing, &error))
}

fn failed(doing: &'static str, error: &dyn fmt::Display) -> OpenError {
    OpenError::Statement { doing, reason: error.to_string() }
}
