//! Writes that come in pairs, and the check that finds them again: both halves or none.

use std::path::Path;
use std::sync::Arc;

use acs_events::contract::record;
use acs_events::{EventSink, SequenceLog};
use acs_proto::records::Unsealed;
use acs_store::contract::sample::{commit, device, first_patch, session_record, stamp, task};
use acs_store::{CommitOutcome, Devices, Error, History, Tasks};
use acs_store_embedded::{Embedded, OpenError, Options};
use acs_types::{SessionId, SessionRecord, SummaryPatch};

/// Small buffers, so that tables are written and merged within a short test.
pub(crate) fn options() -> Options {
    Options { disk_reserve_bytes: 0, write_buffer_bytes: 256 << 10, ..Options::new(Arc::new(Unsealed)) }
}

pub(crate) fn open(folder: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(folder, options())
}

/// Write number `n`: what it is depends on the number alone.
pub(crate) async fn write(store: &Embedded, n: u64) -> Result<(), Error> {
    let of = n as u32 % 7;
    match n % 4 {
        0 => {
            let pair = vec![record(of, n), record(of + 100, n)];
            store.append(pair).await.map_err(|e| Error::Unavailable(e.to_string()))
        }
        1 => {
            let pair = ["a", "b"].map(|half| (None, task(of, &format!("{n}{half}"), n as i64)));
            assert_eq!(store.commit(&device(of), commit(pair)).await?, CommitOutcome::Applied, "write {n}");
            Ok(())
        }
        2 => {
            let patch = SummaryPatch {
                stamp: stamp(n as i64),
                software_version: Some(n.to_string()),
                hardware_version: Some(n.to_string()),
                ..first_patch(of, n as i64)
            };
            store.patch_summary(&device(of), patch).await
        }
        _ => store.put_sessions(pair_of_sessions(of, n).to_vec()).await,
    }
}

fn pair_of_sessions(of: u32, n: u64) -> [SessionRecord; 2] {
    [0_u64, 1].map(|half| {
        let mut record = session_record(of, 0, n as i64);
        record.at.session = SessionId::from_bytes((u128::from(n) << 8 | u128::from(half)).to_be_bytes());
        record
    })
}

/// How much of write `n` is there: 0, 1 or 2 halves. A summary counts as there if this or a later one is.
pub(crate) async fn halves(store: &Embedded, n: u64, events: &Events) -> usize {
    let of = n as u32 % 7;
    match n % 4 {
        0 => [(of, n), (of + 100, n)].iter().filter(|key| events.0.contains(key)).count(),
        1 => {
            let mut found = 0;
            for half in ["a", "b"] {
                let wanted = task(of, &format!("{n}{half}"), n as i64);
                let stored = store.task(&device(of), &wanted.id).await.unwrap();
                found += stored.map_or(0, |stored| {
                    assert_eq!(stored, wanted, "write {n}");
                    1
                });
            }
            found
        }
        2 => {
            let Some(summary) = store.summary(&device(of)).await.unwrap() else { return 0 };
            let [software, hardware] =
                [summary.software_version, summary.hardware_version].map(|v| v.parse::<u64>().unwrap());
            usize::from(software >= n) + usize::from(hardware >= n)
        }
        _ => {
            let mut found = 0;
            for wanted in pair_of_sessions(of, n) {
                let stored = store.session(&wanted.at.session).await.unwrap();
                found += stored.map_or(0, |stored| {
                    assert_eq!(stored, wanted, "write {n}");
                    1
                });
            }
            found
        }
    }
}

/// The event log, as (emitter, number).
pub(crate) struct Events(std::collections::HashSet<(u32, u64)>);

impl Events {
    pub(crate) async fn read(store: &Embedded) -> Self {
        let mut found = std::collections::HashSet::new();
        let mut after = 0;
        loop {
            let page = store.read(after, 5000).await.unwrap();
            let Some(last) = page.last() else { break };
            for (i, event) in page.iter().enumerate() {
                assert_eq!(event.position, after + 1 + i as u64, "positions stay dense");
                let emitter: u32 = event.record.emitter.as_str().strip_prefix("host.").unwrap().parse().unwrap();
                found.insert((emitter, event.record.emitter_seq));
            }
            after = last.position;
        }
        assert_eq!(store.end().await.unwrap(), after);
        Self(found)
    }
}
