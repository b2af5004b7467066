//! Lists by time, newest first: sessions, faults, refused Informs, the audit log.
//!
//! Each stands in windows of time, and the windows a list has are noted, so that nobody asks for empty ones. A window is noted
//! before its first row: noted too often it costs an empty read, noted too late it would hide the row.

use std::time::Duration;

use acs_store::{History, REFUSED_MAX, Result};
use acs_types::{DeviceId, EventId, FaultRecord, Page, PageRequest, RefusedInform, SessionId, SessionRecord};
use async_trait::async_trait;
use cwmp_model::Timestamp;
use fail::fail_point;
use quick_cache::sync::Cache;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cql;
use crate::place::{self, TimeKey};
use crate::registers::Register;
use crate::store::{ScyllaStore, Shared};

const HOUR: i64 = 3600 * 1_000_000;
/// A window of a list of all devices.
const WINDOW_OF_ALL: i64 = HOUR;
/// A window of a list of one device.
const WINDOW_OF_ONE: i64 = 30 * 24 * HOUR;
/// How much longer than its rows a window is noted, which covers that it is noted at its begin.
const NOTED_LONGER: Duration = Duration::from_secs(60 * 24 * 3600);
/// Windows remembered to be noted.
const NOTED_MAX: usize = 100_000;
/// Refused Informs that this process puts before it looks whether there are too many.
const TRIM_EACH: u64 = 1000;

/// Windows of a list asked for at once.
const WINDOWS: i32 = 100;

pub(crate) const FAULTS: &str = "fault";
const REFUSED: &str = "refused";
pub(crate) const AUDIT: &str = "audit";

/// What this process remembers of the lists.
pub(crate) struct Lists {
    noted: Cache<(String, i64), ()>,
    refused: AtomicU64,
}

impl Lists {
    pub(crate) fn new() -> Self {
        Self { noted: Cache::new(NOTED_MAX), refused: AtomicU64::new(0) }
    }
}

/// A row of a list: time, id, record.
pub(crate) type HistoryRow = (i64, Vec<u8>, Vec<u8>);

#[async_trait]
impl History for ScyllaStore {
    async fn put_sessions(&self, records: Vec<SessionRecord>) -> Result<()> {
        cql::all(records.iter().map(|record| self.shared.put_session(record)).collect()).await.map(|_| ())
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let values = (tenant, session.as_bytes().as_slice());
        let Some((device, stamp)) = cql.row::<(String, i64)>(&s.session_place, values).await? else { return Ok(None) };
        let list = format!("session/{device}");
        let values = (tenant, &list, window(&list, stamp), stamp, session.as_bytes().as_slice());
        let record = cql.row::<(Vec<u8>,)>(&s.history_one, values).await?;
        record.map(|(record,)| self.shared.decode(&record)).transpose()
    }

    async fn sessions(&self, device: &DeviceId, page: &PageRequest) -> Result<Page<SessionRecord>> {
        self.shared.page::<SessionId, _>(&sessions_of(device), page, |bytes| self.shared.decode(bytes)).await
    }

    async fn put_faults(&self, faults: Vec<(EventId, FaultRecord)>) -> Result<()> {
        // One after another: the same fault may stand in the list twice, and faults are few.
        for (id, fault) in &faults {
            self.shared.put_fault(id, fault).await?;
        }
        Ok(())
    }

    async fn faults(&self, device: Option<&DeviceId>, page: &PageRequest) -> Result<Page<FaultRecord>> {
        let list = device.map_or_else(|| FAULTS.to_owned(), faults_of);
        self.shared.page::<EventId, _>(&list, page, |bytes| self.shared.decode(bytes)).await
    }

    async fn put_refused(&self, id: EventId, refused: RefusedInform) -> Result<()> {
        let shared = &*self.shared;
        let at = refused.at.as_micros();
        shared.put(REFUSED, at, id.as_bytes(), shared.encode(&refused), shared.history_ttl()).await?;
        if shared.lists.refused.fetch_add(1, Ordering::Relaxed) % TRIM_EACH == TRIM_EACH - 1 {
            shared.trim_refused().await?;
        }
        Ok(())
    }

