//! Wakes over real sockets: CPEs of the field and hostile ones (`quirks`), and what policy forbids (`policy`).

mod cpe;
mod policy;
mod quirks;
