//! Provisioning away, silent and slow under load: sessions of known devices complete, only tasks wait (P16).

use std::time::{Duration, Instant};

use lastmile_fleet::Fleet;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::judgement::{failed_sessions, outcomes};
use crate::number;
use crate::proxy::Proxy;
use crate::steady::{Steady, devices, often};
use crate::support::cluster::Shape;
use crate::support::server::free_port;

fn seconds(variable: &str, quick: u64, long: u64) -> Duration {
    Duration::from_secs(number(variable, quick, long))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn killed_at_random_under_load_no_session_fails_and_no_task_is_lost_p1_p2_p16() {
    let kills = number("LASTMILE_TEST_PROVISIONING_KILLS", 15, 300);
    let Some(mut bench) = Bench::start(Shape::default(), devices(), often).await else { return };
    let mut random = StdRng::seed_from_u64(bench.seed);
    let load = bench.load().await;
    let began = Instant::now();
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(100..=1500))).await;
        let victim = random.random_range(0..bench.cluster.provisioning.len());
        bench.cluster.provisioning[victim].kill();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..=500))).await;
        bench.cluster.provisioning[victim].start().await;
    }
    let took = began.elapsed();
    let calls = load.stop().await;
    let mut judged = bench.judge(&calls).await;
    let lines = bench.fleet.ledger().lines();
    judged.wrong.extend(failed_sessions("P16", &lines));
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    tell_figures(&format!("{kills} kills in {took:.0?}, {promised} tasks promised, {}", judged.figures()));
    judged.hold();
    assert!(promised as u64 >= kills, "only {promised} tasks were promised");
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn all_of_it_away_known_devices_are_served_and_strangers_are_told_to_come_again_p16() {
    let away = seconds("LASTMILE_TEST_PROVISIONING_AWAY", 12, 300);
    let Some(mut bench) = Bench::start(Shape::default(), devices(), often).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let from = steady.mark();
    bench.cluster.provisioning.iter_mut().for_each(|process| process.kill());
    let strangers = Fleet::start(bench.strangers(0xFFFF_FFFF)).await.expect("the fleet starts");
    tokio::time::sleep(away).await;
    let counts = steady.since(from);
    let told = outcomes(strangers.ledger().lines());
    drop(strangers);
    for process in &mut bench.cluster.provisioning {
        process.start().await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(counts.no_session_failed("P16", devices(), "provisioning away"));
    if told.is_empty() || told.iter().any(|outcome| outcome != "busy") {
        judged.wrong.push(format!("P16: a stranger gets 503 and nothing else, but: {told:?}"));
    }
    tell_figures(&format!(
        "away for {away:.0?}: {} sessions completed and {} failed, the slowest in {:.1?}, {} of strangers refused; {}",
        counts.completed,
        counts.failures(),
        counts.slowest,
        told.len(),
        judged.figures()
    ));
    judged.hold();
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn standing_still_for_seconds_it_delays_sessions_and_fails_none_p1_p2_p16() {
    let rounds = number("LASTMILE_TEST_PROVISIONING_STOPS", 3, 60);
    let Some(bench) = Bench::start(Shape::default(), devices(), often).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);
    let from = steady.mark();
    for _ in 0..rounds {
        // One of them, and then all: no connection tells of it.
        bench.cluster.provisioning[0].signal("STOP");
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.cluster.provisioning[1].signal("STOP");
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.cluster.provisioning.iter().for_each(|process| process.signal("CONT"));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let counts = steady.since(from);
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(counts.no_session_failed("P16", devices(), "provisioning standing still"));
    tell_figures(&format!(
        "{rounds} times 4 s one and 4 s all: {} sessions completed and {} failed, the slowest in {:.1?}; {}",
        counts.completed,
        counts.failures(),
        counts.slowest,
        judged.figures()
    ));
    judged.hold();
    bench.finish();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn slow_to_answer_it_delays_sessions_and_fails_none_p1_p2_p16() {
    let each = seconds("LASTMILE_TEST_PROVISIONING_SLOW", 8, 120);
    // Front-ends reach it through the slow network, all others as usual.
    let ports = [free_port(), free_port()];
    let networks = [Proxy::to(ports[0]).await, Proxy::to(ports[1]).await];
    let both = |ports: [u16; 2]| format!("grpc.provisioning=127.0.0.1:{},127.0.0.1:{}", ports[0], ports[1]);
    let shape = Shape::default()
        .set("provisioning-1", &format!("grpc.listen=127.0.0.1:{}", ports[0]))
        .set("provisioning-2", &format!("grpc.listen=127.0.0.1:{}", ports[1]))
        .set("cwmp", &both([networks[0].port, networks[1].port]))
        .set("api", &both(ports))
        .set("ingest", &both(ports));
    let Some(bench) = Bench::start(shape, devices(), often).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    for delay in [300, 1000, 3000].map(Duration::from_millis) {
        let from = steady.mark();
        networks.iter().for_each(|network| network.delay(delay));
        tokio::time::sleep(each).await;
        let counts = steady.since(from);
        wrong.extend(counts.no_session_failed("P16", devices() / 2, &format!("answers {delay:?} late")));
        let (completed, failed) = (counts.completed, counts.failures());
        told.push(format!(
            "{delay:?} late: {completed} completed and {failed} failed, the slowest in {:.1?}",
            counts.slowest
        ));
    }
    networks.iter().for_each(|network| network.delay(Duration::ZERO));
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    judged.wrong.extend(wrong);
    tell_figures(&format!("{}; {}", told.join(", "), judged.figures()));
    judged.hold();
    bench.finish();
}
