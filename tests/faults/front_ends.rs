//! Front-ends that are killed under load: at random, while devices have a request in hand, and right after the InformResponse of a
//! BOOTSTRAP.

mod bootstrapped;
mod cut;

use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::judgement::{locked_out_p13, moved_sessions, now, unexplained_p13};
use crate::number;
use crate::steady::{devices, often_at_any_front_end};
use crate::support::cluster::Shape;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn killed_at_random_under_load_nothing_is_lost_p1_p2_p7_to_p10_p13() {
    let wanted = number("LASTMILE_TEST_KILLS", 30, 500) as usize;
    // A connection per POST: then every session is between two requests at the others when a front-end dies.
    let Some(mut bench) = Bench::start(Shape::default(), devices(), often_at_any_front_end).await else { return };
    let mut random = StdRng::seed_from_u64(bench.seed);
    let load = bench.load().await;
    let (began, mut kills) = (Instant::now(), Vec::with_capacity(wanted));
    while kills.len() < wanted {
        tokio::time::sleep(Duration::from_millis(random.random_range(100..=1000))).await;
        // One is always left: with none of them there is nobody to go on with.
        let count = if random.random_ratio(1, 4) { 2 } else { 1 };
        let fronts = bench.cluster.fronts.iter_mut();
        let victims = fronts.sample(&mut random, count).into_iter().map(|victim| {
            kills.push(now());
            victim.kill();
            victim.start()
        });
        join_all(victims).await;
    }
    let (took, killed_until) = (began.elapsed(), now());
    let calls = load.stop().await;
    let mut judged = bench.judge_after_kills(&calls, killed_until).await;
    let lines = bench.fleet.ledger().lines();
    judged.wrong.extend(unexplained_p13(&lines, &kills));
    judged.wrong.extend(locked_out_p13(&lines));
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    let moved = moved_sessions(judged.evidence.events());
    tell_figures(&format!(
        "{} kills in {took:.0?}, {promised} tasks promised, {}, {moved} went on elsewhere",
        kills.len(),
        judged.figures()
    ));
    judged.hold();
    // A run that did nothing proves nothing.
    assert!(promised >= kills.len(), "only {promised} tasks were promised");
    assert!(moved >= kills.len(), "only {moved} sessions went on elsewhere");
    bench.finish();
}
