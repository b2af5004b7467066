//! What the devices saw: append-only lines, in memory and in a file, that tests judge an ACS by.
//!
//! One JSON object per line: `at` (RFC 3339, microseconds), `device` (SerialNumber), `kind` and the fields of that [`Fact`].
//! A `…_sent` line is written out before the first byte of the message it tells of, an `…_answered` line after the answer
//! was read. A process that dies between the two leaves the first without the second. Values of secrets are left out.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, RFC 3339 with microseconds.
    pub at: String,
    /// SerialNumber of the device.
    pub device: String,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened. `session` numbers the sessions of one fleet process; 0 where none is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// A session opens.
    SessionOpened {
        /// Its number.
        session: u64,
    },
    /// An Inform is about to be sent. The same one may be sent several times in its session: after a challenge, a redirect
    /// or a Fault 8005.
    InformSent {
        /// The session.
        session: u64,
        /// CurrentTime, unlike that of any other Inform of the device.
        current_time: String,
        /// RetryCount.
        retry_count: u32,
        /// Its events.
        events: Vec<EventEntry>,
    },
    /// Its InformResponse came.
    InformAnswered {
        /// The session.
        session: u64,
        /// As in `inform_sent`.
        current_time: String,
        /// As in `inform_sent`.
        retry_count: u32,
    },
    /// A request of the ACS came, before it is carried out.
    RequestReceived {
        /// The session.
        session: u64,
        /// Its header `ID`; empty if it has none.
        id: String,
        /// The method.
        method: String,
        /// ParameterKey or CommandKey; empty where the method has none.
        key: String,
    },
    /// It was carried out, or accepted for later.
    RequestExecuted {
        /// The session.
        session: u64,
        /// As received.
        id: String,
        /// As received.
        method: String,
        /// As received.
        key: String,
        /// The fault code, 0 for success.
        fault: u32,
    },
    /// The answer is about to be sent.
    AnswerSent {
        /// The session.
        session: u64,
        /// The `ID` of the request.
        id: String,
    },
    /// The ACS went on after the answer: it has it.
    AnswerTaken {
        /// The session.
        session: u64,
        /// The `ID` of the request.
        id: String,
    },
    /// A TransferComplete is about to be sent.
    TransferSent {
        /// The session.
        session: u64,
        /// CommandKey.
        key: String,
        /// The fault code, 0 for success.
        fault: u32,
    },
    /// Its response came.
    TransferAnswered {
        /// The session.
        session: u64,
        /// CommandKey.
        key: String,
    },
    /// The ACS set a value.
    ValueSet {
        /// The session.
        session: u64,
        /// Full name.
        name: String,
        /// The value; absent for secrets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// The ParameterKey of the request.
        key: String,
    },
    /// The ACS added a row.
    InstanceAdded {
        /// The session.
        session: u64,
        /// Full name of the row.
        row: String,
        /// The ParameterKey of the request.
        key: String,
    },
    /// The ACS deleted a row.
    InstanceDeleted {
        /// The session.
        session: u64,
        /// Full name of the row.
        row: String,
        /// The ParameterKey of the request.
        key: String,
    },
    /// A file is about to be fetched.
    DownloadStarted {
        /// CommandKey.
        key: String,
        /// FileType.
        file_type: String,
    },
    /// A file was fetched, or not.
    DownloadEnded {
        /// CommandKey.
        key: String,
        /// The fault code, 0 for success.
        fault: u32,
        /// Bytes of content.
        bytes: u64,
        /// SHA-256 of the content in lower-case hexadecimal digits; empty if it did not come whole.
        sha256: String,
        /// Requests that it took.
        requests: u32,
    },
    /// The device restarts.
    RebootStarted {
        /// CommandKey; empty if the ACS did not ask for it.
        key: String,
    },
    /// The device restarted.
    RebootEnded {
        /// As in `reboot_started`.
        key: String,
        /// SoftwareVersion now.
        software_version: String,
    },
    /// The device became factory-new.
    FactoryReset,
    /// A connection request came.
    ConnectionRequest {
        /// How it was answered: 200, 401, 404 or 503; 0: not at all, the device was off.
        status: u16,
    },
    /// A session is over.
    SessionEnded {
        /// Its number.
        session: u64,
        /// `completed`, or the [kind of failure](crate::SessionFailure::kind).
        outcome: String,
        /// In one sentence, if it failed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// How long it took.
        micros: u64,
    },
}

/// An entry of an Inform's event list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventEntry {
    /// EventCode.
    pub code: String,
    /// CommandKey.
    pub key: String,
}

/// Where the devices of a fleet write what they see.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    lines: Vec<Line>,
    lines_max: usize,
    beyond: u64,
    failure: Option<String>,
}

