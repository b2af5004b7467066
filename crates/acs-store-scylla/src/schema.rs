//! The tables, with the reason for each key. A statement that has been in a release is never changed: what comes later is a
//! version of its own in [`VERSIONS`].
//!
//! Every partition key begins with the tenant: tenants share tables and nothing else.
//!
//! Compaction: leveled where rows are rewritten and read at once (a read then touches few files), time windows for history,
//! which goes whole files at a time.
//!
//! Three ways to write, and every column is written in one of them only:
//! - *conditional* (lightweight transactions): the order is Paxos', whatever clocks say;
//! - *stamped*: plain, `USING TIMESTAMP` with a logical time (session stamp, partition version), so that the outcome does not
//!   depend on clocks or order; of equal times the greater value stays, a deletion before all;
//! - *once*: plain, under a key that is never used again or with the same value each time.

/// What this program reads and writes.
pub(crate) const VERSION: i32 = VERSIONS.len() as i32;

/// Made first, outside of the versions: who migrates, and how far it has come.
pub(crate) const SCHEMA_VERSION: &str =
    "CREATE TABLE IF NOT EXISTS {ks}.schema_version (id text PRIMARY KEY, version int, migrating text)";

/// What each version adds. `{ks}` is the keyspace.
pub(crate) const VERSIONS: &[&[&str]] = &[
    &[
        DEVICE,
        DEVICE_INDEX,
        OPEN_TASK_INDEX,
        TASK_DEVICE,
        DEVICE_OBJECT,
        HISTORY,
        HISTORY_WINDOW,
        HISTORY_LIST,
        SESSION_PLACE,
        FAULT_PLACE,
        CREDENTIAL,
        CREDENTIAL_USERNAME,
        MODEL,
        CURSOR,
        API_TOKEN,
        API_TOKEN_HASH,
        FILE,
        TIMER,
        TIMER_WINDOW,
        LEASE,
    ],
    &[OUTBOX, OUTBOX_WINDOW],
];

/// All that must change together, and all that `Begin` needs, is one partition; its rows are told apart by `kind`:
///
/// | kind | at | id | what | written |
/// |---|---|---|---|---|
/// | 0 | 0 | '' | the device: summary (one cell for each field that wins or loses alone) | stamped |
/// | | | | … and version, commits, holder, deletion | conditional |
/// | 1 | created | task | an open task | conditional |
/// | 2 | created | task | a final task, newest first | conditional, with a time to live |
/// | 3 | 0 | task | where the task stands: `place_kind`, `place_at` | conditional, as its task |
///
/// Final tasks stay here instead of moving to a table of their own, so that a task is final or open at every instant and no
/// kill finds it between two partitions (docs/001-schema.md). Kind comes first, so the history behind is not read by `Begin`.
/// The device is a row and no static columns: CQL returns static columns only together with a row that is asked for.
const DEVICE: &str = "CREATE TABLE IF NOT EXISTS {ks}.device (
    tenant text, device text, kind tinyint, at bigint, id text,
    identity blob, summary_tenant text, subscriber_id text, root text, software_version text, hardware_version text,
    provisioning_code text, connection_request_url text, parameter_key text, presence blob, boot_at bigint,
    bootstrap_at bigint, discovered_at bigint, first_seen bigint,
    version bigint, commits blob, holder blob, deleted_stamp bigint, deleted_at bigint,
    record blob, place_kind tinyint, place_at bigint,
    PRIMARY KEY ((tenant, device), kind, at, id)
) WITH CLUSTERING ORDER BY (kind ASC, at DESC, id DESC)
  AND compaction = {'class': 'LeveledCompactionStrategy'}";

/// Which devices there are, in order of their id within a shard; the shards are merged by the reader. Stamped as the
/// identity is, so it says what the device's own partition says.
const DEVICE_INDEX: &str = "CREATE TABLE IF NOT EXISTS {ks}.device_index (
    tenant text, shard smallint, device text, PRIMARY KEY ((tenant, shard), device))";

/// Which devices may have open tasks; stamped with the version of the device's partition. A hint: the partition decides.
const OPEN_TASK_INDEX: &str = "CREATE TABLE IF NOT EXISTS {ks}.open_task_index (
    tenant text, shard smallint, device text, PRIMARY KEY ((tenant, shard), device))";

/// The device of a task, for those who know the task alone. Once, before the task: the id is a hash that has the device in
/// it, so it never changes. A hint: the partition decides.
const TASK_DEVICE: &str = "CREATE TABLE IF NOT EXISTS {ks}.task_device (
    tenant text, task text, device text, PRIMARY KEY ((tenant, task)))";

/// A device's tree, a row for each object with its parameters packed, in order of the path as bytes: what is within an object
/// is one range. Conditional on `version` in the row with the empty path, which no object has; `commits` as in `device`.
const DEVICE_OBJECT: &str = "CREATE TABLE IF NOT EXISTS {ks}.device_object (
    tenant text, device text, path text, version bigint, commits blob, forgotten bigint, record blob,
    PRIMARY KEY ((tenant, device), path)
) WITH compaction = {'class': 'LeveledCompactionStrategy'}";

/// Lists by time, newest first: `session/<device>`, `fault/<device>`, `fault`, `refused`, `audit`. Windows keep a partition
/// small (an hour for the lists of all devices, 30 days for those of one). Once.
const HISTORY: &str = "CREATE TABLE IF NOT EXISTS {ks}.history (
    tenant text, list text, window bigint, at bigint, id blob, record blob,
    PRIMARY KEY ((tenant, list, window), at, id)
) WITH CLUSTERING ORDER BY (at DESC, id DESC)
  AND compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', 'compaction_window_size': 14}";

