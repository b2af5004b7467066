//! What devices, the API's client and the event log say, held against each other.
//!
//! The three know nothing of each other: the devices wrote their ledger while they ran, the client noted what it was
//! promised, the rest is asked of the server at the end. Each check returns every contradiction it finds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lastmile_fleet::ledger::{Account, Fact, InformRecord, Line, RequestRecord};
use lastmile_fleet::{DeviceHandle, Fleet};
use serde_json::Value;

use super::api::in_path;
use super::{Api, id_of};

/// Methods that change a device and carry the attempt in ParameterKey or CommandKey.
const KEYED: [&str; 5] = ["SetParameterValues", "AddObject", "DeleteObject", "Reboot", "Download"];
/// Those whose order among each other is the order of the tasks: they bear the ParameterKey.
const BEARING_KINDS: [&str; 4] = ["set_values", "add_object", "delete_object", "set_credentials"];
/// Kinds whose requests never go out again without evidence or a person (`design.md` §5.6).
const NEVER_BY_ITSELF: [&str; 5] = ["add_object", "delete_object", "reboot", "factory_reset", "download"];
/// A session that began so shortly before the last record may go on.
const LIVE_MICROS: i64 = 10_000_000;
const REASONS: [&str; 5] = ["first", "unanswered", "not_applied", "operator", "split"];

/// A task as the client asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) device: String,
    pub(crate) key: String,
    pub(crate) body: Value,
    /// What a 2xx promised.
    pub(crate) promised: Option<String>,
}

/// Everything that is known at the end.
pub(crate) struct Evidence {
    lines: Vec<Line>,
    account: Account,
    /// Device ids by serial number.
    ids: HashMap<String, String>,
    /// What the API says of each device.
    devices: HashMap<String, Value>,
    /// By task id.
    tasks: BTreeMap<String, Value>,
    /// The event log, each partition in its order.
    events: Vec<Value>,
    /// Sessions whose end nobody has told yet, and need not have.
    unended: BTreeSet<String>,
    /// What an event obliges us to may wait in quarantine for its review.
    may_wait: bool,
}

impl Evidence {
    pub(crate) async fn collect(api: &Api, fleet: &Fleet) -> Self {
        let devices: Vec<DeviceHandle> = fleet.devices().collect();
        Self::collect_of(api, fleet, &devices).await
    }

    pub(crate) async fn collect_of(api: &Api, fleet: &Fleet, handles: &[DeviceHandle]) -> Self {
        // The ledger first: what it says was answered must be in the log that is read afterwards.
        let serials: BTreeSet<String> = handles.iter().map(|device| device.identity().serial_number).collect();
        let lines: Vec<Line> =
            fleet.ledger().lines().into_iter().filter(|line| serials.contains(&line.device)).collect();
        let account = lines.iter().collect();
        let (mut ids, mut devices, mut tasks) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        for handle in handles {
            let id = id_of(handle);
            for task in api.list(&format!("/devices/{}/tasks", in_path(&id))).await {
                tasks.insert(text(&task, "id").to_owned(), task);
            }
            let device = api.device(&id).await;
            ids.insert(handle.identity().serial_number, id.clone());
            devices.insert(id, device);
        }
        let events = api.events().await;
        Self { lines, account, ids, devices, tasks, events, unended: BTreeSet::new(), may_wait: false }
    }

    /// These sessions may be without an end: their front-end is dead, and it takes minutes until ingest says so (P9).
    #[allow(dead_code, reason = "shared: no test program needs all of it")]
    pub(crate) fn excuse(&mut self, unended: BTreeSet<String>) {
        self.unended = unended;
    }

