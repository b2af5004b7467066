//! Kafka killed, silent and away under load: what was answered is in it in the end, and no session notices (P7, P15).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lastmile_fleet::ledger::Account;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::judgement::failed_sessions;
use crate::number;
use crate::servers::{ONE, Server, Set, THREE};
use crate::steady::{SETTLED, Steady, devices, often};
use crate::support::Api;
use crate::support::judge::text;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn the_only_broker_is_killed_and_stopped_and_nothing_answered_is_missing_p7() {
    let bounces = number("LASTMILE_TEST_BROKER_BOUNCES", 4, 60);
    let set = Set::find(ONE);
    let Some(bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let mut broker = set.broker(1);
    let mut random = StdRng::seed_from_u64(bench.seed);
    let load = bench.load().await;
    let began = Instant::now();
    for n in 0..bounces {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..=3000))).await;
        if n % 2 == 0 {
            broker.kill();
            broker.start();
            broker.serves().await;
        } else {
            broker.stop();
            tokio::time::sleep(Duration::from_millis(random.random_range(1000..=6000))).await;
            broker.go_on();
        }
    }
    let took = began.elapsed();
    let calls = load.stop().await;
    let mut judged = bench.judge(&calls).await;
    let lines = bench.fleet.ledger().lines();
    judged.wrong.extend(failed_sessions("P7", &lines));
    tell_figures(&format!("{bounces} bounces in {took:.0?}, {}", judged.figures()));
    judged.hold();
    bench.finish();
}

/// One broker after the other; in the long lane all of them, so that the one that leads the cluster is among them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn one_of_three_away_is_not_noticed_after_ten_seconds_p7_p15() {
    let away = Duration::from_secs(number("LASTMILE_TEST_BROKER_AWAY", 20, 180));
    let brokers = number("LASTMILE_TEST_BROKERS", 1, 3);
    let set = Set::find(THREE);
    // Nothing is promised in vain: topics that may lose records are refused, as outside of tests.
    let shape = set.shape().set("", "kafka.allow_weak_topics=false");
    let Some(bench) = Bench::start(shape, devices(), often).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    let first = bench.seed as usize;
    for number in (first..).map(|n| n % 3 + 1).take(brokers as usize) {
        let mut broker = set.broker(number);
        let from = steady.mark();
        broker.kill();
        tokio::time::sleep(SETTLED).await;
        let settled = steady.mark();
        tokio::time::sleep(away - SETTLED).await;
        let (all, later) = (steady.since(from), steady.since(settled));
        wrong.extend(all.no_session_failed("P7", devices(), &format!("broker {number} away")));
        wrong.extend(later.below_a_thousandth_p15(&format!("broker {number} away")));
        told.push(all.told(&later));
        broker.start();
        broker.serves().await;
        tokio::time::sleep(SETTLED / 2).await;
    }
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(wrong);
    tell_figures(&format!("{brokers} of three away in turn for {away:.0?}: {}; {}", told.join(", "), judged.figures()));
    judged.hold();
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn away_for_long_no_session_fails_and_all_records_arrive_in_twice_the_time_p7_p9() {
    let away = Duration::from_secs(number("LASTMILE_TEST_KAFKA_AWAY", 20, 600));
    let set = Set::find(ONE);
    let Some(bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let mut broker = set.broker(1);
    let steady = Steady::start(&bench.api, &bench.fleet);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let from = steady.mark();
    let (missing, took) = away_and_drained(&bench, &mut broker, away, away * 2).await;
    let counts = steady.since(from);
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(counts.no_session_failed("P7", devices(), "Kafka away"));
    if missing > 0 {
        judged
            .wrong
            .push(format!("P7: {missing} of the Informs answered before are not in Kafka {took:.0?} after its return"));
    }
    tell_figures(&format!(
        "Kafka away for {away:.0?}: {} sessions completed and {} failed, drained in {took:.1?}; {}",
        counts.completed,
        counts.failures(),
        judged.figures()
    ));
    judged.hold();
    bench.finish();
}

/// Kafka is away for so long, and back: how many of the Informs that were answered by then are not in it within the limit, and how
/// long that took.
pub(crate) async fn away_and_drained(
    bench: &Bench,
    broker: &mut Server,
    away: Duration,
    limit: Duration,
) -> (usize, Duration) {
    broker.kill();
    tokio::time::sleep(away).await;
    let answered = bench.fleet.ledger().account();
    broker.start();
    broker.serves().await;
    let back = Instant::now();
    (drained(&bench.api, &answered, limit).await, back.elapsed())
}

/// Waits until every Inform that was answered is in the log; how many are not in the end.
async fn drained(api: &Api, answered: &Account, limit: Duration) -> usize {
    let began = Instant::now();
    let answered = answered.answered_informs();
    let mut missing: BTreeSet<(String, String)> =
        answered.map(|inform| (inform.device.clone(), inform.current_time.clone())).collect();
    let mut position = "0".to_owned();
    while !missing.is_empty() && began.elapsed() < limit {
        // Right after its return Kafka has no answer for readers yet.
        if api.get("/events?last=1&follow=false").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        }
        let (events, now) = api.events_after(&position).await;
        position = now;
        for event in events.iter().filter(|event| event["type"] == "acs.inform.v1") {
            let data = &event["data"];
            missing.remove(&(text(data, "serial_number").to_owned(), text(data, "current_time").to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    missing.len()
}
