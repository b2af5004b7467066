use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// Who does a share of the work that several processes could do: a shard of timers, say.
///
/// A lease saves double work and is no lock: a holder that stood still may go on after its term, beside the next one. What
/// is done under it must be right when it is done twice.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease `name` for `holder`, or renews it, for `term` from now by the store's own time. Whether it is the
    /// holder's now; `false`: another one has it, and its term is not over.
    async fn lease(&self, name: &str, holder: &str, term: Duration) -> Result<bool>;

    /// Gives a lease back before its term is over; one that is another's stays.
    async fn release(&self, name: &str, holder: &str) -> Result<()>;
}
