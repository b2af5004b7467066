use std::sync::Arc;

use acs_types::{DeviceId, SessionId, SessionStamp};
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
    stamp: SessionStamp,
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
    pub(crate) fn chain(
        &self,
        device: &DeviceId,
        session: SessionId,
        stamp: SessionStamp,
        retry_count: u32,
    ) -> Option<SessionId> {
        let known = self.devices.get(device);
        let chain = match &known {
            _ if retry_count == 0 => Some(session),
            Some(known) if !known.followed => known.chain,
            _ => None,
        };
        let subscriber = known.map_or_else(|| Arc::from(""), |known| known.subscriber);
        let now = Remembered { last: session, stamp, chain, followed: false, subscriber };
        self.devices.insert(device.clone(), now);
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

    /// The stamp of the last session; the least one if none is known.
    pub(crate) fn stamp(&self, device: &DeviceId) -> SessionStamp {
        self.devices.get(device).map(|known| known.stamp).unwrap_or_default()
    }

    /// Another front-end gave a session of the device this stamp.
    pub(crate) fn saw(&self, device: &DeviceId, stamp: SessionStamp) {
        if let Some(known) = self.devices.get(device)
            && known.stamp < stamp
        {
            self.devices.insert(device.clone(), Remembered { stamp, ..known });
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
        let inform =
            |n: u8, retry_count| memory.chain(&device, session(n), SessionStamp::from_micros(n.into()), retry_count);
        assert_eq!(inform(1, 2), None, "nothing is known of what came before");
        assert_eq!(inform(2, 3), None, "still not");
        assert_eq!(inform(3, 0), Some(session(3)), "0 starts a chain");
        assert_eq!(inform(4, 1), Some(session(3)), "the InformResponse was lost");
        assert_eq!(inform(5, 2), Some(session(3)), "again");
        memory.followed(&device, &session(4));
        assert_eq!(inform(6, 3), Some(session(3)), "an older session says nothing");
        memory.followed(&device, &session(6));
        assert_eq!(inform(7, 4), None, "what was delivered is not repeated");
        assert_eq!(inform(8, 0), Some(session(8)));
        assert_eq!(memory.stamp(&device), SessionStamp::from_micros(8));
    }

    #[test]
    fn the_subscriber_stays_over_informs() {
        let memory = DeviceMemory::new();
        let device: DeviceId = "00AABB-1".parse().unwrap();
        memory.chain(&device, SessionId::from_bytes([1; 16]), SessionStamp::default(), 0);
        memory.set_subscriber(&device, "s-1");
        memory.chain(&device, SessionId::from_bytes([2; 16]), SessionStamp::default(), 0);
        assert_eq!(&*memory.subscriber(&device), "s-1");
    }
}
