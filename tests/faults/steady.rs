//! A load of which nothing may fail: periodic sessions, tasks that set a value or read one, and a client that asks the API. What
//! failed is counted from a moment on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastmile_fleet::ledger::{Fact, Ledger, Line};
use lastmile_fleet::{ConnectionUse, DeviceHandle, Fleet, FleetConfig};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::number;
use crate::support::api::in_path;
use crate::support::judge::{Call, text};
use crate::support::{Api, id_of};

/// What a fault may do to sessions and calls ends by then (P15).
pub(crate) const SETTLED: Duration = Duration::from_secs(10);
/// Between two tasks.
const TASKS: Duration = Duration::from_millis(250);
/// Between two sessions of a device.
const PERIODIC: Duration = Duration::from_secs(2);
/// A call that takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A moment, in what the devices and the client saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    lines: usize,
    answers: usize,
}

/// What happened from one moment to another.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) completed: usize,
    /// How, and how often.
    pub(crate) failed: BTreeMap<String, usize>,
    pub(crate) answered: usize,
    /// Calls of the API that were not answered with success, in words.
    pub(crate) refused: Vec<String>,
    /// The slowest session that completed.
    pub(crate) slowest: Duration,
}

impl Counts {
    pub(crate) fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// Failed sessions and calls among all.
    pub(crate) fn errors(&self) -> (usize, usize) {
        let failed = self.failures() + self.refused.len();
        (failed, self.completed + self.answered + failed)
    }

    /// What is wrong if no session may fail, and at least so many have to complete.
    pub(crate) fn no_session_failed(&self, promise: &str, least: usize, what: &str) -> Vec<String> {
        let failed =
            self.failed.iter().map(|(how, count)| format!("{promise}: {count} sessions failed, {what}: {how}"));
        let few = self.completed < least;
        let few = few.then(|| format!("{promise}: only {} sessions completed, {what}", self.completed));
        failed.chain(few).collect()
    }

    /// What is wrong with a count that began ten seconds after a fault: errors stay below 0.1 %.
    pub(crate) fn below_a_thousandth_p15(&self, what: &str) -> Vec<String> {
        let (failed, all) = self.errors();
        let mut wrong = Vec::new();
        if failed * 1000 >= all.max(1) {
            let calls: Vec<&String> = self.refused.iter().take(5).collect();
            wrong.push(format!("P15: {failed} errors of {all}, {what}: {:?} {calls:?}", self.failed));
        }
        wrong
    }

    /// In words, together with a part of it that began later.
    pub(crate) fn told(&self, later: &Self) -> String {
        let ((failed, all), (failed_later, later)) = (self.errors(), later.errors());
        let slowest = self.slowest;
        format!(
            "{failed} errors of {all} sessions and calls, {failed_later} of {later} after 10 s, slowest {slowest:.1?}"
        )
    }
}

/// How many of them there are in most tests: 15 sessions in a second, or 60.
pub(crate) fn devices() -> usize {
    number("LASTMILE_TEST_DEVICES", 30, 120) as usize
}

/// Devices that come often, so that a fault of seconds meets many sessions.
pub(crate) fn often(config: &mut FleetConfig) {
    config.periodic = PERIODIC;
}

/// The same with a connection per POST: each goes to another front-end.
pub(crate) fn often_at_any_front_end(config: &mut FleetConfig) {
    often(config);
    config.connections = ConnectionUse::Post;
}

/// The client.
pub(crate) struct Steady {
    ledger: Arc<Ledger>,
    shared: Arc<Shared>,
    worker: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    calls: Mutex<Vec<Call>>,
    /// `None`: success.
    answers: Mutex<Vec<Option<String>>>,
}

impl Steady {
    /// A task for each of the devices in turn, and a question about the device beside it.
    pub(crate) fn start(api: &Api, fleet: &Fleet) -> Self {
        let shared = Arc::new(Shared::default());
        let devices: Vec<DeviceHandle> = fleet.devices().collect();
        let worker = tokio::spawn(work(api.clone(), devices, shared.clone()));
        Self { ledger: fleet.ledger(), shared, worker }
    }

    /// Now.
    pub(crate) fn mark(&self) -> Mark {
        let answers = self.shared.answers.lock().expect("nobody panicked").len();
        Mark { lines: self.ledger.lines().len(), answers }
    }

    /// What happened from `from` until now.
    pub(crate) fn since(&self, from: Mark) -> Counts {
        let mut counts = Counts::default();
        self.ledger.lines()[from.lines..].iter().for_each(|line| counts.add(line));
        for answer in &self.shared.answers.lock().expect("nobody panicked")[from.answers..] {
            match answer {
                None => counts.answered += 1,
                Some(why) => counts.refused.push(why.clone()),
            }
        }
        counts
    }

    /// Ends the load; what was asked for and promised.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.worker.await.expect("the client does not panic");
        self.shared.calls.lock().expect("nobody panicked").clone()
    }
}

impl Counts {
    fn add(&mut self, line: &Line) {
        let Fact::SessionEnded { outcome, detail, micros, .. } = &line.fact else { return };
        if outcome == "completed" {
            self.completed += 1;
            self.slowest = self.slowest.max(Duration::from_micros(*micros));
        } else {
            *self.failed.entry(format!("{outcome}: {detail}")).or_default() += 1;
        }
    }
}

/// Calls do not wait for each other: one that hangs must not lighten the load. Only those for one device do: of two that are on
/// their way at once nobody knows which task is the older one (P6).
async fn work(api: Api, devices: Vec<DeviceHandle>, shared: Arc<Shared>) {
    let turns: Vec<_> = devices.iter().map(|_| Arc::new(tokio::sync::Mutex::new(()))).collect();
    let mut ticks = tokio::time::interval(TASKS);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0.. {
        ticks.tick().await;
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(turn) = turns[n % devices.len()].clone().try_lock_owned() else { continue };
        let (api, shared, device) = (api.clone(), shared.clone(), devices[n % devices.len()].clone());
        calls.spawn(async move {
            let _turn = turn;
            let id = id_of(&device);
            shared
                .answered("a device", api.call(http::Method::GET, &format!("/devices/{}", in_path(&id)), None, None))
                .await;
            let name = device.path("DeviceInfo.ProvisioningCode").to_string();
            let body = match n % 4 {
                0 => json!({"kind": "get_values", "paths": [device.path("DeviceInfo.UpTime").to_string()]}),
                _ => json!({"kind": "set_values", "values": [{"path": name, "value": format!("steady-{n}")}]}),
            };
            let mut call = Call { device: id, key: format!("steady-{n}"), body, promised: None };
            let reply = shared.answered("a task", api.try_create(&call.device, &call.body, Some(&call.key))).await;
            call.promised = reply.map(|reply| text(&reply.body, "id").to_owned());
            shared.calls.lock().expect("nobody panicked").push(call);
        });
    }
    calls.join_all().await;
}

impl Shared {
    /// Waits for the answer, and writes down whether it was one.
    async fn answered(
        &self,
        what: &str,
        call: impl Future<Output = Result<crate::support::api::Reply, reqwest::Error>>,
    ) -> Option<crate::support::api::Reply> {
        let answer = match tokio::time::timeout(ANSWER_MAX, call).await {
            Ok(Ok(reply)) if reply.status < 300 => Ok(reply),
            Ok(Ok(reply)) => Err(format!("{what}: {} {}", reply.status, reply.text)),
            Ok(Err(error)) => Err(format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: no answer within {ANSWER_MAX:?}")),
        };
        let mut answers = self.answers.lock().expect("nobody panicked");
        answers.push(answer.as_ref().err().cloned());
        answer.ok()
    }
}
