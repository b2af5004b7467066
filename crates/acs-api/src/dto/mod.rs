//! What goes over the wire as JSON, and its conversions from the domain's records, which derive no serde.
//!
//! Names and meanings of fields are for ever; fields are added, never changed. No conversion here lets a secret through
//! (P26).

mod audit;
mod catalogue;
mod device;
mod event;
mod fault;
mod file;
mod health;
mod new_task;
mod parameter;
mod session;
mod task;
mod time;
mod token;
mod value;

pub(crate) use audit::AuditRecordDto;
pub(crate) use catalogue::{CatalogueNameDto, CompletionDto};
pub(crate) use device::{DeviceDetailDto, DeviceDto, DevicePatchDto, RefusedInformDto, WakeDto};
pub(crate) use event::EventDto;
pub use event::event_document;
pub(crate) use fault::{FaultDto, TaskFaultDto};
pub(crate) use file::FileDto;
pub(crate) use health::{HealthDto, VersionDto};
pub(crate) use new_task::{AskedSpec, AskedTask, NewTaskDto};
pub(crate) use parameter::{NodeDto, ParameterDto};
pub(crate) use session::{SessionDetailDto, SessionDto};
pub(crate) use task::{CreatedTaskDto, TaskDto};
pub(crate) use time::{TimeDto, parse_time};
pub(crate) use token::{NewTokenDto, NewTokenReplyDto, TokenDto};
pub(crate) use value::{SetValueDto, ShownValueDto, ValueTypeDto, any_path, shown};
