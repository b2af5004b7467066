//! Simulated CPEs.

mod model;

pub use model::{DataModel, Gateway};