impl Ledger {
    /// A ledger that keeps up to `lines_max` lines in memory, and all in `file` if there is one.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(file: Option<&Path>, lines_max: usize) -> io::Result<Self> {
        let file = file.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Self { inner: Mutex::new(Inner { file, lines: Vec::new(), lines_max, beyond: 0, failure: None }) })
    }

    /// Appends a line. When this returns, the operating system has it.
    pub fn write(&self, line: Line) {
        let mut inner = self.inner();
        if inner.file.is_some() {
            inner.write_to_file(&line);
        }
        if inner.lines.len() < inner.lines_max {
            inner.lines.push(line);
        } else {
            inner.beyond += 1;
        }
    }

    /// The lines in memory, in order.
    pub fn lines(&self) -> Vec<Line> {
        self.inner().lines.clone()
    }

    /// The lines in memory, summed up.
    pub fn account(&self) -> Account {
        let inner = self.inner();
        inner.lines.iter().collect()
    }

    /// Lines that are not in memory because there were too many.
    pub fn beyond(&self) -> u64 {
        self.inner().beyond
    }

    /// Why a line is not in the file, if one is not.
    pub fn failure(&self) -> Option<String> {
        self.inner().failure.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write_to_file(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            file.write_all(&text)
        });
        if let Err(error) = written
            && self.failure.is_none()
        {
            tracing::error!(%error, "a line of the ledger cannot be written, the file is not complete");
            self.failure = Some(error.to_string());
        }
    }
}

/// Reads a ledger file. A last line that was not written whole is left out.
///
/// # Errors
/// The file cannot be read, or another line of it is no line of a ledger.
pub fn read_lines(path: &Path) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut broken: Option<io::Error> = None;
    for text in BufReader::new(File::open(path)?).lines() {
        if let Some(error) = broken.take() {
            return Err(error);
        }
        match serde_json::from_str(&text?) {
            Ok(line) => lines.push(line),
            Err(error) => broken = Some(error.into()),
        }
    }
    Ok(lines)
}

/// A ledger, summed up: what is compared with the records of an ACS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Every Inform, in the order of its first sending. (`device`, `current_time`, `retry_count`) is unlike all others.
    pub informs: Vec<InformRecord>,
    /// Every request that came.
    pub requests: Vec<RequestRecord>,
    /// Every TransferComplete that was sent, by device and CommandKey.
    pub transfers: Vec<TransferRecord>,
    /// Sessions that completed.
    pub sessions_completed: u64,
    /// Sessions that failed.
    pub sessions_failed: u64,
    /// Sessions that are not over.
    pub sessions_open: u64,
    /// Restarts that ended.
    pub reboots: u64,
    /// Factory resets.
    pub factory_resets: u64,
}

/// One Inform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformRecord {
    /// SerialNumber.
    pub device: String,
    /// The session.
    pub session: u64,
    /// CurrentTime as sent.
    pub current_time: String,
    /// RetryCount as sent.
    pub retry_count: u32,
    /// The events.
    pub events: Vec<EventEntry>,
    /// How often it was sent.
    pub sent: u32,
    /// Whether its InformResponse came.
    pub answered: bool,
}

/// One request of the ACS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// SerialNumber.
    pub device: String,
    /// The session.
    pub session: u64,
    /// Header `ID`.
    pub id: String,
    /// The method.
    pub method: String,
    /// ParameterKey or CommandKey.
    pub key: String,
    /// The fault code, 0 for success; `None`: not carried out.
    pub fault: Option<u32>,
    /// Whether the answer was sent.
    pub answer_sent: bool,
    /// Whether the ACS went on after it.
    pub answer_taken: bool,
}

/// One TransferComplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// SerialNumber.
    pub device: String,
    /// CommandKey.
    pub key: String,
    /// The fault code, 0 for success.
    pub fault: u32,
    /// How often it was sent.
    pub sent: u32,
    /// Whether its response came.
    pub answered: bool,
}

impl<'a> FromIterator<&'a Line> for Account {
    fn from_iter<I: IntoIterator<Item = &'a Line>>(lines: I) -> Self {
        let mut sum = Summing::default();
        lines.into_iter().for_each(|line| sum.add(line));
        sum.account
    }
}

impl Account {
    /// Informs that were answered.
    pub fn answered_informs(&self) -> impl Iterator<Item = &InformRecord> {
        self.informs.iter().filter(|inform| inform.answered)
    }

    /// How often a method was carried out with success under this key: more than once is what P2 forbids.
    pub fn executions(&self, method: &str, key: &str) -> usize {
        let done = |r: &&RequestRecord| r.method == method && r.key == key && r.fault == Some(0);
        self.requests.iter().filter(done).count()
    }
}

