//! The event log: what billing, ingest and the API read. Traits, a memory fake and the contract suite.
//!
//! [`EventLog::append`] returns only when the records are durable: it is what the receipt rule stands on (P7, P11).

mod log;
mod memory;

pub use log::{AppendError, EventLog, LogPosition, LoggedEvent, ReadError};
pub use memory::MemoryEventLog;
