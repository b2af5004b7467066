//! What to do next on a device: open tasks, the last answers and what is known of the device go in; the next requests,
//! the tasks as they are now, and what was learned come out.
//!
//! Pure: no I/O, no clock, no randomness, nothing awaited. Time and the salt of message ids are arguments. Reading and
//! writing records, timers, wake-ups and events are the provisioning service's work.
//!
//! Invariants:
//! - A task changes only by the transitions in [`life`], and those are the graph of `design.md` §5.5. What may not repeat
//!   by itself leaves `unknown` only by evidence, a person or time, never back into the queue by itself (P3).
//! - A segment has any number of reads and at most one request that changes the device, which is its last (P2, P6).
//! - Nothing follows a Reboot or a FactoryReset in a session (CWMP-139).
//! - A plan may be lost at any moment: it is rebuilt from the tasks, and discovery repeats.
//!
//! Where to start: [`SessionPlan::step`]. What an Inform or a TransferComplete proves: [`evidence`].

pub mod evidence;
mod inform;
pub mod life;
mod limits;
mod news;
mod reader;
mod session_plan;
mod size;
mod typing;
mod view;

pub use inform::InformFacts;
pub use life::{LifeError, Settings, deadline_of};
pub use limits::{
    FAULTS_PER_TASK_MAX, FRAGILE_OBJECTS_MAX, NAMES_HELD_MAX, NAMES_PER_TASK_MAX, SEGMENT_READS_MAX,
    TASK_READS_PER_SESSION, VALUES_PER_REQUEST,
};
pub use news::{Listing, ReadObject, SummaryNews, TreeNews, gone};
pub use session_plan::{
    CallAnswer, CallOutcome, NoAnswer, Planned, PlannedCall, SessionPlan, StepInput, TaskChange, Then, is_runnable,
};
pub use typing::{Known, ValueProblem, check_value, is_command, type_value};
pub use view::{SignedFile, View, Wants, wants};
