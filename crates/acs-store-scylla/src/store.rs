use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_proto::records::{Record, SecretSeal};
use acs_store::{Error, Result};
use acs_types::DeviceId;
use cwmp_model::Timestamp;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::time::Instant;

use crate::config::{Retention, ScyllaConfig};
use crate::connect::connect;
use crate::cql::{Cql, Requests};
use crate::error::{OpenError, prepare_error};
use crate::history::Lists;
use crate::migrate;
use crate::statements::Statements;

/// Conditional writes of one process to one partition wait for each other here, which is cheaper than in the cluster.
/// Partitions share a lock by chance.
const LOCKS: usize = 1024;
/// How long a conditional write may go on trying, its waiting included.
const CONDITIONAL_MAX: Duration = Duration::from_secs(10);
/// Partitions remembered for a write of unknown outcome.
const UNSURE_MAX: usize = 10_000;
/// Devices remembered to stand in the index.
const INDEXED_MAX: usize = 100_000;
/// Windows of timers remembered to be noted: those of a month.
const TIMER_WINDOWS_MAX: usize = 300_000;

/// The store of one tenant on a CQL cluster. Cheap to clone.
#[derive(Clone)]
pub struct ScyllaStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) cql: Cql,
    pub(crate) s: Statements,
    pub(crate) tenant: String,
    pub(crate) seal: Arc<dyn SecretSeal>,
    pub(crate) retention: Retention,
    /// Devices whose next read has to end what may be under way.
    pub(crate) unsure: Cache<DeviceId, ()>,
    /// Devices that stand in the index since this process wrote them there.
    pub(crate) indexed: Cache<DeviceId, ()>,
    pub(crate) lists: Lists,
    /// Windows of timers, by shard, that are noted.
    pub(crate) timer_windows: Cache<(i16, i64), ()>,
    /// Where the dropping of history goes on, by the time before which it goes.
    pub(crate) drop_place: Mutex<HashMap<i64, String>>,
    /// The time of the last record of the audit log that this process appended.
    pub(crate) audited: AtomicI64,
    clock: Clock,
    locks: Vec<AsyncMutex<()>>,
}

/// Where the wall clock is read. It decides nothing but which timers are overdue, what is old and how audit records stand.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl ScyllaStore {
    /// Connects and prepares. `seal` hides secrets before they reach the driver.
    ///
    /// # Errors
    /// A schema that is missing, older or newer than this program's says so, and what to do.
    pub async fn open(config: ScyllaConfig, seal: Arc<dyn SecretSeal>) -> Result<Self, OpenError> {
        Self::open_with_clock(config, seal, Arc::new(system_time)).await
    }

    /// The same with another clock than the system's.
    ///
    /// # Errors
    /// As [`ScyllaStore::open`].
    pub async fn open_with_clock(
        config: ScyllaConfig,
        seal: Arc<dyn SecretSeal>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Result<Self, OpenError> {
        let session = connect(&config).await?;
        migrate::enter(&session, &config).await?;
        // Boxed: it holds a hundred statements.
        let s = Box::pin(Statements::prepare(&session)).await.map_err(prepare_error)?;
        let shared = Shared {
            cql: Cql::new(session, config.request_timeout),
            s,
            tenant: config.tenant.as_str().to_owned(),
            seal,
            retention: config.retention,
            unsure: Cache::new(UNSURE_MAX),
            indexed: Cache::new(INDEXED_MAX),
            lists: Lists::new(),
            timer_windows: Cache::new(TIMER_WINDOWS_MAX),
            drop_place: Mutex::default(),
            audited: AtomicI64::new(i64::MIN),
            clock,
            locks: (0..LOCKS).map(|_| AsyncMutex::new(())).collect(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Requests made so far: for metrics, and for tests of what an operation costs.
    pub fn requests(&self) -> Requests {
        self.shared.cql.requests()
    }

    /// Whether the cluster answers: one read of a row that need not be there.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    pub async fn check(&self) -> Result<()> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        cql.row::<(String,)>(&s.task_device, (tenant, "-")).await.map(|_| ())
    }
}

impl Shared {
    /// The wall clock, in microseconds since 1970.
    pub(crate) fn now_micros(&self) -> i64 {
        (self.clock)().as_micros()
    }

    pub(crate) fn decode<R: Record>(&self, bytes: &[u8]) -> Result<R> {
        R::from_bytes(bytes, &*self.seal).map_err(|error| Error::Corrupt(error.to_string()))
    }

    pub(crate) fn encode(&self, record: &impl Record) -> Vec<u8> {
        record.to_bytes(&*self.seal)
    }

    /// A turn at conditional writes to the partition `key` of `table`.
    pub(crate) async fn turn(&self, table: &str, key: &[u8]) -> Result<Turn<'_>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((table, key));
        let lock = &self.locks[usize::try_from(hash % LOCKS as u64).unwrap_or(0)];
        let until = Instant::now() + CONDITIONAL_MAX;
        let guard = tokio::time::timeout_at(until, lock.lock()).await;
        let guard = guard.map_err(|_| Error::Unavailable("too many writes wait for this partition".into()))?;
        Ok(Turn { _guard: guard, until, tries: 0 })
    }
}

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The right of this process to write conditionally to a partition, for a while.
pub(crate) struct Turn<'a> {
    _guard: MutexGuard<'a, ()>,
    until: Instant,
    tries: u32,
}

impl Turn<'_> {
    /// Waits before the next try, longer each time; fails when the time is over.
    pub(crate) async fn again(&mut self, of: &(dyn fmt::Display + Sync)) -> Result<()> {
        let longest = Duration::from_millis(5) * 2_u32.pow(self.tries.min(6));
        self.tries += 1;
        tokio::time::sleep(longest.mul_f64(rand::random())).await;
        if Instant::now() < self.until {
            return Ok(());
        }
        Err(Error::Unavailable(format!("{of} is written by others all the time, or its store does not answer")))
    }
}

impl fmt::Debug for ScyllaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScyllaStore").field("tenant", &self.shared.tenant).finish_non_exhaustive()
    }
}
