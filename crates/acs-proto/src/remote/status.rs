//! Errors as gRPC statuses and back: the class is the code, the rest stands in `details`.

use std::error::Error as _;

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use super::limits::{ERROR_DETAIL_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, ERROR_TEXT_BYTES_MAX};
use crate::records::{RecordError, Unsealed, Wire};
use crate::{ErrorClass, ServiceError, v1};

/// An error of a service as it goes out.
pub(super) fn to_status(error: &ServiceError) -> Status {
    let detail = detail(error);
    let message = cut(&detail.text, ERROR_MESSAGE_BYTES_MAX).to_owned();
    Status::with_details(code_of(error.class), message, Bytes::from(detail.encode_to_vec()))
}

/// A status as it came in: from a service of Lastmile, or from gRPC itself and what lies between.
pub(super) fn from_status(status: &Status) -> ServiceError {
    let (class, default_code) = match status.code() {
        // Only what did not come from the other end has a source: the connection broke.
        Code::Unknown | Code::Internal if status.source().is_some() => class_of(Code::Unavailable),
        code => class_of(code),
    };
    match v1::ErrorDetail::decode(status.details()) {
        Ok(detail) if !detail.code.is_empty() => ServiceError {
            class,
            code: detail.code,
            text: detail.text,
            fields: detail.fields.into_iter().map(|problem| (problem.field, problem.problem)).collect(),
        },
        _ => ServiceError::new(class, default_code, format!("the service did not answer as asked: {}", cause(status))),
    }
}

/// Whether the call certainly did not leave this process: no connection could be made, or the one there was took no more.
pub(super) fn never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        let closed = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if closed || error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// No call can be made to a process.
pub(super) fn unreachable(service: &str, peer: &str, status: &Status) -> ServiceError {
    let why = cause(status);
    ServiceError::new(ErrorClass::Unavailable, "unavailable", format!("{service} at {peer} cannot be reached: {why}"))
}

/// What is at the bottom of it.
fn cause(status: &Status) -> String {
    let mut why = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        why = error.to_string();
        source = error.source();
    }
    why
}

/// The request in a message.
pub(super) fn request<T: Wire>(message: T::Message) -> Result<T, Status> {
    T::from_wire(message, &Unsealed).map_err(|error| malformed_request(&error))
}

/// A request that is no message of this version.
pub(super) fn malformed_request(error: &RecordError) -> Status {
    to_status(&ServiceError::new(
        ErrorClass::Invalid,
        "malformed_message",
        format!("the request is malformed: {error}"),
    ))
}

/// A reply that is no message of this version.
pub(super) fn malformed_reply(error: &RecordError) -> ServiceError {
    ServiceError::new(ErrorClass::Internal, "malformed_message", format!("the service's reply is malformed: {error}"))
}

const fn code_of(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Invalid => Code::InvalidArgument,
        ErrorClass::NotFound => Code::NotFound,
        ErrorClass::Conflict => Code::FailedPrecondition,
        ErrorClass::Denied => Code::PermissionDenied,
        ErrorClass::Exhausted => Code::ResourceExhausted,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Superseded => Code::Aborted,
        ErrorClass::Internal => Code::Internal,
    }
}

/// The class, and the error's code where a status comes without one.
const fn class_of(code: Code) -> (ErrorClass, &'static str) {
    match code {
        Code::InvalidArgument => (ErrorClass::Invalid, "invalid_argument"),
        Code::OutOfRange => (ErrorClass::Invalid, "message_too_large"),
        Code::NotFound => (ErrorClass::NotFound, "not_found"),
        Code::FailedPrecondition => (ErrorClass::Conflict, "failed_precondition"),
        Code::AlreadyExists => (ErrorClass::Conflict, "already_exists"),
        Code::PermissionDenied => (ErrorClass::Denied, "permission_denied"),
        Code::Unauthenticated => (ErrorClass::Denied, "unauthenticated"),
        Code::ResourceExhausted => (ErrorClass::Exhausted, "resource_exhausted"),
        Code::Unavailable => (ErrorClass::Unavailable, "unavailable"),
        Code::DeadlineExceeded | Code::Cancelled => (ErrorClass::Unavailable, "deadline_exceeded"),
        Code::Aborted => (ErrorClass::Superseded, "aborted"),
        Code::Unimplemented => (ErrorClass::Internal, "unimplemented"),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => (ErrorClass::Internal, "internal"),
    }
}

/// The details, within their limits.
fn detail(error: &ServiceError) -> v1::ErrorDetail {
    let text = cut(&error.text, ERROR_TEXT_BYTES_MAX).to_owned();
    let mut detail =
        v1::ErrorDetail { code: cut(&error.code, ERROR_MESSAGE_BYTES_MAX).to_owned(), text, fields: vec![] };
    for (field, problem) in &error.fields {
        detail.fields.push(v1::FieldProblem { field: field.clone(), problem: problem.clone() });
        if detail.encoded_len() > ERROR_DETAIL_BYTES_MAX {
            detail.fields.pop();
            break;
        }
    }
    detail
}

/// At most `bytes` of the front of `text`, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [ErrorClass; 8] = [
        ErrorClass::Invalid,
        ErrorClass::NotFound,
        ErrorClass::Conflict,
        ErrorClass::Denied,
        ErrorClass::Exhausted,
        ErrorClass::Unavailable,
        ErrorClass::Superseded,
        ErrorClass::Internal,
    ];

    #[test]
    fn every_class_comes_back_with_code_text_and_fields() {
        for class in CLASSES {
            let error = ServiceError {
                class,
                code: "idempotency_key_reused".into(),
                text: "the key `k` was used with another body; take a new one".into(),
                fields: vec![("key".into(), "used".into()), ("body".into(), "differs".into())],
            };
            assert_eq!(from_status(&to_status(&error)), error);
        }
    }

    #[test]
    fn the_text_of_an_error_is_cut_at_its_limit() {
        let error = |chars: usize| ServiceError::new(ErrorClass::Internal, "x", "\u{e9}".repeat(chars));
        let longest = error(ERROR_TEXT_BYTES_MAX / 2);
        assert_eq!(from_status(&to_status(&longest)), longest);
        assert_eq!(from_status(&to_status(&error(ERROR_TEXT_BYTES_MAX / 2 + 1))), longest);
        assert!(to_status(&longest).message().len() <= ERROR_MESSAGE_BYTES_MAX);
    }

    #[test]
    fn field_problems_beyond_the_limit_are_left_out() {
        let mut error = ServiceError::new(ErrorClass::Invalid, "invalid_request", "many fields are wrong");
        error.fields = (0..1000).map(|n| (format!("values[{n}]"), "unknown type".to_owned())).collect();
        let status = to_status(&error);
        assert!(status.details().len() <= ERROR_DETAIL_BYTES_MAX);
        let kept = from_status(&status).fields;
        assert!(kept.len() > 100 && error.fields.starts_with(&kept), "{}", kept.len());
    }

    #[test]
    fn a_status_of_grpc_itself_has_a_class_and_a_code() {
        let error = from_status(&Status::unavailable("connection refused"));
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "unavailable"));
        assert!(error.text.contains("connection refused"));
        let damaged = Status::with_details(Code::NotFound, "gone", Bytes::from_static(&[0xff, 1, 2]));
        assert_eq!(from_status(&damaged).code, "not_found");
        for code in (0..17).map(Code::from) {
            let error = from_status(&Status::new(code, ""));
            assert!(!error.code.is_empty(), "{code:?}");
        }
    }
}
