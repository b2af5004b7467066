use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::time::Duration;

use acs_events::{EventTail, LogPosition, LoggedEvent, Partition, Positions, ReadError};
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
/// What `last` takes.
const LAST: RangeInclusive<u64> = 1..=1000;
/// Records of the log that are looked at for `last`.
const LOOK_MAX: u64 = 100_000;
/// The header by which a reader that reconnects says how far it came.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// How long one look at the log waits for more; the keep-alive comments come beside it.
const WAIT: Duration = Duration::from_secs(60);

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Begins after this position, which is the `id` of an event; 0: at the oldest kept. Without it: with new events, or
    /// with `follow=false` at the oldest. `Last-Event-ID` wins.
    #[param(pattern = "^[0-9]+([.][0-9]+)*$", example = "0")]
    after: Option<String>,
    /// Begins with so many of the newest events, by the time they happened; only the last of them has an `id`. At most the
    /// newest 100,000 of the log are looked at. Not together with `after`; `Last-Event-ID` wins.
    #[param(minimum = 1, maximum = 1000)]
    last: Option<u64>,
    /// Only events of this device.
    device: Option<String>,
    /// Only these types, separated by commas.
    #[serde(rename = "type")]
    #[param(
        pattern = "^acs[.](inform|transfer_complete|session_ended|task_transition|device_change|inform_refused|audit|control_totals)[.]v1(,acs[.](inform|transfer_complete|session_ended|task_transition|device_change|inform_refused|audit|control_totals)[.]v1)*$",
        example = "acs.inform.v1,acs.device_change.v1"
    )]
    event_type: Option<String>,
    /// Whether to wait for more at the end of the log; `false` ends there.
    #[param(default = true)]
    follow: Option<bool>,
}

/// Streams the event log as server-sent events.
///
/// `id` is the position, one number for each partition of the log: a reader that reconnects with `Last-Event-ID` misses nothing. `event` is the type, `data` the
/// record as JSON. Silence is broken by comments.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(EventQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last position read")),
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
    let last = last(&query, &headers)?;
    let mut newest = VecDeque::new();
    let after = match last {
        Some(count) => {
            let ends = api.deps.events.ends().await?;
            let takes = |event: &LoggedEvent| filter.matches(event);
            newest.extend(acs_events::newest(&*api.deps.events, &ends, count, LOOK_MAX, &takes).await?.events);
            ends
        }
        None => first_position(&api, query.after.as_deref(), &headers, follow).await?,
    };
    let end = match (follow, last) {
        (true, _) => None,
        (false, Some(_)) => Some(after.clone()),
        (false, None) => Some(api.deps.events.ends().await?),
    };
    // Opened before the answer begins, so that a position that is gone is a problem document.
    let tail = api.deps.events.tail(&after).await?;
    let counted = api.metrics.event_stream();
    let keep_alive = KeepAlive::new().interval(api.config.limits.keep_alive);
    let (sent, read) = (after.clone(), VecDeque::new());
    let reader = Reader { api, filter, tail, newest, sent, end, read, _permit: permit, _counted: counted };
    Ok(Sse::new(reader.stream()).keep_alive(keep_alive).into_response())
}

/// How many of the newest events are asked for.
fn last(query: &EventQuery, headers: &HeaderMap) -> Result<Option<usize>, Problem> {
    match query.last {
        Some(_) if query.after.is_some() => Err(Problem::bad_parameter("last", "it cannot be together with `after`")),
        Some(count) if !LAST.contains(&count) => {
            Err(Problem::bad_parameter("last", format!("it must be from {} to {}", LAST.start(), LAST.end())))
        }
        last => Ok(last.filter(|_| !headers.contains_key(LAST_EVENT_ID)).map(|count| count as usize)),
    }
}

