//! The API over memory, called through its router. Every answer is held against the OpenAPI document.

#![allow(clippy::unwrap_used)]

mod access;
mod bench;
mod devices;
mod events;
mod files;
mod history;
mod limits;
mod parameters;
mod problems;
mod random;
mod schema;
mod secrets;
mod server;
mod tasks;
mod tokens;
