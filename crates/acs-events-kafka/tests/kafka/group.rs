//! Several consumers of one group.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use acs_events::contract::record;
use acs_events::{Cursor, Delivery, EventConsumer, EventGroup, EventSink, LoggedEvent, Partition, Positions};
use acs_events_kafka::{KafkaConfig, KafkaConsumer, KafkaGroup, WORK_TOPICS};
use acs_types::{EventBody, EventId, EventRecord, TaskId, TaskKind, TaskTransition};

use crate::service::{Both, fresh};

const PATIENCE: Duration = Duration::from_secs(40);

fn work(n: u64) -> EventRecord {
    let device: acs_types::DeviceId = format!("00AABB-IGD-{}", n % 20).parse().unwrap();
    let task = TaskTransition {
        task: TaskId::of("test", &device, &n.to_string()),
        kind: TaskKind::Reboot,
        from: String::new(),
        to: "queued".into(),
        attempt: 0,
        revision: 1,
        fault: None,
    };
    EventRecord { device: Some(device), body: EventBody::Task(Box::new(task)), ..record(1, n) }
}

/// A consumer and what it was given.
struct Member {
    consumer: KafkaConsumer,
    share: BTreeSet<Partition>,
    seen: Vec<EventRecord>,
}

impl Member {
    fn join(config: &KafkaConfig) -> Self {
        let consumer = KafkaConsumer::join(config.clone(), "ingest").unwrap();
        Self { consumer, share: BTreeSet::new(), seen: Vec::new() }
    }

    /// One look; commits what it was given.
    async fn look(&mut self) {
        match self.consumer.next(50, Duration::from_millis(100)).await.unwrap() {
            Delivery::Assigned(share) => self.share.extend(share.into_iter().map(|(partition, _)| partition)),
            Delivery::Revoked(gone) => self.share.retain(|partition| !gone.contains(partition)),
            Delivery::Events(events) => self.work(events).await,
        }
    }

    async fn work(&mut self, events: Vec<LoggedEvent>) {
        assert!(events.iter().all(|event| self.share.contains(&event.partition)), "of its share only");
        let mut at = Positions::default();
        events.iter().for_each(|event| at.advance(event));
        self.seen.extend(events.into_iter().map(|event| event.record));
        let cursors: Vec<_> = at.iter().map(|(partition, done)| (partition, Cursor { done, mark: done })).collect();
        // Refused when the share moved meanwhile: the other one does the work again.
        let _ = self.consumer.commit(&cursors).await;
    }

    fn ids(&self) -> BTreeSet<EventId> {
        self.seen.iter().map(|record| record.event_id).collect()
    }
}

/// Every topic of work, with the numbers given.
fn lanes(share: &BTreeSet<Partition>) -> BTreeSet<u32> {
    let mut lanes: HashMap<u32, usize> = HashMap::new();
    for partition in share {
        *lanes.entry(partition.number).or_default() += 1;
    }
    assert!(lanes.values().all(|topics| *topics == WORK_TOPICS.len()), "all topics of a number: {share:?}");
    lanes.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_share_the_work_and_one_takes_over_from_the_other() {
    let Some(config) = fresh(6).await else { return };
    let both = Both::new(&config);
    let (mut a, mut b) = (Member::join(&config), Member::join(&config));
    let began = Instant::now();
    while a.share.len() != 9 || b.share.len() != 9 {
        assert!(began.elapsed() < PATIENCE, "no even shares: {:?} {:?}", a.share, b.share);
        tokio::join!(a.look(), b.look());
    }
    let (of_a, of_b) = (lanes(&a.share), lanes(&b.share));
    assert!(of_a.is_disjoint(&of_b) && of_a.len() == 3 && of_b.len() == 3);

    let all: Vec<_> = (1..=200).map(work).collect();
    let ids: BTreeSet<_> = all.iter().map(|record| record.event_id).collect();
    both.append(all).await.unwrap();
    while a.seen.len() + b.seen.len() < 200 {
        assert!(began.elapsed() < PATIENCE, "{} and {}", a.seen.len(), b.seen.len());
        tokio::join!(a.look(), b.look());
    }
    assert_eq!(&a.ids() | &b.ids(), ids);
    assert!(a.ids().is_disjoint(&b.ids()) && !a.seen.is_empty() && !b.seen.is_empty());

    drop(b);
    both.append((201..=260).map(work).collect()).await.unwrap();
    while a.share.len() != 18
        || a.ids().len() < ids.len() - 200
        || !(201..=260).all(|n| a.ids().contains(&work(n).event_id))
    {
        assert!(began.elapsed() < PATIENCE, "it has {} of 18 partitions", a.share.len());
        a.look().await;
    }
    assert_eq!(lanes(&a.share).len(), 6);
    for device in 0..20 {
        let id = work(device).device;
        let seqs: Vec<_> =
            a.seen.iter().filter(|record| record.device == id).map(|record| record.emitter_seq).collect();
        assert!(seqs.is_sorted(), "in the order of the device: {seqs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_a_group_has_come_is_known_from_outside() {
    let Some(config) = fresh(2).await else { return };
    let group = KafkaGroup::new(config.clone(), "ingest").unwrap();
    assert_eq!(group.done().await.unwrap().total(), 0, "nobody has worked yet");
    let (both, mut member) = (Both::new(&config), Member::join(&config));
    both.append((1..=20).map(work).collect()).await.unwrap();
    let began = Instant::now();
    while member.seen.len() < 20 {
        assert!(began.elapsed() < PATIENCE, "{} of 20", member.seen.len());
        member.look().await;
    }
    assert_eq!(group.done().await.unwrap().total(), 20);
    let of_tasks = |partition: Partition| partition.topic == Some(acs_events::Topic::Task);
    assert!(group.done().await.unwrap().iter().all(|(partition, done)| of_tasks(partition) || done == 0));
}