    async fn refused(&self, page: &PageRequest) -> Result<Page<RefusedInform>> {
        // A place says how many came before it: the oldest beyond the limit are not shown before they go.
        let (seen, after) = match page.after.as_deref() {
            None => (0, None),
            Some(text) => {
                let (seen, after) = text.split_once('@').ok_or_else(|| place::bad(text))?;
                (place::parse::<usize>(seen)?, Some(after.to_owned()))
            }
        };
        let limit = place::limit(page).min(REFUSED_MAX.saturating_sub(seen));
        if limit == 0 {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let request = PageRequest { after, limit };
        let found = self.shared.page::<EventId, _>(REFUSED, &request, |bytes| self.shared.decode(bytes)).await?;
        let seen = seen + found.items.len();
        let next = found.next.filter(|_| seen < REFUSED_MAX).map(|next| format!("{seen}@{next}"));
        Ok(Page { items: found.items, next })
    }

    async fn drop_history(&self, before: Timestamp) -> Result<u64> {
        self.shared.drop_history(before).await
    }

    async fn cursor(&self, consumer: &str) -> Result<u64> {
        let value = self.shared.get(Register::Cursor, consumer.as_bytes()).await?;
        let number = value.and_then(|value| <[u8; 8]>::try_from(value).ok());
        Ok(number.map_or(0, u64::from_be_bytes))
    }

    async fn put_cursor(&self, consumer: &str, position: u64) -> Result<()> {
        self.shared.set(Register::Cursor, consumer.as_bytes(), position.to_be_bytes().to_vec()).await
    }
}

impl Shared {
    /// The time to live of history in seconds; 0: none.
    pub(crate) fn history_ttl(&self) -> i32 {
        seconds(self.retention.history)
    }

    pub(crate) fn audit_ttl(&self) -> i32 {
        seconds(self.retention.audit)
    }

    async fn put_session(&self, record: &SessionRecord) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let (session, stamp) = (record.at.session.as_bytes(), record.at.stamp.as_micros());
        let ttl = self.history_ttl();
        let list = sessions_of(&record.at.device);
        self.put(&list, stamp, session, self.encode(record), ttl).await?;
        fail_point!("scylla::between_session_and_place", crate::failed_here);
        cql.write(&s.session_place_write, (tenant, session.as_slice(), record.at.device.as_str(), stamp, ttl)).await
    }

    /// The place comes last: as long as it names the old rows, whoever puts the fault again takes them away.
    async fn put_fault(&self, id: &EventId, fault: &FaultRecord) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let (key, at) = (id.as_bytes().as_slice(), fault.at.as_micros());
        let before = cql.row::<(String, i64)>(&s.fault_place, (tenant, key)).await?;
        let ttl = self.history_ttl();
        let record = self.encode(fault);
        self.put(&faults_of(&fault.device), at, key, record.clone(), ttl).await?;
        fail_point!("scylla::between_faults", crate::failed_here);
        self.put(FAULTS, at, key, record, ttl).await?;
        if let Some((device, before)) = before
            && (device.as_str(), before) != (fault.device.as_str(), at)
        {
            self.remove(FAULTS, before, key).await?;
            self.remove(&format!("fault/{device}"), before, key).await?;
        }
        fail_point!("scylla::between_faults_and_place", crate::failed_here);
        cql.write(&s.fault_place_write, (tenant, key, fault.device.as_str(), at, ttl)).await
    }

    /// Puts a row into a list.
    pub(crate) async fn put(&self, list: &str, at: i64, id: &[u8], record: Vec<u8>, ttl: i32) -> Result<()> {
        let window = window(list, at);
        self.note_window(list, window, ttl).await?;
        fail_point!("scylla::between_window_and_row", crate::failed_here);
        self.cql.write(&self.s.history_write, (&self.tenant, list, window, at, id, record, ttl)).await
    }

    pub(crate) async fn remove(&self, list: &str, at: i64, id: &[u8]) -> Result<()> {
        self.cql.write(&self.s.history_delete, (&self.tenant, list, window(list, at), at, id)).await
    }

    async fn note_window(&self, list: &str, window: i64, ttl: i32) -> Result<()> {
        let key = (list.to_owned(), window);
        if self.lists.noted.get(&key).is_some() {
            return Ok(());
        }
        let longer = longer(ttl);
        let Self { cql, s, tenant, .. } = self;
        cql.write(&s.history_list_write, (tenant, list_shard(list), list, longer)).await?;
        fail_point!("scylla::between_list_and_window", crate::failed_here);
        cql.write(&s.history_window_write, (tenant, list, window, longer)).await?;
        self.lists.noted.insert(key, ());
        Ok(())
    }

    /// Notes that there is such a list, without windows.
    pub(crate) async fn register_list(&self, list: &str) -> Result<()> {
        // Anew from time to time, as its windows would be.
        let key = (list.to_owned(), window(list, self.now_micros()));
        if self.lists.noted.get(&key).is_some() {
            return Ok(());
        }
        let longer = longer(self.history_ttl());
        self.cql.write(&self.s.history_list_write, (&self.tenant, list_shard(list), list, longer)).await?;
        self.lists.noted.insert(key, ());
        Ok(())
    }

    pub(crate) fn forget_window(&self, list: &str, window: i64) {
        self.lists.noted.remove(&(list.to_owned(), window));
    }

    /// A page of a list.
    pub(crate) async fn page<I, T>(
        &self,
        list: &str,
        page: &PageRequest,
        decode: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<Page<T>>
    where
        I: HistoryId,
    {
        let after: Option<TimeKey<I>> = place::time_after(page)?;
        let limit = place::limit(page);
        let after = after.map(|(at, id)| (at, id.bytes()));
        let mut rows = self.rows_after(list, after, limit + 1).await?;
        let is_all = rows.len() <= limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some((at, id, _)) if !is_all => Some(place::time_text(&(*at, I::from_stored(id)?))),
            _ => None,
        };
        let items = rows.iter().map(|(.., record)| decode(record)).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    /// The first rows of a list after a place, newest first, window by window.
    pub(crate) async fn rows_after(
        &self,
        list: &str,
        after: Option<(i64, Vec<u8>)>,
        limit: usize,
    ) -> Result<Vec<HistoryRow>> {
        let newest = after.as_ref().map_or(i64::MAX, |(at, _)| window(list, *at));
        let mut found: Vec<HistoryRow> = Vec::new();
        let mut windows = self.windows(list, newest).await?;
        while let Some(oldest) = windows.last().copied() {
            for window in windows {
                let after = after.as_ref().filter(|_| window == newest);
                found.extend(self.rows_of_window(list, window, after, limit - found.len()).await?);
                if found.len() >= limit {
                    return Ok(found);
                }
            }
            windows = self.windows(list, oldest - 1).await?;
        }
        Ok(found)
    }

    /// Windows of a list up to one, the newest first; none: there are no more.
    pub(crate) async fn windows(&self, list: &str, newest: i64) -> Result<Vec<i64>> {
        let values = (&self.tenant, list, newest, WINDOWS);
        let windows: Vec<(i64,)> = self.cql.rows(&self.s.history_windows, values).await?;
        Ok(windows.into_iter().map(|(window,)| window).collect())
    }

    async fn rows_of_window(
        &self,
        list: &str,
        window: i64,
        after: Option<&(i64, Vec<u8>)>,
        limit: usize,
    ) -> Result<Vec<HistoryRow>> {
        let Self { cql, s, tenant, .. } = self;
        let rows = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let Some((at, id)) = after else {
            return cql.rows(&s.history_from, (tenant, list, window, rows(limit))).await;
        };
        let mut found: Vec<HistoryRow> = cql.rows(&s.history_at, (tenant, list, window, at, id, rows(limit))).await?;
        if found.len() < limit {
            let rest = rows(limit - found.len());
            let rest: Vec<HistoryRow> = cql.rows(&s.history_before, (tenant, list, window, at, rest)).await?;
            found.extend(rest);
        }
        Ok(found)
    }

    /// Takes away what is beyond the limit.
    async fn trim_refused(&self) -> Result<()> {
        let mut after = None;
        for _ in 0..REFUSED_MAX / PageRequest::LIMIT_MAX {
            let rows = self.rows_after(REFUSED, after, PageRequest::LIMIT_MAX).await?;
            let Some((at, id, _)) = rows.into_iter().next_back() else { return Ok(()) };
            after = Some((at, id));
        }
        let beyond = self.rows_after(REFUSED, after, 2 * PageRequest::LIMIT_MAX).await?;
        cql::all(beyond.iter().map(|(at, id, _)| self.remove(REFUSED, *at, id)).collect()).await.map(|_| ())
    }
}

