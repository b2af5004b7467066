//! What a response that lets the CPE forget stands on: P7, P8, P9, P10, P11.

use std::time::Duration;

use acs_cwmp_server::{CHAIN_UNKNOWN, CpeAuthScheme};
use acs_events::AppendError;
use acs_types::{EventBody, SessionRecord, SessionStamp};

use crate::support::*;

fn no_space() -> Option<AppendError> {
    Some(AppendError::NoSpace("the disk is full".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn an_inform_response_is_a_receipt_p7() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["0 BOOTSTRAP", "1 BOOT"]).await;
    cpe.expect_inform_response();
    let informs = world.informs();
    let codes: Vec<_> = informs[0].events.iter().map(|e| e.code.as_str()).collect();
    assert_eq!(codes, ["0 BOOTSTRAP", "1 BOOT"], "P7: durable before the answer");
    let begin = &world.provisioning.begins()[0];
    assert_eq!(begin.event_id, world.records()[0].event_id, "what it obliges to names its cause");
    assert_eq!(begin.inform.parameters.len(), 2, "begin carries the whole Inform");
}

#[tokio::test(start_paused = true)]
async fn no_durable_place_is_503_and_a_later_inform_is_served_p11() {
    let world = World::open();
    world.events.fail_with(no_space());
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_status(503);
    let retry: u32 = cpe.answer.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=180).contains(&retry), "P11");
    assert!(cpe.answer.header("set-cookie").is_none() && cpe.answer.body.is_empty());
    world.events.fail_with(None);
    let mut again = world.connect();
    again.post(&inform_of(SERIAL, &["1 BOOT"], 1)).await;
    again.expect_inform_response();
    again.empty_post().await;
    again.expect_end();
    assert_eq!(world.accounts().await.len(), 1, "the first one was never a session");
}

#[tokio::test(start_paused = true)]
async fn the_outbox_is_the_second_place_p7() {
    let world = World::open();
    world.events.fail_with(no_space());
    world.provisioning.set_outbox(true);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let outbox = world.provisioning.outbox();
    assert!(matches!(&outbox[0].body, EventBody::Inform(_)), "P7");
    assert_eq!(outbox[0].emitter_seq, 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_is_left_after_two_seconds_p11() {
    for (outbox_works, status) in [(true, 200), (false, 503)] {
        let world = World::with_stuck_log();
        world.provisioning.set_outbox(outbox_works);
        let before = tokio::time::Instant::now();
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        cpe.expect_status(status);
        assert_eq!(before.elapsed().as_secs(), 2, "design.md §3.5");
        assert_eq!(world.provisioning.outbox().len(), usize::from(outbox_works));
    }
}

#[tokio::test(start_paused = true)]
async fn cwmp_192_a_completion_without_a_place_is_fault_8005_p11() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["7 TRANSFER COMPLETE", "M Download/key-1"]).await;
    cpe.expect_inform_response();
    world.events.fail_with(no_space());
    cpe.post(&transfer_complete("key-1")).await;
    cpe.expect_status(200);
    cpe.expect_body("<FaultCode>8005</FaultCode>");
    world.events.fail_with(None);
    cpe.post(&transfer_complete("key-1")).await;
    cpe.expect_body("TransferCompleteResponse");
    cpe.empty_post().await;
    cpe.expect_end();
    let transfers = world.transfers();
    assert!(!transfers.is_empty());
    assert!(transfers.iter().all(|t| t.dedup_key == transfers[0].dedup_key), "CWMP-340");
    assert_eq!(transfers[0].command_key, "key-1");
}

#[tokio::test(start_paused = true)]
async fn a_lost_inform_response_keeps_its_dedup_keys_p8_cwmp_536() {
    let world = World::open();
    let keys = |n: usize| -> Vec<String> { world.informs()[n].events.iter().map(|e| e.dedup_key.clone()).collect() };
    let mut first = world.connect();
    first.post(&inform_of(SERIAL, &["1 BOOT", "M Reboot/k1"], 0)).await;
    first.expect_inform_response();
    drop(first);
    let mut second = world.connect();
    second.post(&inform_of(SERIAL, &["1 BOOT", "M Reboot/k1"], 1)).await;
    second.expect_inform_response();
    assert_eq!(keys(0), keys(1), "P8: the first InformResponse was lost");
    assert_ne!(world.records()[0].event_id, world.records()[1].event_id, "P8: a repetition is a new id");
    second.empty_post().await;
    second.expect_end();
    let mut third = world.connect();
    third.post(&inform_of(SERIAL, &["1 BOOT", "M Reboot/k1"], 2)).await;
    let informs = world.informs();
    let third = &informs.last().unwrap().events;
    assert_eq!(third[0].dedup_key, CHAIN_UNKNOWN, "P8: a POST followed, so this is not the same occurrence");
    assert_eq!(third[1].dedup_key, keys(0)[1], "a CommandKey tells by itself");
    let accounts = world.accounts().await;
    assert_eq!(accounts[0].outcome, acs_types::SessionOutcome::Superseded, "CWMP-536");
}

