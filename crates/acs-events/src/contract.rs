//! The contract suite of [`EventLog`]: every log runs it with [`crate::event_log_contract!`].

#![allow(clippy::unwrap_used, reason = "tests, only not behind cfg(test): other crates run them")]

use std::collections::HashMap;
use std::time::Duration;

use acs_types::{DeviceChange, EventBody, EventId, EventRecord, Position, Tenant};
use cwmp_model::Timestamp;
use futures::future::join_all;

use crate::{EventLog, LogPosition, LoggedEvent};

/// Makes a module of tests, one for each rule of [`EventLog`]. `$make` is an expression giving a future of `(log, guard)`:
/// a fresh empty log and whatever must live as long.
#[macro_export]
macro_rules! event_log_contract {
    ($module:ident, $make:expr) => {
        $crate::event_log_contract!(@each $module, $make;
            positions_are_dense_from_one, reads_what_was_appended, order_of_one_call_is_kept, read_in_pages,
            nothing_to_append_is_no_error, unawaited_comes_before_the_next_append, unawaited_alone_gets_durable,
            changed_returns_at_once, changed_wakes, concurrent_appends_are_dense_and_whole,
            readers_see_a_growing_prefix
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

/// A record that is told apart by its emitter's number and time.
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

fn records(range: std::ops::RangeInclusive<u64>) -> Vec<EventRecord> {
    range.map(|seq| record(1, seq)).collect()
}

fn logged(range: std::ops::RangeInclusive<u64>) -> Vec<LoggedEvent> {
    range.map(|position| LoggedEvent { position, record: record(1, position) }).collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it comes within 10 s")
}

pub async fn positions_are_dense_from_one(log: &impl EventLog) {
    assert_eq!((log.start().await.unwrap(), log.end().await.unwrap()), (0, 0));
    log.append(records(1..=3)).await.unwrap();
    assert_eq!((log.start().await.unwrap(), log.end().await.unwrap()), (0, 3));
    log.append(records(4..=4)).await.unwrap();
    assert_eq!(log.end().await.unwrap(), 4);
}

pub async fn reads_what_was_appended(log: &impl EventLog) {
    assert_eq!(log.read(0, 10).await.unwrap(), []);
    log.append(records(1..=2)).await.unwrap();
    assert_eq!(log.read(0, 10).await.unwrap(), logged(1..=2), "P7: durable when append returned");
}

pub async fn order_of_one_call_is_kept(log: &impl EventLog) {
    log.append(records(1..=500)).await.unwrap();
    assert_eq!(log.read(0, 1000).await.unwrap(), logged(1..=500));
}

pub async fn read_in_pages(log: &impl EventLog) {
    log.append(records(1..=10)).await.unwrap();
    assert_eq!(log.read(0, 4).await.unwrap(), logged(1..=4));
    assert_eq!(log.read(4, 4).await.unwrap(), logged(5..=8));
    assert_eq!(log.read(8, 4).await.unwrap(), logged(9..=10));
    assert_eq!(log.read(10, 4).await.unwrap(), []);
    assert_eq!(log.read(0, 0).await.unwrap(), []);
    assert_eq!(log.read(LogPosition::MAX, 4).await.unwrap(), []);
}

pub async fn nothing_to_append_is_no_error(log: &impl EventLog) {
    log.append(Vec::new()).await.unwrap();
    log.append_unawaited(Vec::new()).await.unwrap();
    assert_eq!(log.end().await.unwrap(), 0);
}

pub async fn unawaited_comes_before_the_next_append(log: &impl EventLog) {
    log.append_unawaited(records(1..=2)).await.unwrap();
    log.append_unawaited(records(3..=3)).await.unwrap();
    log.append(records(4..=4)).await.unwrap();
    assert_eq!(log.read(0, 10).await.unwrap(), logged(1..=4), "durable no later than the append that returned");
}

pub async fn unawaited_alone_gets_durable(log: &impl EventLog) {
    log.append_unawaited(records(1..=1)).await.unwrap();
    within(log.changed(0)).await;
    assert_eq!(log.read(0, 10).await.unwrap(), logged(1..=1));
}

pub async fn changed_returns_at_once(log: &impl EventLog) {
    log.append(records(1..=3)).await.unwrap();
    within(log.changed(0)).await;
    within(log.changed(2)).await;
    let short = Duration::from_millis(50);
    assert!(tokio::time::timeout(short, log.changed(3)).await.is_err(), "there is nothing beyond the end");
}

pub async fn changed_wakes(log: &impl EventLog) {
    let reader = async {
        let mut seen = 0;
        while seen < 20 {
            within(log.changed(seen)).await;
            let events = log.read(seen, 100).await.unwrap();
            assert!(!events.is_empty(), "woken only when there is something to read");
            seen = events.last().unwrap().position;
        }
        seen
    };
    let writer = async {
        for seq in 1..=20 {
            log.append(vec![record(1, seq)]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (seen, ()) = futures::join!(reader, writer);
    assert_eq!(seen, 20);
}

pub async fn concurrent_appends_are_dense_and_whole(log: &impl EventLog) {
    const WRITERS: u32 = 8;
    const APPENDS: u64 = 25;
    let writer = |emitter: u32| async move {
        for i in 0..APPENDS {
            let pair = vec![record(emitter, 2 * i + 1), record(emitter, 2 * i + 2)];
            log.append(pair).await.unwrap();
        }
    };
    join_all((0..WRITERS).map(writer)).await;
    let events = log.read(0, 10_000).await.unwrap();
    assert_eq!(events.len() as u64, u64::from(WRITERS) * APPENDS * 2);
    let mut next = HashMap::new();
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event.position, i as u64 + 1, "dense");
        let next = next.entry(event.record.emitter.clone()).or_insert(1);
        assert_eq!(event.record.emitter_seq, *next, "in the order of each emitter");
        *next += 1;
    }
    for pair in events.chunks(2) {
        assert_eq!(pair[0].record.emitter, pair[1].record.emitter, "records of one call stand together");
    }
}

pub async fn readers_see_a_growing_prefix(log: &impl EventLog) {
    let writer = join_all((1..=50).map(|seq| log.append(vec![record(1, seq)])));
    let reader = async {
        let mut before = Vec::new();
        loop {
            let now = log.read(0, 100).await.unwrap();
            assert!(now.starts_with(&before), "what was read once stays as it was");
            if now.len() == 50 {
                return;
            }
            before = now;
            tokio::task::yield_now().await;
        }
    };
    let (outcomes, ()) = futures::join!(writer, within(reader));
    assert!(outcomes.iter().all(Result::is_ok));
}
