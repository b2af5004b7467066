//! A cluster, its devices, and what is held of them in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cwmp_model::Timestamp;
use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, Fleet, FleetConfig};
use serde_json::Value;

use crate::is_long;
use crate::judgement::{failures, now, story};
use crate::support::cluster::{Cluster, Shape};
use crate::support::judge::{Call, Evidence, text};
use crate::support::load::{Load, repeated_calls_p5, settle, shortened, states};
use crate::support::{Api, id_of, seed};

/// How long everything may take to come to rest after the last fault.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long a session whose front-end died may be without an end: 80 s of silence, 5 min where no session cache tells
/// whether another front-end has it, and what a busy machine needs, for only time counts in which the log was watched (P9).
const LOST_MAX: Duration = Duration::from_secs(8 * 60);
/// Two reviews of a quarantine: one more transmission each.
const REVIEWED_MAX: Duration = Duration::from_secs(13 * 60);
/// How long all devices may take to be read for the first time.
const DISCOVERED_MAX: Duration = Duration::from_secs(55);
/// A front-end that was not heard for so long is dead: with open sessions it says every 20 s that it lives.
const SILENT: Duration = Duration::from_secs(25);
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
        let bench = Self { api: cluster.api(), cluster, fleet, seed };
        bench.discovered().await;
        Some(bench)
    }

    /// Waits until every device is known and was read.
    async fn discovered(&self) {
        let ids: Vec<String> = self.fleet.devices().map(|device| id_of(&device)).collect();
        let all = async {
            for id in &ids {
                self.api.discovered(id).await;
            }
        };
        if tokio::time::timeout(DISCOVERED_MAX, all).await.is_err() {
            let lines = self.fleet.ledger().lines();
            let failed: Vec<String> = failures(&lines).map(|failure| story(&lines, failure.line)).collect();
            panic!(
                "not discovered within {DISCOVERED_MAX:?}; {} sessions failed: {}",
                failed.len(),
                shortened(&failed)
            );
        }
    }

    /// Two devices with logins that no front-end has seen.
    pub(crate) fn strangers(&self, seed: u64) -> FleetConfig {
        let mut config = self.cluster.fleet_config(2, seed);
        config.credentials = DeviceCredentials::Own { password: Password::new("nobody-knows-it") };
        config
    }

    /// A client that creates tasks of all kinds for all devices.
    pub(crate) async fn load(&self) -> Load {
        let file = self.api.upload("faults.bin", "firmware", b"LASTMILE-FIRMWARE 3.0\n".repeat(1000)).await;
        Load::start(&self.api, &self.fleet, text(&file, "id"), self.seed)
    }

    /// Waits until all is at rest, and finds what is wrong by all books: tasks and transmissions (P1–P6), receipts (P7),
    /// copies (P8), order and ends (P9), numbers (P10).
    pub(crate) async fn judge(&self, calls: &[Call]) -> Judged {
        self.judge_after_kills(calls, Timestamp::default()).await
    }

    /// The same where front-ends were killed up to `killed_until`: it takes minutes until ingest knows of the sessions that went from
    /// one that lives to one that was killed.
    pub(crate) async fn judge_after_kills(&self, calls: &[Call], killed_until: Timestamp) -> Judged {
        settle(&self.api, &self.fleet, SETTLE_MAX).await;
        let (mut wrong, of_dead) = unended_p9(&self.api, killed_until).await;
        if is_long() {
            self.reviewed_p7().await;
        }
        let mut evidence = Evidence::collect(&self.api, &self.fleet).await;
        if !is_long() {
            evidence.let_wait();
        }
        evidence.excuse(of_dead);
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

    /// Where the answers to what an event obliges us to were lost with front-ends, it may be quarantined, until it is reviewed; the quick
    /// lane does not wait for that.
    async fn reviewed_p7(&self) {
        let end = Instant::now() + REVIEWED_MAX;
        loop {
            let waiting = Evidence::collect(&self.api, &self.fleet).await.obligations_p7().len();
            if waiting == 0 || Instant::now() > end {
                break;
            }
            eprintln!("{waiting} devices wait for the review of what their BOOTSTRAP obliges to");
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        settle(&self.api, &self.fleet, SETTLE_MAX).await;
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

/// Waits until every session that began before this has its end in the log, told by a front-end or by ingest. Devices go on
/// with new ones meanwhile. The quick lane does not wait for ingest: sessions of front-ends that died, or of a time in which some
/// did, may be without an end, those are the second part; the first part is what is wrong.
async fn unended_p9(api: &Api, killed_until: Timestamp) -> (Vec<String>, BTreeSet<String>) {
    let (began, newest) = (Instant::now(), now());
    let mut log = Log { position: "0".to_owned(), newest, killed_until, ..Log::default() };
    loop {
        log.read(api).await;
        let dead: BTreeSet<String> = log.open.keys().filter(|session| !log.may_be_told(session)).cloned().collect();
        let awaited = if is_long() { log.open.len() } else { log.open.len() - dead.len() };
        if awaited == 0 || began.elapsed() > LOST_MAX {
            let waited = began.elapsed();
            eprintln!(
                "every session but {awaited} had its end {waited:.0?} after the rest, {} are of the dead",
                dead.len()
            );
            let wrong = log.open.iter().filter(|(session, _)| is_long() || !dead.contains(*session));
            let wrong = wrong.map(|(_, event)| format!("P9: not closed within {waited:.0?}: {event}"));
            return (wrong.collect(), dead);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// The sessions that have no end, as far as the log was read.
#[derive(Default)]
struct Log {
    position: String,
    /// Later sessions are not looked at.
    newest: Timestamp,
    /// Until then front-ends died.
    killed_until: Timestamp,
    /// Their last records.
    open: BTreeMap<String, Value>,
    ended: BTreeSet<String>,
    /// When each emitter was heard last.
    heard: BTreeMap<String, Instant>,
}

impl Log {
    async fn read(&mut self, api: &Api) {
        let (events, position) = api.events_after(&self.position).await;
        self.position = position;
        for event in events {
            self.heard.insert(text(&event, "emitter").to_owned(), Instant::now());
            let session = text(&event, "session_id").to_owned();
            if event["type"] == "acs.session_ended.v1" {
                self.open.remove(&session);
                self.ended.insert(session);
            } else if event["session_stamp"].as_i64() < Some(self.newest.as_micros())
                && !event["session_id"].is_null()
                && event["type"] != "acs.device_change.v1"
                && !self.ended.contains(&session)
            {
                self.open.insert(session, event);
            }
        }
    }

    /// Whether the front-end that had the session last is alive, as far as is known.
    fn may_be_told(&self, session: &str) -> bool {
        let event = &self.open[session];
        let emitter = text(event, "emitter");
        let is_later = event["session_stamp"].as_i64() >= Some(self.killed_until.as_micros());
        is_later && self.heard.get(emitter).is_some_and(|heard| heard.elapsed() < SILENT)
    }
}
