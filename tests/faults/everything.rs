//! Everything killed at once under load and started again: all roles, Kafka, the CQL server, Redis.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::number;
use crate::servers::{ONE, Set};
use crate::steady::{devices, often};
use crate::support::role::Role;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn killed_at_once_and_started_again_nothing_is_lost_or_done_twice_p1_to_p10() {
    let rounds = number("LASTMILE_TEST_ALL_KILLED", 2, 20);
    let set = Set::find(ONE);
    let Some(mut bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let mut servers = [set.broker(1), set.cql(1), set.redis()];
    let mut random = StdRng::seed_from_u64(bench.seed);
    let load = bench.load().await;
    let mut down = Duration::ZERO;
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(random.random_range(2000..=5000))).await;
        let killed = Instant::now();
        // In no order, as far as one process can do that.
        let servers_first = random.random();
        if servers_first {
            servers.iter_mut().for_each(|server| server.kill());
        }
        bench.cluster.roles().for_each(Role::kill);
        if !servers_first {
            servers.iter_mut().for_each(|server| server.kill());
        }
        servers.iter_mut().for_each(|server| server.start());
        for server in &servers {
            server.serves().await;
        }
        bench.cluster.roles().for_each(Role::spawn);
        for role in bench.cluster.roles() {
            role.ready().await;
        }
        down += killed.elapsed();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let calls = load.stop().await;
    let judged = bench.judge(&calls).await;
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    let each = down / u32::try_from(rounds).expect("few");
    tell_figures(&format!(
        "{rounds} times, up again after {each:.0?}, {promised} tasks promised, {}",
        judged.figures()
    ));
    judged.hold();
    assert!(promised as u64 >= rounds * 5, "only {promised} tasks were promised");
    bench.finish();
}
