use acs_types::{DeviceId, DeviceSummary, ObjectRecord, Page, PageRequest, Partition, SessionStamp, SummaryPatch};
use async_trait::async_trait;
use cwmp_model::{ParameterPath, Timestamp};

use crate::Result;

/// Devices and what is known of them.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Summary, holder and open tasks of a device in one read.
    async fn partition(&self, device: &DeviceId) -> Result<Partition>;

    /// The summary alone; `None` if the device is not known.
    async fn summary(&self, device: &DeviceId) -> Result<Option<DeviceSummary>>;

    /// Writes news. Of two patches the larger stamp wins field by field, in whatever order they come; the same patch twice
    /// is as once; of two with the same stamp the greater value wins, so that the order does not matter there either.
    /// A device is known as soon as some patch had its identity; what others wrote before shows then. `first_seen` is the
    /// earliest presence seen, `last_boot` and `last_bootstrap` come from the presence with the largest stamp that had one.
    async fn patch_summary(&self, device: &DeviceId, patch: SummaryPatch) -> Result<()>;

    /// Many patches at once; each as by [`Devices::patch_summary`].
    async fn patch_summaries(&self, patches: Vec<(DeviceId, SummaryPatch)>) -> Result<()> {
        for (device, patch) in patches {
            self.patch_summary(&device, patch).await?;
        }
        Ok(())
    }

    /// Devices in order of their id. A page may be short, even empty, and have a next one: one call looks at a bounded
    /// number of rows.
    async fn list_devices(&self, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<DeviceSummary>>;

    /// How many devices there are.
    async fn count_devices(&self) -> Result<u64>;

    /// Deletes a device with its tree, holder, credentials and timers; history stays. Refused while it has a task that is
    /// not final, so that none is lost (P1): that is decided in one step with the commits of the device, which come wholly
    /// before or wholly after. One that comes after begins the device anew, unless it asks for a known device
    /// ([`crate::Commit::device_known`]).
    async fn delete_device(&self, device: &DeviceId) -> Result<DeleteOutcome>;
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// It is gone.
    Deleted,
    /// The device is not known. What was written of it without an identity is gone.
    Unknown,
    /// Nothing changed: it has tasks that are not final. Cancel them, or wait for their outcome, and try again.
    TasksOpen,
}

/// Which devices are wanted; empty fields do not restrict. All that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// The serial number, exactly.
    pub serial_number: Option<String>,
    /// The OUI, exactly.
    pub oui: Option<String>,
    /// The product class, exactly.
    pub product_class: Option<String>,
    /// The software version, exactly.
    pub software_version: Option<String>,
    /// The subscriber, exactly.
    pub subscriber_id: Option<String>,
    /// A part of id, manufacturer, product class, serial number or address; case does not matter.
    pub text: Option<String>,
    /// The last Inform came at or after.
    pub informed_since: Option<Timestamp>,
    /// The last Inform came before.
    pub informed_before: Option<Timestamp>,
}

/// The parameter trees of devices, by object instance.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The objects at and below `within` (empty: all), in order of their path as bytes; none if `within` is no object.
    async fn objects(&self, device: &DeviceId, within: &ParameterPath) -> Result<Vec<ObjectRecord>>;

    /// One object.
    async fn object(&self, device: &DeviceId, path: &ParameterPath) -> Result<Option<ObjectRecord>>;

    /// Writes what was read from the device.
    async fn patch_objects(&self, device: &DeviceId, patch: ObjectsPatch) -> Result<()>;
}

/// Changes to a device's tree, applied in this order: `forget`, `remove`, `upsert`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectsPatch {
    /// The session the news comes from; a patch with an older stamp than one that forgot everything changes nothing.
    pub stamp: SessionStamp,
    /// Forget the whole tree (`0 BOOTSTRAP`, CWMP-185). Once per stamp: the same patch again forgets nothing more.
    pub forget: bool,
    /// Objects that are gone, with all below.
    pub remove: Vec<ParameterPath>,
    /// Objects read. Parameters are merged by name: a record without value keeps the value known before, one without
    /// `writable` keeps that, and so does the object. With `complete` the parameters not listed are dropped. What is read
    /// back has its parameters in order of their name.
    pub upsert: Vec<UpsertObject>,
    /// The news may come after later ones (an Inform projected from the log, beside the session that goes on): a value
    /// known with a later `value_at` stays.
    pub late: bool,
}

/// One object read.
#[derive(Debug, Clone, PartialEq)]
pub struct UpsertObject {
    /// What was read.
    pub object: ObjectRecord,
    /// Whether all its parameters are listed.
    pub complete: bool,
}
