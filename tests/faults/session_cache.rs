//! Redis emptied and away under load: nothing is lost, no session fails (P14).

use std::time::Duration;

use lastmile_fleet::FleetConfig;

use crate::bench::{Bench, Judged, tell_figures};
use crate::judgement::failed_sessions;
use crate::number;
use crate::redis_server::Server;
use crate::steady::{devices, often, often_at_any_front_end};
use crate::support::cluster::Shape;
use crate::support::judge::Call;

/// Between two times that it is emptied.
const PAUSES: (u64, u64) = (1, 5);

fn shape(redis: &Server) -> Shape {
    Shape { redis: Some(format!("127.0.0.1:{}", redis.port)), ..Shape::default() }
}

/// By all books, and no session failed.
async fn judge(bench: &Bench, calls: &[Call]) -> Judged {
    let mut judged = bench.judge(calls).await;
    let lines = bench.fleet.ledger().lines();
    judged.wrong.extend(failed_sessions("P14", &lines));
    judged
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn emptied_again_and_again_under_load_nothing_is_lost_p1_to_p10_p14_f14() {
    emptied(often).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn emptied_between_the_posts_of_sessions_that_go_to_any_front_end_p13_p14_f14() {
    emptied(often_at_any_front_end).await;
}

async fn emptied(tune: impl FnOnce(&mut FleetConfig)) {
    let flushes = number("LASTMILE_TEST_FLUSHES", 20, 60);
    let pause = Duration::from_secs(if flushes > 20 { PAUSES.1 } else { PAUSES.0 });
    let redis = Server::start("");
    let Some(bench) = Bench::start(shape(&redis), devices(), tune).await else { return };
    let load = bench.load().await;
    for _ in 0..flushes {
        tokio::time::sleep(pause).await;
        assert_eq!(redis.ask(&["FLUSHALL"]), "OK");
    }
    let calls = load.stop().await;
    let judged = judge(&bench, &calls).await;
    tell_figures(&format!("emptied {flushes} times, one in {pause:?}; {}", judged.figures()));
    judged.hold();
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn away_and_standing_still_under_load_nothing_is_lost_p1_to_p10_p14_f14() {
    let away = Duration::from_secs(number("LASTMILE_TEST_REDIS_AWAY", 5, 60));
    let mut redis = Server::start("");
    let Some(bench) = Bench::start(shape(&redis), devices(), often).await else { return };
    let load = bench.load().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    redis.stop();
    tokio::time::sleep(away).await;
    redis.go_on();
    tokio::time::sleep(Duration::from_secs(2)).await;
    redis.kill();
    tokio::time::sleep(away).await;
    redis.restart();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = load.stop().await;
    let judged = judge(&bench, &calls).await;
    tell_figures(&format!("{away:?} without an answer, {away:?} without a server; {}", judged.figures()));
    judged.hold();
    bench.finish();
}
