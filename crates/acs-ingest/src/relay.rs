use std::sync::Arc;
use std::time::Duration;

use acs_events::{AppendError, EventSink};
use acs_store::{Leases, Outbox};
use fail::fail_point;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Records in one call of append.
const BATCH: usize = 500;
/// How often the outbox is looked at: one read while it is empty.
const INTERVAL: Duration = Duration::from_secs(2);
/// For how long a process has a shard to itself: longer than a batch takes.
const TERM: Duration = Duration::from_secs(30);
/// The longest wait while the event log does not take records.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Brings the records of the outbox to the event log, once it takes records again (`design.md` §6).
///
/// A record is forgotten after it is in the log: killed in between, it comes twice, with the same `event_id` (P7, P8). Shards
/// are leased, which saves such copies and is needed for nothing else.
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    leases: Arc<dyn Leases>,
    sink: Arc<dyn EventSink>,
    /// This process, among those that relay.
    holder: String,
    metrics: Metrics,
}

/// Why records stay in the outbox for now.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The event log does not take them yet.
    #[error("the event log: {0}")]
    Append(#[from] AppendError),
    /// The outbox cannot be read.
    #[error("the outbox: {0}")]
    Store(#[from] acs_store::Error),
}

impl Relay {
    /// From `outbox` to `sink`; `holder` tells this process from others.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        leases: Arc<dyn Leases>,
        sink: Arc<dyn EventSink>,
        holder: String,
        metrics: Metrics,
    ) -> Self {
        Self { outbox, leases, sink, holder, metrics }
    }

    /// Relays until `stop`. Errors are logged and waited out.
    pub async fn run(&self, stop: CancellationToken) {
        let mut wait = INTERVAL;
        loop {
            match self.relay().await {
                Ok(0) => wait = INTERVAL,
                Ok(records) => {
                    wait = INTERVAL;
                    tracing::info!(records, "records of the outbox are in the event log now");
                }
                Err(error) => {
                    self.metrics.relay_failures.inc();
                    tracing::warn!(%error, wait_ms = wait.as_millis(), "the outbox is relayed later");
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Relays what is there now; says how many records that were.
    pub async fn relay(&self) -> Result<u64, RelayError> {
        let mut count = 0;
        for shard in self.outbox.outbox_shards().await? {
            count += self.relay_shard(shard).await?;
        }
        Ok(count)
    }

    async fn relay_shard(&self, shard: u16) -> Result<u64, RelayError> {
        let lease = format!("outbox/{shard}");
        let mut count = 0;
        loop {
            if !self.leases.lease(&lease, &self.holder, TERM).await? {
                return Ok(count);
            }
            let kept = self.outbox.outbox(shard, BATCH).await?;
            if kept.is_empty() {
                self.leases.release(&lease, &self.holder).await?;
                return Ok(count);
            }
            fail_point!("relay::before_append");
            self.sink.append(kept.iter().map(|kept| kept.record.clone()).collect()).await?;
            fail_point!("relay::before_forget");
            self.outbox.forget_outbox(&kept).await?;
            self.metrics.relayed.inc_by(kept.len() as u64);
            count += kept.len() as u64;
        }
    }
}
