//! Sessions that any front-end continues (`design.md` §4.4, P12, P13, P14).

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acs_cwmp_server::CpeAuthScheme;
use acs_proto::AnswerOutcome;
use acs_store::memory::MemorySessionCache;
use acs_store::{CachedSession, Error, Result, SessionCache};
use acs_types::{DeviceId, EventBody, SessionId, SessionOutcome, SessionStamp};
use async_trait::async_trait;
use cwmp_codec::{AcsRequest, SetParameterValues};
use cwmp_model::{ParameterPath, ParameterValue, Value};

use crate::support::*;

/// A session cache that two front-ends share, that can be taken away, and that keeps what was laid down.
#[derive(Default)]
struct SharedCache {
    cache: MemorySessionCache,
    away: AtomicBool,
    /// It takes no snapshots, and goes on with all the rest.
    is_full: AtomicBool,
    laid_down: Mutex<Vec<Vec<u8>>>,
}

impl SharedCache {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    fn laid_down(&self) -> Vec<Vec<u8>> {
        self.laid_down.lock().unwrap().clone()
    }

    fn here(&self) -> Result<&MemorySessionCache> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(Error::Unavailable("the test took it away".into())),
            false => Ok(&self.cache),
        }
    }
}

#[async_trait]
impl SessionCache for SharedCache {
    async fn begin(&self, session: &CachedSession) -> Result<Option<SessionId>> {
        self.here()?.begin(session).await
    }

    async fn put_snapshot(&self, session: &SessionId, snapshot: Vec<u8>) -> Result<()> {
        self.here()?;
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Error::Unavailable("the test filled it".into()));
        }
        self.laid_down.lock().unwrap().push(snapshot.clone());
        self.cache.put_snapshot(session, snapshot).await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<CachedSession>> {
        self.here()?.session(session).await
    }

    async fn current(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        self.here()?.current(device).await
    }

    async fn last_stamp(&self, device: &DeviceId) -> Result<SessionStamp> {
        self.here()?.last_stamp(device).await
    }

    async fn end(&self, device: &DeviceId, session: &SessionId) -> Result<bool> {
        self.here()?.end(device, session).await
    }

    async fn hint_work(&self, device: &DeviceId) -> Result<Option<SessionId>> {
        self.here()?.hint_work(device).await
    }

    async fn has_ended(&self, session: &SessionId) -> Result<bool> {
        self.here()?.has_ended(session).await
    }

    async fn take_hint(&self, device: &DeviceId) -> Result<bool> {
        self.here()?.take_hint(device).await
    }

    async fn live_sessions(&self) -> Result<u64> {
        self.here()?.live_sessions().await
    }
}

fn two() -> (Arc<SharedCache>, World, World) {
    let cache = SharedCache::new();
    let one = World::shared(CpeAuthScheme::Open, Arc::clone(&cache) as _);
    let other = one.beside(CpeAuthScheme::Open, Arc::clone(&cache) as _, "test-2");
    (cache, one, other)
}

/// A device that has the first request of its session in hand.
async fn asked_for_values(one: &World) -> Cpe {
    one.provisioning.wants_values(1);
    let mut cpe = one.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_body("call-1");
    cpe
}

/// The answers that provisioning got, by call and task, in order.
fn answers(world: &World) -> Vec<(String, Option<String>)> {
    let nexts = world.provisioning.nexts();
    let answers = nexts.iter().flat_map(|next| &next.answers);
    answers.map(|answer| (answer.id.clone(), answer.task.as_ref().map(ToString::to_string))).collect()
}

fn known(call: &str) -> (String, Option<String>) {
    (call.to_owned(), Some("task-1".to_owned()))
}

fn assert_ids_differ(world: &World) {
    let records = world.records();
    let mut ids: Vec<_> = records.iter().map(|record| record.event_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), records.len(), "P8: no two records with one id");
}