    /// What an event obliges us to may be quarantined because its answers were lost with front-ends; the review comes after minutes (P7).
    #[allow(dead_code, reason = "shared: no test program needs all of it")]
    pub(crate) fn let_wait(&mut self) {
        self.may_wait = true;
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Value> {
        self.tasks.values()
    }

    /// The event log; in order only within a partition.
    #[allow(dead_code, reason = "shared: no test program needs all of it")]
    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// All that is wrong.
    pub(crate) fn contradictions(&self, calls: &[Call]) -> Vec<String> {
        [self.contradictions_without_first_contact(calls), self.obligations_p7()].concat()
    }

    /// All that is wrong where nothing follows a BOOTSTRAP by configuration.
    pub(crate) fn contradictions_without_first_contact(&self, calls: &[Call]) -> Vec<String> {
        [
            self.lost_tasks_p1(calls),
            self.transmissions_p2(),
            self.repeats_p3(),
            self.outcomes(),
            self.order_p6(),
            self.receipts_p7(),
            self.heeded_p7(),
            self.copies_p8(),
            self.sessions_p9(),
        ]
        .concat()
    }

    /// Each promised task is there, final or visibly not.
    fn lost_tasks_p1(&self, calls: &[Call]) -> Vec<String> {
        let promised = calls.iter().filter_map(|call| Some((call, call.promised.as_ref()?)));
        promised
            .filter_map(|(call, id)| match self.tasks.get(id) {
                None => Some(format!("P1: task {id} of {} with key {} is lost", call.device, call.key)),
                Some(task) if task["state"].as_str().is_none() => Some(format!("P1: task {id} has no state")),
                Some(_) => None,
            })
            .collect()
    }

    /// Each changing request that a device received is an attempt with a reason, and came once.
    fn transmissions_p2(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut received: HashMap<&str, Vec<&RequestRecord>> = HashMap::new();
        for request in self.account.requests.iter().filter(|request| KEYED.contains(&request.method.as_str())) {
            received.entry(&request.key).or_default().push(request);
        }
        let attempts = self.attempts();
        for (key, requests) in &received {
            let first = requests[0];
            match attempts.get(key) {
                None => {
                    wrong.push(format!("P2: {} with key {key} was sent without an attempt: {first:?}", first.method));
                }
                Some((task, attempt)) => {
                    if text(attempt, "method") != first.method {
                        wrong.push(format!("P2: {first:?} is not the method of {attempt}"));
                    }
                    if self.ids.get(&first.device).map(String::as_str) != task["device_id"].as_str() {
                        wrong.push(format!("P2: {first:?} went to another device than {task}"));
                    }
                }
            }
            if requests.len() > 1 {
                wrong.push(format!("P2: {key} came {} times: {requests:?}", requests.len()));
            }
        }
        for task in self.tasks.values() {
            let numbers: Vec<u64> = list(task, "attempts").iter().map(|a| a["number"].as_u64().unwrap_or(0)).collect();
            if !numbers.iter().copied().eq(1..=numbers.len() as u64) {
                wrong.push(format!("P2: the attempts of {} are numbered {numbers:?}", text(task, "id")));
            }
            for attempt in list(task, "attempts") {
                let (number, reason) = (&attempt["number"], text(attempt, "reason"));
                if !REASONS.contains(&reason) || (number == 1) && reason != "first" {
                    wrong.push(format!("P2: attempt {number} of {} has the reason `{reason}`", text(task, "id")));
                }
            }
        }
        // FactoryReset has no key: only their number tells.
        for (serial, id) in &self.ids {
            let sent =
                self.account.requests.iter().filter(|r| r.device == *serial && r.method == "FactoryReset").count();
            let resets =
                self.tasks.values().filter(|task| task["device_id"] == id.as_str() && task["kind"] == "factory_reset");
            let intended: usize = resets.map(|task| list(task, "attempts").len()).sum();
            if sent > intended {
                wrong.push(format!("P2: {id} was reset {sent} times, {intended} were intended"));
            }
        }
        wrong
    }

    /// What may not repeat by itself went out again only on evidence, and the evidence was true.
    fn repeats_p3(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for task in self.tasks.values().filter(|task| NEVER_BY_ITSELF.contains(&text(task, "kind"))) {
            let attempts = list(task, "attempts");
            for pair in attempts.windows(2) {
                let [before, after] = pair else { continue };
                // The values of a new row are set in a request of their own, which may repeat.
                if text(after, "method") == "SetParameterValues" {
                    continue;
                }
                let evident = text(after, "reason") == "not_applied" && before["outcome"] == "proved_not_applied";
                if !evident {
                    wrong.push(format!("P3: sent again without evidence: {task}"));
                }
                let key = text(before, "id");
                // A reset in between undid it, and the ParameterKey with it.
                if self.executed(key) && !self.reset_after(key) {
                    let lines = self.lines_since(key);
                    wrong.push(format!("P3: {key} was carried out and is sent again: {task}\n{lines}"));
                }
            }
        }
        wrong
    }

    /// What tasks say of their end is what the devices say.
    fn outcomes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for task in self.tasks.values() {
            let attempts = list(task, "attempts");
            let Some(last) = attempts.last().filter(|last| KEYED.contains(&text(last, "method"))) else { continue };
            let done = self.executed(text(last, "id"));
            match text(task, "state") {
                "done" | "resolved_applied" if !done => wrong.push(format!("the device never did it: {task}")),
                "failed" | "resolved_not_applied" if done && text(task, "kind") != "download" => {
                    wrong.push(format!("the device did it: {task}"));
                }
                _ => {}
            }
            let key = text(last, "id");
            let ended = |is_it: &dyn Fn(&Fact) -> bool| self.lines.iter().filter(|line| is_it(&line.fact)).count();
            let proof = match (text(task, "state"), text(task, "kind")) {
                ("done" | "resolved_applied", "reboot") => {
                    ended(&|fact| matches!(fact, Fact::RebootEnded { key: k, .. } if k == key))
                }
                ("done" | "resolved_applied", "download") => {
                    ended(&|fact| matches!(fact, Fact::DownloadEnded { key: k, fault: 0, .. } if k == key))
                }
                _ => 1,
            };
            if proof != 1 {
                wrong.push(format!("the device did it {proof} times: {task}"));
            }
        }
        wrong
    }

