//! The ids. Each is built here and nowhere else, so that every node builds the same one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cwmp_model::{DeviceIdentity, Timestamp};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Bytes outside letters, digits and `_` are percent-encoded in a device id (`design.md` §6).
const DEVICE_ID_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');
/// A device id that would be longer becomes `OUI-~hash`.
const DEVICE_ID_MAX: usize = 120;
/// Longest text taken as an id from outside (API paths, cookies).
const ID_TEXT_MAX: usize = 256;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {why}")]
pub struct IdError {
    kind: &'static str,
    text: String,
    why: &'static str,
}

impl IdError {
    fn new(kind: &'static str, text: &str, why: &'static str) -> Self {
        let text = text.chars().take(80).flat_map(char::escape_default).collect();
        Self { kind, text, why }
    }
}

/// The device: `OUI-ProductClass-SerialNumber`, each percent-encoded outside letters, digits and `_`; ProductClass is
/// left out if empty; over 120 bytes it is `OUI-~hash`. Keys topics, tables, API and cookie (CWMP DeviceIdStruct).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// The id of the device that names itself so in its Inform.
    pub fn of(identity: &DeviceIdentity) -> Self {
        let encode = |text: &str| utf8_percent_encode(text, DEVICE_ID_ENCODED).to_string();
        let oui = encode(&identity.oui);
        let serial = encode(&identity.serial_number);
        let text = if identity.product_class.is_empty() {
            format!("{oui}-{serial}")
        } else {
            format!("{oui}-{}-{serial}", encode(&identity.product_class))
        };
        if text.len() <= DEVICE_ID_MAX {
            return Self(text.into());
        }
        let hash = Sha256::digest(text.as_bytes());
        let oui: String = oui.chars().take(60).collect();
        Self(format!("{oui}-~{}", base32_26(&hash)).into())
    }

    /// The text form, 1–120 bytes of letters, digits, `_`, `-`, `%`, `~`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The serial number as far as the id tells it (decoded); `None` for a hashed id.
    pub fn serial_number(&self) -> Option<String> {
        let last = self.0.rsplit('-').next()?;
        (!last.starts_with('~')).then(|| percent_decode_str(last).decode_utf8_lossy().into_owned())
    }
}

impl FromStr for DeviceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = |why| Err(IdError::new("device id", text, why));
        if text.is_empty() || text.len() > DEVICE_ID_MAX {
            return fail("it must have 1 to 120 bytes");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'~')) {
            return fail("only letters, digits, `_`, `-`, `%` and `~` may stand in it; encode other bytes as %XX");
        }
        if !text.contains('-') {
            return fail("it has the form OUI-ProductClass-SerialNumber");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn base32_26(hash: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(&hash[..17]).to_ascii_lowercase();
    text.truncate(26);
    text
}

fn hash_fields(domain: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > ID_TEXT_MAX {
                    return Err(IdError::new($kind, text, "it must have 1 to 256 bytes"));
                }
                if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
                    return Err(IdError::new($kind, text, "only letters, digits, `_`, `-` and `.` may stand in it"));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A task: 26 lowercase base32 characters, a hash of who asked, the device and the idempotency key.
    TaskId, "task id"
}
text_id! {
    /// One transmission of a task: 26 lowercase base32 characters. It is the ParameterKey or CommandKey on the wire.
    AttemptId, "attempt id"
}
text_id! {
    /// A file on the file server.
    FileId, "file id"
}
text_id! {
    /// An API token's public name (never its secret).
    TokenId, "token id"
}
text_id! {
    /// A tenant; `default` where nothing else is configured.
    Tenant, "tenant"
}
text_id! {
    /// Who emits events: host and boot, so that `emitter_seq` is dense within one id.
    EmitterId, "emitter id"
}

impl TaskId {
    /// The id of the task that `principal` asks for with `key`: the same inputs give the same task on every node (P5).
    pub fn of(principal: &str, device: &DeviceId, key: &str) -> Self {
        let hash = hash_fields("lastmile task v1", &[principal.as_bytes(), device.as_str().as_bytes(), key.as_bytes()]);
        Self(base32_26(&hash).into())
    }

    /// The id of the task that an obligation becomes: the same event gives the same task, whoever writes it first.
    pub fn of_obligation(device: &DeviceId, kind: &str, cause: &str) -> Self {
        let hash =
            hash_fields("lastmile obligation v1", &[device.as_str().as_bytes(), kind.as_bytes(), cause.as_bytes()]);
        Self(base32_26(&hash).into())
    }
}

impl AttemptId {
    /// The id of attempt `n` (1, 2, …) of a task.
    pub fn of(task: &TaskId, n: u32) -> Self {
        let hash = hash_fields("lastmile attempt v1", &[task.as_str().as_bytes(), &n.to_be_bytes()]);
        Self(base32_26(&hash).into())
    }
}

impl FileId {
    /// The id of a file with this SHA-256 and name.
    pub fn of(sha256: &[u8; 32], name: &str) -> Self {
        let hash = hash_fields("lastmile file v1", &[sha256, name.as_bytes()]);
        Self(base32_26(&hash).into())
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

/// A session: 128 random bits, 32 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// From 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = || IdError::new("session id", text, "it has 32 hexadecimal digits");
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).map_err(|_| fail())?;
        Ok(Self(bytes.try_into().map_err(|_| fail())?))
    }
}

