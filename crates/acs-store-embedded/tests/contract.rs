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
