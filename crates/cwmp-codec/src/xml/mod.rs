//! XML as CWMP uses it: a pull reader by namespace and a strict writer. Nothing here knows a method.

mod name;
mod reader;
mod writer;

pub(crate) use name::Namespace;
pub(crate) use reader::{Element, Reader};
pub(crate) use writer::Writer;
