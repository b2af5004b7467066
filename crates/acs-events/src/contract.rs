//! The contract suites: every sink with its log runs [`crate::event_log_contract!`], every consumer
//! [`crate::event_consumer_contract!`].
//!
//! Order is asked for where it is promised: within a device; in a log that is one sequence, of everything.

#![allow(clippy::unwrap_used, reason = "tests, only not behind cfg(test): other crates run them")]

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use acs_types::{
    DeviceChange, DeviceId, EventBody, EventId, EventRecord, Position, SessionId, SessionStamp, TaskId, TaskKind,
    TaskTransition, Tenant,
};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use futures::future::join_all;

use crate::{Cursor, Delivery, EventConsumer, EventLog, EventSink, LoggedEvent, Partition, Positions};

/// The longest that anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a module of tests, one for each rule. `$make` is an expression giving a future of `(log, guard)`: a fresh empty log
/// that is [`EventSink`] and [`EventLog`], and whatever must live as long.
#[macro_export]
macro_rules! event_log_contract {
    ($module:ident, $make:expr) => {
        $crate::event_log_contract!(@each $module, $make;
            positions_are_dense_from_one, reads_what_was_appended, order_of_one_call_is_kept, read_in_pages,
            nothing_to_append_is_no_error, unawaited_is_not_overtaken, unawaited_alone_gets_durable,
            flush_makes_durable, next_waits_no_longer_than_told, next_wakes, concurrent_appends_are_dense_and_whole,
            readers_see_a_growing_prefix, reads_on_from_a_text
        );
    };
    (@each $module:ident, $make:expr; $($case:ident),+) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (log, _guard) = $make.await;
                    $crate::contract::$case(&log).await;
                }
            )+
        }
    };
}

/// The same for consumers. `$make` is an expression giving a future of a [`ConsumerBench`] over a fresh empty log.
#[macro_export]
macro_rules! event_consumer_contract {
    ($module:ident, $make:expr) => {
        $crate::event_consumer_contract!(@each $module, $make;
            a_consumer_gets_all_and_begins_with_its_share, what_is_committed_is_not_delivered_again,
            what_is_not_committed_is_delivered_again, what_is_unfinished_is_delivered_again_as_done,
            a_consumer_knows_its_lag
        );
    };
    (@each $module:ident, $make:expr; $($case:ident),+) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let bench = $make.await;
                    $crate::contract::$case(&bench).await;
                }
            )+
        }
    };
}

/// A log with consumers that come one after another.
#[async_trait]
pub trait ConsumerBench: Sync {
    /// Where records go.
    fn sink(&self) -> &dyn EventSink;

    /// Another consumer of the same work; the last one is gone.
    async fn consumer(&self) -> Box<dyn EventConsumer>;
}

/// A record that is told apart by its emitter's number and time. All are of one device.
pub fn record(emitter: u32, seq: u64) -> EventRecord {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&emitter.to_be_bytes());
    id[4..12].copy_from_slice(&seq.to_be_bytes());
    EventRecord {
        event_id: EventId::from_bytes(id),
        device: Some("00AABB-IGD-1".parse().unwrap()),
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: None,
        position: Position::default(),
        occurred_at: Timestamp::from_micros(seq as i64),
        emitter: format!("host.{emitter}").parse().unwrap(),
        emitter_seq: seq,
        late: false,
        body: EventBody::Device(DeviceChange::Booted),
    }
}

/// The same, of one of seven devices.
fn spread(emitter: u32, seq: u64) -> EventRecord {
    EventRecord { device: Some(device(seq % 7)), ..record(emitter, seq) }
}

fn device(n: u64) -> DeviceId {
    format!("00AABB-IGD-{n}").parse().unwrap()
}

/// A record that consumers of sessions read: a transition of a task.
fn work(n: u64) -> EventRecord {
    let task = TaskTransition {
        task: TaskId::of("test", &device(n % 7), &n.to_string()),
        kind: TaskKind::Reboot,
        from: String::new(),
        to: "queued".into(),
        attempt: 0,
        revision: 1,
        fault: None,
    };
    let position = Position { stamp: SessionStamp::from_micros(n as i64), resume: 0, seq: 1 };
    let session = Some(SessionId::from_bytes([n as u8; 16]));
    EventRecord { session, position, body: EventBody::Task(Box::new(task)), ..spread(1, n) }
}

