//! Every statement this store executes; all are prepared when it opens.

use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;

use crate::cql::PAGE_ROWS;

macro_rules! statements {
    ($($name:ident: $text:expr),+ $(,)?) => {
        /// The statements, by name.
        pub(crate) struct Statements {
            $(pub(crate) $name: PreparedStatement,)+
        }

        impl Statements {
            /// Prepares all in the keyspace of the session.
            pub(crate) async fn prepare(session: &Session) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepare(session, $text).await?,)+ })
            }
        }
    };
}

/// Reads and plain writes may be repeated by the driver on another node; conditional writes only where they cannot have
/// happened.
async fn prepare(session: &Session, text: &str) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(text).await?;
    statement.set_is_idempotent(!text.contains(" IF "));
    statement.set_page_size(PAGE_ROWS);
    Ok(statement)
}

macro_rules! device_columns {
    () => {
        "SELECT kind, id, identity, WRITETIME(identity) AS identity_stamp, summary_tenant, subscriber_id, root, \
         software_version, hardware_version, provisioning_code, connection_request_url, parameter_key, presence, boot_at, \
         bootstrap_at, discovered_at, first_seen, version, commits, holder, deleted_stamp, deleted_at, record FROM device "
    };
}

/// The row of the device.
macro_rules! this_device {
    () => {
        " WHERE tenant = ? AND device = ? AND kind = 0 AND at = 0 AND id = ''"
    };
}

macro_rules! register {
    (read $table:literal) => {
        concat!("SELECT value, revision FROM ", $table, " WHERE tenant = ? AND id = ?")
    };
    (list $table:literal) => {
        concat!("SELECT value, revision FROM ", $table, " WHERE tenant = ?")
    };
    (insert $table:literal) => {
        concat!("INSERT INTO ", $table, " (tenant, id, value, revision) VALUES (?, ?, ?, 1) IF NOT EXISTS")
    };
    (update $table:literal) => {
        concat!("UPDATE ", $table, " SET value = ?, revision = ? WHERE tenant = ? AND id = ? IF revision = ?")
    };
    (delete $table:literal) => {
        concat!("DELETE FROM ", $table, " WHERE tenant = ? AND id = ? IF revision = ?")
    };
}

