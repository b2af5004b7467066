//! Where each record stands. **For ever**: `keys_are_the_same_for_ever` holds an old sample.
//!
//! Four spaces, each a tree of its own in the engine, so that the many large rows of one do not lie between the few hot ones
//! of another: `rows` (what a session reads), `objects` (parameter trees), `history`, `events`. Within a space the first byte
//! of a key names the kind. Numbers are big-endian; signed ones have their sign bit flipped, so that bytes sort as numbers;
//! `newest` inverts them, so that a plain forward scan gives the newest first. A device id holds no zero byte, so a zero byte
//! ends it, and no device's rows lie among those of another whose id it begins.

use acs_types::{DeviceId, EventId, FileId, ModelKey, SessionId, SessionStamp, TaskId, Timer, TokenId};
use cwmp_model::{ParameterPath, Timestamp};

/// A tree of its own in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Small, hot rows.
    Rows = 0,
    /// Parameter trees.
    Objects = 1,
    /// What is over.
    History = 2,
    /// The event log.
    Events = 3,
}

impl Space {
    pub(crate) const ALL: [Self; 4] = [Self::Rows, Self::Objects, Self::History, Self::Events];

    /// The name in the engine.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Objects => "objects",
            Self::History => "history",
            Self::Events => "events",
        }
    }
}

pub(crate) type Key = Vec<u8>;

// --- rows ---

/// Summaries stand together, so that listing devices reads nothing else.
pub(crate) const SUMMARIES: &[u8] = b"s";
/// Open tasks of all devices, by device and creation.
pub(crate) const OPEN_TASKS: &[u8] = b"o";
/// Files; few, so listing reads all.
pub(crate) const FILES: &[u8] = b"f";
/// API tokens; few.
pub(crate) const TOKENS: &[u8] = b"k";
/// Timers by the time they are due.
pub(crate) const TIMERS: &[u8] = b"i";
/// Where the event log begins, and how many bytes it has.
pub(crate) const EVENTS_STATE: &[u8] = b"e";

/// Summary with stamps.
pub(crate) fn summary(device: &DeviceId) -> Key {
    join(b's', [device.as_str().as_bytes()])
}

/// Holder: apart from the summary, since a commit checks it without decoding that.
pub(crate) fn holder(device: &DeviceId) -> Key {
    join(b'h', [device.as_str().as_bytes()])
}

/// The stamp of the patch that last forgot the tree.
pub(crate) fn forgotten(device: &DeviceId) -> Key {
    join(b'g', [device.as_str().as_bytes()])
}

/// All open tasks of a device: with summary and holder all that `Begin` reads.
pub(crate) fn open_tasks(device: &DeviceId) -> Key {
    join(b'o', [device.as_str().as_bytes(), &[0]])
}

/// One open task; by creation, then id.
pub(crate) fn open_task(device: &DeviceId, created_at: Timestamp, task: &TaskId) -> Key {
    join(b'o', [device.as_str().as_bytes(), &[0], &oldest(created_at.as_micros()), task.as_str().as_bytes()])
}

/// Where a task stands, open or final: its device for those who know the task alone, and the proof that an id is taken (P5).
pub(crate) fn task_place(task: &TaskId) -> Key {
    join(b't', [task.as_str().as_bytes()])
}

/// Credentials of a device.
pub(crate) fn credential(device: &DeviceId) -> Key {
    join(b'c', [device.as_str().as_bytes()])
}

/// The device that logs in with a user name.
pub(crate) fn username(username: &str) -> Key {
    join(b'u', [username.as_bytes()])
}

/// Notes on a model; each field with its length, so that fields do not run together.
pub(crate) fn model(model: &ModelKey) -> Key {
    let mut key = vec![b'm'];
    for field in [&model.manufacturer, &model.oui, &model.product_class, &model.software_version] {
        key.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend_from_slice(field.as_bytes());
    }
    key
}

