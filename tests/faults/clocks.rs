//! Clocks that are five minutes behind while the outbox fills and drains (P7, P9).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, tell_figures};
use crate::brokers::away_and_drained;
use crate::number;
use crate::servers::{ONE, Set};
use crate::steady::{Steady, devices, often};
use crate::support::judge::text;
use crate::support::role::Role;

/// A role that is asked to end does so within a minute.
const DRAIN_MAX: Duration = Duration::from_secs(70);
/// By how much clocks may be off.
const BEHIND: Duration = Duration::from_secs(300);

/// A front-end and the provisioning process that writes the outbox live five minutes ago. What they say is in the log with all
/// the rest, each device's in its order, although later sessions have earlier clocks.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn writers_five_minutes_behind_lose_nothing_and_keep_the_order_p7_p9() {
    let away = Duration::from_secs(number("LASTMILE_TEST_BEHIND", 15, 120));
    let set = Set::find(ONE);
    let Some(mut bench) = Bench::start(set.shape(), devices(), often).await else { return };
    let library = library(&bench.cluster.folder());
    for role in [&mut bench.cluster.fronts[0], &mut bench.cluster.provisioning[0]] {
        put_behind(role, &library);
        // Asked to end, it leaves no session behind that would have to be taken for lost.
        role.signal("TERM");
        role.ended(DRAIN_MAX).await;
        role.start().await;
    }
    let mut broker = set.broker(1);
    let steady = Steady::start(&bench.api, &bench.fleet);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let limit = away * 2 + Duration::from_secs(20);
    let (missing, took) = away_and_drained(&bench, &mut broker, away, limit).await;
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    if missing > 0 {
        judged.wrong.push(format!("P7: {missing} answered Informs are not in Kafka {took:.0?} after its return"));
    }
    let behind = behind(judged.evidence.events());
    tell_figures(&format!("{behind} records of a clock behind, drained in {took:.1?}; {}", judged.figures()));
    judged.hold();
    assert!(behind > devices(), "only {behind} records have the time of a clock that is behind");
    bench.finish();
}

/// From its next start on; only the clock of the day, not that of waits.
fn put_behind(role: &mut Role, library: &Path) {
    role.environment("LD_PRELOAD", &library.display().to_string());
    role.environment("CLOCK_OFFSET_SECONDS", &format!("-{}", BEHIND.as_secs()));
}

/// `clock_behind.c`, built into `folder`.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/faults/clock_behind.c");
    let library = folder.join("clock_behind.so");
    let status = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).status();
    assert!(status.expect("a C compiler").success(), "clock_behind.c does not compile");
    library
}

/// Informs whose record says that they came minutes before the device spoke.
fn behind(events: &[Value]) -> usize {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let is_behind = |event: &&Value| {
        let (said, written) = (time(text(&event["data"], "current_time")), time(text(event, "occurred_at")));
        said.zip(written).is_some_and(|(said, written)| said.duration_since(written).as_secs() > 240)
    };
    events.iter().filter(|event| event["type"] == "acs.inform.v1").filter(is_behind).count()
}
