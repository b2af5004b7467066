use bytes::Bytes;
use cwmp_codec::{EncodeError, encode_must_understand_fault, encode_with};
use cwmp_session::acs::{Reply, ReplyBody};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::models::ModelRule;

/// What every exchange ends in. The length of the body is known, so it goes out with Content-Length (CWMP-015).
pub(crate) type HttpResponse = Response<Full<Bytes>>;

const TEXT_XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A response without a body.
pub(crate) fn bare(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A response without a body, after which the connection closes.
pub(crate) fn closing(status: StatusCode) -> HttpResponse {
    let mut response = bare(status);
    close(&mut response);
    response
}

/// 405 (CWMP-034).
pub(crate) fn method_not_allowed() -> HttpResponse {
    let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// 503: come again after so many seconds, on another connection.
pub(crate) fn unavailable(retry_after_seconds: u32) -> HttpResponse {
    let mut response = closing(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, retry_after_seconds.into());
    response
}

/// 401 with Content-Length 0 (CWMP-047, CWMP-064).
pub(crate) fn unauthorized(challenges: Vec<String>) -> HttpResponse {
    let mut response = bare(StatusCode::UNAUTHORIZED);
    for challenge in challenges {
        append(response.headers_mut(), WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Ends the connection after this response.
pub(crate) fn close(response: &mut HttpResponse) {
    response.headers_mut().insert(CONNECTION, CLOSE);
}

/// Adds the session cookie.
pub(crate) fn set_cookie(response: &mut HttpResponse, cookie: String) {
    append(response.headers_mut(), SET_COOKIE, cookie);
}

/// What the state machine replies, written as the device's model needs it, and the length of its body.
pub(crate) fn from_reply(
    reply: &Reply,
    rule: Option<&ModelRule>,
    retry_after_seconds: u32,
) -> Result<(HttpResponse, u64), EncodeError> {
    let status = match StatusCode::from_u16(reply.status) {
        Ok(StatusCode::NO_CONTENT) if rule.is_some_and(|rule| rule.empty_as_200) => StatusCode::OK,
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = match &reply.body {
        ReplyBody::Empty => Vec::new(),
        ReplyBody::Envelope(envelope) => encode_with(envelope, &rule.map(|rule| rule.encode).unwrap_or_default())?,
        ReplyBody::MustUnderstandFault(to) => encode_must_understand_fault(to.id.as_deref(), to.namespace),
    };
    let bytes = body.len() as u64;
    let mut response = bare(status);
    if !body.is_empty() {
        *response.body_mut() = Full::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, TEXT_XML);
    }
    if reply.retry_after.is_some() {
        response.headers_mut().insert(RETRY_AFTER, retry_after_seconds.into());
    }
    if reply.close {
        close(&mut response);
    }
    Ok((response, bytes))
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Realm and cookie are made of characters that a header can carry; a realm that is not is left to its configuration.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.append(name, value);
    }
}