fn records(range: std::ops::RangeInclusive<u64>) -> Vec<EventRecord> {
    range.map(|seq| spread(1, seq)).collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

/// Everything after `after` up to what is durable now.
async fn read_after(log: &impl EventLog, after: &Positions) -> Vec<LoggedEvent> {
    let ends = log.ends().await.unwrap();
    let (mut at, mut events) = (after.clone(), Vec::new());
    let mut tail = log.tail(after).await.unwrap();
    while !at.covers(&ends) {
        let page = within(tail.next(1000, PATIENCE)).await.unwrap();
        assert!(!page.is_empty(), "the log ends at {ends}, read came to {at}");
        page.iter().for_each(|event| at.advance(event));
        events.extend(page);
    }
    events
}

async fn read_all(log: &impl EventLog) -> Vec<LoggedEvent> {
    read_after(log, &Positions::default()).await
}

/// Positions are dense from 1 in each partition, and the records of a device are these, in this order.
fn assert_holds(events: &[LoggedEvent], expected: &[EventRecord]) {
    let mut at = Positions::default();
    for event in events {
        assert_eq!(event.position, at.get(event.partition) + 1, "dense in {}", event.partition);
        at.advance(event);
    }
    let of = |device: &Option<DeviceId>, records: &[&EventRecord]| -> Vec<EventRecord> {
        records.iter().filter(|r| r.device == *device).map(|r| (*r).clone()).collect()
    };
    let (read, wanted): (Vec<_>, Vec<_>) = (events.iter().map(|e| &e.record).collect(), expected.iter().collect());
    assert_eq!(read.len(), wanted.len());
    for record in expected {
        assert_eq!(of(&record.device, &read), of(&record.device, &wanted), "in the order of the device");
    }
    if events.iter().all(|event| event.partition == Partition::WHOLE) {
        assert_eq!(read, wanted, "in the order of the sequence");
    }
}

pub async fn positions_are_dense_from_one<L: EventSink + EventLog>(log: &L) {
    let (starts, ends) = (log.starts().await.unwrap(), log.ends().await.unwrap());
    assert_eq!((starts.total(), ends.total()), (0, 0));
    assert!(ends.iter().count() > 0, "an empty log has its partitions");
    log.append(records(1..=3)).await.unwrap();
    assert_eq!((log.starts().await.unwrap().total(), log.ends().await.unwrap().total()), (0, 3));
    log.append(records(4..=4)).await.unwrap();
    assert_holds(&read_all(log).await, &records(1..=4));
}

pub async fn reads_what_was_appended<L: EventSink + EventLog>(log: &L) {
    assert_eq!(read_all(log).await, []);
    log.append(records(1..=2)).await.unwrap();
    assert_holds(&read_all(log).await, &records(1..=2));
}

pub async fn order_of_one_call_is_kept<L: EventSink + EventLog>(log: &L) {
    log.append(records(1..=500)).await.unwrap();
    assert_holds(&read_all(log).await, &records(1..=500));
}

pub async fn read_in_pages<L: EventSink + EventLog>(log: &L) {
    log.append(records(1..=10)).await.unwrap();
    let mut tail = log.tail(&Positions::default()).await.unwrap();
    let mut events = Vec::new();
    while events.len() < 10 {
        let page = within(tail.next(4, PATIENCE)).await.unwrap();
        assert!((1..=4).contains(&page.len()), "{} at once", page.len());
        events.extend(page);
    }
    assert_holds(&events, &records(1..=10));
    let beyond: Positions = log.ends().await.unwrap().iter().map(|(partition, end)| (partition, end + 9)).collect();
    let mut tail = log.tail(&beyond).await.unwrap();
    assert_eq!(tail.next(4, Duration::ZERO).await.unwrap(), [], "nothing is there yet");
}

pub async fn nothing_to_append_is_no_error<L: EventSink + EventLog>(log: &L) {
    log.append(Vec::new()).await.unwrap();
    log.append_unawaited(Vec::new()).await.unwrap();
    within(log.flush()).await.unwrap();
    assert_eq!(log.ends().await.unwrap().total(), 0);
}

pub async fn unawaited_is_not_overtaken<L: EventSink + EventLog>(log: &L) {
    let records: Vec<_> = (1..=4).map(|seq| record(1, seq)).collect();
    log.append_unawaited(records[..2].to_vec()).await.unwrap();
    log.append_unawaited(records[2..3].to_vec()).await.unwrap();
    log.append(records[3..].to_vec()).await.unwrap();
    assert_holds(&read_all(log).await, &records);
}

pub async fn unawaited_alone_gets_durable<L: EventSink + EventLog>(log: &L) {
    let mut tail = log.tail(&Positions::default()).await.unwrap();
    log.append_unawaited(records(1..=1)).await.unwrap();
    assert_holds(&within(tail.next(10, PATIENCE)).await.unwrap(), &records(1..=1));
}

pub async fn flush_makes_durable<L: EventSink + EventLog>(log: &L) {
    log.append_unawaited(records(1..=100)).await.unwrap();
    within(log.flush()).await.unwrap();
    assert_eq!(log.ends().await.unwrap().total(), 100, "durable when flush returned");
    assert_holds(&read_all(log).await, &records(1..=100));
}

pub async fn next_waits_no_longer_than_told<L: EventSink + EventLog>(log: &L) {
    log.append(records(1..=3)).await.unwrap();
    let mut tail = log.tail(&log.ends().await.unwrap()).await.unwrap();
    assert_eq!(within(tail.next(10, Duration::from_millis(50))).await.unwrap(), [], "there is nothing beyond the end");
    log.append(vec![spread(1, 4)]).await.unwrap();
    let next = within(tail.next(10, PATIENCE)).await.unwrap();
    assert_eq!(next.iter().map(|e| &e.record).collect::<Vec<_>>(), [&spread(1, 4)], "only what came since");
}

pub async fn next_wakes<L: EventSink + EventLog>(log: &L) {
    let reader = async {
        let mut tail = log.tail(&Positions::default()).await.unwrap();
        let mut events = Vec::new();
        while events.len() < 20 {
            let page = within(tail.next(100, PATIENCE)).await.unwrap();
            assert!(!page.is_empty(), "woken only when there is something to read");
            events.extend(page);
        }
        assert_holds(&events, &records(1..=20));
    };
    let writer = async {
        for seq in 1..=20 {
            log.append(vec![spread(1, seq)]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    futures::join!(reader, writer);
}

pub async fn concurrent_appends_are_dense_and_whole<L: EventSink + EventLog>(log: &L) {
    const WRITERS: u32 = 8;
    const APPENDS: u64 = 25;
    let writer = |emitter: u32| async move {
        for i in 0..APPENDS {
            let pair = vec![record(emitter, 2 * i + 1), record(emitter, 2 * i + 2)];
            log.append(pair).await.unwrap();
        }
    };
    join_all((0..WRITERS).map(writer)).await;
    let events = read_all(log).await;
    assert_eq!(events.len() as u64, u64::from(WRITERS) * APPENDS * 2);
    let (mut next, mut at) = (HashMap::new(), Positions::default());
    for event in &events {
        assert_eq!(event.position, at.get(event.partition) + 1, "dense");
        at.advance(event);
        let next = next.entry(event.record.emitter.clone()).or_insert(1);
        assert_eq!(event.record.emitter_seq, *next, "in the order of each emitter");
        *next += 1;
    }
    if events[0].partition == Partition::WHOLE {
        for pair in events.chunks(2) {
            assert_eq!(pair[0].record.emitter, pair[1].record.emitter, "records of one call stand together");
        }
    }
}

pub async fn readers_see_a_growing_prefix<L: EventSink + EventLog>(log: &L) {
    let writer = join_all((1..=50).map(|seq| log.append(vec![spread(1, seq)])));
    let reader = async {
        let mut before = HashMap::new();
        loop {
            let now = read_all(log).await;
            let places: HashMap<_, _> = now.into_iter().map(|e| ((e.partition, e.position), e.record)).collect();
            let stays = |(place, record): (&(Partition, u64), &EventRecord)| places.get(place) == Some(record);
            assert!(before.iter().all(stays), "what was read once stays as it was");
            if places.len() == 50 {
                return;
            }
            before = places;
            tokio::task::yield_now().await;
        }
    };
    let (outcomes, ()) = futures::join!(writer, within(reader));
    assert!(outcomes.iter().all(Result::is_ok));
}

pub async fn reads_on_from_a_text<L: EventSink + EventLog>(log: &L) {
    log.append(records(1..=30)).await.unwrap();
    let all = read_all(log).await;
    let mut at = log.starts().await.unwrap();
    all[..13].iter().for_each(|event| at.advance(event));
    let like = log.ends().await.unwrap();
    let parsed = Positions::parse(&at.to_string(), &like).expect("its own text");
    assert_eq!(parsed, at);
    let rest = read_after(log, &parsed).await;
    let ids = |events: &[LoggedEvent]| -> BTreeSet<_> { events.iter().map(|e| e.record.event_id).collect() };
    assert_eq!(rest.len(), 17);
    assert_eq!(ids(&rest), ids(&all[13..]), "nothing twice, nothing left out");
}

/// What one consumer was given.
#[derive(Default)]
struct Given {
    share: HashMap<Partition, Cursor>,
    events: Vec<LoggedEvent>,
}

impl Given {
    /// Takes deliveries until there are `count` records.
    async fn take(&mut self, consumer: &mut Box<dyn EventConsumer>, count: usize) {
        while self.events.len() < count {
            self.add(within(consumer.next(100, PATIENCE)).await.unwrap());
        }
    }

    fn add(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Assigned(share) => self.share.extend(share),
            Delivery::Revoked(gone) => self.share.retain(|partition, _| !gone.contains(partition)),
            Delivery::Events(events) => {
                assert!(events.iter().all(|event| self.share.contains_key(&event.partition)), "of its share only");
                self.events.extend(events);
            }
        }
    }

    /// How far it came; `mark` lies `behind` records before.
    fn cursors(&self, behind: u64) -> Vec<(Partition, Cursor)> {
        let mut at = Positions::default();
        self.events.iter().for_each(|event| at.advance(event));
        at.iter().map(|(partition, done)| (partition, Cursor { done, mark: done.saturating_sub(behind) })).collect()
    }

    /// What nobody did before.
    fn undone(&self) -> impl Iterator<Item = &LoggedEvent> {
        self.events.iter().filter(|event| event.position > self.share[&event.partition].done)
    }
}

fn works(range: std::ops::RangeInclusive<u64>) -> Vec<EventRecord> {
    range.map(work).collect()
}

fn ids(records: &[EventRecord]) -> BTreeSet<EventId> {
    records.iter().map(|record| record.event_id).collect()
}

pub async fn a_consumer_gets_all_and_begins_with_its_share(bench: &impl ConsumerBench) {
    bench.sink().append(works(1..=40)).await.unwrap();
    let mut consumer = bench.consumer().await;
    let mut given = Given::default();
    given.take(&mut consumer, 40).await;
    assert_holds(&given.events, &works(1..=40));
    assert!(given.share.values().all(|cursor| *cursor == Cursor::default()), "nobody worked before");
    let idle = within(consumer.next(100, Duration::from_millis(50))).await.unwrap();
    assert_eq!(idle, Delivery::Events(Vec::new()), "empty when there is no more");
}

pub async fn what_is_committed_is_not_delivered_again(bench: &impl ConsumerBench) {
    bench.sink().append(works(1..=20)).await.unwrap();
    let (mut consumer, mut given) = (bench.consumer().await, Given::default());
    given.take(&mut consumer, 20).await;
    consumer.commit(&given.cursors(0)).await.unwrap();
    drop(consumer);
    bench.sink().append(works(21..=30)).await.unwrap();
    let (mut consumer, mut next) = (bench.consumer().await, Given::default());
    while next.undone().count() < 10 {
        next.add(within(consumer.next(100, PATIENCE)).await.unwrap());
    }
    let new: BTreeSet<_> = next.undone().map(|event| event.record.event_id).collect();
    assert_eq!(new, ids(&works(21..=30)), "more may come again, but as done");
    for (partition, cursor) in given.cursors(0) {
        assert_eq!(next.share[&partition].done, cursor.done, "{partition}: told how far the last one came");
    }
}

pub async fn what_is_not_committed_is_delivered_again(bench: &impl ConsumerBench) {
    bench.sink().append(works(1..=20)).await.unwrap();
    let (mut consumer, mut given) = (bench.consumer().await, Given::default());
    given.take(&mut consumer, 20).await;
    drop(consumer);
    let (mut consumer, mut next) = (bench.consumer().await, Given::default());
    next.take(&mut consumer, 20).await;
    assert_holds(&next.events, &works(1..=20));
}

pub async fn what_is_unfinished_is_delivered_again_as_done(bench: &impl ConsumerBench) {
    bench.sink().append(works(1..=28)).await.unwrap();
    let (mut consumer, mut given) = (bench.consumer().await, Given::default());
    given.take(&mut consumer, 28).await;
    let cursors = given.cursors(2);
    consumer.commit(&cursors).await.unwrap();
    drop(consumer);
    let unfinished: u64 = cursors.iter().map(|(_, cursor)| cursor.done - cursor.mark).sum();
    let (mut consumer, mut next) = (bench.consumer().await, Given::default());
    next.take(&mut consumer, unfinished as usize).await;
    assert!(next.events.iter().all(|event| event.position <= next.share[&event.partition].done));
    for (partition, cursor) in cursors {
        assert_eq!(next.share[&partition], cursor);
    }
}

pub async fn a_consumer_knows_its_lag(bench: &impl ConsumerBench) {
    bench.sink().append(works(1..=30)).await.unwrap();
    let (mut consumer, mut given) = (bench.consumer().await, Given::default());
    given.take(&mut consumer, 30).await;
    let caught_up = async {
        while consumer.lag() > 0 {
            given.add(consumer.next(100, Duration::from_millis(100)).await.unwrap());
        }
    };
    within(caught_up).await;
    assert_eq!(given.events.len(), 30);
}
