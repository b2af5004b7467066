//! A scripted CPE, a scripted provisioning, and a front-end between them.

mod cpe;
mod messages;
mod provisioning;
mod world;

pub(crate) use cpe::{Cpe, Sent};
pub(crate) use messages::*;

pub(crate) use world::World;