    /// In order of creation within a priority.
    fn order_p6(&self) -> Vec<String> {
        // Creation, first transmission and id of its tasks by device and priority.
        let mut by_device: BTreeMap<(&str, u64), Vec<[&str; 3]>> = BTreeMap::new();
        for task in self.tasks.values().filter(|task| BEARING_KINDS.contains(&text(task, "kind"))) {
            // Retried by a person, it is in its place again, but its first transmission was earlier.
            let Some(first) = list(task, "attempts").first() else { continue };
            let priority = task["priority"].as_u64().unwrap_or(0);
            let place = [text(task, "created_at"), text(first, "started_at"), text(task, "id")];
            by_device.entry((text(task, "device_id"), priority)).or_default().push(place);
        }
        let mut wrong = Vec::new();
        for ((device, _), mut tasks) in by_device {
            tasks.sort_unstable();
            for pair in tasks.windows(2) {
                if pair[0][1] > pair[1][1] {
                    wrong.push(format!("P6: on {device} {} was sent before the older {}", pair[1][2], pair[0][2]));
                }
            }
        }
        wrong
    }

    /// Each Inform and TransferComplete that was answered is in the log.
    fn receipts_p7(&self) -> Vec<String> {
        let informs: BTreeSet<(&str, &str, u64)> = self
            .events_of("acs.inform.v1")
            .map(|event| {
                let data = &event["data"];
                (text(data, "serial_number"), text(data, "current_time"), data["retry_count"].as_u64().unwrap_or(99))
            })
            .collect();
        let transfers: BTreeSet<(&str, &str)> = self
            .events_of("acs.transfer_complete.v1")
            .map(|event| (text(event, "device_id"), text(&event["data"], "command_key")))
            .collect();
        let mut wrong = Vec::new();
        for inform in self.account.answered_informs() {
            if !informs.contains(&(inform.device.as_str(), inform.current_time.as_str(), u64::from(inform.retry_count)))
            {
                wrong.push(format!("P7: an answered Inform is not in the log: {inform:?}"));
            }
        }
        for transfer in self.account.transfers.iter().filter(|transfer| transfer.answered) {
            if !transfers.contains(&(self.ids[&transfer.device].as_str(), transfer.key.as_str())) {
                wrong.push(format!("P7: an answered TransferComplete is not in the log: {transfer:?}"));
            }
        }
        wrong
    }

