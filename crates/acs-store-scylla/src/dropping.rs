//! Dropping history that is to go before its time to live ends.
//!
//! Where the time to live is as short as what is asked for there is nothing to do. Else every list is looked at; nothing but
//! this does that.

use std::sync::PoisonError;
use std::time::Duration;

use acs_store::Result;
use acs_types::{DeviceId, FaultRecord, SessionRecord, Task};
use cwmp_model::Timestamp;
use fail::fail_point;

use crate::history::{AUDIT, FAULTS, HistoryRow, LIST_SHARDS, window, window_length};
use crate::place;
use crate::store::Shared;
use crate::task_rows::TaskRows;

/// Rows that one call drops at most, about.
const DROPPED_MAX: u64 = 1000;
/// Lists asked for at once.
const LISTS: i32 = 100;
/// Rows asked for at once.
const ROWS: usize = 500;

impl Shared {
    pub(crate) async fn drop_history(&self, before: Timestamp) -> Result<u64> {
        let now = Timestamp::from_micros(self.now_micros());
        // A minute, so that whoever reckons with the same time and a clock of its own finds nothing to do either.
        let expired = self.retention.history.map(|time| now.minus(time).plus(Duration::from_secs(60)));
        if expired.is_some_and(|expired| before <= expired) {
            return Ok(0);
        }
        let key = before.as_micros();
        let place = |place: Option<String>| {
            let mut places = self.drop_place.lock().unwrap_or_else(PoisonError::into_inner);
            places.clear();
            places.extend(place.map(|place| (key, place)));
        };
        let from = self.drop_place.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let mut dropped = self.drop_from(from.as_deref().unwrap_or("0:"), before, place).await?;
        if dropped == 0 && from.is_some() {
            dropped = self.drop_from("0:", before, place).await?;
        }
        Ok(dropped)
    }

    /// Goes through the lists from a place on, until enough was dropped or none is left.
    async fn drop_from(&self, from: &str, before: Timestamp, note: impl Fn(Option<String>)) -> Result<u64> {
        let (shard, mut list) =
            from.split_once(':').map_or((0, ""), |(shard, list)| (shard.parse().unwrap_or(0), list));
        let mut dropped = 0;
        let mut last;
        for shard in shard..LIST_SHARDS {
            loop {
                let values = (&self.tenant, shard, list, LISTS);
                let lists: Vec<(String,)> = self.cql.rows(&self.s.history_lists_after, values).await?;
                for (list,) in &lists {
                    dropped += self.drop_list(list, before).await?;
                    if dropped >= DROPPED_MAX {
                        note(Some(format!("{shard}:{}", before_list(list))));
                        return Ok(dropped);
                    }
                }
                let Some((end,)) = lists.into_iter().next_back() else { break };
                last = end;
                list = &last;
            }
            list = "";
        }
        note(None);
        Ok(dropped)
    }

    async fn drop_list(&self, list: &str, before: Timestamp) -> Result<u64> {
        match list.split_once('/') {
            Some(("task", device)) => self.drop_tasks(&place::stored(device)?, before).await,
            _ => self.drop_rows(list, before).await,
        }
    }

    /// The rows of a list that are too old. A row ends no earlier than the time it is listed by.
    async fn drop_rows(&self, list: &str, before: Timestamp) -> Result<u64> {
        if list == AUDIT {
            return Ok(0);
        }
        let mut dropped = 0;
        let mut after = Some((before.as_micros(), Vec::new()));
        while dropped < DROPPED_MAX {
            let rows = self.rows_after(list, after, ROWS).await?;
            let Some((at, id, _)) = rows.last() else { break };
            after = Some((*at, id.clone()));
            for row in &rows {
                dropped += self.drop_row(list, row, before).await?;
            }
        }
        if dropped < DROPPED_MAX {
            self.drop_windows(list, before).await?;
        }
        Ok(dropped)
    }

    /// One row, with its place; whether it counts: a fault stands in two lists.
    async fn drop_row(&self, list: &str, (at, id, record): &HistoryRow, before: Timestamp) -> Result<u64> {
        let Self { cql, s, tenant, .. } = self;
        match list.split_once('/') {
            Some(("session", _)) => {
                if self.decode::<SessionRecord>(record)?.ended_at >= before {
                    return Ok(0);
                }
                cql.write(&s.session_place_delete, (tenant, id)).await?;
            }
            Some(_) => {
                let fault = self.decode::<FaultRecord>(record)?;
                self.remove(FAULTS, fault.at.as_micros(), id).await?;
                cql.write(&s.fault_place_delete, (tenant, id)).await?;
            }
            None => {}
        }
        fail_point!("scylla::between_place_and_row", crate::failed_here);
        self.remove(list, *at, id).await?;
        Ok(u64::from(list != FAULTS))
    }

    /// Windows that lie wholly before, and a window more: a session may end in the next one.
    async fn drop_windows(&self, list: &str, before: Timestamp) -> Result<()> {
        let Self { cql, s, tenant, .. } = self;
        let newest = window(list, before.as_micros().saturating_sub(window_length(list))) - 1;
        // Those that are gone are no longer among them.
        loop {
            let windows = self.windows(list, newest).await?;
            if windows.is_empty() {
                break;
            }
            for window in windows {
                self.forget_window(list, window);
                cql.write(&s.history_window_delete, (tenant, list, window)).await?;
            }
        }
        Ok(())
    }

    /// The final tasks of a device that ended too long ago. On the condition that the partition is as it was read: one that
    /// is retried at this moment is not lost.
    async fn drop_tasks(&self, device: &DeviceId, before: Timestamp) -> Result<u64> {
        let mut dropped = 0;
        let mut turn = self.turn("device", device.as_str().as_bytes()).await?;
        let mut after = None;
        loop {
            let stored = self.stored(device).await?;
            let rows = self.final_tasks_after(device, after.as_ref(), ROWS).await?;
            let tasks = rows.iter().map(|(.., record)| self.decode(record)).collect::<Result<Vec<Task>>>()?;
            let Some(last) = tasks.last() else { return Ok(dropped) };
            let end = (last.created_at.as_micros(), last.id.clone());
            let old: Vec<&Task> = tasks.iter().filter(|task| task.updated_at < before).collect();
            if !old.is_empty() {
                let holder = stored.partition.holder;
                let mut rows = TaskRows::new(self, device, &stored.control, rand::random(), holder);
                old.iter().for_each(|task| rows.forget(task));
                if !rows.commit().await? {
                    // Done again, it finds what is left.
                    turn.again(device).await?;
                    continue;
                }
                dropped += old.len() as u64;
            }
            if dropped >= DROPPED_MAX {
                return Ok(dropped);
            }
            after = Some(end);
        }
    }
}

/// A place just before a list, so that the list is looked at again.
fn before_list(list: &str) -> String {
    let mut text = list.to_owned();
    text.pop();
    text
}
