//! Backends in memory: [`MemoryStore`] for tests, [`MemorySessionCache`] also for the product in a single process.

mod page;
mod session_cache;
mod store;

pub use session_cache::{MemorySessionCache, SessionCacheLimits};
pub use store::MemoryStore;