    /// No task waits for an event that was delivered.
    fn heeded_p7(&self) -> Vec<String> {
        let delivered = |key: &str| {
            let told = |inform: &InformRecord| inform.events.iter().any(|e| e.code == "M Reboot" && e.key == key);
            self.account.answered_informs().any(told)
                || self.account.transfers.iter().any(|transfer| transfer.answered && transfer.key == key)
        };
        let waiting = self.tasks.values().filter(|task| ["awaiting", "unknown"].contains(&text(task, "state")));
        let heedless =
            waiting.filter(|task| list(task, "attempts").last().is_some_and(|last| delivered(text(last, "id"))));
        heedless.map(|task| format!("P7: the event came, the task still waits for it: {task}")).collect()
    }

    /// What a BOOTSTRAP obliges us to happened after each device's last one.
    pub(crate) fn obligations_p7(&self) -> Vec<String> {
        let mut last: HashMap<&str, &str> = HashMap::new();
        for inform in
            self.account.answered_informs().filter(|i| i.events.iter().any(|event| event.code == "0 BOOTSTRAP"))
        {
            last.insert(&inform.device, &inform.current_time);
        }
        let mut wrong = Vec::new();
        for (serial, at) in last {
            let device = &self.devices[&self.ids[serial]];
            let is_of_it = |task: &Value| task["device_id"] == device["id"] && text(task, "kind") == "discover";
            let waits = || self.tasks.values().any(|task| is_of_it(task) && text(task, "state") == "quarantined");
            // Both are RFC 3339 in UTC, of the same clock.
            if text(device, "discovered_at") < at.trim_end_matches('Z') && !(self.may_wait && waits()) {
                wrong.push(format!("P7: nothing followed the BOOTSTRAP of {serial} at {at}: {device}"));
            }
        }
        wrong
    }

    /// Copies of a record are the same; repetitions by the CPE name what they repeat.
    fn copies_p8(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut by_id: HashMap<&str, (&Value, String)> = HashMap::new();
        for event in &self.events {
            let mut content = event.clone();
            if let Some(fields) = content.as_object_mut() {
                fields.remove("position");
                // What is derived from records is derived again by the next process: the same in all but its maker.
                if event["type"] == "acs.device_change.v1" {
                    fields.retain(|name, _| name != "emitter" && name != "emitter_seq");
                }
            }
            let content = content.to_string();
            let (first, known) = by_id.entry(text(event, "event_id")).or_insert_with(|| (event, content.clone()));
            if *known != content && event["type"] != "acs.session_ended.v1" {
                wrong.push(format!("P8: one id, two records: {first} and {event}"));
            }
        }
        let mut known: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        let place = |event: &Value| ["session_stamp", "resume", "seq"].map(|name| event[name].as_i64());
        let mut informs: Vec<&Value> = self.events_of("acs.inform.v1").collect();
        informs.sort_by_key(|event| place(event));
        for event in informs {
            let data = &event["data"];
            let seen = known.entry(text(event, "device_id")).or_default();
            for entry in list(data, "events") {
                let key = text(entry, "dedup_key");
                let repeated = data["retry_count"].as_u64() > Some(0) && text(entry, "command_key").is_empty();
                let first = text(event, "session_id");
                if repeated
                    && key != "chain_unknown"
                    && !seen.iter().any(|chain| key.ends_with(chain))
                    && !key.ends_with(first)
                {
                    wrong.push(format!("P8: a repetition of nothing: {event}"));
                }
                if key.is_empty() {
                    wrong.push(format!("P8: an entry without dedup_key: {event}"));
                }
            }
            seen.insert(text(event, "session_id"));
        }
        wrong
    }

