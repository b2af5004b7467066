use acs_proto::records::Record;
use acs_store::{Error, History, REFUSED_MAX, Result};
use acs_types::{DeviceId, EventId, FaultRecord, Page, PageRequest, RefusedInform, SessionId, SessionRecord, Task};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use fjall::Slice;

use crate::engine::Engine;
use crate::keys::{self, Key, Space};
use crate::transaction::Transaction;
use crate::{Embedded, decode, engine_error, rows};

/// Rows that one call of `drop_history` drops.
const DROP_MAX: usize = 1000;

#[async_trait]
impl History for Embedded {
    async fn put_sessions(&self, records: Vec<SessionRecord>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        // Turned into bytes here, so that the commit thread has less to do.
        let rows: Vec<SessionRow> = records.iter().map(|record| SessionRow::of(record, self)).collect();
        self.write(move |transaction| rows.into_iter().try_for_each(|row| row.put(transaction))).await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>> {
        let engine = self.engine()?;
        let view = engine.view();
        let place = view.get(Space::History, &keys::session_place(session)).map_err(engine_error)?;
        let Some(place) = place else { return Ok(None) };
        let (stamp, device) = rows::session_place_from(&place)?;
        let bytes = view.get(Space::History, &keys::session(&device, stamp, session)).map_err(engine_error)?;
        bytes.map(|bytes| decode(&bytes, self.seal())).transpose()
    }

    async fn sessions(&self, device: &DeviceId, page: &PageRequest) -> Result<Page<SessionRecord>> {
        let (prefix, page) = (keys::sessions(device), page.clone());
        self.scan(move |store| store.records(&prefix, &page)).await
    }

    async fn put_faults(&self, faults: Vec<(EventId, FaultRecord)>) -> Result<()> {
        if faults.is_empty() {
            return Ok(());
        }
        self.write(move |transaction| faults.iter().try_for_each(|(id, fault)| put_fault(transaction, id, fault))).await
    }

    async fn faults(&self, device: Option<&DeviceId>, page: &PageRequest) -> Result<Page<FaultRecord>> {
        let (device, page) = (device.cloned(), page.clone());
        self.scan(move |store| match device {
            None => store.records(keys::FAULTS, &page),
            Some(device) => store.faults_of(&device, &page),
        })
        .await
    }

    async fn put_refused(&self, id: EventId, refused: RefusedInform) -> Result<()> {
        let stored = std::sync::Arc::clone(&self.shared);
        self.write(move |transaction| {
            let key = keys::refused(refused.at, &id);
            if transaction.get(Space::History, &key)?.is_none() {
                transaction.count_refused(1);
            }
            transaction.put_record(Space::History, key, &refused);
            while stored.refused() + transaction.refused_so_far() > REFUSED_MAX as i64 {
                let Some(oldest) = transaction.edge(Space::History, keys::REFUSED, true)? else { break };
                transaction.remove(Space::History, oldest);
                transaction.count_refused(-1);
            }
            Ok(())
        })
        .await
    }

    async fn refused(&self, page: &PageRequest) -> Result<Page<RefusedInform>> {
        let page = page.clone();
        self.scan(move |store| store.records(keys::REFUSED, &page)).await
    }

    async fn drop_history(&self, before: Timestamp) -> Result<u64> {
        loop {
            let old = self.scan(move |store| store.old_history(before)).await?;
            if old.is_empty() {
                return Ok(0);
            }
            let dropped = self.write_making_room(move |transaction| drop_rows(transaction, old, before)).await?;
            // Zero would say that nothing is left, but all that was seen may have been written anew meanwhile.
            if dropped > 0 {
                return Ok(dropped);
            }
        }
    }

    async fn cursor(&self, consumer: &str) -> Result<u64> {
        let bytes = self.engine()?.get(Space::Rows, &keys::cursor(consumer)).map_err(engine_error)?;
        bytes.map_or(Ok(0), |bytes| rows::number(&bytes))
    }

    async fn put_cursor(&self, consumer: &str, position: u64) -> Result<()> {
        let key = keys::cursor(consumer);
        // A cursor lets old events go.
        self.write_making_room(move |transaction| {
            transaction.put(Space::Rows, key, position.to_be_bytes());
            Ok(())
        })
        .await
    }
}

struct SessionRow {
    id: SessionId,
    key: Key,
    place: Vec<u8>,
    bytes: Vec<u8>,
}

impl SessionRow {
    fn of(record: &SessionRecord, store: &Embedded) -> Self {
        let at = &record.at;
        Self {
            id: at.session,
            key: keys::session(&at.device, at.stamp, &at.session),
            place: rows::session_place(at.stamp, &at.device),
            bytes: record.to_bytes(store.seal()),
        }
    }