/// One file.
pub(crate) fn file(file: &FileId) -> Key {
    join(b'f', [file.as_str().as_bytes()])
}

/// One token.
pub(crate) fn token(token: &TokenId) -> Key {
    join(b'k', [token.as_str().as_bytes()])
}

/// The token with this hash: what every API call looks up.
pub(crate) fn token_hash(sha256: &[u8; 32]) -> Key {
    join(b'K', [sha256.as_slice()])
}

/// How far a consumer of the event log has come.
pub(crate) fn cursor(consumer: &str) -> Key {
    join(b'x', [consumer.as_bytes()])
}

/// A timer; the whole of it is its key, so the same twice is one. The kind stands as its name.
pub(crate) fn timer(timer: &Timer) -> Key {
    let device = timer.device.as_str().as_bytes();
    let kind = timer.kind.as_str().as_bytes();
    join(b'i', [&oldest(timer.due.as_micros()), device, &[0], kind, &[0], timer.reference.as_bytes()])
}

/// Where timers due at or after `due` begin.
pub(crate) fn timers_from(due: i64) -> Key {
    join(b'i', [&oldest(due)[..]])
}

// --- objects ---

/// The tree of a device, or the part of it within a path.
pub(crate) fn objects(device: &DeviceId, within: &ParameterPath) -> Key {
    let mut key = device.as_str().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(within.as_str().as_bytes());
    key
}

// --- history ---

/// Faults of all, newest first.
pub(crate) const FAULTS: &[u8] = b"F";
/// Refused Informs, newest first.
pub(crate) const REFUSED: &[u8] = b"R";
/// The audit log, newest first.
pub(crate) const AUDIT: &[u8] = b"A";
/// Sessions of all devices, by device.
pub(crate) const SESSIONS: &[u8] = b"S";
/// Final tasks of all devices, by device.
pub(crate) const FINAL_TASKS: &[u8] = b"T";

/// Sessions of a device, newest first.
pub(crate) fn sessions(device: &DeviceId) -> Key {
    join(b'S', [device.as_str().as_bytes(), &[0]])
}

/// One session.
pub(crate) fn session(device: &DeviceId, stamp: SessionStamp, session: &SessionId) -> Key {
    join(b'S', [device.as_str().as_bytes(), &[0], &newest(stamp.as_micros()), session.as_bytes()])
}

/// Where a session stands, for those who know the session alone.
pub(crate) fn session_place(session: &SessionId) -> Key {
    join(b's', [session.as_bytes().as_slice()])
}

/// Final tasks of a device, newest first.
pub(crate) fn final_tasks(device: &DeviceId) -> Key {
    join(b'T', [device.as_str().as_bytes(), &[0]])
}

/// One final task.
pub(crate) fn final_task(device: &DeviceId, created_at: Timestamp, task: &TaskId) -> Key {
    join(b'T', [device.as_str().as_bytes(), &[0], &newest(created_at.as_micros()), task.as_str().as_bytes()])
}

/// One fault.
pub(crate) fn fault(at: i64, id: &EventId) -> Key {
    join(b'F', [&newest(at)[..], id.as_bytes()])
}

/// When a fault is kept under: the same id twice is one fault.
pub(crate) fn fault_time(id: &EventId) -> Key {
    join(b'i', [id.as_bytes().as_slice()])
}

/// Faults of a device, newest first: without content, that stands in the list of all.
pub(crate) fn device_faults(device: &DeviceId) -> Key {
    join(b'f', [device.as_str().as_bytes(), &[0]])
}

/// One fault of a device.
pub(crate) fn device_fault(device: &DeviceId, at: i64, id: &EventId) -> Key {
    join(b'f', [device.as_str().as_bytes(), &[0], &newest(at), id.as_bytes()])
}

/// One refused Inform.
pub(crate) fn refused(at: Timestamp, id: &EventId) -> Key {
    join(b'R', [&newest(at.as_micros())[..], id.as_bytes()])
}