#[derive(Default)]
struct Summing {
    account: Account,
    /// Where the Inform of a session, its open request and a transfer are in the lists.
    informs: HashMap<(String, u64), usize>,
    requests: HashMap<(String, u64), usize>,
    transfers: HashMap<(String, String), usize>,
}

impl Summing {
    fn add(&mut self, line: &Line) {
        let device = &line.device;
        match &line.fact {
            Fact::SessionOpened { .. } => self.account.sessions_open += 1,
            Fact::SessionEnded { outcome, .. } => {
                self.account.sessions_open = self.account.sessions_open.saturating_sub(1);
                let count = match outcome == "completed" {
                    true => &mut self.account.sessions_completed,
                    false => &mut self.account.sessions_failed,
                };
                *count += 1;
            }
            Fact::InformSent { session, current_time, retry_count, events } => {
                let record = InformRecord {
                    device: device.clone(),
                    session: *session,
                    current_time: current_time.clone(),
                    retry_count: *retry_count,
                    events: events.clone(),
                    sent: 0,
                    answered: false,
                };
                let informs = &mut self.account.informs;
                let at = *self.informs.entry((device.clone(), *session)).or_insert_with(|| push(informs, record));
                self.account.informs[at].sent += 1;
            }
            Fact::InformAnswered { session, .. } => {
                if let Some(at) = self.informs.get(&(device.clone(), *session)) {
                    self.account.informs[*at].answered = true;
                }
            }
            Fact::TransferSent { key, fault, .. } => {
                let record = TransferRecord {
                    device: device.clone(),
                    key: key.clone(),
                    fault: *fault,
                    sent: 0,
                    answered: false,
                };
                let transfers = &mut self.account.transfers;
                let at =
                    *self.transfers.entry((device.clone(), key.clone())).or_insert_with(|| push(transfers, record));
                self.account.transfers[at].sent += 1;
            }
            Fact::TransferAnswered { key, .. } => {
                if let Some(at) = self.transfers.get(&(device.clone(), key.clone())) {
                    self.account.transfers[*at].answered = true;
                }
            }
            Fact::RebootEnded { .. } => self.account.reboots += 1,
            Fact::FactoryReset => self.account.factory_resets += 1,
            fact => self.add_request(device, fact),
        }
    }

    /// One request is open at a time in a session.
    fn add_request(&mut self, device: &str, fact: &Fact) {
        match fact {
            Fact::RequestReceived { session, id, method, key } => {
                let record = RequestRecord {
                    device: device.to_owned(),
                    session: *session,
                    id: id.clone(),
                    method: method.clone(),
                    key: key.clone(),
                    fault: None,
                    answer_sent: false,
                    answer_taken: false,
                };
                let at = push(&mut self.account.requests, record);
                self.requests.insert((device.to_owned(), *session), at);
            }
            Fact::RequestExecuted { session, fault, .. } => {
                if let Some(record) = self.open_request(device, *session) {
                    record.fault = Some(*fault);
                }
            }
            Fact::AnswerSent { session, .. } => {
                if let Some(record) = self.open_request(device, *session) {
                    record.answer_sent = true;
                }
            }
            Fact::AnswerTaken { session, .. } => {
                if let Some(record) = self.open_request(device, *session) {
                    record.answer_taken = true;
                }
            }
            _ => {}
        }
    }
}

