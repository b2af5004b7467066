//! What TR-069 talks about, as values: parameter paths, typed values, the parameter tree, event and fault codes, and the
//! data-model catalogue.
//!
//! This crate knows the protocol and nothing of Lastmile. It reads no clock, opens no socket, draws no random number and
//! awaits nothing: time comes in as [`Timestamp`]. XML and messages are left to the codec, sessions to the session crate.
//!
//! Where to start: [`ParameterPath`] names a thing, [`Value`] is what it holds, [`ParameterTree`] holds the model of one
//! device, [`Catalogue`] tells what the published data models say of a name.

mod catalogue;
mod datetime;
mod events;
mod faults;
mod identity;
mod list;
mod path;
mod timestamp;
mod tree;
mod value;

pub use catalogue::{
    Access, Catalogue, DefaultKind, DefaultValue, DeviceIssue, Entry, EntryKind, EnumValue, ItemType, NumberRange,
    Ranges, Root, Severity, Status, ValueRemark, is_secret_name,
};
pub use datetime::{CwmpDateTime, DateTimeError};
pub use events::{Delivery, Event, EventCode, EventFacts, Undelivered};
pub use faults::{FaultAdvice, FaultFacts, FaultSide, SoapFaultCode};
pub use identity::DeviceIdentity;
pub use list::{join_list, split_list, split_nested_list};
pub use path::{ParameterPath, PathError};
pub use timestamp::Timestamp;
pub use tree::{NamesError, Object, Parameter, ParameterTree, TreeError};
pub use value::{ParameterValue, Value, ValueError, ValueType, is_xml_char};
