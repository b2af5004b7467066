//! The newest records of a log whose partitions have no order between them.

use std::collections::BTreeMap;
use std::time::Duration;

use cwmp_model::Timestamp;

use crate::{EventLog, LogPosition, LogRange, LoggedEvent, Partition, Positions, ReadError};

/// Places of each partition that are looked at first.
const WINDOW: u64 = 100;
/// If they do not do, so many times more.
const WINDOW_GROWTH: u64 = 8;
/// Records read at a time.
const PAGE: usize = 500;
/// How long the log may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Default)]
pub struct Newest {
    /// Oldest first.
    pub events: Vec<LoggedEvent>,
    /// Whether older ones than these were not looked at although fewer were found than asked for.
    pub is_cut: bool,
}

/// The `count` records that happened last, of those up to `ends` that `takes` takes. Looks at no more than `look_max` places
/// in all, or at [`WINDOW`] of each partition if that is more. What cannot be read is passed over.
pub async fn newest(
    log: &dyn EventLog,
    ends: &Positions,
    count: usize,
    look_max: u64,
    takes: &(dyn Fn(&LoggedEvent) -> bool + Send + Sync),
) -> Result<Newest, ReadError> {
    if count == 0 {
        return Ok(Newest::default());
    }
    let mut window = WINDOW;
    loop {
        let look = Look::of(log, ends, window, count, takes).await?;
        let next = window.saturating_mul(WINDOW_GROWTH);
        let is_last = look.is_whole || next.saturating_mul(ends.iter().count() as u64) > look_max;
        if is_last || look.is_enough(count) {
            let is_cut = !look.is_whole && look.newest.len() < count;
            return Ok(Newest { events: look.newest.into_values().collect(), is_cut });
        }
        window = next;
    }
}

/// A look at the last places of each partition.
struct Look {
    newest: BTreeMap<(Timestamp, Partition, LogPosition), LoggedEvent>,
    /// How far back the look went in partitions that have more.
    reaches: BTreeMap<Partition, Option<Timestamp>>,
    /// Whether there is nothing before.
    is_whole: bool,
}

impl Look {
    async fn of(
        log: &dyn EventLog,
        ends: &Positions,
        window: u64,
        count: usize,
        takes: &(dyn Fn(&LoggedEvent) -> bool + Send + Sync),
    ) -> Result<Self, ReadError> {
        let starts = log.starts().await?;
        let begin = |(partition, end): (Partition, LogPosition)| {
            (partition, end.saturating_sub(window).max(starts.get(partition)))
        };
        let from: Positions = ends.iter().map(begin).collect();
        let has_more = |(partition, from): &(Partition, LogPosition)| *from > starts.get(*partition);
        let reaches: BTreeMap<_, _> = from.iter().filter(has_more).map(|(partition, _)| (partition, None)).collect();
        let mut look = Self { newest: BTreeMap::new(), is_whole: reaches.is_empty(), reaches };
        let mut range = LogRange::open(log, &from, ends.clone()).await?;
        loop {
            let before = range.at().clone();
            match range.next(PAGE, PATIENCE).await {
                Ok(Some(events)) => events.into_iter().for_each(|event| look.add(event, count, takes)),
                Ok(None) => return Ok(look),
                Err(ReadError::Corrupt(_)) => {}
                Err(other) => return Err(other),
            }
            if *range.at() == before {
                let silence = format!("nothing came for {PATIENCE:?} of what is there");
                return Err(ReadError::Unavailable(silence));
            }
        }
    }

    fn add(&mut self, event: LoggedEvent, count: usize, takes: &(dyn Fn(&LoggedEvent) -> bool + Send + Sync)) {
        let at = event.record.occurred_at;
        if let Some(reach @ None) = self.reaches.get_mut(&event.partition) {
            *reach = Some(at);
        }
        if !takes(&event) {
            return;
        }
        self.newest.insert((at, event.partition, event.position), event);
        if self.newest.len() > count {
            self.newest.pop_first();
        }
    }

    /// Whether what stands before what was looked at is older in every partition: a partition is about in order.
    fn is_enough(&self, count: usize) -> bool {
        let oldest = self.newest.keys().next().map(|(at, ..)| *at);
        self.newest.len() >= count && self.reaches.values().all(|reach| reach.is_some() && *reach <= oldest)
    }
}

#[cfg(test)]
mod tests {
    use acs_types::EventRecord;

    use super::*;
    use crate::{EventSink, MemoryEventLog};

    async fn log(records: u64) -> (MemoryEventLog, Positions) {
        let log = MemoryEventLog::new();
        let at = |seq: u64| Timestamp::from_micros(seq as i64);
        let record = |seq| EventRecord { occurred_at: at(seq), ..crate::contract::record(1, seq) };
        log.append((1..=records).map(record).collect()).await.unwrap();
        let ends = log.ends().await.unwrap();
        (log, ends)
    }

    fn numbers(found: &Newest) -> Vec<u64> {
        found.events.iter().map(|event| event.record.emitter_seq).collect()
    }

    #[tokio::test]
    async fn the_newest_are_found_however_rare_they_are() {
        let (log, ends) = log(5000).await;
        let all = newest(&log, &ends, 3, u64::MAX, &|_| true).await.unwrap();
        assert_eq!((numbers(&all), all.is_cut), (vec![4998, 4999, 5000], false));
        let rare = newest(&log, &ends, 3, u64::MAX, &|event| event.position.is_multiple_of(1500)).await.unwrap();
        assert_eq!((numbers(&rare), rare.is_cut), (vec![1500, 3000, 4500], false));
        let few = newest(&log, &ends, 3, u64::MAX, &|event| event.position == 7).await.unwrap();
        assert_eq!((numbers(&few), few.is_cut), (vec![7], false));
        let none = newest(&log, &ends, 0, u64::MAX, &|_| true).await.unwrap();
        assert_eq!((numbers(&none), none.is_cut), (vec![], false));
        let empty = newest(&MemoryEventLog::new(), &Positions::default(), 3, u64::MAX, &|_| true).await.unwrap();
        assert_eq!((numbers(&empty), empty.is_cut), (vec![], false));
    }

    #[tokio::test]
    async fn p19_a_search_has_a_limit_and_says_so() {
        let (log, ends) = log(5000).await;
        let rare = |event: &LoggedEvent| event.position.is_multiple_of(1500);
        for (look_max, found) in [(799, vec![]), (800, vec![4500]), (6399, vec![4500]), (6400, vec![1500, 3000, 4500])]
        {
            let newest = newest(&log, &ends, 3, look_max, &rare).await.unwrap();
            assert_eq!((numbers(&newest), newest.is_cut), (found.clone(), found.len() < 3), "{look_max}");
        }
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_left_out() {
        let (log, ends) = log(10).await;
        log.append(vec![crate::contract::record(1, 11)]).await.unwrap();
        assert_eq!(numbers(&newest(&log, &ends, 2, u64::MAX, &|_| true).await.unwrap()), [9, 10]);
    }
}
