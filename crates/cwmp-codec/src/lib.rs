//! CWMP messages to bytes and back: SOAP envelope, headers, methods, faults, for CWMP 1.0 to 1.4.
//!
//! Reading is lenient and says what it forgave ([`Remark`]); writing is strict and refuses what the standard does not
//! allow ([`EncodeError`]). No I/O, no clock, no randomness: HTTP, compression and sessions are left to others.
//!
//! What always holds:
//! - [`decode`] takes time and memory linear in the body, keeps to its [`Limits`] and never panics (CWMP-530);
//! - it goes by namespace, never by prefix (CWMP-067), and refuses DTDs, entities and processing instructions (CWMP-086);
//! - what [`encode`] writes is valid against the schema of its namespace, so far as that has the element (CWMP-220),
//!   and [`decode`] reads it back without a remark.
//!
//! Where to start: [`Envelope`] is a message, [`decode`] and [`encode`] are the ways in and out, [`negotiate`] finds the
//! version of a session. Each method has one file in `rpc`, with both directions of it.

mod arguments;
mod charset;
mod decode;
mod encode;
mod envelope;
mod error;
mod fault;
mod limits;
mod remark;
mod rpc;
#[cfg(test)]
mod test_envelope;
mod value;
mod version;
mod xml;

pub use decode::{Decoded, decode, decode_from_acs, decode_with, is_blank};
pub use encode::{BooleanForm, EncodeOptions, encode, encode_must_understand_fault, encode_with};
pub use envelope::{AcsResponse, Envelope, Header, Message};
pub use error::{AnswerTo, DecodeClass, DecodeError, EncodeError, Forbidden};
pub use fault::{Fault, ParameterFault};
pub use limits::{InvalidCharacters, Leniency, Limit, Limits};
pub use remark::Remark;
pub use rpc::{
    AcsRequest, AddObject, AddObjectResponse, CpeRequest, CpeResponse, DeleteObject, DeleteObjectResponse, Download,
    DownloadResponse, Event, GetParameterNames, GetParameterNamesResponse, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, InformResponse, ParameterInfo, SetParameterValues,
    SetParameterValuesResponse, TransferComplete,
};
pub use version::{CwmpNamespace, CwmpVersion, Negotiated, Unsupported, negotiate};
