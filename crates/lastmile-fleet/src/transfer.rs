//! Fetching files: Download of the ACS (CWMP-330 to CWMP-351).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cwmp_codec::{CwmpNamespace, Download, Fault, TransferComplete};
use cwmp_model::{CwmpDateTime, Timestamp};
use cwmp_session::auth::{
    Credentials, DigestRequest, OfferedChallenge, Password, basic_authorization, parse_challenges, respond,
};
use data_encoding::{BASE64, HEXLOWER};
use http::header::{AUTHORIZATION, CONTENT_RANGE, ETAG, IF_RANGE, LOCATION, RANGE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::fleet::Shared;
use crate::http::{Client, HttpError, Outbound, Outgoing, Target};
use crate::ledger::Fact;
use crate::session::namespace;
use crate::slot::{Errand, Slot};

/// Requests for one file: the first, those after a broken connection, redirects and challenges.
const REQUESTS_MAX: u32 = 10;
/// The wait before a broken transfer goes on.
const RESUME_PAUSE: Duration = Duration::from_millis(500);
/// Longest silence of a file server.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Largest file.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// What is kept of the content: enough for a version line and a configuration file.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A firmware image whose first line is this and a version has that version; others are named by their hash.
const FIRMWARE_MARK: &str = "LASTMILE-FIRMWARE ";
/// Longest SoftwareVersion (TR-181).
const VERSION_CHARS_MAX: usize = 64;

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Fetches the file and hands the outcome to the device, which reports it with TransferComplete.
pub(crate) async fn run(fleet: Arc<Shared>, slot: Arc<Slot>, call: Download, life: u64) {
    tokio::time::sleep(Duration::from_secs(call.delay_seconds.into())).await;
    let key = call.command_key.clone();
    fleet.note(&slot.serial, Fact::DownloadStarted { key: key.clone(), file_type: call.file_type.clone() });
    let start = fleet.clock.now();
    let mut fetch = Fetch::new(&fleet, &call);
    let result = fetch.run().await;
    let sha256 = result.as_ref().map(|()| fetch.file.sha256()).unwrap_or_default();
    let fault = result.err();
    fleet.note(
        &slot.serial,
        Fact::DownloadEnded {
            key,
            fault: fault.as_ref().map_or(0, |fault| fault.code),
            bytes: fetch.file.bytes,
            sha256,
            requests: fetch.requests,
        },
    );
    let transfer = transfer_complete(&slot, &call, fault, start, fleet.clock.now());
    hand_over(&slot, &call, &fetch.file, transfer, life);
    fleet.save(&slot);
}

fn transfer_complete(
    slot: &Slot,
    call: &Download,
    fault: Option<Fault>,
    start: Timestamp,
    end: Timestamp,
) -> TransferComplete {
    let spoken = namespace(slot.state().device.model.gateway());
    TransferComplete {
        command_key: call.command_key.clone(),
        fault: fault.map(|fault| in_namespace(fault, spoken)).unwrap_or_default(),
        start_time: CwmpDateTime::At(start).to_string(),
        complete_time: CwmpDateTime::At(end).to_string(),
    }
}

/// The finer codes came with CWMP 1.1; before, all were 9010 (CWMP-168).
fn in_namespace(fault: Fault, spoken: CwmpNamespace) -> Fault {
    if spoken == CwmpNamespace::V1_0 && fault.code > 9012 { Fault { code: 9010, ..fault } } else { fault }
}

/// What the file does to the device.
fn hand_over(slot: &Slot, call: &Download, file: &File, transfer: TransferComplete, life: u64) {
    let mut state = slot.state();
    // After a factory reset meanwhile nobody knows of this transfer any more.
    if state.life == life {
        state.transfers_open = state.transfers_open.saturating_sub(1);
        let done = transfer.fault.code == 0;
        if done && call.file_type.starts_with("1 ") {
            let transfer = Box::new(transfer);
            state.add_errand(Errand::Upgrade { version: file.version(), transfer });
        } else {
            if done && call.file_type.starts_with("3 ") {
                for (name, value) in file.settings() {
                    state.device.change(&name, &value);
                }
            }
            state.device.transferred(transfer);
            state.urgent = true;
        }
    }
    drop(state);
    slot.wake.notify_one();
    slot.settled.notify_waiters();
}

/// What came of the content so far.
struct File {
    bytes: u64,
    hash: Sha256,
    head: Vec<u8>,
}

impl File {
    fn new() -> Self {
        Self { bytes: 0, hash: Sha256::new(), head: Vec::new() }
    }

    fn add(&mut self, data: &Bytes) {
        self.bytes += data.len() as u64;
        self.hash.update(data);
        let room = HEAD_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&data[..room.min(data.len())]);
    }

    fn sha256(&self) -> String {
        HEXLOWER.encode(&self.hash.clone().finalize())
    }

    fn version(&self) -> String {
        let first = self.head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let named = std::str::from_utf8(first).ok().and_then(|line| line.strip_prefix(FIRMWARE_MARK)).map(str::trim);
        let fits = |version: &&str| !version.is_empty() && version.chars().count() <= VERSION_CHARS_MAX;
        named.filter(fits).map_or_else(|| format!("sha256-{}", &self.sha256()[..12]), str::to_owned)
    }

    /// A configuration file has lines `Full.Parameter.Name=value`.
    fn settings(&self) -> Vec<(cwmp_model::ParameterPath, String)> {
        let text = String::from_utf8_lossy(&self.head);
        let setting = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((cwmp_model::ParameterPath::new(name.trim()).ok()?, value.trim().to_owned()))
        };
        text.lines().filter_map(setting).collect()
    }
}

