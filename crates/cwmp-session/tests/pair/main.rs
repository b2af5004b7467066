//! Both sides of a session against each other, in virtual time: `driver` is the wire between them, the other modules hold
//! the cases. Names and texts of the tests say which requirement they hold.

mod acs_rules;
mod by_hand;
mod cpe_rules;
mod driver;
mod properties;
mod sessions;
mod snapshots;
