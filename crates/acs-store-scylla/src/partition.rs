//! The partition of a device as it is read.

use acs_store::{Error, Result, rules};
use acs_types::{AuthLevel, DeviceId, DeviceSummary, Holder, Partition, SessionId, SessionStamp, Task, Tenant};
use cwmp_model::{ParameterPath, Timestamp};
use scylla::DeserializeRow;

use crate::cells;
use crate::store::Shared;

/// The row of the device itself.
pub(crate) const DEVICE: i8 = 0;
/// Open tasks.
pub(crate) const OPEN: i8 = 1;
/// Final tasks.
pub(crate) const FINAL: i8 = 2;

/// Ids of the last commits that a device keeps, so that one of unknown outcome can be found again.
const COMMITS: usize = 16;

/// A row of the partition: the device or an open task.
#[derive(DeserializeRow)]
pub(crate) struct PartitionRow {
    kind: i8,
    id: String,
    identity: Option<Vec<u8>>,
    identity_stamp: Option<i64>,
    summary_tenant: Option<String>,
    subscriber_id: Option<String>,
    root: Option<String>,
    software_version: Option<String>,
    hardware_version: Option<String>,
    provisioning_code: Option<String>,
    connection_request_url: Option<String>,
    parameter_key: Option<String>,
    presence: Option<Vec<u8>>,
    boot_at: Option<i64>,
    bootstrap_at: Option<i64>,
    discovered_at: Option<i64>,
    first_seen: Option<i64>,
    version: Option<i64>,
    commits: Option<Vec<u8>>,
    holder: Option<Vec<u8>>,
    deleted_stamp: Option<i64>,
    deleted_at: Option<i64>,
    record: Option<Vec<u8>>,
}

/// What stands in the partition of a device.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) partition: Partition,
    pub(crate) control: Control,
    /// The stamp of a deletion that was interrupted before its end.
    pub(crate) left_behind: Option<i64>,
}

/// What orders the conditional writes to a device, or to its tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Control {
    /// Grows by one with each commit; `None`: there was none.
    pub(crate) version: Option<i64>,
    /// The last commits, newest first.
    pub(crate) commits: Vec<u64>,
    /// What of the summary has at most this stamp is of a device that was deleted.
    pub(crate) deleted_stamp: Option<i64>,
}

impl Control {
    /// As it is stored.
    pub(crate) fn from_columns(version: Option<i64>, commits: Option<&[u8]>) -> Self {
        let commits = commits.unwrap_or_default().as_chunks().0.iter().map(|id| u64::from_be_bytes(*id)).collect();
        Self { version, commits, deleted_stamp: None }
    }

    /// The version after one more commit.
    pub(crate) fn next_version(&self) -> i64 {
        self.version.unwrap_or(0) + 1
    }

    /// The list of commits after one more, as stored.
    pub(crate) fn commits_with(&self, id: u64) -> Vec<u8> {
        std::iter::once(&id).chain(&self.commits).take(COMMITS).flat_map(|id| id.to_be_bytes()).collect()
    }

    /// Whether the commit `id`, tried on `version`, happened; `None`: that is no longer known.
    pub(crate) fn has(&self, id: u64, version: Option<i64>) -> Option<bool> {
        if self.commits.contains(&id) {
            return Some(true);
        }
        let since = self.version.unwrap_or(0) - version.unwrap_or(0);
        usize::try_from(since).is_ok_and(|since| since <= COMMITS).then_some(false)
    }
}

impl Stored {
    pub(crate) fn from_rows(shared: &Shared, device: &DeviceId, rows: Vec<PartitionRow>) -> Result<Self> {
        let mut stored = Self::default();
        for row in rows {
            match row.kind {
                DEVICE => {
                    stored.control = row.control();
                    stored.left_behind = row.deleted_stamp.filter(|_| row.is_deleted());
                    stored.partition.holder =
                        row.holder.as_deref().map(|bytes| shared.decode::<Holder>(bytes)).transpose()?;
                    stored.partition.summary = row.into_summary(device)?;
                }
                _ => {
                    let record = row.record.ok_or_else(|| Error::Corrupt(format!("task {} has no record", row.id)))?;
                    stored.partition.tasks.push(shared.decode::<Task>(&record)?);
                }
            }
        }
        rules::sort_open_tasks(&mut stored.partition.tasks);
        Ok(stored)
    }
}

impl PartitionRow {
    fn control(&self) -> Control {
        Control { deleted_stamp: self.deleted_stamp, ..Control::from_columns(self.version, self.commits.as_deref()) }
    }

    /// Whether the identity is one of before the deletion.
    fn is_deleted(&self) -> bool {
        self.identity.is_some() && self.identity_stamp <= self.deleted_stamp
    }

    /// The summary, if the device is known: it has an identity that came after its last deletion.
    fn into_summary(self, device: &DeviceId) -> Result<Option<DeviceSummary>> {
        let Some(identity) = self.identity.as_deref().filter(|_| !self.is_deleted()) else { return Ok(None) };
        let identity = cells::identity_from_cell(identity)?;
        let presence = self.presence.as_deref().map(cells::presence_from_cell).transpose()?;
        // The earliest is kept by a cell that no deletion reaches (see the write); a device that came back was not seen
        // before its deletion.
        let first_seen = self.first_seen.max(self.deleted_at).filter(|_| presence.is_some());
        let moment = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        let mut summary = DeviceSummary {
            id: device.clone(),
            tenant: match self.summary_tenant {
                Some(tenant) => tenant.parse().map_err(|e| Error::Corrupt(format!("{device}: {e}")))?,
                None => Tenant::default(),
            },
            subscriber_id: self.subscriber_id.unwrap_or_default(),
            identity,
            root: match self.root {
                Some(root) => ParameterPath::new(&root).map_err(|e| Error::Corrupt(format!("{device}: {e}")))?,
                None => ParameterPath::root(),
            },
            software_version: self.software_version.unwrap_or_default(),
            hardware_version: self.hardware_version.unwrap_or_default(),
            provisioning_code: self.provisioning_code.unwrap_or_default(),
            connection_request_url: self.connection_request_url.unwrap_or_default(),
            parameter_key: self.parameter_key.unwrap_or_default(),
            cwmp_version: String::new(),
            remote: None,
            auth: AuthLevel::Open,
            first_seen: moment(first_seen).unwrap_or_default(),
            last_inform: Timestamp::default(),
            last_events: Vec::new(),
            last_boot: moment(self.boot_at),
            last_bootstrap: moment(self.bootstrap_at),
            last_session: SessionId::from_bytes([0; 16]),
            last_stamp: SessionStamp::default(),
            discovered_at: moment(self.discovered_at),
        };
        if let Some((presence, stamp)) = presence {
            summary.cwmp_version = presence.cwmp_version;
            summary.remote = presence.remote;
            summary.auth = presence.auth;
            summary.last_inform = presence.at;
            summary.last_events = presence.events;
            summary.last_session = presence.session;
            summary.last_stamp = stamp;
        }
        Ok(Some(summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_found_again_among_the_last_sixteen() {
        let mut control = Control::default();
        for id in 1..=30 {
            control = Control::from_columns(Some(control.next_version()), Some(&control.commits_with(id)));
        }
        assert_eq!(control.version, Some(30));
        assert_eq!(control.has(15, Some(14)), Some(true), "the sixteenth from the end");
        assert_eq!(control.has(99, Some(14)), Some(false), "all since then are known, and it is none of them");
        assert_eq!(control.has(14, Some(13)), None, "too long ago");
        assert_eq!(Control::default().has(1, None), Some(false));
    }
}
