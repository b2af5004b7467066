//! The one place that decides what a failure looks like to a caller: a problem document (RFC 9457) and its HTTP status.

use std::borrow::Cow;
use std::time::Duration;

use acs_events::Partition;
use acs_proto::{ErrorClass, ServiceError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// After how long a caller should come back when something behind does not answer.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);
/// After how long a caller should come back when a limit is reached.
const RETRY_LIMITED: Duration = Duration::from_secs(5);

/// A failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    code: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldProblem>,
    retry_after: Option<Duration>,
}

/// What went wrong, for programs (`code`) and people (`detail`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/problems/invalid_body", "title": "The request body is not valid", "status": 422, "code": "invalid_body",
    "detail": "1 field is wrong", "errors": [{"field": "paths[0]", "detail": "`Device..` has an empty segment"}],
}))]
pub(crate) struct ProblemDocument<'a> {
    /// A URI that names the kind of problem and stays the same for ever: `/problems/` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A stable name for programs.
    code: &'a str,
    /// What happened, to whom, what to do next.
    detail: &'a str,
    /// What is wrong with single fields; may be empty.
    errors: &'a [FieldProblem],
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// The field: a path into the body such as `values[2].path`, a parameter, or a header.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

impl FieldProblem {
    pub(crate) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, code: &'static str, detail: impl Into<String>) -> Self {
        let code = Cow::Borrowed(code);
        Self { status, title, code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body is no JSON.
    pub(crate) fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The request body is not JSON", "malformed_json", detail)
    }

    /// The body is JSON, but not what is asked for.
    pub(crate) fn invalid_body(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.field.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.field, one.detail),
            many => format!("{} fields are wrong; see errors", many.len()),
        };
        let title = "The request body is not valid";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, title, "invalid_body", detail) }
    }

    /// A parameter of path or query, or a header, is wrong.
    pub(crate) fn bad_parameter(field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let errors = vec![FieldProblem::new(field, detail.clone())];
        let title = "A parameter is not valid";
        let detail = if field.is_empty() { detail } else { format!("{field}: {detail}") };
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, title, "bad_parameter", detail) }
    }

    /// Nobody knows who is asking.
    pub(crate) fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Who are you?", "unauthenticated", detail)
    }

    /// The token may not do this.
    pub(crate) fn missing_scope(scope: &str) -> Self {
        let detail = format!("the token lacks the scope `{scope}`; use another one or have one made with it");
        Self::new(StatusCode::FORBIDDEN, "Not allowed", "missing_scope", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", "not_found", format!("there is no {what} `{id}`"))
    }

    /// There is no such token. Not repeated, for somebody may have sent its secret.
    pub(crate) fn no_such_token() -> Self {
        let detail = "there is no token with this id; the id is not the token itself but the part between `lm_` and the next `_`";
        Self::new(StatusCode::NOT_FOUND, "Not found", "not_found", detail)
    }

    /// There is no such route.
    pub(crate) fn no_such_route(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let detail = format!("`{path}` is no route of this server; /api/v1/openapi.json lists them");
        Self::new(StatusCode::NOT_FOUND, "Not found", "no_such_route", detail)
    }

    /// The route has no such method.
    pub(crate) fn method_not_allowed(method: &http::Method) -> Self {
        let detail = format!("this route does not take {method}; the Allow header lists what it takes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "method_not_allowed", detail)
    }

    /// The thing is in a state that does not allow it.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Not possible in this state", code, detail)
    }

    /// What was asked for is not kept any more.
    pub(crate) fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Not kept any more", code, detail)
    }

    /// The body is over the limit.
    pub(crate) fn too_large(limit: u64) -> Self {
        let detail = format!("the request body is over the limit of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large", "body_too_large", detail)
    }

    /// The body is of a kind that is not taken.
    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The media type is not taken", "unsupported_media_type", detail)
    }

    /// A limit of this server is reached.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        let title = "Too much at once";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title, "overloaded", detail).retry_after(RETRY_LIMITED)
    }

    /// It took too long.
    pub(crate) fn timeout(allowed: Duration) -> Self {
        let detail =
            format!("no answer within {} s; whether it took effect is not known, ask again", allowed.as_secs());
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "It took too long", "timeout", detail).retry_after(RETRY_UNAVAILABLE)
    }

    /// Something behind does not answer.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not available now", "unavailable", detail)
            .retry_after(RETRY_UNAVAILABLE)
    }

    /// A bug or damaged data of ours. `cause` goes to the log alone.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed by our fault");
        let detail = "the server could not do this by a fault of its own; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "A fault of the server", "internal", detail)
    }

    /// As [`Problem::from`] of a store's error, for calls with a place in a list.
    pub(crate) fn of_list(error: acs_store::Error) -> Self {
        match error {
            acs_store::Error::Invalid(detail) => Self::bad_parameter("after", detail),
            other => other.into(),
        }
    }
}

