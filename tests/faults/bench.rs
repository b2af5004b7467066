//! A cluster, its devices, and what is held of them in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lastmile_fleet::{Fleet, FleetConfig};
use serde_json::Value;

use crate::judgement::{failures, now};
use crate::support::cluster::{Cluster, Shape};
use crate::support::judge::{Call, Evidence, text};
use crate::support::load::{Load, repeated_calls_p5, settle, shortened, states};
use crate::support::{Api, id_of, seed};

/// How long everything may take to come to rest after the last fault.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long a session whose front-end died may be without an end: 80 s of silence, 5 min where no session cache tells
/// whether another front-end has it, and what a busy machine needs (P9).
const LOST_MAX: Duration = Duration::from_secs(6 * 60);

/// Failed sessions that are shown; whether they had to fail the test decides.
const SHOWN: usize = 5;

pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) fleet: Fleet,
    pub(crate) api: Api,
    pub(crate) seed: u64,
}

impl Bench {
    /// `None`: the services are not there. The devices are discovered when this returns.
    pub(crate) async fn start(shape: Shape, devices: usize, tune: impl FnOnce(&mut FleetConfig)) -> Option<Self> {
        let seed = seed();
        eprintln!("LASTMILE_TEST_SEED={seed}");
        let cluster = Cluster::start(shape).await?;
        let mut config = cluster.fleet_config(devices, seed & 0xFFFF_FFFF);
        tune(&mut config);
        let fleet = Fleet::start(config).await.expect("the fleet starts");
        let api = cluster.api();
        for device in fleet.devices() {
            api.discovered(&id_of(&device)).await;
        }
        Some(Self { cluster, fleet, api, seed })
    }

    /// A client that creates tasks of all kinds for all devices.
    pub(crate) async fn load(&self) -> Load {
        let file = self.api.upload("faults.bin", "firmware", b"LASTMILE-FIRMWARE 3.0\n".repeat(1000)).await;
        Load::start(&self.api, &self.fleet, text(&file, "id"), self.seed)
    }

    /// Waits until all is at rest, and finds what is wrong by all books: tasks and transmissions (P1–P6), receipts (P7),
    /// copies (P8), order and ends (P9), numbers (P10).
    pub(crate) async fn judge(&self, calls: &[Call]) -> Judged {
        settle(&self.api, &self.fleet, SETTLE_MAX).await;
        let mut wrong = sessions_without_end_p9(&self.api).await;
        let evidence = Evidence::collect(&self.api, &self.fleet).await;
        wrong.extend(evidence.contradictions(calls));
        wrong.extend(repeated_calls_p5(&self.api, calls).await);
        let (is_complete, verified) = self.cluster.verified_events().await;
        if !is_complete {
            wrong.push(format!("P10: `lastmile events verify` finds gaps: {verified:#}"));
        }
        eprintln!("states: {:?}", states(&evidence));
        let lines = self.fleet.ledger().lines();
        failures(&lines).take(SHOWN).for_each(|failure| eprintln!("a session failed: {:?}", failure.line));
        Judged { evidence, wrong, seed: self.seed }
    }

    pub(crate) fn finish(self) {
        drop(self.fleet);
        self.cluster.finish();
    }
}

/// What was found.
pub(crate) struct Judged {
    pub(crate) evidence: Evidence,
    pub(crate) wrong: Vec<String>,
    seed: u64,
}

impl Judged {
    /// Tasks, Informs, sessions in one line.
    pub(crate) fn figures(&self) -> String {
        let account = self.evidence.account();
        format!(
            "{} tasks, {} Informs answered, {} requests received, sessions {} completed and {} failed",
            self.evidence.tasks().count(),
            account.answered_informs().count(),
            account.requests.len(),
            account.sessions_completed,
            account.sessions_failed,
        )
    }

    /// Holds that nothing is wrong.
    #[track_caller]
    pub(crate) fn hold(&self) {
        let (seed, wrong) = (self.seed, &self.wrong);
        assert!(wrong.is_empty(), "seed {seed}, {} contradictions:\n{}", wrong.len(), shortened(wrong));
    }
}

/// One line that `cargo xtask faults` puts into its table.
pub(crate) fn tell_figures(figures: &str) {
    eprintln!("figures: {figures}");
}

/// Waits until every session that began before this has its end in the log, told by a front-end or by ingest; those that have
/// none. Devices go on with new ones meanwhile.
async fn sessions_without_end_p9(api: &Api) -> Vec<String> {
    let (began, mut position, newest) = (Instant::now(), "0".to_owned(), now().as_micros());
    let (mut open, mut ended) = (BTreeMap::<String, Value>::new(), BTreeSet::<String>::new());
    loop {
        let (events, now) = api.events_after(&position).await;
        position = now;
        for event in events.into_iter().filter(|event| !event["session_id"].is_null()) {
            let session = text(&event, "session_id").to_owned();
            if event["type"] == "acs.session_ended.v1" {
                open.remove(&session);
                ended.insert(session);
            } else if !ended.contains(&session) && event["session_stamp"].as_i64() < Some(newest) {
                open.entry(session).or_insert(event);
            }
        }
        if open.is_empty() || began.elapsed() > LOST_MAX {
            let waited = began.elapsed();
            eprintln!("every session but {} had its end {waited:.0?} after the rest", open.len());
            return open.values().map(|event| format!("P9: not closed within {waited:.0?}: {event}")).collect();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
