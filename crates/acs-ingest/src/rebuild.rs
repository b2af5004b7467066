use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use acs_events::{EventLog, LogPosition, Partition, Positions, ReadError, Topic};
use acs_store::Store;
use acs_types::{DeviceChange, DeviceId, EventBody, EventRecord, InformRecord, SessionStamp};
use cwmp_model::{Event, EventCode, Timestamp};
use fail::fail_point;

use crate::changes::{Devices, hash_of};
use crate::project::{Patch, project_news};
use crate::range::Range;
use crate::writes::Writes;

/// Records in one batch.
const BATCH: usize = 500;
/// How often the store is tried again, and the pause between; then the rebuild is given up, and may be started again.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(2);
/// Devices remembered because they were deleted or bootstrapped in the time that the log keeps (P19).
const MARKED_MAX: usize = 2_000_000;

/// Makes what ingest wrote anew, from what the log still keeps: summaries of devices, values that Informs told, sessions, faults,
/// refused Informs.
///
/// It goes as far as ingest has come and not beyond: what comes later ingest itself does, with all that follows from it. So it may
/// run beside ingest. It emits no record and obliges to nothing; doing it twice, or again after it was stopped, is as once.
/// Nothing is removed, and nothing replaces what is newer.
pub struct Rebuild {
    log: Arc<dyn EventLog>,
    store: Arc<dyn Store>,
    done: Positions,
}

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The log is read twice: 1, which devices were deleted or bootstrapped; 2, everything.
    pub pass: u8,
    /// Records read in this pass.
    pub read: u64,
    /// Of so many.
    pub of: u64,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Records projected.
    pub records: u64,
    /// Records that the store refused for good; the log of the process names them.
    pub skipped: u64,
}

/// Why a rebuild was given up. It may be started again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The event log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] acs_store::Error),
    /// More would have to be remembered than fits.
    #[error("more than {MARKED_MAX} devices were deleted or bootstrapped in the time that the event log keeps")]
    TooManyMarked,
}

/// What has to be known before the first record is projected.
#[derive(Default)]
struct Marks {
    /// Records up to then are of a device that is gone.
    deleted: HashMap<DeviceId, Timestamp>,
    /// Values of sessions before it were forgotten (CWMP-185).
    bootstrapped: HashMap<DeviceId, SessionStamp>,
}

impl Rebuild {
    /// From `log` to `store`; `done` is how far ingest has come.
    pub fn new(log: Arc<dyn EventLog>, store: Arc<dyn Store>, done: Positions) -> Self {
        Self { log, store, done }
    }

    /// Does it; tells now and then how far it has come.
    pub async fn run(&self, mut tell: impl FnMut(Progress)) -> Result<Rebuilt, RebuildError> {
        let mut marks = Marks::default();
        let mut range = self.range(&[Topic::Inform, Topic::Device]).await?;
        while let Some(events) = range.next(BATCH).await? {
            for event in &events {
                marks.learn(&event.record)?;
            }
            tell(Progress { pass: 1, read: range.read(), of: range.len() });
        }
        let (mut devices, mut rebuilt) = (Devices::new(), Rebuilt::default());
        let mut range = self.range(&[Topic::Inform, Topic::Session]).await?;
        while let Some(events) = range.next(BATCH).await? {
            let records = events.iter().map(|event| &event.record).filter(|record| marks.counts(record));
            let patches: Vec<_> = records.map(|record| project_again(&mut devices, &marks, record)).collect();
            rebuilt.records += patches.len() as u64;
            rebuilt.skipped += self.write(patches).await?;
            fail_point!("rebuild::after_batch");
            tell(Progress { pass: 2, read: range.read(), of: range.len() });
        }
        Ok(rebuilt)
    }

    /// These topics, from where the log begins to where ingest has come; the topic of device changes, which ingest does not
    /// read, to its end.
    async fn range(&self, topics: &'static [Topic]) -> Result<Range, ReadError> {
        let until = |partition: Partition, end: LogPosition| match partition.topic {
            Some(topic) if !topics.contains(&topic) => 0,
            Some(Topic::Device) => end,
            _ => self.done.get(partition).min(end),
        };
        Range::open(Arc::clone(&self.log), until).await
    }