impl Summing {
    fn open_request(&mut self, device: &str, session: u64) -> Option<&mut RequestRecord> {
        let at = self.requests.get(&(device.to_owned(), session))?;
        self.account.requests.get_mut(*at)
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<(Fact, &'static str)> {
        let (session, key, id) = (7, "k".to_owned(), "i".to_owned());
        let event = EventEntry { code: "1 BOOT".into(), key: String::new() };
        let (name, row) = ("Device.A".to_owned(), "Device.T.1.".to_owned());
        let current_time = "2026-01-31T12:00:00.000001Z".to_owned();
        vec![
            (Fact::SessionOpened { session }, r#""kind":"session_opened","session":7"#),
            (
                Fact::InformSent { session, current_time: current_time.clone(), retry_count: 1, events: vec![event] },
                r#""kind":"inform_sent","session":7,"current_time":"2026-01-31T12:00:00.000001Z","retry_count":1,"events":[{"code":"1 BOOT","key":""}]"#,
            ),
            (
                Fact::InformAnswered { session, current_time, retry_count: 1 },
                r#""kind":"inform_answered","session":7,"current_time":"2026-01-31T12:00:00.000001Z","retry_count":1"#,
            ),
            (
                Fact::RequestReceived { session, id: id.clone(), method: "Reboot".into(), key: key.clone() },
                r#""kind":"request_received","session":7,"id":"i","method":"Reboot","key":"k""#,
            ),
            (
                Fact::RequestExecuted { session, id: id.clone(), method: "Reboot".into(), key: key.clone(), fault: 0 },
                r#""kind":"request_executed","session":7,"id":"i","method":"Reboot","key":"k","fault":0"#,
            ),
            (Fact::AnswerSent { session, id: id.clone() }, r#""kind":"answer_sent","session":7,"id":"i""#),
            (Fact::AnswerTaken { session, id }, r#""kind":"answer_taken","session":7,"id":"i""#),
            (
                Fact::TransferSent { session, key: key.clone(), fault: 0 },
                r#""kind":"transfer_sent","session":7,"key":"k","fault":0"#,
            ),
            (
                Fact::TransferAnswered { session, key: key.clone() },
                r#""kind":"transfer_answered","session":7,"key":"k""#,
            ),
            (
                Fact::ValueSet { session, name: name.clone(), value: Some("v".into()), key: key.clone() },
                r#""kind":"value_set","session":7,"name":"Device.A","value":"v","key":"k""#,
            ),
            (
                Fact::ValueSet { session, name, value: None, key: key.clone() },
                r#""kind":"value_set","session":7,"name":"Device.A","key":"k""#,
            ),
            (
                Fact::InstanceAdded { session, row: row.clone(), key: key.clone() },
                r#""kind":"instance_added","session":7,"row":"Device.T.1.","key":"k""#,
            ),
            (
                Fact::InstanceDeleted { session, row, key: key.clone() },
                r#""kind":"instance_deleted","session":7,"row":"Device.T.1.","key":"k""#,
            ),
            (
                Fact::DownloadStarted { key: key.clone(), file_type: "2 Web Content".into() },
                r#""kind":"download_started","key":"k","file_type":"2 Web Content""#,
            ),
            (
                Fact::DownloadEnded { key: key.clone(), fault: 0, bytes: 3, sha256: "ba".into(), requests: 1 },
                r#""kind":"download_ended","key":"k","fault":0,"bytes":3,"sha256":"ba","requests":1"#,
            ),
            (Fact::RebootStarted { key: key.clone() }, r#""kind":"reboot_started","key":"k""#),
            (
                Fact::RebootEnded { key, software_version: "2".into() },
                r#""kind":"reboot_ended","key":"k","software_version":"2""#,
            ),
            (Fact::FactoryReset, r#""kind":"factory_reset""#),
            (Fact::ConnectionRequest { status: 200 }, r#""kind":"connection_request","status":200"#),
            (
                Fact::SessionEnded { session, outcome: "busy".into(), detail: "d".into(), micros: 5 },
                r#""kind":"session_ended","session":7,"outcome":"busy","detail":"d","micros":5"#,
            ),
        ]
    }

    /// Ledgers are compared with those of other versions: no line changes its form.
    #[test]
    fn the_form_of_each_line_is_for_ever() {
        for (fact, fields) in facts() {
            let line = Line { at: "2026-01-31T12:00:00.000000Z".into(), device: "S1".into(), fact };
            let text = format!(r#"{{"at":"2026-01-31T12:00:00.000000Z","device":"S1",{fields}}}"#);
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }

    #[test]
    fn lines_are_summed_up() {
        let line = |fact| Line { at: String::new(), device: "S1".into(), fact };
        let lines: Vec<Line> = facts().into_iter().map(|(fact, _)| line(fact)).collect();
        let account: Account = lines.iter().collect();
        assert_eq!((account.informs.len(), account.answered_informs().count(), account.informs[0].sent), (1, 1, 1));
        let request = &account.requests[0];
        assert_eq!((request.fault, request.answer_sent, request.answer_taken), (Some(0), true, true));
        assert_eq!((account.executions("Reboot", "k"), account.executions("Reboot", "other")), (1, 0));
        assert_eq!((account.transfers[0].sent, account.transfers[0].answered), (1, true));
        assert_eq!((account.sessions_failed, account.sessions_open, account.reboots), (1, 0, 1));
        // Cut after any line it still is an account: nothing is answered that was not sent.
        for end in 0..lines.len() {
            let account: Account = lines[..end].iter().collect();
            assert!(account.informs.iter().all(|inform| inform.sent > 0));
            assert!(account.requests.iter().all(|request| request.answer_sent || !request.answer_taken));
        }
    }

    #[test]
    fn memory_holds_so_many_lines_and_counts_the_others() {
        let ledger = Ledger::open(None, 2).unwrap();
        for status in [1, 2, 3] {
            ledger.write(Line { at: String::new(), device: String::new(), fact: Fact::ConnectionRequest { status } });
        }
        assert_eq!((ledger.lines().len(), ledger.beyond(), ledger.failure()), (2, 1, None));
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, "{\n{}\n").unwrap();
        assert!(read_lines(&path).is_err());
        assert!(Ledger::open(Some(folder.path()), 1).is_err());
    }
}