impl From<acs_store::Error> for Problem {
    fn from(error: acs_store::Error) -> Self {
        match error {
            acs_store::Error::Unavailable(_) => {
                tracing::warn!(%error, "the store does not answer");
                Self::unavailable("the store does not answer; try again")
            }
            acs_store::Error::NoSpace(_) => {
                tracing::warn!(%error, "the store has no room left");
                Self::unavailable("the store has no room left; it works again as soon as there is")
            }
            acs_store::Error::Corrupt(_) | acs_store::Error::Invalid(_) => Self::internal(&error),
        }
    }
}

impl From<acs_events::ReadError> for Problem {
    fn from(error: acs_events::ReadError) -> Self {
        match error {
            acs_events::ReadError::Gone { partition: Partition::WHOLE, start } => Self::gone(
                "events_gone",
                format!("events up to position {start} are not kept any more; read on with after={start}"),
            ),
            acs_events::ReadError::Gone { partition, start } => Self::gone(
                "events_gone",
                format!(
                    "events of {partition} up to position {start} are not kept any more; read on with after=0, the oldest"
                ),
            ),
            acs_events::ReadError::Unavailable(_) => {
                tracing::warn!(%error, "the event log does not answer");
                Self::unavailable("the event log does not answer; try again")
            }
            acs_events::ReadError::Corrupt(_) => Self::internal(&error),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let (status, title) = match error.class {
            ErrorClass::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "The request is not valid"),
            ErrorClass::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            ErrorClass::Conflict | ErrorClass::Superseded => (StatusCode::CONFLICT, "Not possible in this state"),
            ErrorClass::Denied => (StatusCode::FORBIDDEN, "Not allowed"),
            ErrorClass::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "A limit is reached"),
            ErrorClass::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available now"),
            ErrorClass::Internal => return Self::internal(&error),
        };
        let retry_after = match error.class {
            ErrorClass::Exhausted => Some(RETRY_LIMITED),
            ErrorClass::Unavailable => Some(RETRY_UNAVAILABLE),
            _ => None,
        };
        let errors = error.fields.into_iter().map(|(field, detail)| FieldProblem { field, detail }).collect();
        Self { status, title, code: Cow::Owned(error.code), detail: error.text, errors, retry_after }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            kind: format!("/problems/{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: &self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&document).expect("texts and numbers are always JSON");
        let mut response = (self.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_errors_keep_their_code_and_fields() {
        let mut error = ServiceError::new(ErrorClass::Invalid, "idempotency_key_reused", "the key has another body");
        error.fields.push(("Idempotency-Key".into(), "used before".into()));
        let problem = Problem::from(error);
        assert_eq!((problem.status(), &*problem.code), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
        assert_eq!(problem.errors, [FieldProblem::new("Idempotency-Key", "used before")]);
    }

    #[test]
    fn every_class_of_errors_has_a_status() {
        for (class, status) in [
            (ErrorClass::Invalid, 422),
            (ErrorClass::NotFound, 404),
            (ErrorClass::Conflict, 409),
            (ErrorClass::Superseded, 409),
            (ErrorClass::Denied, 403),
            (ErrorClass::Exhausted, 429),
            (ErrorClass::Unavailable, 503),
            (ErrorClass::Internal, 500),
        ] {
            let response = Problem::from(ServiceError::new(class, "some_code", "text")).into_response();
            assert_eq!(response.status().as_u16(), status, "{class:?}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
            let retry = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(retry, matches!(status, 429 | 503), "Retry-After of {status}");
        }
    }

    #[test]
    fn the_cause_of_our_own_faults_is_not_told() {
        let problem = Problem::from(acs_store::Error::Corrupt("row 17 of /var/secret".into()));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.detail.contains("secret"));
    }
}