    /// Writes a batch; where the store refuses it for good, one by one. Says how many could not be written (P20).
    async fn write(&self, patches: Vec<Patch>) -> Result<u64, acs_store::Error> {
        match self.write_all(&patches).await {
            Err(error) if !is_transient(&error) => {}
            result => return result.map(|()| 0),
        }
        let mut skipped = 0;
        for patch in &patches {
            match self.write_all(std::slice::from_ref(patch)).await {
                Err(error) if !is_transient(&error) => {
                    tracing::error!(%error, ?patch, "a record cannot be projected and is left out");
                    skipped += 1;
                }
                result => result?,
            }
        }
        Ok(skipped)
    }

    async fn write_all(&self, patches: &[Patch]) -> Result<(), acs_store::Error> {
        let mut tries = 0;
        loop {
            let mut writes = Writes::default();
            patches.iter().cloned().for_each(|patch| writes.add(patch));
            match writes.apply(&*self.store).await {
                Err(error) if is_transient(&error) && tries < TRIES => {
                    tries += 1;
                    tracing::warn!(%error, "the store does not take what is rebuilt, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

impl Marks {
    fn learn(&mut self, record: &EventRecord) -> Result<(), RebuildError> {
        let Some(device) = &record.device else { return Ok(()) };
        match &record.body {
            EventBody::Device(DeviceChange::Deleted) => {
                let at = self.deleted.entry(device.clone()).or_default();
                *at = record.occurred_at.max(*at);
            }
            EventBody::Inform(inform) if is_bootstrap(inform) => {
                let stamp = self.bootstrapped.entry(device.clone()).or_default();
                *stamp = record.position.stamp.max(*stamp);
            }
            _ => {}
        }
        match self.deleted.len() + self.bootstrapped.len() > MARKED_MAX {
            true => Err(RebuildError::TooManyMarked),
            false => Ok(()),
        }
    }

    /// Whether a record is of a device that was not deleted since.
    fn counts(&self, record: &EventRecord) -> bool {
        let deleted = record.device.as_ref().and_then(|device| self.deleted.get(device));
        deleted.is_none_or(|deleted| record.occurred_at > *deleted)
    }

    /// Whether the values of a session were forgotten since.
    fn forgot(&self, device: &DeviceId, stamp: SessionStamp) -> bool {
        self.bootstrapped.get(device).is_some_and(|bootstrapped| stamp < *bootstrapped)
    }
}

/// What a record changed, told by the devices as they were rebuilt so far. Nothing is forgotten: what other sessions read since
/// is not in the log.
fn project_again(devices: &mut Devices, marks: &Marks, record: &EventRecord) -> Patch {
    let (EventBody::Inform(inform), Some(device)) = (&record.body, &record.device) else {
        return project_news(record, true);
    };
    let (before, hash) = (devices.get(device).unwrap_or_default(), hash_of(inform));
    let mut patch = project_news(record, before.parameters != Some(hash));
    let software = patch.summary.as_ref().and_then(|(_, summary)| summary.software_version.as_deref());
    devices.put(device.clone(), before.after(record, inform, software, hash));
    if marks.forgot(device, record.position.stamp) {
        patch.objects = None;
        // The same values told later count.
        devices.touched(device);
    }
    patch.objects.take_if(|_| before.is_late(record));
    if let Some((_, objects)) = &mut patch.objects {
        objects.forget = false;
    }
    patch
}

fn is_bootstrap(inform: &InformRecord) -> bool {
    inform.events.iter().any(|event| EventCode::parse(&event.code).standard() == Some(Event::Bootstrap))
}

fn is_transient(error: &acs_store::Error) -> bool {
    matches!(error, acs_store::Error::Unavailable(_) | acs_store::Error::NoSpace(_))
}
