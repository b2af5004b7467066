//! One of three CQL servers killed, and one that stands still most of the time (P15).

use std::time::Duration;

use crate::bench::{Bench, tell_figures};
use crate::number;
use crate::servers::{Set, THREE};
use crate::steady::{SETTLED, Steady, devices, often};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn one_of_three_killed_is_not_noticed_after_ten_seconds_p1_p15() {
    let away = Duration::from_secs(number("LASTMILE_TEST_CQL_AWAY", 25, 300));
    let set = Set::find(THREE);
    let Some(bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let mut node = set.cql(2);
    let steady = Steady::start(&bench.api, &bench.fleet);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let from = steady.mark();
    node.kill();
    tokio::time::sleep(SETTLED).await;
    let settled = steady.mark();
    tokio::time::sleep(away - SETTLED).await;
    // It comes back while the load goes on: nobody is to notice that either.
    node.start();
    tokio::time::sleep(SETTLED).await;
    let (all, later) = (steady.since(from), steady.since(settled));
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    node.serves().await;
    judged.wrong.extend(later.below_a_thousandth_p15("a node killed"));
    tell_figures(&format!("{}; {}", all.told(&later), judged.figures()));
    judged.hold();
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn one_of_three_still_for_five_seconds_of_six_is_not_noticed_after_ten_p1_p15() {
    let rounds = number("LASTMILE_TEST_CQL_STOPS", 5, 60);
    let set = Set::find(THREE);
    let Some(bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let mut node = set.cql(3);
    let steady = Steady::start(&bench.api, &bench.fleet);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (from, began) = (steady.mark(), std::time::Instant::now());
    let mut settled = from;
    for _ in 0..rounds {
        node.stop();
        tokio::time::sleep(Duration::from_secs(5)).await;
        node.go_on();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if began.elapsed() < SETTLED + Duration::from_secs(3) {
            settled = steady.mark();
        }
    }
    let (all, later) = (steady.since(from), steady.since(settled));
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(later.below_a_thousandth_p15("a node standing still"));
    tell_figures(&format!("{rounds} times: {}; {}", all.told(&later), judged.figures()));
    judged.hold();
    bench.finish();
}
