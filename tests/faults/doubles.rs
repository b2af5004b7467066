//! Two Informs of one device at two front-ends at once, and both sessions go on: one of them writes (P6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::bench::tell_figures;
use crate::hand::{Hand, key_of, open_cluster};
use crate::number;
use crate::support::api::in_path;
use crate::support::judge::{list, text};
use crate::support::load::shortened;
use crate::support::{Api, seed};

const DEVICES: usize = 10;
/// Tasks that wait when both sessions open: values, and before the last of them an object.
const VALUES: usize = 3;
const TASKS: usize = VALUES + 1;
/// Sessions after the two until all tasks are done.
const MORE_MAX: usize = 5;
/// How long a device takes for a request, in milliseconds.
const CARRYING_OUT: std::ops::Range<u64> = 0..30;

/// What the device saw in both sessions: keys of requests that were to change it, by session.
#[derive(Default)]
struct Seen {
    keys: Vec<(usize, String)>,
    wrong: Vec<String>,
}

impl Seen {
    fn asked(&mut self, session: usize, key: &str) {
        if self.keys.iter().any(|(_, known)| known == key) {
            self.wrong.push(format!("P2: {key} came twice"));
        }
        self.keys.push((session, key.to_owned()));
    }
}

/// What is wrong with the attempts of a pair, in the order of tasks and of their numbers. What is on its way to a session when a
/// newer one takes over nobody can call back, and it may arrive late: so the books of the ACS tell the order, not the device.
fn of_attempts(attempts: &[Value], seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut writers, mut numbers) = (Vec::new(), BTreeMap::new());
    for attempt in attempts {
        let session = text(attempt, "session_id");
        if writers.last() != Some(&session) {
            if writers.contains(&session) {
                wrong.push(format!("P6: a session writes again after another one did: {attempt}"));
            }
            writers.push(session);
        }
        for (number, _) in seen.keys.iter().filter(|(_, key)| key == text(attempt, "id")) {
            if numbers.insert(session, number).is_some_and(|known| known != number) {
                wrong.push(format!("P6: it came in another session than it was sent in: {attempt}"));
            }
        }
    }
    let of_one_session = attempts.windows(2).filter(|pair| pair[0]["session_id"] == pair[1]["session_id"]);
    for pair in of_one_session {
        if pair[0]["answered_at"].is_null() || text(&pair[0], "answered_at") > text(&pair[1], "started_at") {
            wrong.push(format!("P6: two requests in flight: {} and {}", pair[0], pair[1]));
        }
    }
    let known = |key: &str| attempts.iter().any(|attempt| attempt["id"] == *key);
    let unknown = seen.keys.iter().filter(|(_, key)| !known(key));
    wrong.extend(unknown.map(|(_, key)| format!("P2: {key} was sent without an attempt")));
    wrong
}

