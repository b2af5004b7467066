//! Processes of ingest over one Kafka and one store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::{EventGroup, EventSink, MemoryEventLog};
use acs_events_kafka::{KafkaConfig, KafkaConsumer, KafkaGroup};
use acs_ingest::{Config, Ingest, LogConsumer, Metrics};
use acs_store::Store;
use acs_store::memory::MemoryStore;
use acs_types::{EventBody, EventId, EventRecord};

use crate::listener::Listener;
use crate::records::{emitter, ended, inform, state_of, transfer};
use crate::service::{Both, read_all};

/// The group of `lastmile ingest`.
pub(crate) const GROUP: &str = "lastmile-ingest";
/// A group needs some time to find out that a member is gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct World {
    pub(crate) kafka: KafkaConfig,
    pub(crate) both: Arc<Both>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) listener: Arc<Listener>,
}

impl World {
    pub(crate) fn new(kafka: KafkaConfig) -> Self {
        let both = Arc::new(Both::new(&kafka));
        Self { kafka, both, store: Arc::default(), listener: Arc::default() }
    }

    /// A process.
    pub(crate) fn ingest(&self, name: &str) -> Ingest {
        self.configured(Config::new(emitter(name)))
    }

    pub(crate) fn configured(&self, config: Config) -> Ingest {
        let consumer = Box::new(KafkaConsumer::join(self.kafka.clone(), GROUP).unwrap());
        let (sink, store, listener) = (self.both.clone(), self.store.clone(), self.listener.clone());
        Ingest::new(consumer, sink, store, listener, config, Metrics::default())
    }

    /// Waits until the group has done all that is in the log.
    pub(crate) async fn done(&self) {
        let group = KafkaGroup::new(self.kafka.clone(), GROUP).unwrap();
        let began = Instant::now();
        loop {
            let (done, ends) = (group.done().await.unwrap(), acs_events::EventLog::ends(&*self.both).await.unwrap());
            if done.iter().all(|(partition, done)| done >= ends.get(partition)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "done up to {done}, the log ends at {ends}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The changes of devices in the log, each id once.
    pub(crate) async fn changes(&self) -> BTreeMap<EventId, String> {
        changes(read_all(&self.both.log).await.into_iter().map(|event| event.record))
    }
}

/// What devices do: the `n`th session of each.
pub(crate) fn sessions(devices: u8, n: u32) -> Vec<EventRecord> {
    let of = |device: u8| {
        let events: &[&str] = if n == 1 { &["0 BOOTSTRAP", "1 BOOT"] } else { &["2 PERIODIC"] };
        let version = format!("{}.{}", device % 3, n / 3);
        let mut records = vec![inform(device, n, events, &version, &n.to_string())];
        records.extend(device.is_multiple_of(4).then(|| transfer(device, n, 9010)));
        records.push(ended(device, n));
        records
    };
    (1..=devices).flat_map(of).collect()
}

/// The state and the changes that one undisturbed process makes of these records.
pub(crate) async fn undisturbed(records: &[EventRecord]) -> (String, BTreeMap<EventId, String>) {
    let (log, store) = (MemoryEventLog::new(), Arc::new(MemoryStore::new()));
    log.append(records.to_vec()).await.unwrap();
    let consumer = Box::new(LogConsumer::new(Arc::new(log.clone()), store.clone()));
    let (sink, listener) = (Arc::new(log.clone()), Arc::<Listener>::default());
    let config = Config::new(emitter("undisturbed"));
    let ingest = Ingest::new(consumer, sink, store.clone(), listener, config, Metrics::default());
    ingest.run_once().await.unwrap();
    (state_of(&*store as &dyn Store).await, changes(log.records()))
}

fn changes(records: impl IntoIterator<Item = EventRecord>) -> BTreeMap<EventId, String> {
    let of = |record: EventRecord| match record.body {
        EventBody::Device(change) => Some((record.event_id, change.as_str().to_owned())),
        _ => None,
    };
    records.into_iter().filter_map(of).collect()
}
