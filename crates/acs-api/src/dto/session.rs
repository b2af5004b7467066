use acs_types::{Exchange, SessionRecord};
use data_encoding::HEXLOWER;
use serde::Serialize;
use utoipa::ToSchema;

use super::TimeDto;

/// A session that is over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionDto {
    /// 32 hexadecimal digits.
    #[schema(example = "000102030405060708090a0b0c0d0e0f")]
    id: String,
    device_id: String,
    tenant: String,
    /// Its place among the sessions of the device: microseconds of a clock that never goes back.
    stamp: i64,
    /// How often it went on without its snapshot.
    resume: u32,
    /// Which front-end served it.
    front_end: String,
    started_at: TimeDto,
    ended_at: TimeDto,
    /// `completed`, `timed_out`, `superseded`, `protocol_error`, `limit_exceeded`, `server_error`, `drained`, `lost`.
    #[schema(example = "completed")]
    outcome: String,
    /// Why, for people.
    detail: String,
    remote_address: Option<String>,
    tls: bool,
    /// How the device proved who it is: `open`, `shared`, `device`, `certificate`.
    auth: String,
    cwmp_version: String,
    /// The event codes of its Inform.
    events: Vec<String>,
    retry_count: u32,
    /// How many HTTP messages there were.
    exchange_count: u32,
    /// How many event records it emitted.
    record_count: u32,
    /// Whether one server saw all of it.
    complete: bool,
    /// Of a complete session: SHA-256 over the ids of its event records in order of `seq`, 16 bytes each; 64 hex digits.
    record_hash: Option<String>,
}

impl From<&SessionRecord> for SessionDto {
    fn from(record: &SessionRecord) -> Self {
        Self {
            id: record.at.session.to_string(),
            device_id: record.at.device.to_string(),
            tenant: record.tenant.to_string(),
            stamp: record.at.stamp.as_micros(),
            resume: record.at.resume,
            front_end: record.front_end.to_string(),
            started_at: record.started_at.into(),
            ended_at: record.ended_at.into(),
            outcome: record.outcome.as_str().to_owned(),
            detail: record.detail.clone(),
            remote_address: record.remote.map(|address| address.to_string()),
            tls: record.tls,
            auth: record.auth.as_str().to_owned(),
            cwmp_version: record.cwmp_version.clone(),
            events: record.events.clone(),
            retry_count: record.retry_count,
            exchange_count: record.exchange_count,
            record_count: record.record_count,
            complete: record.complete,
            record_hash: record.record_hash.map(|hash| HEXLOWER.encode(&hash)),
        }
    }
}

/// A session with its ladder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionDetail)]
pub(crate) struct SessionDetailDto {
    #[serde(flatten)]
    session: SessionDto,
    /// Its HTTP messages, oldest first; at most 200, `exchange_count` says how many there were.
    exchanges: Vec<ExchangeDto>,
}

impl From<&SessionRecord> for SessionDetailDto {
    fn from(record: &SessionRecord) -> Self {
        Self { session: record.into(), exchanges: record.exchanges.iter().map(ExchangeDto::from).collect() }
    }
}

/// One HTTP message of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exchange)]
struct ExchangeDto {
    at: TimeDto,
    /// Whether the device sent it.
    from_cpe: bool,
    /// `initiation`, `authentication`, `identification`, `tasks`, `closing`.
    phase: String,
    /// What it carried: a method name, `…Response`, `Fault 9005`, `empty`, `401`, `204`, `503` …
    #[schema(example = "Inform")]
    message: String,
    /// Bytes of the body.
    bytes: u64,
    /// Microseconds since the message before it.
    after_micros: u64,
    /// The task it served.
    task_id: Option<String>,
    /// What was accepted only by leniency.
    remarks: Vec<String>,
}

impl From<&Exchange> for ExchangeDto {
    fn from(exchange: &Exchange) -> Self {
        Self {
            at: exchange.at.into(),
            from_cpe: exchange.from_cpe,
            phase: exchange.phase.as_str().to_owned(),
            message: exchange.message.clone(),
            bytes: exchange.bytes,
            after_micros: exchange.after_micros,
            task_id: exchange.task.as_ref().map(|task| task.to_string()),
            remarks: exchange.remarks.clone(),
        }
    }
}