#[tokio::test(start_paused = true)]
async fn records_are_in_order_dense_and_complete_p9_p10() {
    let world = World::open();
    for n in 0..3 {
        let mut cpe = world.connect();
        cpe.inform(&["7 TRANSFER COMPLETE"]).await;
        cpe.post(&transfer_complete(&format!("k{n}"))).await;
        cpe.empty_post().await;
        cpe.expect_end();
        world.settle().await;
    }
    let records = world.records();
    let numbers: Vec<_> = records.iter().map(|r| r.emitter_seq).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>(), "P10");
    let positions: Vec<_> = records.iter().map(|r| r.position).collect();
    assert!(positions.is_sorted(), "P9: {positions:?}");
    assert_eq!(records[2].position.seq, 3);
    assert!(records.iter().skip(1).all(|r| r.subscriber_id == "sub-1"), "as soon as it is known");
    let account = &world.accounts().await[2];
    assert_eq!((account.record_count, account.complete), (3, true), "P9");
    let hash = SessionRecord::hash_of(records[6..].iter().map(|record| &record.event_id));
    assert_eq!(account.record_hash, Some(hash), "P9: exactly these records");
}

/// Redis was emptied, and the clocks of two front-ends are five minutes apart: one session of the device is late, not all of
/// them for five minutes.
#[tokio::test(start_paused = true)]
async fn a_front_end_whose_clock_is_behind_learns_it_from_the_first_session_p9_p14() {
    let world = World::open();
    let inform = async || {
        let mut cpe = world.connect();
        cpe.inform(&["2 PERIODIC"]).await;
        cpe.empty_post().await;
        cpe.expect_end();
        world.settle().await;
        world.accounts().await.pop().unwrap()
    };
    let first = inform().await;
    let elsewhere = SessionStamp::from_micros(first.at.stamp.as_micros() + 300_000_000);
    world.provisioning.saw(elsewhere);
    assert!(inform().await.at.stamp < elsewhere);
    assert!(world.records().last().unwrap().late);
    assert!(inform().await.at.stamp > elsewhere);
    assert!(!world.records().last().unwrap().late);
}

