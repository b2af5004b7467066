//! The records that two components of Lastmile share: ids, device, task, session, fault, event, file, timer, access.
//!
//! Plain values without I/O, clock or randomness: time comes as [`cwmp_model::Timestamp`], randomness as bytes. What one
//! crate alone uses stays in that crate. The byte form of these records (gRPC, stored form and event payload are the same
//! messages) is `acs-proto`'s work.
//!
//! Invariants:
//! - Names that others rely on for ever stand in one file each: task states in [`task`], event types and fields in
//!   [`event`], outcomes of sessions in [`session`]. `tests/names.rs` holds each against an old sample.
//! - An id is built here and nowhere else, so equal inputs give equal ids on every node.
//! - `Debug` of a record never shows a secret: secrets are [`Secret`].

mod access;
mod attempt;
mod device;
mod event;
mod fault;
mod file;
mod id;
mod model;
mod page;
mod secret;
mod session;
mod task;
mod timer;

pub use access::{ApiToken, AuditRecord, AuthLevel, CpeCredential, CpeVerifier, Scope};
pub use attempt::{Attempt, AttemptOutcome, AttemptReason};
pub use device::{
    DeviceSummary, Holder, ObjectRecord, ParameterRecord, Partition, Presence, RefusedInform, RefusedReason,
    SummaryPatch,
};
pub use event::{
    ControlTotals, DeviceChange, EventBody, EventRecord, EventType, InformEvent, InformRecord, Position,
    TaskTransition, TransferRecord,
};
pub use fault::{FaultRecord, ParameterFaultRecord, TaskFault};
pub use file::{FileRecord, FileType};
pub use id::{
    AttemptId, DeviceId, EmitterId, EventId, FileId, IdError, SessionId, SessionStamp, TaskId, Tenant, TokenId,
};
pub use model::{ModelKey, ModelNotes};
pub use page::{Page, PageRequest};
pub use secret::Secret;
pub use session::{Exchange, HandedSession, SessionOutcome, SessionPhase, SessionRecord, SessionRef};
pub use task::{
    Applied, DownloadSource, DownloadSpec, Evidence, Obligation, Origin, SetValue, Task, TaskKind, TaskResult,
    TaskSpec, TaskState, TransferResult, Wanted,
};
pub use timer::{Timer, TimerKind};