/// Which windows a list has, so that a reader asks for no empty ones. Once.
const HISTORY_WINDOW: &str = "CREATE TABLE IF NOT EXISTS {ks}.history_window (
    tenant text, list text, window bigint, PRIMARY KEY ((tenant, list), window)
) WITH CLUSTERING ORDER BY (window DESC)";

/// Which lists there are (and `task/<device>` for the final tasks): read only to drop more than the time to live does. Once.
const HISTORY_LIST: &str = "CREATE TABLE IF NOT EXISTS {ks}.history_list (
    tenant text, shard smallint, list text, PRIMARY KEY ((tenant, shard), list))";

/// Where a session stands in the history: its id is random and says nothing of its device. Once.
const SESSION_PLACE: &str = "CREATE TABLE IF NOT EXISTS {ks}.session_place (
    tenant text, session blob, device text, stamp bigint, PRIMARY KEY ((tenant, session)))";

/// Where a fault stands in the history, so that the same one again replaces it. Written by whoever projects the device.
const FAULT_PLACE: &str = "CREATE TABLE IF NOT EXISTS {ks}.fault_place (
    tenant text, fault blob, device text, at bigint, PRIMARY KEY ((tenant, fault)))";

/// Registers: one value under a key, conditional on its revision, so that a deletion holds whatever clocks say (P23).
const CREDENTIAL: &str = "CREATE TABLE IF NOT EXISTS {ks}.credential (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant, id)))";

/// Register: user name → device. A hint: the device's credential decides.
const CREDENTIAL_USERNAME: &str = "CREATE TABLE IF NOT EXISTS {ks}.credential_username (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant, id)))";

/// Register: model → notes.
const MODEL: &str = "CREATE TABLE IF NOT EXISTS {ks}.model (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant, id)))";

/// Register: consumer → position.
const CURSOR: &str = "CREATE TABLE IF NOT EXISTS {ks}.cursor (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant, id)))";

/// Registers in one partition, because they are few and all are listed.
const API_TOKEN: &str = "CREATE TABLE IF NOT EXISTS {ks}.api_token (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant), id))";

/// Register: SHA-256 of the secret → token. A hint: the token decides.
const API_TOKEN_HASH: &str = "CREATE TABLE IF NOT EXISTS {ks}.api_token_hash (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant, id)))";

/// Registers in one partition, because they are few and all are listed.
const FILE: &str = "CREATE TABLE IF NOT EXISTS {ks}.file (
    tenant text, id blob, value blob, revision bigint, PRIMARY KEY ((tenant), id))";

/// Deadlines by the window of ten minutes they are due in, soonest first, in each of the shards that processes share out: what
/// was due long ago and is deleted stands in nobody's way. `nonce` makes each row one that never was there, so that a timer put
/// again is not hidden by a deletion with a later clock. Deletions are forgotten soon: a timer that comes back is a hint too
/// many.
const TIMER: &str = "CREATE TABLE IF NOT EXISTS {ks}.timer (
    tenant text, shard smallint, window bigint, due bigint, device text, kind text, ref text, nonce bigint,
    PRIMARY KEY ((tenant, shard, window), due, device, kind, ref, nonce)
) WITH gc_grace_seconds = 600 AND compaction = {'class': 'LeveledCompactionStrategy'}";

/// Which windows `timer` has (a row without device), and in the window before all the timers that were put when they were
/// overdue already: so no timer comes into a window that is past, and one that is empty then can be forgotten.
const TIMER_WINDOW: &str = "CREATE TABLE IF NOT EXISTS {ks}.timer_window (
    tenant text, shard smallint, window bigint, due bigint, device text, kind text, ref text, nonce bigint,
    PRIMARY KEY ((tenant, shard), window, due, device, kind, ref, nonce)
) WITH gc_grace_seconds = 600 AND compaction = {'class': 'LeveledCompactionStrategy'}";

/// Who does a share of the work; conditional, with the term as time to live, so the store's own time counts.
const LEASE: &str = "CREATE TABLE IF NOT EXISTS {ks}.lease (
    tenant text, name text, holder text, PRIMARY KEY ((tenant, name)))";

/// Event records that wait for Kafka, by ten minutes of the writer's clock and by shard, first come first: what was relayed and
/// deleted is in partitions that nobody reads any more. `nonce` keeps apart what came in the same microsecond. Deleted by row, and
/// the deletions are forgotten soon: a record that comes back is a copy too many. Once.
const OUTBOX: &str = "CREATE TABLE IF NOT EXISTS {ks}.outbox (
    tenant text, shard smallint, window bigint, at bigint, nonce bigint, record blob,
    PRIMARY KEY ((tenant, shard, window), at, nonce)
) WITH gc_grace_seconds = 3600 AND compaction = {'class': 'LeveledCompactionStrategy'}";

/// Which windows `outbox` has, written before each record: while Kafka is there, the one partition is empty. Forgotten when the
/// window is long past and was found empty twice. Once.
const OUTBOX_WINDOW: &str = "CREATE TABLE IF NOT EXISTS {ks}.outbox_window (
    tenant text, shard smallint, window bigint, PRIMARY KEY ((tenant), shard, window)
) WITH gc_grace_seconds = 3600 AND compaction = {'class': 'LeveledCompactionStrategy'}";
