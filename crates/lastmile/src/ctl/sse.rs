//! Server-sent events from the bytes that carry them.

/// Bytes of one event, and of a line that has not ended.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its place, to go on from.
    pub(super) id: Option<String>,
    /// Its lines, joined.
    pub(super) data: String,
}

/// The stream sends an event over the limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is over {} MiB", EVENT_BYTES_MAX >> 20)]
pub(super) struct TooLong;

/// Reads a stream of events, wherever its chunks are cut.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line that has not ended.
    rest: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// The events that end in `bytes`. Names of events and comments are passed over.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            self.extend(line)?;
            let line = std::mem::take(&mut self.rest);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            events.extend(self.line(&String::from_utf8_lossy(line))?);
        }
        self.extend(last)?;
        Ok(events)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.rest.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, TooLong> {
        if line.is_empty() {
            let event = self.data.take().map(|data| Event { id: self.id.clone(), data });
            return Ok(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                let data = match self.data.take() {
                    Some(before) => before + "\n" + value,
                    None => value.to_owned(),
                };
                if data.len() > EVENT_BYTES_MAX {
                    return Err(TooLong);
                }
                self.data = Some(data);
            }
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\nid: 7\nevent: acs.inform.v1\ndata: {\"a\":\ndata: 1}\n\nid: 8\r\ndata:x\r\n\r\ndata: y\n\n";

    fn expected() -> Vec<Event> {
        let event = |id: &str, data: &str| Event { id: Some(id.to_owned()), data: data.to_owned() };
        vec![event("7", "{\"a\":\n1}"), event("8", "x"), event("8", "y")]
    }

    #[test]
    fn events_are_read_wherever_the_chunks_are_cut() {
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let chunks = STREAM.as_bytes().chunks(size);
            let events: Vec<_> = chunks.flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(events, expected(), "chunks of {size}");
        }
    }

    #[test]
    fn an_event_that_broke_off_is_none() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"id: 9\ndata: half").unwrap(), []);
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let full = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(Parser::default().push(&full), Ok(Vec::new()));
        let mut parser = Parser::default();
        parser.push(&full).unwrap();
        assert_eq!(parser.push(b"x"), Err(TooLong));

        let half = format!("data:{}\n", "x".repeat(EVENT_BYTES_MAX / 2));
        let mut parser = Parser::default();
        parser.push(half.as_bytes()).unwrap();
        assert_eq!(parser.push(half.as_bytes()), Err(TooLong), "two halves and a line feed");
    }
}
