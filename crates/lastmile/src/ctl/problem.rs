//! What a server's refusal means for the caller: problem documents (RFC 9457) as text and as exit code.

use reqwest::StatusCode;
use serde::Deserialize;

use super::exit::Failure;
use super::output::printable;

#[derive(Deserialize)]
struct ProblemDocument {
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

#[derive(Deserialize)]
struct FieldError {
    field: String,
    detail: String,
}

/// The failure that an answer with this status and body stands for.
pub(super) fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let text = match serde_json::from_slice::<ProblemDocument>(body) {
        Ok(problem) => text(&problem),
        Err(_) => format!("the server answered {status}, not as this API does; is the address right?"),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused(text),
        StatusCode::NOT_FOUND => Failure::NotFound(text),
        status if status.is_server_error() => Failure::Server(text),
        _ => Failure::NotDone(text),
    }
}

/// `title: detail` (after a question mark without the colon), then what is wrong with single fields, one a line, unless the detail said it already.
fn text(problem: &ProblemDocument) -> String {
    let mut text = printable(&problem.title);
    if !problem.detail.is_empty() {
        text.push_str(if text.ends_with(['?', '!', '.']) { " " } else { ": " });
        text.push_str(&printable(&problem.detail));
    }
    for FieldError { field, detail } in &problem.errors {
        let line = if field.is_empty() { detail.clone() } else { format!("{field}: {detail}") };
        if line != problem.detail {
            text.push_str("\n  ");
            text.push_str(&printable(&line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_one_a_line() {
        // P22
        let body = br#"{"type": "/problems/invalid_body", "title": "The request body is not valid", "status": 422,
            "code": "invalid_body", "detail": "2 fields are wrong; see errors", "errors": [
            {"field": "values[0].path", "detail": "`A..b` has an empty segment"},
            {"field": "values[1].value", "detail": "it is no value of that type"}]}"#;
        let failure = failure(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(
            failure.to_string(),
            "The request body is not valid: 2 fields are wrong; see errors\n  \
             values[0].path: `A..b` has an empty segment\n  values[1].value: it is no value of that type"
        );
        assert_eq!(failure.code(), 1);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let body = br#"{"title": "A parameter is not valid", "detail": "limit: it must be 1 to 1000",
            "errors": [{"field": "limit", "detail": "it must be 1 to 1000"}]}"#;
        let text = failure(StatusCode::BAD_REQUEST, body).to_string();
        assert_eq!(text, "A parameter is not valid: limit: it must be 1 to 1000");
    }

    #[test]
    fn the_status_decides_the_exit_code() {
        for (status, code) in [(400, 1), (401, 4), (403, 4), (404, 3), (409, 1), (410, 1), (429, 1), (500, 5), (503, 5)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(failure(status, br#"{"title": "t"}"#).code(), code, "{status}");
        }
    }

    #[test]
    fn another_server_is_told_from_ours() {
        let text = failure(StatusCode::BAD_GATEWAY, b"<html>").to_string();
        assert!(text.contains("502 Bad Gateway") && text.contains("address"), "{text}");
        let text = failure(StatusCode::NOT_FOUND, b"{\"title\": \"a\\u001b[2Jb\"}").to_string();
        assert!(!text.contains('\u{1b}'), "no control characters reach the terminal: {text:?}");
    }
}
