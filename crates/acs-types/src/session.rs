use std::borrow::Borrow;
use std::net::IpAddr;
use std::time::Duration;

use cwmp_model::{DeviceIdentity, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{AuthLevel, DeviceId, EmitterId, EventId, SessionId, SessionStamp, TaskId, Tenant};

/// Which session something belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// The device.
    pub device: DeviceId,
    /// The session.
    pub session: SessionId,
    /// Its place among the device's sessions.
    pub stamp: SessionStamp,
    /// 0 while one front-end serves the session; grows each time another one goes on with it (`design.md` §4.4):
    /// milliseconds since its begin, so that no two front-ends give two records one id (P8).
    pub resume: u32,
}

/// What a front-end leaves between two POSTs, so that any other one goes on with the session (`design.md` §4.4). It may hold
/// secrets: sealed as a whole before it leaves the process.
#[derive(Clone, PartialEq, Eq)]
pub struct HandedSession {
    /// The account so far. It is not over: its outcome says who knows the end, nobody yet.
    pub account: SessionRecord,
    /// How the CPE named itself in its Inform.
    pub identity: DeviceIdentity,
    /// DeviceInfo.SoftwareVersion of the Inform; empty: it did not say.
    pub software_version: String,
    /// The subscriber; empty: none is known.
    pub subscriber_id: String,
    /// How long it may be silent, as far as its Inform asked for that.
    pub idle_timeout: Option<Duration>,
    /// Provisioning wants to know of the end.
    pub worked: bool,
    /// Its device has begun a later session already.
    pub late: bool,
    /// The state machine, in its own versioned form (`cwmp_session::Snapshot`).
    pub machine: Vec<u8>,
}

impl std::fmt::Debug for HandedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let machine = format_args!("{} bytes", self.machine.len());
        f.debug_struct("HandedSession")
            .field("account", &self.account)
            .field("machine", &machine)
            .finish_non_exhaustive()
    }
}

/// One session as kept for support and billing: what `ctl session` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Which one.
    pub at: SessionRef,
    /// Whose.
    pub tenant: Tenant,
    /// Which front-end served it.
    pub front_end: EmitterId,
    /// When its first POST came.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// Why, where there is more to say; for people.
    pub detail: String,
    /// Where the CPE connected from.
    pub remote: Option<IpAddr>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// How the CPE proved who it is.
    pub auth: AuthLevel,
    /// `1.0` … `1.4`.
    pub cwmp_version: String,
    /// The event codes of its Inform.
    pub events: Vec<String>,
    /// RetryCount of its Inform.
    pub retry_count: u32,
    /// The ladder, oldest first; at most [`SessionRecord::EXCHANGES_MAX`], then the rest is only counted.
    pub exchanges: Vec<Exchange>,
    /// How many exchanges there were in all.
    pub exchange_count: u32,
    /// How many event records the session emitted (P9).
    pub record_count: u32,
    /// Whether one server saw all of it (P9).
    pub complete: bool,
    /// [`SessionRecord::hash_of`] its event records, this one included; there if it is complete (P9).
    pub record_hash: Option<[u8; 32]>,
}

impl SessionRecord {
    /// Exchanges kept in the ladder.
    pub const EXCHANGES_MAX: usize = 200;

    /// SHA-256 over the 16 bytes of each id, in order of `seq`.
    pub fn hash_of(ids: impl IntoIterator<Item: Borrow<EventId>>) -> [u8; 32] {
        let hash = ids.into_iter().fold(Sha256::new(), |hash, id| hash.chain_update(id.borrow().as_bytes()));
        hash.finalize().into()
    }
}

/// One HTTP message of a session's ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// When.
    pub at: Timestamp,
    /// Who sent it: `true` for the CPE.
    pub from_cpe: bool,
    /// In which of the five steps.
    pub phase: SessionPhase,
    /// What it carried: a method name, `…Response`, `Fault 9005`, `empty`, `401`, `204`, `503` …
    pub message: String,
    /// Bytes of the body as on the wire.
    pub bytes: u64,
    /// Microseconds since the message before it.
    pub after_micros: u64,
    /// The task it served.
    pub task: Option<TaskId>,
    /// Names of what was accepted only by leniency (CWMP-535), each at most once.
    pub remarks: Vec<String>,
}

/// The five steps of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionPhase {
    /// The CPE connects and sends its first POST.
    Initiation,
    /// The challenge and its answer.
    Authentication,
    /// Inform and InformResponse.
    Identification,
    /// Requests of either side.
    Tasks,
    /// The last empty messages.
    Closing,
}

impl SessionPhase {
    /// Every phase in order.
    pub const ALL: [Self; 5] =
        [Self::Initiation, Self::Authentication, Self::Identification, Self::Tasks, Self::Closing];

    /// The name in records and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initiation => "initiation",
            Self::Authentication => "authentication",
            Self::Identification => "identification",
            Self::Tasks => "tasks",
            Self::Closing => "closing",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }
}

/// How a session ended: one list for log, metric and event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionOutcome {
    /// Well ended (CWMP-121).
    Completed,
    /// The CPE went away or stayed silent (CWMP-124).
    TimedOut,
    /// A newer Inform of the device took its place (CWMP-129, CWMP-130).
    Superseded,
    /// The CPE broke the protocol.
    ProtocolError,
    /// More messages or more time than a session may have (CWMP-140).
    LimitExceeded,
    /// The server could not go on.
    ServerError,
    /// The front-end drained before the session was over.
    Drained,
    /// Its front-end died; nobody saw the end.
    Lost,
}

impl SessionOutcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::TimedOut,
        Self::Superseded,
        Self::ProtocolError,
        Self::LimitExceeded,
        Self::ServerError,
        Self::Drained,
        Self::Lost,
    ];

    /// The name in records, metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Superseded => "superseded",
            Self::ProtocolError => "protocol_error",
            Self::LimitExceeded => "limit_exceeded",
            Self::ServerError => "server_error",
            Self::Drained => "drained",
            Self::Lost => "lost",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}