    fn put(self, transaction: &mut Transaction<'_>) -> Result<()> {
        let place = keys::session_place(&self.id);
        match transaction.get(Space::History, &place)? {
            Some(before) if *before == *self.place => {}
            Some(before) => {
                let (stamp, device) = rows::session_place_from(&before)?;
                transaction.remove(Space::History, keys::session(&device, stamp, &self.id));
                transaction.put(Space::History, place, self.place);
            }
            None => transaction.put(Space::History, place, self.place),
        }
        transaction.put(Space::History, self.key, self.bytes);
        Ok(())
    }
}

fn put_fault(transaction: &mut Transaction<'_>, id: &EventId, fault: &FaultRecord) -> Result<()> {
    let at = fault.at.as_micros();
    let time = keys::fault_time(id);
    if let Some(bytes) = transaction.get(Space::History, &time)? {
        let before = rows::number(&bytes)? as i64;
        let key = keys::fault(before, id);
        if let Some(old) = transaction.record::<FaultRecord>(Space::History, &key)? {
            transaction.remove(Space::History, keys::device_fault(&old.device, before, id));
        }
        transaction.remove(Space::History, key);
    }
    transaction.put(Space::History, time, at.to_be_bytes());
    transaction.put(Space::History, keys::device_fault(&fault.device, at, id), []);
    transaction.put_record(Space::History, keys::fault(at, id), fault);
    Ok(())
}

impl Embedded {
    fn records<R: Record>(&self, prefix: &[u8], page: &PageRequest) -> Result<Page<R>> {
        self.page(Space::History, prefix, page, |_, value| Ok(Some(decode(value, self.seal())?)))
    }

    fn faults_of(&self, device: &DeviceId, page: &PageRequest) -> Result<Page<FaultRecord>> {
        let engine = self.engine()?;
        let prefix = keys::device_faults(device);
        self.page(Space::History, &prefix, page, |key, _| {
            let mut of_all = keys::FAULTS.to_vec();
            of_all.extend_from_slice(&key[prefix.len()..]);
            let bytes = engine.get(Space::History, &of_all).map_err(engine_error)?;
            bytes.map(|bytes| decode(&bytes, self.seal())).transpose()
        })
    }

    /// The oldest rows of the history that may go, at most [`DROP_MAX`].
    fn old_history(&self, before: Timestamp) -> Result<Vec<OldRow>> {
        let engine = self.engine()?;
        let mut old = Vec::new();
        for (prefix, kind) in [(keys::FAULTS, Kind::Fault), (keys::REFUSED, Kind::Refused)] {
            for row in engine.scan_back(Space::History, prefix).take(DROP_MAX - old.len()) {
                let (key, _) = row.map_err(engine_error)?;
                if keys::from_newest(&key[1..]).is_none_or(|at| at >= before.as_micros()) {
                    break;
                }
                old.push(OldRow { kind, key: key.to_vec() });
            }
        }
        self.old_of_devices(&engine, Kind::Session, before, &mut old)?;
        self.old_of_devices(&engine, Kind::FinalTask, before, &mut old)?;
        Ok(old)
    }

