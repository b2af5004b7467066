//! One file per role.

pub(crate) mod dev;
