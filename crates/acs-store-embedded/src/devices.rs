use acs_store::rules::{self, SummaryRow};
use acs_store::{DeleteOutcome, DeviceFilter, Devices, Result};
use acs_types::{CpeCredential, DeviceId, DeviceSummary, Page, PageRequest, Partition, SummaryPatch, Task};
use async_trait::async_trait;
use cwmp_model::ParameterPath;

use crate::keys::{self, Space};
use crate::transaction::Transaction;
use crate::{Embedded, decode, engine_error, rows, timers};

#[async_trait]
impl Devices for Embedded {
    async fn partition(&self, device: &DeviceId) -> Result<Partition> {
        let engine = self.engine()?;
        let view = engine.view();
        let seal = self.seal();
        let summary = view.get(Space::Rows, &keys::summary(device)).map_err(engine_error)?;
        let holder = view.get(Space::Rows, &keys::holder(device)).map_err(engine_error)?;
        let mut tasks: Vec<Task> = Vec::new();
        for row in view.scan(Space::Rows, &keys::open_tasks(device), None) {
            tasks.push(decode(&row.map_err(engine_error)?.1, seal)?);
        }
        rules::sort_open_tasks(&mut tasks);
        Ok(Partition {
            summary: summary.map_or(Ok(None), |bytes| rows::known_summary(&bytes, seal))?,
            holder: holder.map(|bytes| decode(&bytes, seal)).transpose()?,
            tasks,
        })
    }

    async fn summary(&self, device: &DeviceId) -> Result<Option<DeviceSummary>> {
        let bytes = self.engine()?.get(Space::Rows, &keys::summary(device)).map_err(engine_error)?;
        bytes.map_or(Ok(None), |bytes| rows::known_summary(&bytes, self.seal()))
    }

    async fn patch_summary(&self, device: &DeviceId, patch: SummaryPatch) -> Result<()> {
        self.patch_summaries(vec![(device.clone(), patch)]).await
    }

    async fn patch_summaries(&self, patches: Vec<(DeviceId, SummaryPatch)>) -> Result<()> {
        if patches.is_empty() {
            return Ok(());
        }
        self.write(move |transaction| {
            for (device, patch) in &patches {
                write_summary(transaction, device, patch)?;
            }
            Ok(())
        })
        .await
    }

    async fn list_devices(&self, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<DeviceSummary>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.scan(move |store| {
            store.page(Space::Rows, keys::SUMMARIES, &page, |_, value| {
                Ok(rows::known_summary(value, store.seal())?.filter(|device| filter.matches(device)))
            })
        })
        .await
    }

    async fn count_devices(&self) -> Result<u64> {
        self.engine()?;
        Ok(self.shared.devices())
    }

    async fn delete_device(&self, device: &DeviceId) -> Result<DeleteOutcome> {
        let device = device.clone();
        let of_device = device.clone();
        // Timers are hints: one put at this very moment may stay, and finds no device when it is due. They are kept by time
        // alone, so this looks at all of them: a deletion is rare, every task has a timer.
        let timers = self
            .scan(move |store| {
                let mut found = Vec::new();
                for row in store.engine()?.scan(Space::Rows, keys::TIMERS, None) {
                    let (key, _) = row.map_err(engine_error)?;
                    if timers::is_of_device(&key, &of_device) {
                        found.push(key.to_vec());
                    }
                }
                Ok(found)
            })
            .await?;
        self.write_making_room(move |transaction| {
            let outcome = delete(transaction, &device)?;
            if outcome != DeleteOutcome::TasksOpen {
                timers.into_iter().for_each(|key| transaction.remove(Space::Rows, key));
            }
            Ok(outcome)
        })
        .await
    }
}

/// News of a device, seen from the commit thread.
pub(crate) fn write_summary(transaction: &mut Transaction<'_>, device: &DeviceId, patch: &SummaryPatch) -> Result<()> {
    let key = keys::summary(device);
    let seal = transaction.seal();
    let mut row = match transaction.get(Space::Rows, &key)? {
        Some(bytes) => rows::summary_from_bytes(&bytes, seal)?,
        None => SummaryRow::new(device.clone()),
    };
    let known_before = row.is_known();
    if row.apply(patch) {
        transaction.put(Space::Rows, key, rows::summary_to_bytes(&row, seal));
        transaction.count_devices(i64::from(row.is_known()) - i64::from(known_before));
    }
    Ok(())
}

/// Whether the device is known, seen from a commit.
pub(crate) fn is_known(transaction: &Transaction<'_>, device: &DeviceId) -> Result<bool> {
    let summary = transaction.get(Space::Rows, &keys::summary(device))?;
    Ok(summary.is_some_and(|bytes| rows::is_known(&bytes)))
}

/// In the commit thread, so that no task comes between the look and the deletion (P1).
fn delete(transaction: &mut Transaction<'_>, device: &DeviceId) -> Result<DeleteOutcome> {
    if !transaction.scan(Space::Rows, &keys::open_tasks(device))?.is_empty() {
        return Ok(DeleteOutcome::TasksOpen);
    }
    let known = is_known(transaction, device)?;
    transaction.count_devices(-i64::from(known));
    for key in transaction.scan(Space::Objects, &keys::objects(device, &ParameterPath::root()))?.into_keys() {
        transaction.remove(Space::Objects, key);
    }
    crate::access::put_credential(transaction, device, None::<CpeCredential>)?;
    for key in [keys::summary(device), keys::holder(device), keys::forgotten(device)] {
        transaction.remove(Space::Rows, key);
    }
    Ok(if known { DeleteOutcome::Deleted } else { DeleteOutcome::Unknown })
}
