//! Backends in memory: [`MemoryStore`] for tests, [`MemorySessionCache`] and [`MemoryReplayWindow`] also for the product in
//! a single process.

mod page;
mod replay_window;
mod session_cache;
mod store;

pub use replay_window::MemoryReplayWindow;
pub use session_cache::{MemorySessionCache, SessionCacheLimits};
pub use store::MemoryStore;
