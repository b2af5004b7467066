//! Front-ends that are asked to end and started again, one after the other, under load: no session fails (P12).

use std::time::{Duration, Instant};

use lastmile_fleet::Fleet;

use crate::bench::{Bench, tell_figures};
use crate::judgement::{failed_sessions, moved_sessions};
use crate::number;
use crate::steady::Steady;
use crate::support::cluster::Shape;

/// Between two sessions of a device: as many devices as that takes.
const PERIODIC: Duration = Duration::from_secs(2);
/// A front-end that is asked to end does so within this.
const DRAIN_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn restarted_in_turn_under_load_no_session_fails_p12() {
    let wanted = number("LASTMILE_TEST_ROLLED_SESSIONS", 500, 50_000);
    let rate = number("LASTMILE_TEST_ROLLED_RATE", 25, 60);
    let devices = usize::try_from(rate * PERIODIC.as_secs()).expect("few");
    let periodic = |config: &mut lastmile_fleet::FleetConfig| config.periodic = PERIODIC;
    let Some(mut bench) = Bench::start(Shape::default(), devices, periodic).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);
    let (began, before) = (Instant::now(), completed(&bench.fleet));
    let (mut restarts, mut drains) = (0, Vec::new());
    // All of them at least once.
    while restarts % bench.cluster.fronts.len() != 0 || completed(&bench.fleet) - before < wanted {
        let front = restarts % bench.cluster.fronts.len();
        let asked = Instant::now();
        bench.cluster.fronts[front].signal("TERM");
        let ended = bench.cluster.fronts[front].ended(DRAIN_MAX).await;
        assert!(ended.success(), "{ended:?}");
        drains.push(asked.elapsed());
        bench.cluster.fronts[front].start().await;
        restarts += 1;
    }
    let (sessions, took) = (completed(&bench.fleet) - before, began.elapsed());
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    let lines = bench.fleet.ledger().lines();
    let failed = failed_sessions("P12", &lines);
    tell_figures(&format!(
        "{restarts} restarts, {sessions} sessions in {took:.0?}, {} failed, {} went on elsewhere, the longest drain took {:.1?}; {}",
        failed.len(),
        moved_sessions(judged.evidence.events()),
        drains.iter().max().expect("one"),
        judged.figures()
    ));
    judged.wrong.extend(failed);
    judged.hold();
    bench.finish();
}

fn completed(fleet: &Fleet) -> u64 {
    fleet.devices().map(|device| device.sessions().completed).sum()
}
