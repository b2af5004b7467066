//! What TR-069 talks about, as values: parameter paths, typed values, the parameter tree and the data-model catalogue.
//!
//! This crate knows the protocol and nothing of Lastmile. It reads no clock, opens no socket, draws no random number and
//! awaits nothing: time comes in as [`Timestamp`].
//!
//! Where to start: [`ParameterPath`] names a thing, [`Value`] is what it holds.

mod identity;
mod path;
mod timestamp;
mod value;

pub use identity::DeviceIdentity;
pub use path::{ParameterPath, PathError};
pub use timestamp::Timestamp;
pub use value::{ParameterValue, Value, ValueType};