/// One audit record; by a dense number, for two may have the same time.
pub(crate) fn audit(number: u64) -> Key {
    join(b'A', [&(!number).to_be_bytes()[..]])
}

/// The number of an audit record.
pub(crate) fn audit_number(key: &[u8]) -> Option<u64> {
    Some(!u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

// --- events ---

/// An event by its position: appending writes at the end only, trimming removes at the front only.
pub(crate) const fn event(position: u64) -> [u8; 8] {
    position.to_be_bytes()
}

/// The position of an event.
pub(crate) fn event_position(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

// --- parts ---

/// Sorts as the number does.
pub(crate) const fn oldest(number: i64) -> [u8; 8] {
    ((number as u64) ^ (1 << 63)).to_be_bytes()
}

/// Sorts the other way round.
pub(crate) const fn newest(number: i64) -> [u8; 8] {
    (!((number as u64) ^ (1 << 63))).to_be_bytes()
}

/// From [`oldest`].
pub(crate) fn from_oldest(bytes: &[u8]) -> Option<i64> {
    let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    Some((number ^ (1 << 63)) as i64)
}

/// From [`newest`].
pub(crate) fn from_newest(bytes: &[u8]) -> Option<i64> {
    let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    Some((!number ^ (1 << 63)) as i64)
}

/// The device in a key of the form kind, device, zero byte, …
pub(crate) fn device_in(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = key.get(1..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    Some((&rest[..end], &rest[end + 1..]))
}

/// The first key after all that begin with `prefix`; `None`: there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Key> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

fn join<const N: usize>(kind: u8, parts: [&[u8]; N]) -> Key {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(kind);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

#[cfg(test)]
mod tests {
    use acs_types::TimerKind;
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn keys_are_the_same_for_ever() {
        let device: DeviceId = "00AABB-IGD-1".parse().unwrap();
        let task: TaskId = "abc".parse().unwrap();
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let session_id = SessionId::from_bytes([0x11; 16]);
        let event_id = EventId::from_bytes([0x22; 16]);
        let timer_row = Timer { due: at, device: device.clone(), kind: TimerKind::Wake, reference: "ref".into() };
        let model_key = ModelKey {
            manufacturer: "A".into(),
            oui: "B".into(),
            product_class: "".into(),
            software_version: "1".into(),
        };
        let stamp = SessionStamp::from_micros(-1);
        let keys = [
            summary(&device),
            holder(&device),
            forgotten(&device),
            open_task(&device, at, &task),
            task_place(&task),
            credential(&device),
            username("cpe"),
            model(&model_key),
            file(&"f1".parse().unwrap()),
            token(&"k1".parse().unwrap()),
            token_hash(&[0x33; 32]),
            cursor("ingest"),
            timer(&timer_row),
            objects(&device, &ParameterPath::new("Device.").unwrap()),
            session(&device, stamp, &session_id),
            session_place(&session_id),
            final_task(&device, at, &task),
            fault(5, &event_id),
            fault_time(&event_id),
            device_fault(&device, 5, &event_id),
            refused(at, &event_id),
            audit(1),
            event(7).to_vec(),
            EVENTS_STATE.to_vec(),
        ];
        let found: String = keys.iter().map(|k| HEXLOWER.encode(k) + "\n").collect();
        expect_test::expect_file!["../testdata/keys.v1.txt"].assert_eq(&found);
    }

    #[test]
    fn numbers_sort_as_bytes() {
        let numbers = [i64::MIN, -5, -1, 0, 1, 1_700_000_000_000_000, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(oldest(pair[0]) < oldest(pair[1]) && newest(pair[0]) > newest(pair[1]), "{pair:?}");
        }
        for number in numbers {
            assert_eq!((from_oldest(&oldest(number)), from_newest(&newest(number))), (Some(number), Some(number)));
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_have_it() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
    }
}
