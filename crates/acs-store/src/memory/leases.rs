use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Leases, Result};

/// The leases of a single process, which has them all to itself; in tests also of several over one [`super::MemoryStore`].
#[derive(Debug, Default)]
pub struct MemoryLeases {
    held: Mutex<HashMap<String, Held>>,
}

#[derive(Debug)]
struct Held {
    by: String,
    until: Instant,
}

impl MemoryLeases {
    /// None held.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn lease(&self, name: &str, holder: &str, term: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut held = self.held();
        if held.get(name).is_some_and(|lease| lease.by != holder && lease.until > now) {
            return Ok(false);
        }
        held.insert(name.to_owned(), Held { by: holder.to_owned(), until: now + term });
        Ok(true)
    }

    async fn release(&self, name: &str, holder: &str) -> Result<()> {
        let mut held = self.held();
        if held.get(name).is_some_and(|lease| lease.by == holder) {
            held.remove(name);
        }
        Ok(())
    }
}
