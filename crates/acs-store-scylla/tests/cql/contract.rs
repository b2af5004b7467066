//! The store passes the same suites as every backend.

use crate::support::fresh;

acs_store::store_contract!(store, fresh());
acs_store::leases_contract!(leases, fresh());
acs_store::outbox_contract!(outbox, fresh());
