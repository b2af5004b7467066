//! How single fields are written and read.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use acs_types::{EventId, SessionId};
use cwmp_model::{ParameterPath, Timestamp};

use super::{RecordError, SecretSeal, Wire};

/// A part that every version writes.
pub(crate) fn required<T: Wire>(
    message: Option<T::Message>,
    field: &'static str,
    seal: &dyn SecretSeal,
) -> Result<T, RecordError> {
    T::from_wire(present(message, field)?, seal)
}

/// A part that may be absent.
pub(crate) fn optional<T: Wire>(message: Option<T::Message>, seal: &dyn SecretSeal) -> Result<Option<T>, RecordError> {
    message.map(|message| T::from_wire(message, seal)).transpose()
}

/// The messages of a list.
pub(crate) fn list<T: Wire>(items: &[T], seal: &dyn SecretSeal) -> Vec<T::Message> {
    items.iter().map(|item| item.to_wire(seal)).collect()
}

/// A list from its messages.
pub(crate) fn read_list<T: Wire>(messages: Vec<T::Message>, seal: &dyn SecretSeal) -> Result<Vec<T>, RecordError> {
    messages.into_iter().map(|message| T::from_wire(message, seal)).collect()
}

/// What must not be absent.
pub(crate) fn present<T>(value: Option<T>, field: &'static str) -> Result<T, RecordError> {
    value.ok_or(RecordError::Missing { field })
}

/// An id in its text form.
pub(crate) fn id<T>(text: &str, field: &'static str) -> Result<T, RecordError>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error| invalid(field, &error))
}

/// An id; empty: none.
pub(crate) fn optional_id<T>(text: &str, field: &'static str) -> Result<Option<T>, RecordError>
where
    T: FromStr<Err: Display>,
{
    if text.is_empty() { Ok(None) } else { id(text, field).map(Some) }
}

/// The text of an id; empty: none.
pub(crate) fn optional_text<T: Display>(id: Option<&T>) -> String {
    id.map(T::to_string).unwrap_or_default()
}

/// A parameter path as a device may have named it.
pub(crate) fn path(text: &str, field: &'static str) -> Result<ParameterPath, RecordError> {
    ParameterPath::from_device(text).map_err(|error| invalid(field, &error))
}

/// Parameter paths.
pub(crate) fn paths(texts: &[String], field: &'static str) -> Result<Vec<ParameterPath>, RecordError> {
    texts.iter().map(|text| path(text, field)).collect()
}

/// The texts of parameter paths.
pub(crate) fn path_texts(paths: &[ParameterPath]) -> Vec<String> {
    paths.iter().map(|path| path.as_str().to_owned()).collect()
}

/// A session id.
pub(crate) fn session(bytes: &[u8], field: &'static str) -> Result<SessionId, RecordError> {
    fixed(bytes, field).map(SessionId::from_bytes)
}

/// Session ids.
pub(crate) fn sessions(ids: &[Vec<u8>], field: &'static str) -> Result<Vec<SessionId>, RecordError> {
    ids.iter().map(|bytes| session(bytes, field)).collect()
}

/// An event id.
pub(crate) fn event(bytes: &[u8], field: &'static str) -> Result<EventId, RecordError> {
    fixed(bytes, field).map(EventId::from_bytes)
}

/// A SHA-256; empty: none.
pub(crate) fn hash(bytes: &[u8], field: &'static str) -> Result<Option<[u8; 32]>, RecordError> {
    if bytes.is_empty() { Ok(None) } else { fixed(bytes, field).map(Some) }
}

/// Exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], RecordError> {
    let problem = || format!("it has {N} bytes, these are {}", bytes.len());
    bytes.try_into().map_err(|_| RecordError::Invalid { field, problem: problem() })
}

/// A moment in microseconds; `None`: absent.
pub(crate) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

/// A moment from microseconds.
pub(crate) fn moment(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// An address as text; empty: unknown.
pub(crate) fn address_text(address: Option<IpAddr>) -> String {
    optional_text(address.as_ref())
}

/// An address from its text; empty: unknown.
pub(crate) fn address(text: &str, field: &'static str) -> Result<Option<IpAddr>, RecordError> {
    optional_id(text, field)
}

/// A secret in its sealed form; empty if there is nothing to hide.
pub(crate) fn sealed(plain: &str, seal: &dyn SecretSeal) -> Vec<u8> {
    if plain.is_empty() { Vec::new() } else { seal.seal(plain) }
}

/// A secret from its sealed form; `what` names it for the error.
pub(crate) fn opened(
    sealed: &[u8],
    seal: &dyn SecretSeal,
    what: impl FnOnce() -> String,
) -> Result<String, RecordError> {
    if sealed.is_empty() {
        return Ok(String::new());
    }
    seal.open(sealed).ok_or_else(|| RecordError::Sealed { secret: what() })
}

pub(crate) fn invalid(field: &'static str, error: &dyn Display) -> RecordError {
    RecordError::Invalid { field, problem: error.to_string() }
}
