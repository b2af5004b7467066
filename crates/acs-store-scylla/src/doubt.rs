//! Conditional writes to the partition of a device, until it is known what became of them.

use acs_store::{Error, Result};
use acs_types::DeviceId;

use crate::cql::Applied;
use crate::error::{is_open, store_error};
use crate::store::Shared;

/// A conditional write under way: unless it is known what became of it, the next read of the partition ends it first. Also if
/// nobody waits for it any more.
pub(crate) struct Doubt<'a> {
    shared: &'a Shared,
    device: &'a DeviceId,
    is_settled: bool,
}

impl Shared {
    /// Before a conditional write to the partition of a device.
    pub(crate) fn in_doubt<'a>(&'a self, device: &'a DeviceId) -> Doubt<'a> {
        Doubt { shared: self, device, is_settled: false }
    }
}

impl Doubt<'_> {
    /// Whether it was applied. Of unknown outcome it counts as not applied so far.
    pub(crate) fn settle(mut self, applied: Applied) -> Result<bool> {
        match applied {
            Ok(applied) => {
                self.is_settled = true;
                Ok(applied)
            }
            Err(error) if is_open(&error) => {
                tracing::debug!(device = %self.device, %error, "a write has an unknown outcome, reading again");
                Ok(false)
            }
            Err(error) => Err(store_error(error)),
        }
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.shared.unsure.insert(self.device.clone(), ());
        }
    }
}

pub(crate) fn unknown_outcome(device: &DeviceId) -> Error {
    Error::Unavailable(format!("whether a write to device {device} happened is not known: too many came after it"))
}