async fn first_position(
    api: &Api,
    asked: Option<&str>,
    headers: &HeaderMap,
    follow: bool,
) -> Result<Positions, Problem> {
    let (name, last) = match headers.get(LAST_EVENT_ID) {
        // What is no text is no position either.
        Some(value) => (LAST_EVENT_ID, Some(value.to_str().unwrap_or_default())),
        None => ("after", asked),
    };
    match last {
        Some("0") => Ok(api.deps.events.starts().await?),
        Some(text) => {
            let like = api.deps.events.starts().await?;
            Positions::parse(text, &like)
                .ok_or_else(|| Problem::bad_parameter(name, "it must be a position of this log"))
        }
        None if follow => Ok(api.deps.events.ends().await?),
        None => Ok(api.deps.events.starts().await?),
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
    tail: Box<dyn EventTail>,
    /// Shown before what the tail gives, which begins behind them.
    newest: VecDeque<LoggedEvent>,
    /// Sent up to here: what a reader goes on from.
    sent: Positions,
    /// Ends here; `None`: follows.
    end: Option<Positions>,
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
            if let Some(event) = self.newest.pop_front() {
                // Between partitions there is no order: a reader that goes on in between begins again.
                let is_last = self.newest.is_empty();
                return shown(event, is_last.then(|| self.sent.to_string()));
            }
            if let Some(event) = self.read.pop_front() {
                self.sent.advance(&event);
                return shown(event, Some(self.sent.to_string()));
            }
            if self.end.as_ref().is_some_and(|end| self.tail.at().covers(end)) || *self.api.draining.borrow() {
                return None;
            }
            self.sent = passed(self.tail.at(), &self.sent, self.end.as_ref());
            let read = tokio::select! {
                read = self.tail.next(READ_AT_ONCE, WAIT) => read,
                () = self.api.drained() => return None,
            };
            match read {
                Ok(read) => self.take(read),
                Err(error) => {
                    log_end(&error);
                    return None;
                }
            }
        }
    }

    fn take(&mut self, read: Vec<LoggedEvent>) {
        let is_before_end =
            |event: &LoggedEvent| self.end.as_ref().is_none_or(|end| event.position <= end.get(event.partition));
        let wanted = read.into_iter().filter(|event| is_before_end(event) && self.filter.matches(event));
        self.read.extend(wanted);
    }
}

/// Where a reader goes on that has got all so far. What was left out by the filter need not be read again; what stands beyond
/// the end in one partition, while another is not at its end yet, was given to nobody.
fn passed(read: &Positions, sent: &Positions, end: Option<&Positions>) -> Positions {
    let Some(end) = end else { return read.clone() };
    let place =
        |(partition, at): (Partition, LogPosition)| (partition, at.min(end.get(partition)).max(sent.get(partition)));
    read.iter().map(place).collect()
}

fn shown(event: LoggedEvent, id: Option<String>) -> Option<Event> {
    let name = event.record.event_type().as_str();
    let data = serde_json::to_string(&EventDto::from(event)).ok()?;
    let event = Event::default().event(name).data(data);
    Some(match id {
        Some(id) => event.id(id),
        None => event,
    })
}

fn log_end(error: &ReadError) {
    match error {
        // It reads more slowly than the log forgets.
        ReadError::Gone { .. } => tracing::info!(%error, "an event stream fell behind and was ended"),
        ReadError::Unavailable(_) | ReadError::Corrupt(_) => tracing::warn!(%error, "an event stream was ended"),
    }
}

#[cfg(test)]
mod tests {
    use acs_events::Topic;

    use super::*;

    /// P7: the `id` of the last event is where a reader goes on without loss, also of a log that grows meanwhile.
    #[test]
    fn p7_a_reader_does_not_pass_what_stands_beyond_the_end_it_was_given() {
        let [inform, session] = [Topic::Inform, Topic::Session].map(|topic| Partition::of(topic, 0));
        let places = |first, second| -> Positions { [(inform, first), (session, second)].into_iter().collect() };
        // Two records came to the first partition while the second one is still read up to its end.
        assert_eq!(passed(&places(7, 2), &places(3, 0), Some(&places(5, 4))), places(5, 2));
        assert_eq!(passed(&places(7, 2), &places(3, 0), None), places(7, 2), "nothing is beyond where there is no end");
        // A reader that names a place beyond the end is not sent back.
        assert_eq!(passed(&places(9, 2), &places(9, 0), Some(&places(5, 4))), places(9, 2));
    }
}
