//! Wakes over real sockets: CPEs of the field and hostile ones (`quirks`), and what policy forbids (`policy`).

#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

mod cpe;
mod policy;
mod quirks;
