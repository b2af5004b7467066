use acs_store::{DeleteOutcome, DeviceFilter, Devices, Result};
use acs_types::{DeviceId, DeviceSummary, Page, PageRequest, Partition, SummaryPatch};
use async_trait::async_trait;
use fail::fail_point;
use futures::stream::{self, StreamExt as _};
use scylla::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::MaybeUnset;

use crate::cells;
use crate::cql::{self, AT_ONCE};
use crate::index::{self, Index};
use crate::partition::{PartitionRow, Stored};
use crate::place;
use crate::statements::Statements;
use crate::store::{ScyllaStore, Shared};

/// Devices that one call of a list looks at; beyond, the page is short and has a next one.
pub(crate) const LOOKED_AT_MAX: usize = 1000;

#[async_trait]
impl Devices for ScyllaStore {
    async fn partition(&self, device: &DeviceId) -> Result<Partition> {
        Ok(self.shared.stored(device).await?.partition)
    }

    async fn summary(&self, device: &DeviceId) -> Result<Option<DeviceSummary>> {
        self.shared.summary(device).await
    }

    async fn patch_summary(&self, device: &DeviceId, patch: SummaryPatch) -> Result<()> {
        self.shared.patch_summary(device, &patch).await
    }

    async fn patch_summaries(&self, patches: Vec<(DeviceId, SummaryPatch)>) -> Result<()> {
        cql::all(patches.iter().map(|(device, patch)| self.shared.patch_summary(device, patch)).collect()).await?;
        Ok(())
    }

    async fn list_devices(&self, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<DeviceSummary>> {
        let after = page.after.as_deref().map(place::parse::<DeviceId>).transpose()?;
        let limit = place::limit(page);
        let look_at = if *filter == DeviceFilter::default() { limit + 1 } else { LOOKED_AT_MAX };
        let ids = index::after(&self.shared, Index::Devices, after.as_ref(), look_at).await?;
        let all = ids.len() < look_at;
        let mut items = Vec::new();
        let mut last = None;
        let mut summaries =
            stream::iter(ids).map(|id| async move { (self.shared.summary(&id).await, id) }).buffered(AT_ONCE);
        while let Some((summary, id)) = summaries.next().await {
            if items.len() == limit {
                return Ok(Page { items, next: last });
            }
            items.extend(summary?.filter(|summary| filter.matches(summary)));
            last = Some(id.to_string());
        }
        Ok(Page { items, next: if all { None } else { last } })
    }

    async fn count_devices(&self) -> Result<u64> {
        index::count(&self.shared).await
    }

    async fn delete_device(&self, device: &DeviceId) -> Result<DeleteOutcome> {
        self.shared.delete_device(device).await
    }
}

impl Shared {
    /// All that `Begin` needs, by one read.
    pub(crate) async fn stored(&self, device: &DeviceId) -> Result<Stored> {
        let Self { cql, s, tenant, .. } = self;
        // After a conditional write of unknown outcome the next read ends it first.
        let unsure = !self.unsure.is_empty() && self.unsure.remove(device).is_some();
        let values = (tenant, device.as_str());
        let rows = match unsure {
            false => cql.rows::<PartitionRow>(&s.partition, values).await,
            true => cql.rows::<PartitionRow>(&Statements::serial(&s.partition), values).await,
        };
        let rows = rows.inspect_err(|_| self.unsure.insert(device.clone(), ()))?;
        let stored = Stored::from_rows(self, device, rows)?;
        self.note_known(device, stored.partition.summary.is_some());
        if let Some(stamp) = stored.left_behind {
            // A deletion was interrupted. Before the device may come back, what it left goes.
            self.finish_deletion(device, Some(stamp)).await?;
        }
        Ok(stored)
    }

    pub(crate) async fn summary(&self, device: &DeviceId) -> Result<Option<DeviceSummary>> {
        let rows = self.cql.rows::<PartitionRow>(&self.s.device, (&self.tenant, device.as_str())).await?;
        let summary = Stored::from_rows(self, device, rows)?.partition.summary;
        self.note_known(device, summary.is_some());
        Ok(summary)
    }

