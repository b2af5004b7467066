//! Server-sent events.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde_json::Value;

/// The records in a stream that has ended.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data.trim()).expect("an event is JSON")).collect()
}

/// Where a reader of these records goes on.
pub(crate) fn last_position(text: &str) -> Option<String> {
    let last = text.lines().rev().find_map(|line| line.strip_prefix("id:"))?;
    Some(last.trim().to_owned())
}

/// Whether a position is at or behind another one in every partition.
pub(crate) fn covers(position: &str, other: &str) -> bool {
    let places = |text: &str| text.split('.').map(|place| place.parse().expect("a number")).collect::<Vec<u64>>();
    let (position, other) = (places(position), places(other));
    position.len() == other.len() && position.iter().zip(&other).all(|(place, other)| place >= other)
}

/// A stream that is open.
pub(crate) struct Stream {
    chunks: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    received: String,
}

impl Stream {
    pub(crate) fn new(reply: reqwest::Response) -> Self {
        Self { chunks: reply.bytes_stream().boxed(), received: String::new() }
    }

    /// The next event that `is_wanted`; panics if none comes within `limit`.
    pub(crate) async fn next_that(&mut self, what: &str, limit: Duration, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                while let Some(end) = self.received.find("\n\n") {
                    let block: String = self.received.drain(..end + 2).collect();
                    if let Some(event) = parse(&block).into_iter().find(|event| is_wanted(event)) {
                        return event;
                    }
                }
                let chunk = self.chunks.next().await.expect("the stream goes on").expect("bytes");
                self.received.push_str(std::str::from_utf8(&chunk).expect("events are ASCII or whole"));
            }
        };
        tokio::time::timeout(limit, found).await.unwrap_or_else(|_| panic!("no event within {limit:?}: {what}"))
    }
}