/// An id that rows of a list have.
pub(crate) trait HistoryId: FromStr + std::fmt::Display {
    fn bytes(&self) -> Vec<u8>;
    fn from_stored(bytes: &[u8]) -> Result<Self>;
}

macro_rules! history_id {
    ($($id:ty),+) => { $(impl HistoryId for $id {
        fn bytes(&self) -> Vec<u8> {
            self.as_bytes().to_vec()
        }

        fn from_stored(bytes: &[u8]) -> Result<Self> {
            let bytes = bytes.try_into();
            Ok(Self::from_bytes(bytes.map_err(|_| acs_store::Error::Corrupt("an id in the history has no 16 bytes".into()))?))
        }
    })+ };
}

history_id!(SessionId, EventId);

pub(crate) fn sessions_of(device: &DeviceId) -> String {
    format!("session/{device}")
}

fn faults_of(device: &DeviceId) -> String {
    format!("fault/{device}")
}

/// The window of a moment, by its number. In keys, for ever.
pub(crate) fn window(list: &str, at: i64) -> i64 {
    at.div_euclid(window_length(list))
}

pub(crate) fn window_length(list: &str) -> i64 {
    if list.contains('/') { WINDOW_OF_ONE } else { WINDOW_OF_ALL }
}

/// Partitions of the list of lists. In keys, for ever.
pub(crate) const LIST_SHARDS: i16 = 16;

pub(crate) fn list_shard(list: &str) -> i16 {
    let hash = list
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i16::try_from(hash % u64::from(LIST_SHARDS.unsigned_abs())).unwrap_or(0)
}

fn seconds(time: Option<Duration>) -> i32 {
    time.map_or(0, |time| i32::try_from(time.as_secs()).unwrap_or(i32::MAX))
}

fn longer(ttl: i32) -> i32 {
    if ttl == 0 { 0 } else { ttl + seconds(Some(NOTED_LONGER)) }
}