    /// A device that is not known may have been deleted by another process, and stands in no index then. Whoever makes it
    /// known again has read it before, here.
    fn note_known(&self, device: &DeviceId, is_known: bool) {
        if !is_known {
            self.indexed.remove(device);
        }
    }

    pub(crate) async fn patch_summary(&self, device: &DeviceId, patch: &SummaryPatch) -> Result<()> {
        let stamp = patch.stamp.as_micros();
        if patch.identity.is_some() {
            self.index_device(device, stamp).await?;
            fail_point!("scylla::between_index_and_summary", crate::failed_here);
        }
        let key = || (self.tenant.as_str(), device.as_str());
        let text = |text: &Option<String>| MaybeUnset::from_option(text.clone());
        let micros = |time: Option<cwmp_model::Timestamp>| MaybeUnset::from_option(time.map(|time| time.as_micros()));
        let presence = patch.presence.as_ref();
        let at_if = |has: fn(&acs_types::Presence) -> bool| micros(presence.filter(|p| has(p)).map(|p| p.at));
        let values = Cells {
            stamp,
            identity: MaybeUnset::from_option(patch.identity.as_ref().map(cells::identity_to_cell)),
            summary_tenant: MaybeUnset::from_option(patch.tenant.as_ref().map(ToString::to_string)),
            subscriber_id: text(&patch.subscriber_id),
            root: MaybeUnset::from_option(patch.root.as_ref().map(ToString::to_string)),
            software_version: text(&patch.software_version),
            hardware_version: text(&patch.hardware_version),
            provisioning_code: text(&patch.provisioning_code),
            connection_request_url: text(&patch.connection_request_url),
            parameter_key: text(&patch.parameter_key),
            presence: MaybeUnset::from_option(presence.map(|p| cells::presence_to_cell(p, patch.stamp))),
            boot_at: at_if(|p| p.boot),
            bootstrap_at: at_if(|p| p.bootstrap),
            discovered_at: micros(patch.discovered_at),
            tenant: key().0,
            device: key().1,
        };
        let Some(presence) = presence else { return self.cql.write(&self.s.summary_write, values).await };
        // The earliest presence wins, so the earlier time is the later timestamp. One batch: one write to one partition.
        let first_seen = presence.at.as_micros();
        let earlier_is_later = first_seen.checked_neg().unwrap_or(i64::MAX);
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.append_statement(self.s.summary_write.clone());
        batch.append_statement(self.s.first_seen_write.clone());
        batch.set_is_idempotent(true);
        self.cql.write_batch(&batch, (values, (earlier_is_later, first_seen, key().0, key().1))).await
    }

    /// Puts the device into the index, unless this process did and has not read since that it was deleted. Before the device
    /// becomes known: an index entry too many is passed over, one too few would hide the device.
    async fn index_device(&self, device: &DeviceId, stamp: i64) -> Result<()> {
        if self.indexed.get(device).is_some() {
            return Ok(());
        }
        index::write(self, Index::Devices, device, stamp).await?;
        self.indexed.insert(device.clone(), ());
        Ok(())
    }
}

/// The values of [`Statements::summary_write`], in its order; what is unset stays as it is.
#[derive(SerializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
struct Cells<'a> {
    stamp: i64,
    identity: MaybeUnset<Vec<u8>>,
    summary_tenant: MaybeUnset<String>,
    subscriber_id: MaybeUnset<String>,
    root: MaybeUnset<String>,
    software_version: MaybeUnset<String>,
    hardware_version: MaybeUnset<String>,
    provisioning_code: MaybeUnset<String>,
    connection_request_url: MaybeUnset<String>,
    parameter_key: MaybeUnset<String>,
    presence: MaybeUnset<Vec<u8>>,
    boot_at: MaybeUnset<i64>,
    bootstrap_at: MaybeUnset<i64>,
    discovered_at: MaybeUnset<i64>,
    tenant: &'a str,
    device: &'a str,
}