/// One file on its way.
struct Fetch<'a> {
    call: &'a Download,
    client: Client,
    target: Result<Target, HttpError>,
    authorization: Option<String>,
    /// The validator of what came so far: only the same file goes on.
    etag: Option<String>,
    /// SHA-256 that the server promises (RFC 9530).
    promised: Option<Vec<u8>>,
    file: File,
    requests: u32,
}

/// What follows a request.
enum Next {
    Done,
    Again,
    Resume,
}

impl<'a> Fetch<'a> {
    fn new(fleet: &Shared, call: &'a Download) -> Self {
        Self {
            call,
            client: Client::new(fleet.tls.clone()),
            target: Target::parse(&call.url),
            authorization: None,
            etag: None,
            promised: None,
            file: File::new(),
            requests: 0,
        }
    }

    async fn run(&mut self) -> Result<(), Fault> {
        let target = std::mem::replace(&mut self.target, Err(HttpError::Url(String::new())));
        let mut target = target.map_err(|error| fault(9010, &error.to_string()))?;
        while self.requests < REQUESTS_MAX {
            self.requests += 1;
            match self.request(&mut target).await? {
                Next::Done => return self.check(),
                Next::Again => {}
                Next::Resume => tokio::time::sleep(RESUME_PAUSE).await,
            }
        }
        Err(fault(9017, "the file did not come whole"))
    }

    async fn request(&mut self, target: &mut Target) -> Result<Next, Fault> {
        let range = format!("bytes={}-", self.file.bytes);
        let mut headers = Vec::new();
        headers.extend(self.authorization.as_deref().map(|text| (AUTHORIZATION, text)));
        if self.file.bytes > 0 {
            headers.push((RANGE, range.as_str()));
            headers.extend(self.etag.as_deref().map(|tag| (IF_RANGE, tag)));
        }
        let request = Outbound { method: Method::GET, headers, body: Outgoing::new(Bytes::new(), false) };
        let response = match timeout(SILENCE_MAX, self.client.send(target, request)).await {
            Ok(Ok(response)) => response,
            // Resumed, it may be there again in a moment.
            Ok(Err(HttpError::Connect { .. })) if self.file.bytes > 0 => return Ok(Next::Resume),
            Ok(Err(HttpError::Connect { host, why })) => {
                return Err(fault(9015, &format!("{host} cannot be reached: {why}")));
            }
            Ok(Err(_)) | Err(_) => return Ok(Next::Resume),
        };
        match response.status().as_u16() {
            200 => {
                self.begin(response.headers());
                self.read(response).await
            }
            206 if self.goes_on(response.headers()) => self.read(response).await,
            301 | 302 | 303 | 307 | 308 => {
                *target = self.redirected(response.headers())?;
                self.client.close();
                Ok(Next::Again)
            }
            401 => {
                self.challenged(response.headers(), &target.path)?;
                self.client.close();
                Ok(Next::Again)
            }
            206 | 416 => {
                // What came so far is of no use: from the beginning.
                self.file = File::new();
                self.client.close();
                Ok(Next::Again)
            }
            503 => {
                self.client.close();
                Ok(Next::Resume)
            }
            status => Err(fault(9016, &format!("the file server answered {status}"))),
        }
    }

    fn begin(&mut self, headers: &HeaderMap) {
        self.file = File::new();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // A weak validator does not serve for ranges (RFC 9110 section 13.1.5).
        self.etag = text(ETAG).filter(|tag| !tag.starts_with("W/")).map(str::to_owned);
        self.promised = text(REPR_DIGEST).and_then(promised_sha256);
    }

