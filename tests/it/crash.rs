//! `kill -9` at random under load, hundreds of times; then everybody's books are compared (P1–P9).
//!
//! `LASTMILE_TEST_KILLS` (200) and `LASTMILE_TEST_SEED` (by the clock) repeat a run as far as timing allows.

use std::time::{Duration, Instant};

use lastmile_fleet::Fleet;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::judge::{Evidence, text};
use crate::support::load::{Load, repeated_calls_p5, settle, shortened, states};
use crate::support::{Options, Server, fleet_config, id_of, number, seed};

const DEVICES: usize = 30;
/// How long everything may take to come to rest after the last kill.
const SETTLE_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_under_load_nothing_is_lost_or_done_twice_p1_to_p9() {
    let kills: usize = number("LASTMILE_TEST_KILLS").unwrap_or(200);
    let seed = seed();
    eprintln!("LASTMILE_TEST_SEED={seed} LASTMILE_TEST_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);

    let mut server = Server::start_with(Options::default().set("connection_requests.interval_seconds", "1")).await;
    let mut config = fleet_config(&server, DEVICES, seed & 0xFFFF);
    config.periodic = Duration::from_secs(3);
    config.boot_time = Duration::from_millis(100);
    config.reconnect_within = Duration::from_secs(3);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    let file = api.upload("crash.bin", "firmware", b"LASTMILE-FIRMWARE 3.0\n".repeat(1000)).await;
    for device in fleet.devices() {
        api.discovered(&id_of(&device)).await;
    }

    let load = Load::start(&api, &fleet, text(&file, "id"), seed);
    let began = Instant::now();
    let mut starts = Vec::with_capacity(kills);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..=400))).await;
        server.kill();
        let killed = Instant::now();
        server.restart().await;
        starts.push(killed.elapsed());
    }
    let mean = |starts: &[Duration]| starts.iter().sum::<Duration>() / starts.len().max(1) as u32;
    let tenth = kills.div_ceil(10);
    eprintln!("starts took {:.0?} at first and {:.0?} at last", mean(&starts[..tenth]), mean(&starts[kills - tenth..]));
    let calls = load.stop().await;
    let took = began.elapsed();
    settle(&api, &fleet, SETTLE_MAX).await;

    let evidence = Evidence::collect(&api, &fleet).await;
    let mut wrong = evidence.contradictions(&calls);
    wrong.extend(repeated_calls_p5(&api, &calls).await);
    let account = evidence.account();
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    eprintln!(
        "{kills} kills in {took:.0?}: {} calls, {promised} promised, {} tasks, {} Informs answered, {} requests received, \
         sessions {} completed and {} failed",
        calls.len(),
        evidence.tasks().count(),
        account.answered_informs().count(),
        account.requests.len(),
        account.sessions_completed,
        account.sessions_failed,
    );
    eprintln!("states: {:?}", states(&evidence));
    assert!(wrong.is_empty(), "seed {seed}, {} contradictions:\n{}", wrong.len(), shortened(&wrong));
    // A run that did nothing proves nothing.
    assert!(promised >= kills, "only {promised} tasks were promised");
    assert!(account.sessions_failed as usize >= kills / 4, "the kills hardly met a session");
    drop(fleet);
    server.finish();
}
