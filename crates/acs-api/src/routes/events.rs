use std::collections::VecDeque;
use std::convert::Infallible;

use acs_events::{LogPosition, LoggedEvent, ReadError};
use acs_types::{DeviceId, EventType};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::dto::EventDto;
use crate::extract::QueryOf;
use crate::metrics::Counted;
use crate::problem::Problem;
use crate::state::Api;

/// Records read from the log at a time. A stream holds no more than these: a slow reader slows its own reading only.
const READ_AT_ONCE: usize = 256;
/// The header by which a reader that reconnects says how far it came.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Begins after this position; 0: at the oldest kept. Without it: with new events, or with `follow=false` at the oldest.
    /// `Last-Event-ID` wins.
    after: Option<u64>,
    /// Only events of this device.
    device: Option<String>,
    /// Only these types, separated by commas.
    #[serde(rename = "type")]
    #[param(
        pattern = "^acs[.](inform|transfer_complete|session_ended|task_transition|device_change|inform_refused|audit)[.]v1(,acs[.](inform|transfer_complete|session_ended|task_transition|device_change|inform_refused|audit)[.]v1)*$",
        example = "acs.inform.v1,acs.device_change.v1"
    )]
    event_type: Option<String>,
    /// Whether to wait for more at the end of the log; `false` ends there.
    #[param(default = true)]
    follow: Option<bool>,
}

/// Streams the event log as server-sent events.
///
/// `id` is the position: a reader that reconnects with `Last-Event-ID` misses nothing. `event` is the type, `data` the
/// record as JSON. Silence is broken by comments.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(EventQuery, ("Last-Event-ID" = Option<u64>, Header, description = "The last position read")),
    responses(
        (status = 200, description = "Server-sent events; the data of each is an Event", body = EventDto,
            content_type = "text/event-stream"),
        (status = 410, description = "Events after that position are not kept any more"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn stream_events(
    State(api): State<Api>,
    QueryOf(query): QueryOf<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = Filter::new(&query)?;
    let follow = query.follow.unwrap_or(true);
    let permit = api.permits.event_stream()?;
    let after = first_position(&api, query.after, &headers, follow).await?;
    let end = if follow { None } else { Some(api.deps.events.end().await?) };
    // Read before the answer begins, so that a position that is gone is a problem document.
    let read = api.deps.events.read(after, READ_AT_ONCE).await?;
    let counted = api.metrics.event_stream();
    let keep_alive = KeepAlive::new().interval(api.config.limits.keep_alive);
    let mut reader = Reader { api, filter, after, end, read: VecDeque::new(), _permit: permit, _counted: counted };
    reader.take(read);
    Ok(Sse::new(reader.stream()).keep_alive(keep_alive).into_response())
}

async fn first_position(
    api: &Api,
    asked: Option<u64>,
    headers: &HeaderMap,
    follow: bool,
) -> Result<LogPosition, Problem> {
    let last = match headers.get(LAST_EVENT_ID) {
        Some(value) => {
            let position = value.to_str().ok().and_then(|text| text.parse().ok());
            Some(position.ok_or_else(|| Problem::bad_parameter(LAST_EVENT_ID, "it must be a position"))?)
        }
        None => asked,
    };
    match last {
        Some(0) => Ok(api.deps.events.start().await?),
        Some(position) => Ok(position),
        None if follow => Ok(api.deps.events.end().await?),
        None => Ok(api.deps.events.start().await?),
    }
}

struct Filter {
    device: Option<DeviceId>,
    types: Vec<EventType>,
}

impl Filter {
    fn new(query: &EventQuery) -> Result<Self, Problem> {
        let device = query.device.as_deref().map(str::parse).transpose();
        let device = device.map_err(|error: acs_types::IdError| Problem::bad_parameter("device", error.to_string()))?;
        let names = query.event_type.as_deref().into_iter().flat_map(|names| names.split(','));
        let parse = |name| {
            let why = || Problem::bad_parameter("type", "it must name types such as acs.inform.v1");
            EventType::parse(name).ok_or_else(why)
        };
        Ok(Self { device, types: names.map(parse).collect::<Result<_, _>>()? })
    }

    fn matches(&self, event: &LoggedEvent) -> bool {
        let record = &event.record;
        let is_device = self.device.as_ref().is_none_or(|device| record.device.as_ref() == Some(device));
        is_device && (self.types.is_empty() || self.types.contains(&record.event_type()))
    }
}

/// One reader of the log.
struct Reader {
    api: Api,
    filter: Filter,
    /// Read up to here.
    after: LogPosition,
    /// Ends here; `None`: follows.
    end: Option<LogPosition>,
    /// Read and not yet sent.
    read: VecDeque<LoggedEvent>,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    /// The next event; `None` at the end, when the service ends, or when the log fails: the reader comes back with
    /// `Last-Event-ID`.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return sent(event);
            }
            if self.end.is_some_and(|end| self.after >= end) || *self.api.draining.borrow() {
                return None;
            }
            match self.api.deps.events.read(self.after, READ_AT_ONCE).await {
                Ok(read) if read.is_empty() => {
                    self.end.is_none().then_some(())?;
                    tokio::select! {
                        () = self.api.deps.events.changed(self.after) => {}
                        () = self.api.drained() => return None,
                    }
                }
                Ok(read) => self.take(read),
                Err(error) => {
                    log_end(&error);
                    return None;
                }
            }
        }
    }

    fn take(&mut self, read: Vec<LoggedEvent>) {
        let end = self.end.unwrap_or(LogPosition::MAX);
        if let Some(last) = read.last() {
            self.after = last.position;
        }
        let wanted = read.into_iter().filter(|event| event.position <= end && self.filter.matches(event));
        self.read.extend(wanted);
    }
}

fn sent(event: LoggedEvent) -> Option<Event> {
    let (id, name) = (event.position.to_string(), event.record.event_type().as_str());
    let data = serde_json::to_string(&EventDto::from(event)).ok()?;
    Some(Event::default().id(id).event(name).data(data))
}

fn log_end(error: &ReadError) {
    match error {
        // It reads more slowly than the log forgets.
        ReadError::Gone { .. } => tracing::info!(%error, "an event stream fell behind and was ended"),
        ReadError::Unavailable(_) | ReadError::Corrupt(_) => tracing::warn!(%error, "an event stream was ended"),
    }
}
