use std::sync::Arc;

use cwmp_codec::{CpeRequest, DecodeError, Decoded, Limits, Message, Remark};
use cwmp_model::Timestamp;
use cwmp_session::acs::{PostBody, ReadFailure};
use cwmp_session::auth::RequestTarget;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;

use crate::connection::Connection;
use crate::cookie::CookieFacts;
use crate::ladder::message_name;

/// One POST, read and decoded: all that the session side needs of it.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) connection: Arc<Connection>,
    /// When its header was here.
    pub(crate) at: Timestamp,
    pub(crate) cookie: Option<CookieFacts>,
    pub(crate) parts: Parts,
    /// Bytes of the body as they came.
    pub(crate) bytes: u64,
    pub(crate) content: Content,
}

/// What it carried.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) body: PostBody,
    /// Its name in the ladder.
    pub(crate) name: String,
    pub(crate) remarks: Vec<Remark>,
    /// Why it cannot be read.
    pub(crate) problem: Option<&'static str>,
}

impl Post {
    /// The `Authorization` header; one that is no text is as good as none.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.parts.headers.get(AUTHORIZATION)?.to_str().ok()
    }

    /// For comparing with the `uri` of a Digest answer (CWMP-053).
    pub(crate) fn target(&self) -> RequestTarget<'_> {
        let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
        RequestTarget { target, host: self.parts.headers.get(HOST).and_then(|host| host.to_str().ok()) }
    }

    /// Whether it opens a session (CWMP-111).
    pub(crate) fn inform(&self) -> Option<&cwmp_codec::Inform> {
        match &self.content.body {
            PostBody::Envelope(envelope) => match &envelope.message {
                Message::CpeRequest(CpeRequest::Inform(inform)) => Some(inform),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Content {
    /// Reads a body. Slow for large ones.
    pub(crate) fn read(body: &[u8], charset: Option<&str>, limits: &Limits) -> Self {
        if cwmp_codec::is_blank(body) {
            return Self { body: PostBody::Empty, name: "empty".to_owned(), remarks: Vec::new(), problem: None };
        }
        match cwmp_codec::decode(body, charset, limits) {
            Ok(Decoded { envelope, remarks }) => {
                let name = message_name(&envelope.message);
                Self { body: PostBody::Envelope(Box::new(envelope)), name, remarks, problem: None }
            }
            Err(error) => {
                tracing::debug!(%error, "a POST cannot be read");
                Self::unreadable(problem(&error), error.into())
            }
        }
    }

    pub(crate) fn unreadable(problem: &'static str, failure: ReadFailure) -> Self {
        let name = format!("unreadable ({problem})");
        Self { body: PostBody::Unreadable(failure), name, remarks: Vec::new(), problem: Some(problem) }
    }
}

/// What is wrong with a body, for metrics and the ladder.
const fn problem(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated { .. } => "truncated",
        DecodeError::Malformed { .. } => "malformed",
        DecodeError::Forbidden { .. } => "forbidden_xml",
        DecodeError::NotAnEnvelope { .. } => "not_an_envelope",
        DecodeError::Soap12 => "soap_1_2",
        DecodeError::InvalidCharacter { .. } => "invalid_character",
        DecodeError::TooLarge { .. } => "message_too_large",
        DecodeError::MustUnderstand { .. } => "must_understand",
        DecodeError::InvalidArguments { .. } => "invalid_arguments",
    }
}
