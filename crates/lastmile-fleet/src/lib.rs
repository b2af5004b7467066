//! Simulated CPEs.

mod device;
mod model;

pub use device::{Action, Device};
pub use model::{DataModel, Gateway};