/// What may not repeat is never sent again while it may have been done, and its task says what the device did, or that nobody knows.
fn of_object(task: &Value, seen: &Seen) -> Option<String> {
    let ids: Vec<&str> = list(task, "attempts").iter().map(|attempt| text(attempt, "id")).collect();
    let done = seen.keys.iter().filter(|(_, key)| ids.contains(&key.as_str())).count();
    match text(task, "state") {
        _ if done > 1 => Some(format!("P3: the object was added {done} times: {task:#}")),
        "done" | "resolved_applied" if done == 0 => Some(format!("P1: the object was never added: {task:#}")),
        "resolved_not_applied" if done == 1 => Some(format!("P3: the object was added: {task:#}")),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn two_informs_at_once_one_session_writes_and_one_request_is_in_flight_p2_p6_f6() {
    let wanted = number("LASTMILE_TEST_DOUBLE_INFORMS", 100, 1000);
    let seed = seed();
    eprintln!("LASTMILE_TEST_SEED={seed}");
    let Some((cluster, api)) = open_cluster("none").await else { return };
    let urls: Vec<String> = (0..cluster.fronts.len()).map(|front| cluster.front_url(front)).collect();
    let (began, mut racing) = (Instant::now(), tokio::task::JoinSet::new());
    for n in 0..DEVICES {
        let rounds = wanted / DEVICES as u64;
        let random = StdRng::seed_from_u64(seed ^ n as u64);
        racing.spawn(device(api.clone(), urls.clone(), n, rounds, random));
    }
    let results = racing.join_all().await;
    let took = began.elapsed();
    let sum = |of: fn(&Found) -> usize| results.iter().map(of).sum::<usize>();
    let mut wrong: Vec<String> = results.iter().flat_map(|found| found.wrong.clone()).collect();
    wrong.extend(to_older_sessions(&api.events().await, results.iter().flat_map(|found| &found.changes)));
    let (is_complete, verified) = cluster.verified_events().await;
    if !is_complete {
        wrong.push(format!("P10: `lastmile events verify` finds gaps: {verified:#}"));
    }
    tell_figures(&format!(
        "{} pairs in {took:.0?}, in {} both sessions completed, in {} more than one wrote, {} attempts for {} tasks, \
         {} contradictions",
        sum(|found| found.pairs),
        sum(|found| found.both_completed),
        sum(|found| found.taken_over),
        sum(|found| found.attempts),
        sum(|found| found.pairs * TASKS),
        wrong.len()
    ));
    assert!(wrong.is_empty(), "seed {seed}, {} contradictions:\n{}", wrong.len(), shortened(&wrong));
    cluster.finish();
}

/// Only a newer session takes the device over.
fn to_older_sessions<'a>(events: &[Value], changes: impl Iterator<Item = &'a [String; 2]>) -> Vec<String> {
    let stamps: BTreeMap<&str, Option<i64>> =
        events.iter().map(|event| (text(event, "session_id"), event["session_stamp"].as_i64())).collect();
    let stamp = |session: &String| stamps.get(session.as_str()).copied().flatten();
    let to_older = changes.filter(|[before, after]| stamp(before).is_none() || stamp(before) >= stamp(after));
    to_older.map(|change| format!("P6: an older session writes after a newer one: {change:?}")).collect()
}

#[derive(Default)]
struct Found {
    pairs: usize,
    both_completed: usize,
    taken_over: usize,
    attempts: usize,
    /// Sessions that wrote, and those that wrote after them.
    changes: Vec<[String; 2]>,
    wrong: Vec<String>,
}

async fn device(api: Api, urls: Vec<String>, n: usize, rounds: u64, mut random: StdRng) -> Found {
    let mut hand = Hand::new(&format!("DOUBLE{n}"), "http://127.0.0.1:9/none");
    let mut twin = hand.twin();
    hand.session(&urls[n % urls.len()], "").await.expect("the first session");
    let mut found = Found::default();
    for round in 0..rounds {
        let mut tasks = Vec::new();
        for number in 0..VALUES {
            let value = format!("{round}-{number}");
            let values = json!([{"path": "Device.DeviceInfo.ProvisioningCode", "value": value}]);
            let mut wanted = vec![json!({"kind": "set_values", "values": values})];
            if number == VALUES - 1 {
                wanted.insert(0, json!({"kind": "add_object", "object": "Device.NAT.PortMapping."}));
            }
            for task in wanted {
                let created = api.create(&hand.id(), &task, None).await;
                tasks.push(text(&created.expect(202), "id").to_owned());
            }
        }
        let (one, other) = two_of(&urls, &mut random);
        let seen = Mutex::new(Seen::default());
        let pauses: Vec<Duration> = (0..32).map(|_| Duration::from_millis(random.random_range(CARRYING_OUT))).collect();
        let (first, second) = pauses.split_at(16);
        let ends = tokio::join!(session(&mut hand, one, 0, &seen, first), session(&mut twin, other, 1, &seen, second));
        let mut seen = seen.into_inner().expect("nobody panicked");
        found.pairs += 1;
        found.both_completed += usize::from(ends.0.is_ok() && ends.1.is_ok());
        if let (Err(one), Err(other)) = &ends {
            seen.wrong.push(format!("P6: both sessions ended: {one}, {other}"));
        }
        for _ in 0..MORE_MAX {
            let open = api.get(&format!("/devices/{}", in_path(&hand.id()))).await.expect(200);
            if open["open_tasks"] == 0 {
                break;
            }
            hand.session(one, "2 PERIODIC").await.expect("a session without a rival");
        }
        let mut attempts = Vec::new();
        for task in tasks {
            let task = api.task(&task).await;
            attempts.extend(list(&task, "attempts").iter().cloned());
            match text(&task, "kind") {
                "add_object" => seen.wrong.extend(of_object(&task, &seen)),
                _ if task["state"] != "done" && task["state"] != "resolved_applied" => {
                    seen.wrong.push(format!("P1: not done: {task:#}"));
                }
                _ => {}
            }
        }
        // In order of creation: the last one stays.
        let value = hand.value("DeviceInfo.ProvisioningCode");
        if value != format!("{round}-{}", VALUES - 1) {
            seen.wrong.push(format!("P6: in the end the device has {value} in round {round}"));
        }
        found.attempts += attempts.len();
        let sessions: BTreeSet<&str> = attempts.iter().map(|attempt| text(attempt, "session_id")).collect();
        found.taken_over += usize::from(sessions.len() > 1);
        let changes = attempts.windows(2).filter(|pair| pair[0]["session_id"] != pair[1]["session_id"]);
        found.changes.extend(changes.map(|pair| [0, 1].map(|n| text(&pair[n], "session_id").to_owned())));
        found.wrong.extend(of_attempts(&attempts, &seen));
        found.wrong.append(&mut seen.wrong);
    }
    found
}

fn two_of<'a>(urls: &'a [String], random: &mut StdRng) -> (&'a str, &'a str) {
    let one = random.random_range(0..urls.len());
    let other = (one + random.random_range(1..urls.len())) % urls.len();
    (&urls[one], &urls[other])
}

/// One of the two; how it ended.
async fn session(
    hand: &mut Hand,
    url: &str,
    number: usize,
    seen: &Mutex<Seen>,
    pauses: &[Duration],
) -> Result<(), String> {
    let told = |error: reqwest::Error| format!("{error:?}");
    let (_, mut answer) = hand.inform(url, "2 PERIODIC").await.map_err(told)?;
    if answer.status != 200 {
        return Err(format!("{answer:?}"));
    }
    answer = hand.empty_post(url).await.map_err(told)?;
    for pause in pauses {
        match answer.status {
            204 => return Ok(()),
            200 => {}
            _ => return Err(format!("{answer:?}")),
        }
        if let Some(key) = key_of(answer.request()) {
            seen.lock().expect("nobody panicked").asked(number, key);
        }
        let body = hand.carry_out(&answer);
        tokio::time::sleep(*pause).await;
        answer = hand.post(url, &body).await.map_err(told)?;
    }
    Err("the session has no end".to_owned())
}