/// An event record: 128 bits, assigned once and the same in every copy (P8). 32 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// The id of record `seq` of a session; `resume` tells the servers of one session apart.
    pub fn of(session: &SessionId, resume: u32, seq: u32) -> Self {
        let hash = hash_fields("lastmile event v1", &[session.as_bytes(), &resume.to_be_bytes(), &seq.to_be_bytes()]);
        Self::first_16(&hash)
    }

    /// The id of the record of one transition of a task.
    pub fn of_transition(task: &TaskId, revision: u64) -> Self {
        let hash = hash_fields("lastmile transition v1", &[task.as_str().as_bytes(), &revision.to_be_bytes()]);
        Self::first_16(&hash)
    }

    /// The id of the control totals of an emitter that begin with number `first`.
    pub fn of_totals(emitter: &EmitterId, first: u64) -> Self {
        Self::first_16(&hash_fields("lastmile totals v1", &[emitter.as_str().as_bytes(), &first.to_be_bytes()]))
    }

    /// The id of the record that follows from another one (`what` names it).
    pub fn derived(from: &EventId, what: &str) -> Self {
        Self::first_16(&hash_fields("lastmile derived v1", &[from.as_bytes(), what.as_bytes()]))
    }

    fn first_16(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(bytes)
    }

    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = || IdError::new("event id", text, "it has 32 hexadecimal digits");
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).map_err(|_| fail())?;
        Ok(Self(bytes.try_into().map_err(|_| fail())?))
    }
}

/// The place of a session among a device's sessions: a hybrid clock in microseconds, max(now, last known + 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionStamp(i64);

impl SessionStamp {
    /// From microseconds since 1970 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The stamp of a session that begins `now`, after one with stamp `self`.
    pub fn next(self, now: Timestamp) -> Self {
        Self(now.as_micros().max(self.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(oui: &str, class: &str, serial: &str) -> DeviceIdentity {
        DeviceIdentity {
            manufacturer: "Acme".into(),
            oui: oui.into(),
            product_class: class.into(),
            serial_number: serial.into(),
        }
    }

    #[test]
    fn device_id_encodes_each_part() {
        assert_eq!(DeviceId::of(&identity("00AABB", "", "S 1")).as_str(), "00AABB-S%201");
        assert_eq!(DeviceId::of(&identity("00AABB", "a-b", "x_y")).as_str(), "00AABB-a%2Db-x_y");
        assert_eq!(DeviceId::of(&identity("0", "c", "ä/")).serial_number().as_deref(), Some("ä/"));
    }

    #[test]
    fn a_long_device_id_is_hashed_and_stays_valid() {
        let id = DeviceId::of(&identity("00AABB", &"p".repeat(64), &"s".repeat(64)));
        assert!(id.as_str().starts_with("00AABB-~"), "{id}");
        assert_eq!(id.as_str().parse::<DeviceId>().unwrap(), id);
        assert_eq!(id.serial_number(), None);
    }

    #[test]
    fn ids_are_the_same_for_ever() {
        let device = DeviceId::of(&identity("00AABB", "IGD", "1"));
        let task = TaskId::of("alice", &device, "key-1");
        assert_eq!(task.as_str().len(), 26);
        assert_eq!(AttemptId::of(&task, 1).as_str().len(), 26);
        assert_ne!(AttemptId::of(&task, 1), AttemptId::of(&task, 2));
        assert_ne!(TaskId::of("alice", &device, "key-1"), TaskId::of("alic", &device, "ekey-1"));
    }

    #[test]
    fn stamps_grow_when_the_clock_goes_back() {
        let first = SessionStamp::default().next(Timestamp::from_micros(1000));
        assert_eq!(first.next(Timestamp::from_micros(5)), SessionStamp::from_micros(1001));
    }

    #[test]
    fn hostile_ids_are_refused() {
        for text in ["", "a/../b-c", "x\0-y", "nodash", &"-".repeat(121)] {
            assert!(text.parse::<DeviceId>().is_err(), "{text:?}");
        }
    }
}
