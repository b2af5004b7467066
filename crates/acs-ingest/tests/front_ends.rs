//! A front-end that died is known by its silence in the log: its sessions are closed as lost soon, and no other ones (P9).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acs_events::{EventGroup, EventLog, EventSink, MemoryEventLog, Positions, ReadError};
use acs_ingest::Ingest;
use acs_store::memory::{MemorySessionCache, MemoryStore};
use acs_store::{CachedSession, END_TOLD_WITHIN, History, SessionCache};
use acs_types::{ControlTotals, EmitterId, EventBody, EventId, EventRecord, SessionId, SessionOutcome, SessionStamp};
use async_trait::async_trait;
use support::*;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The log of the test as a group of one sees it; `behind`: another member does not get on with its work.
struct Whole {
    log: MemoryEventLog,
    store: Arc<MemoryStore>,
    behind: Arc<AtomicBool>,
}

#[async_trait]
impl EventGroup for Whole {
    async fn ends(&self) -> Result<Positions, ReadError> {
        self.log.ends().await
    }

    async fn done(&self) -> Result<Positions, ReadError> {
        let done = match self.behind.load(Ordering::SeqCst) {
            true => 0,
            false => self.store.cursor("ingest").await.unwrap(),
        };
        Ok(self.log.ends().await?.iter().map(|(partition, end)| (partition, done.min(end))).collect())
    }
}

/// Two front-ends with a session each; `front-1` never says anything again.
struct Test {
    world: World,
    cache: Arc<MemorySessionCache>,
    behind: Arc<AtomicBool>,
    stop: CancellationToken,
    totals: u64,
}

impl Test {
    async fn new() -> Self {
        let cache = Arc::new(MemorySessionCache::default());
        let test =
            Self { world: World::new(), cache, behind: Arc::default(), stop: CancellationToken::new(), totals: 0 };
        let other = EventRecord { emitter: emitter("front-2"), ..inform(2, 1, &["2 PERIODIC"], "1.0", "up") };
        test.world.append(&[inform(1, 1, &["2 PERIODIC"], "1.0", "up"), other]).await;
        for (device, front_end) in [(1, "front-1"), (2, "front-2")] {
            test.serves(device, front_end).await;
        }
        test
    }

    /// What the session cache says.
    async fn serves(&self, device: u8, front_end: &str) {
        let stamp = SessionStamp::from_micros(at(1).as_micros());
        let (session, device) = (session(device, 1), id(device));
        let cached = CachedSession { session, device, stamp, front_end: emitter(front_end), snapshot: Vec::new() };
        self.cache.begin(&cached).await.unwrap();
    }

    fn ingest(&self) -> Ingest {
        let World { log, store, .. } = &self.world;
        let whole = Whole { log: (**log).clone(), store: store.clone(), behind: self.behind.clone() };
        self.world.ingest().with_sessions(self.cache.clone()).with_group(Arc::new(whole))
    }

    fn run(&self) -> tokio::task::JoinHandle<()> {
        let (ingest, stop) = (self.ingest(), self.stop.clone());
        tokio::spawn(async move { ingest.run(stop).await })
    }

    /// A front-end says every 20 s that it lives, by a clock of its own that is five minutes behind.
    async fn live(&mut self, front_end: &str, span: Duration) {
        self.live_all(&[front_end], span).await;
    }

    async fn live_all(&mut self, front_ends: &[&str], span: Duration) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            for front_end in front_ends {
                self.emit_totals(front_end).await;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    }

    async fn emit_totals(&mut self, front_end: &str) {
        self.totals += 1;
        let first = self.totals;
        let totals = EventBody::ControlTotals(ControlTotals { first, last: first, count: 1 });
        let mut record = record(9, 1, 0, totals);
        (record.device, record.session, record.emitter) = (None, None, emitter(front_end));
        record.event_id = EventId::of_totals(&record.emitter, first);
        (record.emitter_seq, record.occurred_at) = (first, at(0));
        self.world.log.append(vec![record]).await.unwrap();
    }