    /// Sessions are in order, whole if they say so, and have an end.
    fn sessions_p9(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sessions: BTreeMap<&str, BTreeMap<(u64, u64), &Value>> = BTreeMap::new();
        let mut ends: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        let ours: BTreeSet<&str> = self.ids.values().map(String::as_str).collect();
        let of_sessions = self.events.iter().filter(|event| ours.contains(text(event, "device_id")));
        for event in of_sessions.filter(|event| !event["session_id"].is_null()) {
            let id = text(event, "session_id");
            let place = (event["resume"].as_u64().unwrap_or(0), event["seq"].as_u64().unwrap_or(0));
            match event["type"].as_str() {
                Some("acs.session_ended.v1") => ends.entry(id).or_default().push(event),
                Some("acs.device_change.v1") => continue,
                _ => {}
            }
            let other = sessions.entry(id).or_default().insert(place, event);
            if let Some(other) = other.filter(|other| other["event_id"] != event["event_id"]) {
                wrong.push(format!("P9: one place, two records: {other} and {event}"));
            }
        }
        let newest = self.events.iter().filter_map(|event| event["session_stamp"].as_i64()).max().unwrap_or(0);
        for (id, records) in &sessions {
            let stamp = records.values().next().and_then(|first| first["session_stamp"].as_i64()).unwrap_or(0);
            let may_be_live = newest - stamp < LIVE_MICROS;
            let ended: BTreeSet<&str> = ends.get(id).into_iter().flatten().map(|e| text(e, "event_id")).collect();
            if ended.is_empty() && !may_be_live && !self.unended.contains(*id) {
                wrong.push(format!("P9: session {id} never ended: {:?}", records.values().next()));
            }
            let whole = ends.get(id).into_iter().flatten().find(|end| end["data"]["complete"] == true);
            if let Some(end) = whole {
                let (count, told) = (records.len() as u64, end["data"]["record_count"].as_u64().unwrap_or(0));
                let dense =
                    records.keys().copied().eq((1..=count).map(|seq| (end["resume"].as_u64().unwrap_or(0), seq)));
                if told != count || !dense {
                    wrong.push(format!("P9: {told} records should be there, {:?} are: {end}", records.keys()));
                }
            }
        }
        // The order of the records is the order in which the device spoke.
        let mut informs: BTreeMap<&str, Vec<(i64, u64, u64, &str)>> = BTreeMap::new();
        for event in self.events_of("acs.inform.v1").filter(|event| ours.contains(text(event, "device_id"))) {
            let place = |name| event[name].as_u64().unwrap_or(0);
            let stamp = event["session_stamp"].as_i64().unwrap_or(0);
            let said = text(&event["data"], "current_time");
            informs.entry(text(event, "device_id")).or_default().push((stamp, place("resume"), place("seq"), said));
        }
        for (device, mut informs) in informs {
            informs.sort_unstable();
            for pair in informs.windows(2).filter(|pair| pair[0].3 > pair[1].3) {
                wrong.push(format!(
                    "P9: {device} said {} before {}, the log has it the other way",
                    pair[1].3, pair[0].3
                ));
            }
        }
        wrong
    }

    fn events_of<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["type"] == event_type)
    }

    /// Task and attempt by the attempt's id.
    fn attempts(&self) -> HashMap<&str, (&Value, &Value)> {
        let of = |task| list(task, "attempts").iter().map(move |attempt| (text(attempt, "id"), (task, attempt)));
        self.tasks.values().flat_map(of).collect()
    }

    /// What the device did from the execution of the request with this key on.
    fn since<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Line> {
        let is_it = move |line: &&Line| matches!(&line.fact, Fact::RequestExecuted { key: k, .. } if k == key);
        let device = self.lines.iter().find(is_it).map(|line| line.device.as_str());
        let of_device = self.lines.iter().filter(move |line| Some(line.device.as_str()) == device);
        of_device.skip_while(move |line| !is_it(line))
    }

    /// Whether the device became factory-new before the next request that bears a key.
    fn reset_after(&self, key: &str) -> bool {
        let next = self.since(key).skip(1).find_map(|line| match &line.fact {
            Fact::FactoryReset => Some(true),
            Fact::RequestExecuted { key, fault: 0, .. } if !key.is_empty() => Some(false),
            _ => None,
        });
        next == Some(true)
    }

    fn lines_since(&self, key: &str) -> String {
        let lines: Vec<String> =
            self.since(key).take(40).map(|line| format!("  {} {:?}", line.at, line.fact)).collect();
        lines.join("\n")
    }

    /// Whether a device carried out the request with this key.
    pub(crate) fn executed(&self, key: &str) -> bool {
        self.account.requests.iter().any(|request| request.key == key && request.fault == Some(0))
    }
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
