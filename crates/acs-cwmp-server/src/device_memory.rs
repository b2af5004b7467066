use std::sync::Arc;

use acs_types::{DeviceId, SessionId};
use quick_cache::sync::Cache;

/// Devices remembered; one that is forgotten gets `chain_unknown` where its CPE repeats an Inform.
pub const DEVICES_MAX: usize = 200_000;

/// The `dedup_key` of an event entry whose chain cannot be told (P8).
pub const CHAIN_UNKNOWN: &str = "chain_unknown";

/// What a front-end remembers of devices from one Inform to the next. A hint only: nothing is wrong without it.
pub(crate) struct DeviceMemory {
    devices: Cache<DeviceId, Remembered>,
}

#[derive(Clone)]
struct Remembered {
    last: SessionId,
    chain: Option<SessionId>,
    /// A POST followed the last InformResponse: its events are delivered, what comes now is new.
    followed: bool,
    subscriber: Arc<str>,
}

impl DeviceMemory {
    pub(crate) fn new() -> Self {
        Self { devices: Cache::new(DEVICES_MAX) }
    }

    /// Notes an Inform and says which chain of repetitions it belongs to: RetryCount 0 starts one, a larger one continues
    /// the last if no POST followed its InformResponse (`design.md` §7). `None`: it cannot be told.
    pub(crate) fn chain(&self, device: &DeviceId, session: SessionId, retry_count: u32) -> Option<SessionId> {
        let known = self.devices.get(device);
        let chain = match &known {
            _ if retry_count == 0 => Some(session),
            Some(known) if !known.followed => known.chain,
            _ => None,
        };
        let subscriber = known.map_or_else(|| Arc::from(""), |known| known.subscriber);
        self.devices.insert(device.clone(), Remembered { last: session, chain, followed: false, subscriber });
        chain
    }

    /// The CPE went on after the InformResponse of `session`.
    pub(crate) fn followed(&self, device: &DeviceId, session: &SessionId) {
        if let Some(known) = self.devices.get(device)
            && known.last == *session
        {
            self.devices.insert(device.clone(), Remembered { followed: true, ..known });
        }
    }

    /// The subscriber of the device as its last session knew it; empty: none.
    pub(crate) fn subscriber(&self, device: &DeviceId) -> Arc<str> {
        self.devices.get(device).map_or_else(|| Arc::from(""), |known| known.subscriber)
    }

    pub(crate) fn set_subscriber(&self, device: &DeviceId, subscriber: &str) {
        if let Some(known) = self.devices.get(device)
            && *known.subscriber != *subscriber
        {
            self.devices.insert(device.clone(), Remembered { subscriber: subscriber.into(), ..known });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_repeated_informs_p8() {
        let memory = DeviceMemory::new();
        let device: DeviceId = "00AABB-1".parse().unwrap();
        let session = |n: u8| SessionId::from_bytes([n; 16]);
        assert_eq!(memory.chain(&device, session(1), 2), None, "nothing is known of what came before");
        assert_eq!(memory.chain(&device, session(2), 3), None, "still not");
        assert_eq!(memory.chain(&device, session(3), 0), Some(session(3)), "0 starts a chain");
        assert_eq!(memory.chain(&device, session(4), 1), Some(session(3)), "the InformResponse was lost");
        assert_eq!(memory.chain(&device, session(5), 2), Some(session(3)), "again");
        memory.followed(&device, &session(4));
        assert_eq!(memory.chain(&device, session(6), 3), Some(session(3)), "an older session says nothing");
        memory.followed(&device, &session(6));
        assert_eq!(memory.chain(&device, session(7), 4), None, "what was delivered is not repeated");
        assert_eq!(memory.chain(&device, session(8), 0), Some(session(8)));
    }

    #[test]
    fn the_subscriber_stays_over_informs() {
        let memory = DeviceMemory::new();
        let device: DeviceId = "00AABB-1".parse().unwrap();
        memory.chain(&device, SessionId::from_bytes([1; 16]), 0);
        memory.set_subscriber(&device, "s-1");
        memory.chain(&device, SessionId::from_bytes([2; 16]), 0);
        assert_eq!(&*memory.subscriber(&device), "s-1");
    }
}
