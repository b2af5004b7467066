//! Deleting a device: one conditional write, in one order with its commits (P1), makes it unknown. What is left goes after it, bit
//! by bit, the summary last: as long as its old identity stands, whoever reads the device goes on with the deletion.

use acs_store::{DeleteOutcome, Result};
use acs_types::DeviceId;
use fail::fail_point;
use scylla::value::{CqlValue, Row};

use crate::doubt::unknown_outcome;
use crate::index::{self, Index};
use crate::partition::Control;
use crate::store::Shared;

impl Shared {
    pub(crate) async fn delete_device(&self, device: &DeviceId) -> Result<DeleteOutcome> {
        let Deleted::At { known, stamp } = self.commit_deletion(device).await? else {
            return Ok(DeleteOutcome::TasksOpen);
        };
        fail_point!("scylla::after_deletion", crate::failed_here);
        self.finish_deletion(device, stamp).await?;
        // A session may have made it known again meanwhile, before its entry in the index went.
        if let Some(summary) = self.summary(device).await? {
            index::write(self, Index::Devices, device, summary.last_stamp.as_micros()).await?;
        }
        Ok(if known { DeleteOutcome::Deleted } else { DeleteOutcome::Unknown })
    }

    /// Takes away what a deletion left: what of the summary has at most this stamp, and all else. May be done again.
    pub(crate) async fn finish_deletion(&self, device: &DeviceId, stamp: Option<i64>) -> Result<()> {
        self.indexed.remove(device);
        self.forget_objects(device).await?;
        fail_point!("scylla::after_objects_deletion", crate::failed_here);
        self.put_credential(device, None).await?;
        fail_point!("scylla::after_credential_deletion", crate::failed_here);
        self.delete_timers_of(device).await?;
        fail_point!("scylla::after_timers_deletion", crate::failed_here);
        let Some(stamp) = stamp else { return Ok(()) };
        index::delete(self, Index::Devices, device, stamp).await?;
        fail_point!("scylla::after_index_deletion", crate::failed_here);
        self.cql.write(&self.s.summary_delete, (stamp, self.tenant.as_str(), device.as_str())).await
    }

    async fn commit_deletion(&self, device: &DeviceId) -> Result<Deleted> {
        let mut turn = self.turn("device", device.as_str().as_bytes()).await?;
        let mut tried: Option<Attempt> = None;
        let id = rand::random();
        loop {
            let stored = self.stored(device).await?;
            let control = &stored.control;
            if let Some(Attempt { known, stamp, version }) = tried
                && control.has(id, version).ok_or_else(|| unknown_outcome(device))?
            {
                return Ok(Deleted::At { known, stamp });
            }
            if !stored.partition.tasks.is_empty() {
                return Ok(Deleted::TasksOpen);
            }
            let stamp = self.newest_stamp(device).await?.max(control.deleted_stamp);
            let (known, version) = (stored.partition.summary.is_some(), control.version);
            let nothing_is_there = stamp.is_none() && version.is_none();
            if nothing_is_there || self.try_deletion(device, control, stamp, id).await? {
                return Ok(Deleted::At { known, stamp });
            }
            tried = Some(Attempt { known, stamp, version });
            turn.again(device).await?;
        }
    }

    /// The largest stamp that anything of the summary has. What comes later is not deleted: it comes after.
    async fn newest_stamp(&self, device: &DeviceId) -> Result<Option<i64>> {
        let stamps = self.cql.row::<Row>(&self.s.device_stamps, (&self.tenant, device.as_str())).await?;
        let stamps = stamps.into_iter().flat_map(|row| row.columns).flatten();
        Ok(stamps.filter_map(|stamp| if let CqlValue::BigInt(stamp) = stamp { Some(stamp) } else { None }).max())
    }

    async fn try_deletion(&self, device: &DeviceId, control: &Control, stamp: Option<i64>, id: u64) -> Result<bool> {
        let (version, commits) = (control.next_version(), control.commits_with(id));
        let (tenant, now) = (self.tenant.as_str(), self.now_micros());
        let values = (version, commits, stamp, now, tenant, device.as_str(), control.version);
        let doubt = self.in_doubt(device);
        let applied = self.cql.conditional(&self.s.device_delete, values).await?;
        doubt.settle(applied)
    }
}

enum Deleted {
    TasksOpen,
    /// What has at most this stamp is gone; `None`: nothing had one.
    At {
        known: bool,
        stamp: Option<i64>,
    },
}

/// A deletion that was not applied as far as is known.
struct Attempt {
    known: bool,
    stamp: Option<i64>,
    version: Option<i64>,
}
