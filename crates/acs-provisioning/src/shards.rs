use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_store::{Leases, TIMER_SHARDS};
use tokio::time::Instant;

/// How long a shard is leased; after so long at most the shards of a dead process are another one's.
const TERM: Duration = Duration::from_secs(15);
/// How often leases are renewed, and free ones asked for.
const RENEWAL: Duration = Duration::from_secs(5);

/// The shards of timers that this process looks after, by lease (`design.md` §5.8).
pub(crate) struct Shards {
    leases: Arc<dyn Leases>,
    holder: String,
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Until when, by this process's own time: begun before the store was asked, so never longer than the store's.
    held: BTreeMap<u16, Instant>,
    asked: Option<Instant>,
}

impl Shards {
    pub(crate) fn new(leases: Arc<dyn Leases>, holder: String, max: usize) -> Self {
        Self { leases, holder, max, state: Mutex::default() }
    }

    /// The shards held now, and the others. Renews what is held and takes what is free, up to its share, every few seconds.
    pub(crate) async fn split(&self) -> (Vec<u16>, Vec<u16>) {
        let now = Instant::now();
        if self.is_time(now) {
            self.renew(now).await;
        }
        let mut state = self.state();
        state.held.retain(|_, until| *until > Instant::now());
        (0..TIMER_SHARDS).partition(|shard| state.held.contains_key(shard))
    }

    /// Gives all back, so that others need not wait for the end of the term.
    pub(crate) async fn release(&self) {
        let held = std::mem::take(&mut self.state().held);
        for shard in held.into_keys() {
            if let Err(error) = self.leases.release(&name(shard), &self.holder).await {
                tracing::debug!(%error, shard, "a shard of timers was not given back, its lease ends by itself");
            }
        }
    }

    fn is_time(&self, now: Instant) -> bool {
        let mut state = self.state();
        let due = state.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= RENEWAL);
        if due {
            state.asked = Some(now);
        }
        due
    }

    async fn renew(&self, now: Instant) {
        // Its own first. Each process begins elsewhere, so that they do not all ask for the same one.
        let mut hasher = DefaultHasher::new();
        self.holder.hash(&mut hasher);
        let start = u16::try_from(hasher.finish() % u64::from(TIMER_SHARDS)).unwrap_or(0);
        let mut order: Vec<u16> = (0..TIMER_SHARDS).map(|n| (start + n) % TIMER_SHARDS).collect();
        let held: Vec<u16> = self.state().held.keys().copied().collect();
        order.sort_by_key(|shard| !held.contains(shard));
        for shard in order {
            let (mine, full) = {
                let state = self.state();
                (state.held.contains_key(&shard), state.held.len() >= self.max)
            };
            if !mine && full {
                return;
            }
            let leased = self.leases.lease(&name(shard), &self.holder, TERM).await;
            match leased {
                Ok(true) => drop(self.state().held.insert(shard, now + TERM)),
                Ok(false) => drop(self.state().held.remove(&shard)),
                Err(error) => {
                    tracing::warn!(%error, "leases of timers cannot be renewed, trying again");
                    return;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(shard: u16) -> String {
    format!("timers/{shard}")
}