#[tokio::test(start_paused = true)]
async fn a_session_alternates_between_two_front_ends_p13() {
    let (_cache, one, other) = two();
    one.provisioning.wants_values(2);
    let mut cpe = one.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.empty_post().await;
    cpe.expect_body("call-1");
    let mut cpe = one.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_body("call-2");
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-2", "w")).await;
    cpe.expect_end();
    assert_eq!(answers(&one), [known("call-1"), known("call-2")], "both answers are known for what they are");
    let accounts = one.accounts().await;
    let [account] = &accounts[..] else { panic!("one end, told by one front-end: {accounts:?}") };
    assert_eq!((account.outcome, account.complete), (SessionOutcome::Completed, false), "P9");
    // An Inform alone is not laid down: an idle session costs nothing.
    assert_eq!(account.exchange_count, 6, "the ladder goes along from the first request on");
    assert_ids_differ(&one);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(one.accounts().await.len(), 1, "the front-end that the session left tells no end of it");
    assert_eq!((one.front_end.live_sessions(), other.front_end.live_sessions()), (0, 0));
    assert_eq!(one.metric("sessions_moved_total"), 1.0);
    assert!(one.provisioning.ends().iter().all(|end| end.outcome == SessionOutcome::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_session_alternates_without_the_session_cache_p14() {
    let (cache, one, other) = two();
    cache.set_away(true);
    one.provisioning.wants_values(1);
    let mut cpe = one.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.empty_post().await;
    cpe.expect_body("call-1");
    let mut cpe = one.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    assert_eq!(
        answers(&one),
        [("call-1".to_owned(), None)],
        "an answer nobody knows here is evidence (design.md §4.4)"
    );
    assert_ids_differ(&one);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(one.accounts().await.iter().all(|account| !account.complete), "P9: no one front-end saw all of it");
}

#[tokio::test(start_paused = true)]
async fn an_older_session_that_still_stands_here_keeps_no_newer_one_from_going_on_p13_cwmp_129() {
    let (_cache, one, other) = two();
    let mut old = one.connect();
    old.inform(&["2 PERIODIC"]).await;
    old.expect_inform_response();
    one.provisioning.wants_values(1);
    let mut cpe = other.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    let mut cpe = one.connect().with_cookie_of(&cpe);
    cpe.empty_post().await;
    cpe.expect_body("call-1");
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    one.settle().await;
    assert_eq!(answers(&one), [known("call-1")]);
    let accounts = one.accounts().await;
    let of = |stamp| accounts.iter().find(|account| account.at.stamp == stamp).expect("an end for each session");
    let begins = one.provisioning.begins();
    let older = of(begins[0].session.stamp);
    let found = (older.outcome, older.complete);
    assert_eq!(found, (SessionOutcome::Superseded, false), "P9: others may have served it and could not say so");
    assert_eq!(of(begins[1].session.stamp).outcome, SessionOutcome::Completed);
    // And an older one does not push aside a newer one.
    let mut late = one.connect().with_cookie_of(&old);
    late.empty_post().await;
    late.expect_end();
}

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_from_where_nothing_could_be_laid_down_p14() {
    let (cache, one, other) = two();
    let cpe = asked_for_values(&one).await;
    cache.set_away(true);
    one.provisioning.wants("reboot-1", AcsRequest::Reboot { command_key: "k".into() });
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_body("reboot-1");
    // What lies there says that the first one serves it.
    cache.set_away(false);
    let mut cpe = one.connect().with_cookie_of(&cpe);
    cpe.post(&envelope("reboot-1", "<cwmp:RebootResponse/>")).await;
    cpe.expect_end();
    assert_eq!(answers(&one).last(), Some(&("reboot-1".to_owned(), None)), "it is evidence (design.md §4.4)");
    let ends = one.accounts().await;
    assert!(ends.iter().all(|account| account.outcome != SessionOutcome::ProtocolError), "{ends:?}");
}

/// The other front-end emitted a record, could not say that it had the session, and died. The first one cannot know.
#[tokio::test(start_paused = true)]
async fn a_session_that_may_have_been_elsewhere_is_not_told_as_complete_p9() {
    let (cache, one, other) = two();
    let mut cpe = one.connect();
    cpe.inform(&["7 TRANSFER COMPLETE"]).await;
    cache.set_away(true);
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&transfer_complete("k")).await;
    cache.set_away(false);
    let mut cpe = one.connect().with_cookie_of(&cpe);
    cpe.empty_post().await;
    cpe.expect_end();
    let [account] = &one.accounts().await[..] else { panic!("one end") };
    let told = one.records().iter().filter(|record| record.session == Some(account.at.session)).count();
    assert_eq!((account.record_count, told, account.complete), (2, 3, false));
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_that_what_was_laid_down_is_not_the_latest_p14() {
    for is_new in [false, true] {
        let (cache, one, other) = two();
        let cpe = asked_for_values(&one).await;
        cache.is_full.store(true, Ordering::Relaxed);
        one.provisioning.wants("reboot-1", AcsRequest::Reboot { command_key: "k".into() });
        let mut cpe = other.connect().with_cookie_of(&cpe);
        cpe.post(&values_response("call-1", "v")).await;
        cpe.expect_body("reboot-1");
        let third = one.beside(CpeAuthScheme::Open, Arc::clone(&cache) as _, "test-3");
        let mut cpe = if is_new { &third } else { &one }.connect().with_cookie_of(&cpe);
        cpe.post(&envelope("reboot-1", "<cwmp:RebootResponse/>")).await;
        cpe.expect_end();
        assert_eq!(answers(&one).last(), Some(&("reboot-1".to_owned(), None)), "it is evidence (design.md §4.4)");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_finds_its_task_at_another_front_end_p13_f3() {
    let (_cache, one, other) = two();
    let parameters = vec![ParameterValue { name: ParameterPath::new("Device.X").unwrap(), value: Value::string("v") }];
    let request = SetParameterValues { parameters, parameter_key: "attempt-1".into() };
    one.provisioning.wants("set-1", AcsRequest::SetParameterValues(request));
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.empty_post().await;
    cpe.expect_body("SetParameterValues");
    // kill -9: the first front-end is never heard of again.
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&envelope(
        "set-1",
        "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>",
    ))
    .await;
    cpe.expect_end();
    let nexts = one.provisioning.nexts();
    let answer = &nexts.last().unwrap().answers[0];
    assert_eq!(answer.attempt.as_ref().map(ToString::to_string).as_deref(), Some("attempt-1"), "P2");
    assert!(matches!(answer.outcome, AnswerOutcome::Response(_)));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_drained_goes_on_at_another_front_end_p12() {
    let (_cache, one, other) = two();
    let cpe = asked_for_values(&one).await;
    one.front_end.drain().await;
    assert_eq!(one.accounts().await.len(), 0, "whoever goes on with it tells its end (P9)");
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_end();
    assert_eq!(answers(&one).last(), Some(&known("call-1")));
    let [account] = &other.accounts().await[..] else { panic!("one end (P9)") };
    assert_eq!((account.outcome, account.complete), (SessionOutcome::Completed, false));
    assert_ids_differ(&one);
}

#[tokio::test(start_paused = true)]
async fn a_front_end_that_drains_tells_no_end_of_a_session_that_moved_p9_p12() {
    let (_cache, one, other) = two();
    let cpe = asked_for_values(&one).await;
    one.provisioning.wants("reboot-1", AcsRequest::Reboot { command_key: "k".into() });
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_body("reboot-1");
    one.front_end.drain().await;
    cpe.post(&envelope("reboot-1", "<cwmp:RebootResponse/>")).await;
    cpe.expect_end();
    let [account] = &other.accounts().await[..] else { panic!("one end") };
    assert_eq!(account.outcome, SessionOutcome::Completed);
    let ends = one.provisioning.ends();
    assert!(ends.iter().all(|end| end.outcome == SessionOutcome::Completed), "its plan was left alone: {ends:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_the_cache_was_not_told_is_told_later_p14() {
    let (cache, one, _other) = two();
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    cache.set_away(true);
    cpe.empty_post().await;
    cpe.expect_end();
    one.settle().await;
    assert_eq!(one.provisioning.ends().len(), 1, "a work hint may stand where the cache does not tell");
    cache.set_away(false);
    let device = DEVICE.parse().unwrap();
    assert!(cache.current(&device).await.unwrap().is_some(), "the cache believes it to be live");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(cache.current(&device).await.unwrap(), None, "so that the device is woken again");
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_lays_nothing_down() {
    let (cache, one, _other) = two();
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.empty_post().await;
    cpe.expect_end();
    assert_eq!(cache.laid_down(), Vec::<Vec<u8>>::new(), "design.md §4.9");
    assert!(one.accounts().await[0].complete, "P9");
}

#[tokio::test(start_paused = true)]
async fn what_is_laid_down_shows_no_secret_p26() {
    let (cache, one, _other) = two();
    let name = ParameterPath::new("Device.ManagementServer.Password").unwrap();
    let parameters = vec![ParameterValue { name, value: Value::string("canary-secret") }];
    let request = SetParameterValues { parameters, parameter_key: "attempt-1".into() };
    one.provisioning.wants("set-1", AcsRequest::SetParameterValues(request));
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.empty_post().await;
    cpe.expect_body("canary-secret");
    let laid_down = cache.laid_down();
    assert!(!laid_down.is_empty());
    for part in [&b"canary"[..], DEVICE.as_bytes(), b"Device."] {
        assert!(laid_down.iter().all(|bytes| !bytes.windows(part.len()).any(|w| w == part)), "it is sealed as a whole");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_costs_a_resume_only_p14() {
    let (cache, one, other) = two();
    one.provisioning.wants("reboot-1", AcsRequest::Reboot { command_key: "k".into() });
    let mut cpe = one.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.empty_post().await;
    cpe.expect_body("Reboot");
    let session = one.provisioning.begins()[0].session.session;
    let live = cache.session(&session).await.unwrap().expect("it is live");
    for snapshot in [Vec::new(), b"nonsense".to_vec(), cache.laid_down()[0][1..].to_vec()] {
        cache.begin(&CachedSession { snapshot, ..live.clone() }).await.unwrap();
        let mut again =
            other.beside(CpeAuthScheme::Open, Arc::clone(&cache) as _, "test-3").connect().with_cookie_of(&cpe);
        again.empty_post().await;
        again.expect_end();
        one.provisioning.wants_values(0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_session_elsewhere_ends_the_older_one_cwmp_129() {
    let (_cache, one, other) = two();
    let mut old = one.connect();
    old.inform(&["1 BOOT"]).await;
    old.expect_inform_response();
    let mut new = other.connect();
    new.inform(&["1 BOOT"]).await;
    new.expect_inform_response();
    new.empty_post().await;
    new.expect_end();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let accounts = one.accounts().await;
    let of = |stamp| accounts.iter().find(|account| account.at.stamp == stamp).expect("an end for each session");
    let begins = one.provisioning.begins();
    assert!(of(begins[1].session.stamp).complete, "P9");
    assert_eq!(of(begins[0].session.stamp).outcome, SessionOutcome::TimedOut);
    assert!(begins[1].session.stamp > begins[0].session.stamp, "P9");
}

/// Of all accounts of the session that began first.
async fn outcomes_of_the_first(world: &World) -> Vec<SessionOutcome> {
    let first = world.provisioning.begins()[0].session.session;
    let accounts = world.accounts().await;
    accounts.iter().filter(|account| account.at.session == first).map(|account| account.outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_with_a_session_whose_end_was_told_elsewhere_p9() {
    let (_cache, one, other) = two();
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(outcomes_of_the_first(&one).await, [SessionOutcome::TimedOut]);
    let mut late = other.connect().with_cookie_of(&cpe);
    late.empty_post().await;
    late.expect_end();
    assert_eq!(outcomes_of_the_first(&one).await, [SessionOutcome::TimedOut], "one end");
    assert_eq!(other.front_end.live_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_has_an_end_although_the_cache_was_away_when_it_was_due_p9_p14() {
    for is_superseded in [false, true] {
        let (cache, one, _other) = two();
        let mut cpe = one.connect();
        cpe.inform(&["2 PERIODIC"]).await;
        cpe.expect_inform_response();
        let mut newer = one.connect();
        if is_superseded {
            cache.set_away(true);
            newer.inform(&["2 PERIODIC"]).await;
        } else {
            tokio::time::sleep(Duration::from_secs(59)).await;
            cache.set_away(true);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(outcomes_of_the_first(&one).await, [], "another one may serve it");
        cache.set_away(false);
        tokio::time::sleep(Duration::from_secs(8)).await;
        let told = if is_superseded { SessionOutcome::Superseded } else { SessionOutcome::TimedOut };
        assert_eq!(outcomes_of_the_first(&one).await, [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_front_end_that_only_took_a_session_over_says_that_it_lives_p9() {
    let (_cache, one, other) = two();
    one.provisioning.wants_values(2);
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.empty_post().await;
    cpe.expect_body("call-1");
    let mut cpe = other.connect().with_cookie_of(&cpe);
    cpe.post(&values_response("call-1", "v")).await;
    cpe.expect_body("call-2");
    tokio::time::sleep(Duration::from_secs(45)).await;
    let records = one.records();
    let ranges: Vec<_> = records
        .iter()
        .filter(|record| record.emitter.as_str().starts_with("test-2"))
        .map(|record| match &record.body {
            EventBody::ControlTotals(totals) => (record.emitter_seq, totals.first, totals.last, totals.count),
            other => panic!("it emitted nothing of the session yet: {other:?}"),
        })
        .collect();
    assert_eq!(ranges, [(1, 1, 1, 1), (2, 2, 2, 1)], "ingest does not take it for dead; P10: no gap, no overlap");
    assert_ids_differ(&one);
}

#[tokio::test(start_paused = true)]
async fn what_times_out_while_the_cache_is_away_for_long_takes_no_room_p19() {
    let (cache, one, _other) = two();
    let mut cpe = one.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    cache.set_away(true);
    tokio::time::sleep(Duration::from_secs(118)).await;
    assert_eq!(one.front_end.live_sessions(), 1, "it is asked again for a minute");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(one.front_end.live_sessions(), 0);
    assert_eq!(outcomes_of_the_first(&one).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_digest_answer_serves_once_at_all_front_ends_x19_p24() {
    let cache = SharedCache::new();
    let one = World::shared(CpeAuthScheme::Digest, Arc::clone(&cache) as _);
    let other = one.beside(CpeAuthScheme::Digest, Arc::clone(&cache) as _, "test-2");
    one.provisioning.knows("user", "right", Some(DEVICE));
    let mut cpe = one.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_challenge("Digest");
    let cpe_login = one.connect().login("user", "right").credentials.expect("a login");
    let authorization = cpe.authorization(&cpe_login, 1);
    let answered = Sent::post(inform(&["1 BOOT"])).with("Authorization", &authorization);
    cpe.exchange(&answered).await;
    cpe.expect_inform_response();
    let mut thief = other.connect();
    thief.exchange(&answered).await;
    thief.expect_challenge("Digest");
    assert!(thief.answer.header("www-authenticate").is_some_and(|header| header.contains("stale=true")));
    assert_eq!(one.provisioning.begins().len(), 1);
}