statements! {
    partition: concat!(device_columns!(), "WHERE tenant = ? AND device = ? AND kind < 2"),
    device: concat!(device_columns!(), "WHERE tenant = ? AND device = ? AND kind = 0"),
    device_version: "SELECT version FROM device WHERE tenant = ? AND device = ? AND kind = 0",
    device_stamps: concat!(
        "SELECT WRITETIME(identity), WRITETIME(summary_tenant), WRITETIME(subscriber_id), WRITETIME(root), \
         WRITETIME(software_version), WRITETIME(hardware_version), WRITETIME(provisioning_code), \
         WRITETIME(connection_request_url), WRITETIME(parameter_key), WRITETIME(presence), WRITETIME(boot_at), \
         WRITETIME(bootstrap_at), WRITETIME(discovered_at) FROM device",
        this_device!()
    ),
    summary_write: concat!(
        "UPDATE device USING TIMESTAMP ? SET identity = ?, summary_tenant = ?, subscriber_id = ?, root = ?, \
         software_version = ?, hardware_version = ?, provisioning_code = ?, connection_request_url = ?, parameter_key = ?, \
         presence = ?, boot_at = ?, bootstrap_at = ?, discovered_at = ?",
        this_device!()
    ),
    first_seen_write: concat!("UPDATE device USING TIMESTAMP ? SET first_seen = ?", this_device!()),
    summary_delete: concat!(
        "DELETE identity, summary_tenant, subscriber_id, root, software_version, hardware_version, provisioning_code, \
         connection_request_url, parameter_key, presence, boot_at, bootstrap_at, discovered_at FROM device USING TIMESTAMP ?",
        this_device!()
    ),
    device_commit: concat!("UPDATE device SET version = ?, commits = ?, holder = ?", this_device!(), " IF version = ?"),
    device_delete: concat!(
        "UPDATE device SET version = ?, commits = ?, holder = null, deleted_stamp = ?, deleted_at = ?",
        this_device!(),
        " IF version = ?"
    ),
    task_write: "INSERT INTO device (tenant, device, kind, at, id, record) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?",
    place_write: "INSERT INTO device (tenant, device, kind, at, id, place_kind, place_at) VALUES (?, ?, 3, 0, ?, ?, ?) \
        USING TTL ?",
    task_delete: "DELETE FROM device WHERE tenant = ? AND device = ? AND kind = ? AND at = ? AND id = ?",
    place_delete: "DELETE FROM device WHERE tenant = ? AND device = ? AND kind = 3 AND at = 0 AND id = ?",
    task: "SELECT record FROM device WHERE tenant = ? AND device = ? AND kind = ? AND at = ? AND id = ?",
    places: "SELECT id, place_kind, place_at FROM device WHERE tenant = ? AND device = ? AND kind = 3 AND at = 0 AND id IN ?",
    final_tasks: "SELECT at, id, record FROM device WHERE tenant = ? AND device = ? AND kind = 2 LIMIT ?",
    final_tasks_at: "SELECT at, id, record FROM device WHERE tenant = ? AND device = ? AND kind = 2 AND at = ? AND id < ? LIMIT ?",
    final_tasks_before: "SELECT at, id, record FROM device WHERE tenant = ? AND device = ? AND kind = 2 AND at < ? LIMIT ?",
    tasks_since: "SELECT COUNT(*) FROM device WHERE tenant = ? AND device = ? AND kind = ? AND at >= ?",

    device_index_write: "INSERT INTO device_index (tenant, shard, device) VALUES (?, ?, ?) USING TIMESTAMP ?",
    device_index_delete: "DELETE FROM device_index USING TIMESTAMP ? WHERE tenant = ? AND shard = ? AND device = ?",
    device_index_after: "SELECT device FROM device_index WHERE tenant = ? AND shard = ? AND device > ? LIMIT ?",
    device_index_count: "SELECT COUNT(*) FROM device_index WHERE tenant = ? AND shard = ?",
    open_index_write: "INSERT INTO open_task_index (tenant, shard, device) VALUES (?, ?, ?) USING TIMESTAMP ?",
    open_index_delete: "DELETE FROM open_task_index USING TIMESTAMP ? WHERE tenant = ? AND shard = ? AND device = ?",
    open_index_after: "SELECT device FROM open_task_index WHERE tenant = ? AND shard = ? AND device > ? LIMIT ?",
    task_device_write: "INSERT INTO task_device (tenant, task, device) VALUES (?, ?, ?)",
    task_device: "SELECT device FROM task_device WHERE tenant = ? AND task = ?",

    objects_of: "SELECT path, version, commits, forgotten, record FROM device_object WHERE tenant = ? AND device = ? AND path IN ?",
    objects_within: "SELECT path, record FROM device_object WHERE tenant = ? AND device = ? AND path >= ? AND path < ?",
    object_paths: "SELECT path FROM device_object WHERE tenant = ? AND device = ? AND path >= ? AND path < ?",
    objects_commit: "UPDATE device_object SET version = ?, commits = ?, forgotten = ? WHERE tenant = ? AND device = ? AND path = '' IF version = ?",
    object_write: "INSERT INTO device_object (tenant, device, path, record) VALUES (?, ?, ?, ?)",
    object_delete: "DELETE FROM device_object WHERE tenant = ? AND device = ? AND path = ?",

    history_write: "INSERT INTO history (tenant, list, window, at, id, record) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?",
    history_delete: "DELETE FROM history WHERE tenant = ? AND list = ? AND window = ? AND at = ? AND id = ?",
    history_one: "SELECT record FROM history WHERE tenant = ? AND list = ? AND window = ? AND at = ? AND id = ?",
    history_from: "SELECT at, id, record FROM history WHERE tenant = ? AND list = ? AND window = ? LIMIT ?",
    history_at: "SELECT at, id, record FROM history WHERE tenant = ? AND list = ? AND window = ? AND at = ? AND id < ? LIMIT ?",
    history_before: "SELECT at, id, record FROM history WHERE tenant = ? AND list = ? AND window = ? AND at < ? LIMIT ?",
    history_window_write: "INSERT INTO history_window (tenant, list, window) VALUES (?, ?, ?) USING TTL ?",
    history_window_delete: "DELETE FROM history_window WHERE tenant = ? AND list = ? AND window = ?",
    history_windows: "SELECT window FROM history_window WHERE tenant = ? AND list = ? AND window <= ? LIMIT ?",
    history_list_write: "INSERT INTO history_list (tenant, shard, list) VALUES (?, ?, ?) USING TTL ?",
    history_lists_after: "SELECT list FROM history_list WHERE tenant = ? AND shard = ? AND list > ? LIMIT ?",
    session_place_write: "INSERT INTO session_place (tenant, session, device, stamp) VALUES (?, ?, ?, ?) USING TTL ?",
    session_place_delete: "DELETE FROM session_place WHERE tenant = ? AND session = ?",
    session_place: "SELECT device, stamp FROM session_place WHERE tenant = ? AND session = ?",
    fault_place_write: "INSERT INTO fault_place (tenant, fault, device, at) VALUES (?, ?, ?, ?) USING TTL ?",
    fault_place_delete: "DELETE FROM fault_place WHERE tenant = ? AND fault = ?",
    fault_place: "SELECT device, at FROM fault_place WHERE tenant = ? AND fault = ?",

    credential: register!(read "credential"),
    credential_insert: register!(insert "credential"),
    credential_update: register!(update "credential"),
    credential_delete: register!(delete "credential"),
    username: register!(read "credential_username"),
    username_insert: register!(insert "credential_username"),
    username_update: register!(update "credential_username"),
    username_delete: register!(delete "credential_username"),
    model: register!(read "model"),
    model_insert: register!(insert "model"),
    model_update: register!(update "model"),
    model_delete: register!(delete "model"),
    cursor: register!(read "cursor"),
    cursor_insert: register!(insert "cursor"),
    cursor_update: register!(update "cursor"),
    cursor_delete: register!(delete "cursor"),
    token: register!(read "api_token"),
    token_insert: register!(insert "api_token"),
    token_update: register!(update "api_token"),
    token_delete: register!(delete "api_token"),
    tokens: register!(list "api_token"),
    token_hash: register!(read "api_token_hash"),
    token_hash_insert: register!(insert "api_token_hash"),
    token_hash_update: register!(update "api_token_hash"),
    token_hash_delete: register!(delete "api_token_hash"),
    file: register!(read "file"),
    file_insert: register!(insert "file"),
    file_update: register!(update "file"),
    file_delete: register!(delete "file"),
    files: register!(list "file"),

    outbox_write: "INSERT INTO outbox (tenant, shard, window, at, nonce, record) VALUES (?, ?, ?, ?, ?, ?)",
    outbox: "SELECT at, nonce, record FROM outbox WHERE tenant = ? AND shard = ? AND window = ? LIMIT ?",
    outbox_delete: "DELETE FROM outbox WHERE tenant = ? AND shard = ? AND window = ? AND at = ? AND nonce = ?",
    outbox_window_write: "INSERT INTO outbox_window (tenant, shard, window) VALUES (?, ?, ?)",
    outbox_windows: "SELECT shard, window FROM outbox_window WHERE tenant = ?",
    outbox_windows_of: "SELECT window FROM outbox_window WHERE tenant = ? AND shard = ?",
    outbox_window_delete: "DELETE FROM outbox_window WHERE tenant = ? AND shard = ? AND window = ?",

    timer_write: "INSERT INTO timer (tenant, shard, window, due, device, kind, ref, nonce) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    timer_nonces: "SELECT nonce FROM timer WHERE tenant = ? AND shard = ? AND window = ? AND due = ? AND device = ? \
        AND kind = ? AND ref = ?",
    timer_delete: "DELETE FROM timer WHERE tenant = ? AND shard = ? AND window = ? AND due = ? AND device = ? AND kind = ? \
        AND ref = ? AND nonce = ?",
    timers_due: "SELECT due, device, kind, ref, nonce FROM timer WHERE tenant = ? AND shard = ? AND window = ? AND due <= ? \
        LIMIT ?",
    timer_window_write: "INSERT INTO timer_window (tenant, shard, window, due, device, kind, ref, nonce) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    timer_window_nonces: "SELECT nonce FROM timer_window WHERE tenant = ? AND shard = ? AND window = ? AND due = ? \
        AND device = ? AND kind = ? AND ref = ?",
    timer_window_delete: "DELETE FROM timer_window WHERE tenant = ? AND shard = ? AND window = ? AND due = ? AND device = ? \
        AND kind = ? AND ref = ? AND nonce = ?",
    timer_windows: "SELECT window, due, device, kind, ref, nonce FROM timer_window WHERE tenant = ? AND shard = ? \
        AND window >= ? AND window <= ? LIMIT ?",

    lease_take: "INSERT INTO lease (tenant, name, holder) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?",
    lease_renew: "UPDATE lease USING TTL ? SET holder = ? WHERE tenant = ? AND name = ? IF holder = ?",
    lease_release: "DELETE FROM lease WHERE tenant = ? AND name = ? IF holder = ?",
}

impl Statements {
    /// A read after a conditional write of unknown outcome: it ends what is under way in the partition.
    pub(crate) fn serial(statement: &PreparedStatement) -> PreparedStatement {
        let mut statement = statement.clone();
        statement.set_consistency(Consistency::LocalSerial);
        statement
    }
}
