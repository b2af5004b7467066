//! Backends in memory: [`MemoryStore`] for tests, [`MemorySessionCache`], [`MemoryReplayWindow`] and [`MemoryLeases`] also for the product in
//! a single process.

mod leases;
mod outbox;
mod page;
mod replay_window;
mod session_cache;
mod store;

pub use leases::MemoryLeases;
pub use outbox::MemoryOutbox;
pub use replay_window::MemoryReplayWindow;
pub use session_cache::{MemorySessionCache, SessionCacheLimits};
pub use store::MemoryStore;