    /// The device begins, and ends, a newer session at another front-end.
    async fn begins_newer(&self, device: u8, front_end: &str) {
        let mut newer = [inform(device, 2, &["2 PERIODIC"], "1.0", "up"), ended(device, 2)];
        newer.iter_mut().for_each(|record| record.emitter = emitter(front_end));
        self.world.append(&newer).await;
    }

    /// The ends of the session of `front-2`, which lives all the time.
    fn ends(&self) -> Vec<(EmitterId, SessionOutcome)> {
        let ended = self.world.sessions_ended();
        let of_it = ended.iter().filter(|end| end.at.session == session(2, 1));
        of_it.map(|end| (end.front_end.clone(), end.outcome)).collect()
    }

    fn lost(&self) -> Vec<SessionId> {
        let ended = self.world.sessions_ended();
        ended.iter().filter(|end| end.outcome == SessionOutcome::Lost).map(|end| end.at.session).collect()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_dead_front_end_are_lost_within_two_minutes_and_only_they_p9() {
    let mut test = Test::new().await;
    let running = test.run();
    test.live("front-2", MINUTE).await;
    assert_eq!(test.lost(), [], "it may only be slow");
    test.live("front-2", MINUTE).await;
    assert_eq!(test.lost(), [session(1, 1)]);
    test.live("front-2", 10 * MINUTE).await;
    assert_eq!(test.lost(), [session(1, 1)], "one that lives keeps its session, however long that takes");
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_leaves_the_cache_and_its_device_is_woken_if_work_waits_p14() {
    let mut test = Test::new().await;
    assert_eq!(test.cache.hint_work(&id(1)).await.unwrap(), Some(session(1, 1)), "nobody wakes it meanwhile");
    let running = test.run();
    test.live("front-2", 2 * MINUTE).await;
    assert_eq!(test.cache.session(&session(1, 1)).await.unwrap(), None, "no front-end takes it over any more");
    assert_eq!(test.cache.current(&id(1)).await.unwrap(), None);
    assert_eq!(*test.world.listener.ended.lock().unwrap(), [session(1, 1)]);
    assert_eq!(test.cache.current(&id(2)).await.unwrap(), Some(session(2, 1)));
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_one_goes_on_with_is_not_lost_p9_p13() {
    let mut test = Test::new().await;
    test.serves(1, "front-2").await;
    let running = test.run();
    test.live("front-2", 10 * MINUTE).await;
    assert_eq!(test.lost(), []);
    // That one dies, too.
    test.live("front-3", 3 * MINUTE).await;
    assert_eq!(test.lost(), [session(1, 1), session(2, 1)]);
    assert_eq!(test.world.sessions_ended()[0].front_end, emitter("front-2"));
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_the_cache_was_emptied_it_takes_five_minutes_p9_p14() {
    let mut test = Test::new().await;
    test.cache = Arc::new(MemorySessionCache::default());
    let running = test.run();
    test.live("front-2", 4 * MINUTE).await;
    assert_eq!(test.lost(), [], "another front-end may be serving it");
    test.live("front-2", 2 * MINUTE).await;
    assert_eq!(test.lost(), [session(1, 1)]);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_taken_for_dead_while_a_member_of_the_group_is_behind_p9() {
    let mut test = Test::new().await;
    test.behind.store(true, Ordering::SeqCst);
    let running = test.run();
    test.live("front-2", 20 * MINUTE).await;
    assert_eq!(test.lost(), [], "what the other one did not read yet may be of front-1");
    test.behind.store(false, Ordering::SeqCst);
    test.live("front-2", 2 * MINUTE).await;
    assert_eq!(test.lost(), [session(1, 1)]);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_an_hour_closes_no_session_whose_end_is_in_it_p9() {
    let mut test = Test::new().await;
    // Ingest was away for an hour of the log: front-1 ended its session in time and has said nothing since.
    test.live("front-2", 60 * MINUTE).await;
    test.world.append(&[ended(1, 1)]).await;
    let running = test.run();
    test.live("front-2", 10 * MINUTE).await;
    assert_eq!(test.lost(), []);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_moved_to_one_that_died_is_lost_although_the_first_one_lives_p9_p13() {
    let mut test = Test::new().await;
    // It was killed before it emitted anything.
    test.serves(2, "front-3").await;
    let running = test.run();
    test.live("front-2", 2 * MINUTE).await;
    assert_eq!(test.ends(), [], "it may only be slow");
    test.live("front-2", 2 * MINUTE).await;
    assert_eq!(test.ends(), [(emitter("front-3"), SessionOutcome::Lost)]);
    assert_eq!(test.cache.session(&session(2, 1)).await.unwrap(), None);
    assert!(test.cache.has_ended(&session(2, 1)).await.unwrap(), "no front-end goes on with it");
    test.live("front-2", 20 * MINUTE).await;
    assert_eq!(test.ends().len(), 1);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn that_its_device_goes_on_elsewhere_does_not_hide_it_p9() {
    let mut test = Test::new().await;
    test.serves(2, "front-3").await;
    test.begins_newer(2, "front-4").await;
    let running = test.run();
    test.live_all(&["front-2", "front-4"], 4 * MINUTE).await;
    assert_eq!(test.ends(), [(emitter("front-3"), SessionOutcome::Lost)]);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_died_between_the_end_and_its_record_leaves_a_lost_session_p9() {
    let mut test = Test::new().await;
    // The one that it moved to told the session cache its end, and was killed before it told the log.
    test.cache.end(&id(2), &session(2, 1)).await.unwrap();
    test.begins_newer(2, "front-4").await;
    let running = test.run();
    test.live_all(&["front-2", "front-4"], 3 * MINUTE).await;
    assert_eq!(test.ends(), [], "provisioning may be away, and the end waits for it");
    test.live_all(&["front-2", "front-4"], 2 * MINUTE).await;
    assert_eq!(test.ends(), [(emitter("front-2"), SessionOutcome::Lost)]);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_end_is_told_of_a_session_that_goes_on_elsewhere_however_slowly_p9() {
    let mut test = Test::new().await;
    test.serves(2, "front-3").await;
    test.begins_newer(2, "front-4").await;
    let running = test.run();
    test.live_all(&["front-2", "front-3"], 30 * MINUTE).await;
    assert_eq!(test.ends(), [], "that one lives and tells it");
    // It tells the cache first, and the log as late as it may.
    test.cache.end(&id(2), &session(2, 1)).await.unwrap();
    test.live_all(&["front-2", "front-3"], END_TOLD_WITHIN - Duration::from_secs(20)).await;
    let EventRecord { body: EventBody::SessionEnded(mut end), .. } = ended(2, 1) else { panic!("an end") };
    end.front_end = emitter("front-3");
    test.world.append(&[EventRecord { body: EventBody::SessionEnded(end), ..ended(2, 1) }]).await;
    test.live_all(&["front-2", "front-3"], 30 * MINUTE).await;
    assert_eq!(test.ends(), [(emitter("front-3"), SessionOutcome::Completed)]);
    test.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_the_cache_was_emptied_and_all_live_a_newer_session_tells_after_fifteen_minutes_p9_p14() {
    let mut test = Test::new().await;
    test.cache = Arc::new(MemorySessionCache::default());
    let running = test.run();
    test.live("front-2", 20 * MINUTE).await;
    assert_eq!(test.ends(), [], "it may go on");
    test.begins_newer(2, "front-4").await;
    test.live_all(&["front-2", "front-4"], 14 * MINUTE).await;
    assert_eq!(test.ends(), [], "its connection may still be open");
    test.live_all(&["front-2", "front-4"], 3 * MINUTE).await;
    assert_eq!(test.ends(), [(emitter("front-2"), SessionOutcome::Lost)]);
    test.stop.cancel();
    running.await.unwrap();
}