#[tokio::test(start_paused = true)]
async fn numbers_have_no_hole_after_an_outage_p10() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    world.events.fail_with(no_space());
    // Its account finds no place, and neither does the next Inform.
    cpe.empty_post().await;
    cpe.expect_end();
    let mut refused = world.connect();
    refused.inform(&["1 BOOT"]).await;
    refused.expect_status(503);
    world.settle().await;
    world.events.fail_with(None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut numbers: Vec<_> = world.records().iter().map(|r| r.emitter_seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3], "P10: what found no place is appended when there is one");
    assert_eq!(world.metric("event_records_lost_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn kept_records_are_bounded_p19() {
    let world = World::with(CpeAuthScheme::Open, |config| config.receipts.kept = 2);
    world.events.fail_with(no_space());
    for _ in 0..3 {
        let mut cpe = world.connect();
        cpe.inform(&["1 BOOT"]).await;
        cpe.expect_status(503);
    }
    assert_eq!(world.metric("event_records_lost_total"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn kept_records_are_bounded_in_bytes_p19() {
    let world = World::with(CpeAuthScheme::Open, |config| config.receipts.kept_bytes = 250_000);
    world.events.fail_with(no_space());
    let large = inform(&["1 BOOT"]).replace(">1.0<", &format!(">{}<", "v".repeat(100_000)));
    for _ in 0..5 {
        let mut cpe = world.connect();
        cpe.post(&large).await;
        cpe.expect_status(503);
    }
    assert_eq!(world.metric("event_records_lost_total"), 3.0, "two of them fit, the oldest go");
    world.events.fail_with(None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.records().iter().map(|r| r.emitter_seq).collect::<Vec<_>>(), [4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_holds_up_no_deadline_of_a_session_p3() {
    let world = World::with_stuck_log();
    world.provisioning.set_outbox(true);
    let mut first = world.connect();
    first.inform(&["1 BOOT"]).await;
    first.expect_inform_response();
    first.empty_post().await;
    first.expect_end();
    // Its account found no place and is tried again and again, two seconds each time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut second = world.connect();
    second.inform(&["1 BOOT"]).await;
    second.expect_inform_response();
    assert_eq!(world.front_end.live_sessions(), 1);
    let idle = cwmp_session::acs::Config::default().idle_timeout;
    tokio::time::sleep(idle + Duration::from_millis(600)).await;
    assert_eq!(world.front_end.live_sessions(), 0, "its deadline was seen at once");
}

#[tokio::test(start_paused = true)]
async fn a_record_over_the_limit_of_the_log_leaves_its_parameters_out() {
    let world = World::open();
    world.events.fail_with(Some(AppendError::TooLarge { bytes: 2, limit: 1 }));
    world.provisioning.set_outbox(true);
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    let outbox = world.provisioning.outbox();
    let EventBody::Inform(inform) = &outbox[0].body else { panic!("{outbox:?}") };
    assert!(inform.parameters.is_empty() && inform.events.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_costs_one_begin_and_no_end() {
    let world = World::open();
    let mut cpe = world.connect();
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.empty_post().await;
    cpe.expect_end();
    assert_eq!(world.accounts().await.len(), 1);
    assert_eq!(world.provisioning.called().len(), 1, "design.md §4.9: {:?}", world.provisioning.called());
    let records = world.records();
    assert_eq!(records.len(), 2, "design.md §4.9: one awaited, one unawaited");
}

#[tokio::test(start_paused = true)]
async fn informs_of_one_device_at_the_same_moment_have_an_order_p9() {
    let world = World::open();
    let mut peers = [world.connect(), world.connect(), world.connect(), world.connect()];
    let [a, b, c, d] = &mut peers;
    let events = ["2 PERIODIC"];
    tokio::join!(a.inform(&events), b.inform(&events), c.inform(&events), d.inform(&events));
    let mut stamps: Vec<_> = world.records().iter().map(|record| record.position.stamp).collect();
    stamps.sort();
    stamps.dedup();
    assert_eq!(stamps.len(), 4, "every session has a place of its own");
}

/// What the records of the front-end are, by number; and what it says of them.
fn numbered(world: &World) -> (Vec<u64>, Vec<acs_types::ControlTotals>) {
    let mut numbers: Vec<_> = world.records().iter().map(|record| record.emitter_seq).collect();
    numbers.sort_unstable();
    let totals = |record: acs_types::EventRecord| match record.body {
        EventBody::ControlTotals(totals) => Some(totals),
        _ => None,
    };
    (numbers, world.records().into_iter().filter_map(totals).collect())
}

#[tokio::test(start_paused = true)]
async fn control_totals_account_for_every_record_every_20_s_p10() {
    let world = World::open();
    world.front_end.look_after_sessions();
    let session = async |n: u32| {
        let mut cpe = world.connect();
        cpe.post(&inform_of(SERIAL, &["2 PERIODIC"], n)).await;
        cpe.expect_inform_response();
        cpe.empty_post().await;
        cpe.expect_end();
        world.accounts().await;
    };
    session(0).await;
    session(0).await;
    tokio::time::sleep(Duration::from_secs(21)).await;
    let (numbers, totals) = numbered(&world);
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(totals, [acs_types::ControlTotals { first: 1, last: 4, count: 4 }], "P10: two Informs, two ends");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(numbered(&world).1.len(), 1, "nothing new");
    session(0).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let (numbers, totals) = numbered(&world);
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    assert_eq!(totals[1], acs_types::ControlTotals { first: 5, last: 7, count: 3 }, "P10");
}

#[tokio::test(start_paused = true)]
async fn a_front_end_with_an_open_session_says_every_20_s_that_it_lives_p9() {
    let minutes = Duration::from_secs(300);
    let world = World::with(CpeAuthScheme::Open, |config| config.session.idle_timeout = minutes);
    world.front_end.look_after_sessions();
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_inform_response();
    tokio::time::sleep(Duration::from_secs(290)).await;
    let (numbers, totals) = numbered(&world);
    assert_eq!(
        (world.front_end.live_sessions(), numbers),
        (1, (1..=15).collect()),
        "nothing but the Inform and totals"
    );
    let expected = (1..=14).map(|n| acs_types::ControlTotals { first: n, last: n, count: 1 });
    assert_eq!(totals, expected.collect::<Vec<_>>(), "P10: also of the last totals alone");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let last = numbered(&world).1.len();
    tokio::time::sleep(minutes).await;
    assert_eq!(
        (world.front_end.live_sessions(), numbered(&world).1.len()),
        (0, last),
        "nothing is open, nothing is said"
    );
}

#[tokio::test(start_paused = true)]
async fn control_totals_wait_for_a_record_whose_fate_is_not_known_p10() {
    let world = World::open();
    world.front_end.look_after_sessions();
    world.events.fail_with(no_space());
    let mut cpe = world.connect();
    cpe.inform(&["1 BOOT"]).await;
    cpe.expect_status(503);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(numbered(&world), (vec![], vec![]), "P10: nothing is said of it");
    world.events.fail_with(None);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let (numbers, totals) = numbered(&world);
    assert_eq!(numbers, [1, 2]);
    assert_eq!(totals, [acs_types::ControlTotals { first: 1, last: 1, count: 1 }]);
}
