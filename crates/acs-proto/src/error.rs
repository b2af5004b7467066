/// What a service says when it cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ServiceError {
    /// Which kind; decides gRPC status, HTTP status and CWMP fault at the edges.
    pub class: ErrorClass,
    /// A stable name for programs, for example `idempotency_key_reused`.
    pub code: String,
    /// What happened, to whom, what to do next.
    pub text: String,
    /// What is wrong with single fields of the request: (field, problem).
    pub fields: Vec<(String, String)>,
}

impl ServiceError {
    /// An error of `class` without field problems.
    pub fn new(class: ErrorClass, code: &str, text: impl Into<String>) -> Self {
        Self { class, code: code.to_owned(), text: text.into(), fields: Vec::new() }
    }
}

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong and will stay so. HTTP 400 or 422, gRPC INVALID_ARGUMENT.
    Invalid,
    /// There is no such thing. HTTP 404, gRPC NOT_FOUND.
    NotFound,
    /// The thing is in a state that does not allow it. HTTP 409, gRPC FAILED_PRECONDITION.
    Conflict,
    /// The caller may not do this. HTTP 403, gRPC PERMISSION_DENIED.
    Denied,
    /// A limit is reached; later it may work. HTTP 429, gRPC RESOURCE_EXHAUSTED.
    Exhausted,
    /// Something behind does not answer; the same call may be repeated. HTTP 503, gRPC UNAVAILABLE.
    Unavailable,
    /// The session that asks is not the device's holder any more. gRPC ABORTED.
    Superseded,
    /// A bug or damaged data of ours. HTTP 500, gRPC INTERNAL.
    Internal,
}
