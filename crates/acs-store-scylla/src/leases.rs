use std::time::Duration;

use acs_store::{Leases, Result};
use async_trait::async_trait;

use crate::error::{is_open, store_error};
use crate::store::{ScyllaStore, Shared};

/// A lease is a row with its term as time to live, so its end is the cluster's.
#[async_trait]
impl Leases for ScyllaStore {
    async fn lease(&self, name: &str, holder: &str, term: Duration) -> Result<bool> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        // CQL counts whole seconds.
        let seconds = i32::try_from(term.as_millis().div_ceil(1000).max(1)).unwrap_or(i32::MAX);
        let mut turn = self.shared.turn("lease", name.as_bytes()).await?;
        loop {
            // Renewing is what happens most of the time. Done again after an unknown outcome, either does no harm.
            let outcome = match cql.conditional(&s.lease_renew, (seconds, holder, tenant, name, holder)).await? {
                Ok(false) => cql.conditional(&s.lease_take, (tenant, name, holder, seconds)).await?,
                renewed => renewed,
            };
            match outcome {
                Ok(is_mine) => return Ok(is_mine),
                Err(error) if is_open(&error) => turn.again(&name).await?,
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    async fn release(&self, name: &str, holder: &str) -> Result<()> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let mut turn = self.shared.turn("lease", name.as_bytes()).await?;
        loop {
            match cql.conditional(&s.lease_release, (tenant, name, holder)).await? {
                Ok(_) => return Ok(()),
                Err(error) if is_open(&error) => turn.again(&name).await?,
                Err(error) => return Err(store_error(error)),
            }
        }
    }
}
