//! Front-ends that die right after the InformResponse of a BOOTSTRAP, and the device comes no more by itself.

use std::time::{Duration, Instant};

use lastmile_fleet::ledger::{Fact, Line};
use lastmile_fleet::{DeviceHandle, Fleet, RetryRule};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::number;
use crate::support::cluster::Shape;
use crate::support::judge::text;
use crate::support::role::Role;
use crate::support::{Api, SOON, id_of, until};

/// Devices, each of which is bootstrapped in its turn.
const DEVICES: usize = 20;
/// Until the device is woken and all is done: 80 s of silence, after which its session is taken for lost, and as much again.
const OBLIGED_MAX: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn killed_after_the_inform_response_of_a_bootstrap_what_it_obliges_to_happens_p7() {
    let wanted = number("LASTMILE_TEST_BOOTSTRAPS", 10, 200) as usize;
    let tune = |config: &mut lastmile_fleet::FleetConfig| {
        // Who lost its session says nothing any more, until it is asked to.
        config.retry = RetryRule::Never;
        config.reconnect_within = Duration::ZERO;
        config.periodic = Duration::from_secs(24 * 3600);
    };
    let Some(mut bench) = Bench::start(Shape::default(), DEVICES, tune).await else { return };
    let mut random = StdRng::seed_from_u64(bench.seed);
    let (mut unasked, mut longest, mut wrong) = (0, Duration::ZERO, Vec::new());
    let devices: Vec<DeviceHandle> = bench.fleet.devices().collect();
    let turns: Vec<usize> = (0..wanted).collect();
    for turn in turns.chunks(DEVICES) {
        let mut told = Vec::new();
        for device in &devices[..turn.len()] {
            let begun = bench.fleet.ledger().lines().len();
            device.factory_reset();
            let serial = device.identity().serial_number;
            let at = until("a BOOTSTRAP is answered", SOON, || async { answered(&bench.fleet, begun, &serial) }).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..3))).await;
            bench.cluster.fronts.iter_mut().for_each(Role::kill);
            let lines = bench.fleet.ledger().lines();
            unasked += usize::from(!has_request(&lines[begun..], &serial));
            bench.cluster.fronts.iter_mut().for_each(Role::spawn);
            for front in &mut bench.cluster.fronts {
                front.ready().await;
            }
            told.push((device, at, Instant::now()));
        }
        for (device, at, since) in told {
            match obliged(&bench.api, device, &at, since).await {
                Ok(took) => longest = longest.max(took),
                Err(contradiction) => wrong.push(contradiction),
            }
        }
    }
    let mut judged = bench.judge(&[]).await;
    judged.wrong.extend(wrong);
    tell_figures(&format!(
        "{wanted} kills, {unasked} before the device was asked for anything; the last tree was read again after {longest:.0?}; {}",
        judged.figures()
    ));
    judged.hold();
    assert!(unasked > 0, "each session went on before its front-end died");
    bench.finish();
}

/// When the device said its BOOTSTRAP, if it was answered.
fn answered(fleet: &Fleet, begun: usize, serial: &str) -> Option<String> {
    let lines = fleet.ledger().lines();
    let mut of_device = lines[begun..].iter().filter(|line| line.device == serial);
    of_device.find_map(|line| match &line.fact {
        Fact::InformAnswered { current_time, .. } => Some(current_time.clone()),
        _ => None,
    })
}

fn has_request(lines: &[Line], serial: &str) -> bool {
    lines.iter().any(|line| line.device == serial && matches!(line.fact, Fact::RequestReceived { .. }))
}

/// Waits until the tree was read again; how long that took.
async fn obliged(api: &Api, device: &DeviceHandle, at: &str, since: Instant) -> Result<Duration, String> {
    loop {
        let known = api.device(&id_of(device)).await;
        if text(&known, "discovered_at") >= at.trim_end_matches('Z') {
            return Ok(since.elapsed());
        }
        if since.elapsed() > OBLIGED_MAX {
            return Err(format!("P7: nothing followed a BOOTSTRAP of {at} within {OBLIGED_MAX:?}: {known}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