    /// Goes from device to device and looks at the oldest rows of each: a seek per device, not a scan of all.
    fn old_of_devices(&self, engine: &Engine, kind: Kind, before: Timestamp, old: &mut Vec<OldRow>) -> Result<()> {
        let all = kind.prefix();
        let mut from = all.to_vec();
        while old.len() < DROP_MAX {
            let Some(row) = engine.scan_from(Space::History, all, from).next() else { return Ok(()) };
            let (key, _) = row.map_err(engine_error)?;
            let Some((device, _)) = keys::device_in(&key) else { return Err(unreadable()) };
            let of_device = key[..1 + device.len() + 1].to_vec();
            for row in engine.scan_back(Space::History, &of_device) {
                let (key, value) = row.map_err(engine_error)?;
                // Nothing ends before it begins, so all that follow are younger.
                let begun = keys::from_newest(&key[of_device.len()..]).ok_or_else(unreadable)?;
                if begun >= before.as_micros() || old.len() == DROP_MAX {
                    break;
                }
                if kind.ended_at(&value, self)? < before {
                    old.push(OldRow { kind, key: key.to_vec() });
                }
            }
            let Some(next) = keys::after_prefix(&of_device) else { return Ok(()) };
            from = next;
        }
        Ok(())
    }
}

/// A row that was old when it was seen.
struct OldRow {
    kind: Kind,
    key: Key,
}

#[derive(Clone, Copy)]
enum Kind {
    Fault,
    Refused,
    Session,
    FinalTask,
}

impl Kind {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Fault => keys::FAULTS,
            Self::Refused => keys::REFUSED,
            Self::Session => keys::SESSIONS,
            Self::FinalTask => keys::FINAL_TASKS,
        }
    }

    /// What the age of a row is counted from.
    fn ended_at(self, value: &Slice, store: &Embedded) -> Result<Timestamp> {
        match self {
            Self::Fault => Ok(decode::<FaultRecord>(value, store.seal())?.at),
            Self::Refused => Ok(decode::<RefusedInform>(value, store.seal())?.at),
            Self::Session => Ok(decode::<SessionRecord>(value, store.seal())?.ended_at),
            Self::FinalTask => Ok(decode::<Task>(value, store.seal())?.updated_at),
        }
    }
}

impl OldRow {
    /// Drops the row, unless it went or was written anew since it was seen.
    fn drop_if_old(self, transaction: &mut Transaction<'_>, before: Timestamp) -> Result<bool> {
        let Some(bytes) = transaction.get(Space::History, &self.key)? else { return Ok(false) };
        match self.kind {
            Kind::Fault => {
                let fault: FaultRecord = decode(&bytes, transaction.seal())?;
                let id = event_id(&self.key)?;
                transaction.remove(Space::History, keys::device_fault(&fault.device, fault.at.as_micros(), &id));
                transaction.remove(Space::History, keys::fault_time(&id));
            }
            Kind::Refused => transaction.count_refused(-1),
            Kind::Session => {
                let record: SessionRecord = decode(&bytes, transaction.seal())?;
                if record.ended_at >= before {
                    return Ok(false);
                }
                transaction.remove(Space::History, keys::session_place(&record.at.session));
            }
            Kind::FinalTask => {
                let task: Task = decode(&bytes, transaction.seal())?;
                if task.updated_at >= before {
                    return Ok(false);
                }
                transaction.remove(Space::Rows, keys::task_place(&task.id));
            }
        }
        transaction.remove(Space::History, self.key);
        Ok(true)
    }
}

fn drop_rows(transaction: &mut Transaction<'_>, rows: Vec<OldRow>, before: Timestamp) -> Result<u64> {
    let mut dropped = 0;
    for row in rows {
        dropped += u64::from(row.drop_if_old(transaction, before)?);
    }
    Ok(dropped)
}

fn event_id(key: &[u8]) -> Result<EventId> {
    let bytes = key.get(9..).and_then(|id| id.try_into().ok()).ok_or_else(unreadable)?;
    Ok(EventId::from_bytes(bytes))
}

fn unreadable() -> Error {
    Error::Corrupt("a key of the history cannot be read".into())
}
