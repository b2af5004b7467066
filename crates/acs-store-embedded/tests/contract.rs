//! The embedded store passes the same suites as every backend.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use acs_proto::records::Unsealed;
use acs_store_embedded::{Embedded, Options};

/// A fresh store and its folder, which goes last.
async fn fresh() -> (Embedded, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { disk_reserve_bytes: 0, ..Options::new(Arc::new(Unsealed)) };
    let store = Embedded::open(folder.path(), options).unwrap();
    (store, folder)
}

acs_store::store_contract!(store, fresh());
acs_events::event_log_contract!(events, fresh());

/// P19: what one call looks at and drops is bounded.
mod limits {
    use acs_store::contract::sample::{at, device, first_patch, session_record};
    use acs_store::{DeviceFilter, Devices, History};
    use acs_types::{PageRequest, SessionId};

    #[tokio::test]
    async fn a_list_looks_at_ten_thousand_rows() {
        let (store, _folder) = super::fresh().await;
        let patches = (0..10_001).map(|n| (device(n), first_patch(n, 10))).collect();
        store.patch_summaries(patches).await.unwrap();
        let filter = DeviceFilter { serial_number: Some("010000".into()), ..DeviceFilter::default() };
        let first = store.list_devices(&filter, &PageRequest::first(10)).await.unwrap();
        assert_eq!(first.items, [], "the wanted one is behind the rows looked at");
        let rest = store.list_devices(&filter, &PageRequest { after: first.next, limit: 10 }).await.unwrap();
        assert_eq!((rest.items.len(), rest.next), (1, None));
    }

    #[tokio::test]
    async fn a_thousand_rows_are_dropped_at_a_time() {
        let (store, _folder) = super::fresh().await;
        let record = |n: u32| {
            let mut record = session_record(n % 3, 0, i64::from(n));
            record.at.session = SessionId::from_bytes(u128::from(n).to_be_bytes());
            record
        };
        store.put_sessions((0..1500).map(record).collect()).await.unwrap();
        let before = at(i64::MAX);
        assert_eq!(store.drop_history(before).await.unwrap(), 1000);
        assert_eq!(store.drop_history(before).await.unwrap(), 500);
        assert_eq!(store.drop_history(before).await.unwrap(), 0);
    }
}