    fn goes_on(&self, headers: &HeaderMap) -> bool {
        let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let first = range.and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
        self.file.bytes > 0 && first == Some(self.file.bytes)
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<Next, Fault> {
        let mut body = response.into_body();
        loop {
            match timeout(SILENCE_MAX, body.frame()).await {
                Ok(None) => return Ok(Next::Done),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.file.add(&data);
                    }
                }
                Ok(Some(Err(_))) | Err(_) => {
                    self.client.close();
                    return Ok(Next::Resume);
                }
            }
            if self.file.bytes > FILE_BYTES_MAX {
                return Err(fault(9018, "the file is larger than the device can hold"));
            }
        }
    }

    fn redirected(&self, headers: &HeaderMap) -> Result<Target, Fault> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Target::parse(location).map_err(|error| fault(9010, &error.to_string()))
    }

    fn challenged(&mut self, headers: &HeaderMap, path: &str) -> Result<(), Fault> {
        let refused = || fault(9012, "the file server does not accept the credentials");
        if self.call.username.is_empty() || self.authorization.is_some() {
            return Err(refused());
        }
        let credentials =
            Credentials { username: self.call.username.clone(), password: Password::new(self.call.password.as_str()) };
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offered = texts.flat_map(parse_challenges).next().ok_or_else(refused)?;
        let cnonce = format!("{:016x}", rand::random::<u64>());
        let request = DigestRequest { method: "GET", uri: path, cnonce: &cnonce, count: 1 };
        self.authorization = Some(match &offered {
            OfferedChallenge::Digest(challenge) => respond(challenge, &credentials, &request),
            OfferedChallenge::Basic { .. } => basic_authorization(&credentials),
        });
        Ok(())
    }

    /// FileSize and the promised hash (CWMP-333).
    fn check(&self) -> Result<(), Fault> {
        let size = u64::from(self.call.file_size);
        if size != 0 && size != self.file.bytes {
            return Err(fault(9018, &format!("the file has {} bytes, not {size}", self.file.bytes)));
        }
        match &self.promised {
            Some(hash) if *hash != self.file.hash.clone().finalize().as_slice() => {
                Err(fault(9018, "the file is not the one that its Repr-Digest tells of"))
            }
            _ => Ok(()),
        }
    }
}

/// The SHA-256 of a `Repr-Digest: sha-256=:…:` header.
fn promised_sha256(header: &str) -> Option<Vec<u8>> {
    let member = header.split(',').find_map(|member| member.trim().strip_prefix("sha-256=:"))?;
    BASE64.decode(member.strip_suffix(':')?.as_bytes()).ok()
}

fn fault(code: u32, text: &str) -> Fault {
    Fault { code, text: text.chars().take(256).collect(), parameters: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> File {
        let mut file = File::new();
        file.add(&Bytes::copy_from_slice(content.as_bytes()));
        file
    }

    #[test]
    fn images_name_their_version() {
        assert_eq!(file("LASTMILE-FIRMWARE 2.0.1\nrest").version(), "2.0.1");
        assert_eq!(file("abc").version(), "sha256-ba7816bf8f01");
        assert_eq!(file(&format!("LASTMILE-FIRMWARE {}\n", "9".repeat(64))).version(), "9".repeat(64));
        assert!(file(&format!("LASTMILE-FIRMWARE {}\n", "9".repeat(65))).version().starts_with("sha256-"));
    }

    #[test]
    fn configuration_files_hold_values() {
        let settings = file("Device.A.B=1\n# no\nDevice.C = two=2\r\n").settings();
        let texts: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(texts, [("Device.A.B", "1"), ("Device.C", "two=2")]);
    }

    #[test]
    fn old_devices_know_no_finer_codes_cwmp_168() {
        assert_eq!(in_namespace(fault(9016, ""), CwmpNamespace::V1_0).code, 9010);
        assert_eq!(in_namespace(fault(9012, ""), CwmpNamespace::V1_0).code, 9012);
        assert_eq!(in_namespace(fault(9016, ""), CwmpNamespace::V1_2).code, 9016);
    }

    #[test]
    fn promised_hashes_are_read() {
        let header = "sha-512=:YQ==:, sha-256=:4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=:";
        assert_eq!(promised_sha256(header).map(|hash| hash.len()), Some(32));
        assert_eq!(promised_sha256("sha-256=abc"), None);
    }
}
