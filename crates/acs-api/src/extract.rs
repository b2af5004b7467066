//! Extractors whose refusals are problem documents.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use acs_types::IdError;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use http::header;
use http::request::Parts;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::problem::{FieldProblem, Problem};
use crate::state::Api;

/// A JSON body of at most [`crate::Limits::body_bytes`], and the SHA-256 of its bytes.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    pub(crate) sha256: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<Api> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts) {
            return Err(Problem::unsupported_media_type("send JSON with `Content-Type: application/json`"));
        }
        let bytes = read(body, api.config.limits.body_bytes).await?;
        let value = parse(&bytes).map_err(|error| json_problem(&error))?;
        Ok(Self { value, sha256: Sha256::digest(&bytes).into() })
    }
}

/// What is no JSON at all is told before what is not asked for.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<IgnoredAny>(bytes)?;
    serde_json::from_slice::<ObjectOnly<T>>(bytes).map(|object| object.0)
}

/// A `T` written as a JSON object. The derive takes an array of its fields as well, which is not what is documented.
#[derive(Debug)]
pub(crate) struct ObjectOnly<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectOnly<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

fn is_json(parts: &Parts) -> bool {
    let Some(value) = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

async fn read(body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        if is_over_limit(&error) {
            Problem::too_large(limit as u64)
        } else {
            Problem::malformed_json("the body did not come whole")
        }
    })
}

/// `axum` says that a limit was reached by an error somewhere in the chain of causes.
fn is_over_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string() == "length limit exceeded" {
            return true;
        }
        cause = error.source();
    }
    false
}

fn json_problem(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.is_data() {
        return Problem::invalid_body(vec![FieldProblem::new("", format!("{} at {place}", without_values(error)))]);
    }
    Problem::malformed_json(format!("the body is not JSON: it breaks off or is wrong at {place}"))
}

/// The message without what was sent, which may be a secret in a wrong place (P26).
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match text.rsplit_once(", expected ") {
        Some((head, expected)) if head.starts_with("unknown field") => {
            format!("a field is not known here, expected {expected}")
        }
        Some((_, expected)) => format!("a value is not what it must be, expected {expected}"),
        None if text.starts_with("missing field") || text.starts_with("duplicate field") => text.to_owned(),
        None => "a value is not what it must be".to_owned(),
    }
}

/// Query parameters.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(match text.split_once(": ") {
                    Some((field, detail)) => Problem::bad_parameter(field, detail),
                    None => Problem::bad_parameter("", text),
                })
            }
        }
    }
}

/// The one id in the path.
pub(crate) struct PathId<A>(pub(crate) A);

impl<A, S> FromRequestParts<S> for PathId<A>
where
    A: FromStr<Err = IdError>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = path_params(parts, state).await?;
        Ok(Self(id_at(&params, 0)?))
    }
}

/// The two ids in the path.
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<A, B, S> FromRequestParts<S> for PathIds<A, B>
where
    A: FromStr<Err = IdError>,
    B: FromStr<Err = IdError>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = path_params(parts, state).await?;
        Ok(Self(id_at(&params, 0)?, id_at(&params, 1)?))
    }
}

async fn path_params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<(String, String)>, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Problem::bad_parameter("path", "it is not valid UTF-8"))?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn id_at<T: FromStr<Err = IdError>>(params: &[(String, String)], place: usize) -> Result<T, Problem> {
    let (name, text) = params.get(place).ok_or_else(|| Problem::internal(&"a route has no such path parameter"))?;
    text.parse().map_err(|error: IdError| {
        let hint = if name == "device" { "; write `%` in a device id as %25 in URLs" } else { "" };
        Problem::bad_parameter(name, format!("{error}{hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        number: u32,
    }

    fn message(json: &str) -> String {
        without_values(&serde_json::from_str::<Sample>(json).unwrap_err())
    }

    #[test]
    fn only_objects_are_taken() {
        assert!(parse::<Sample>(br#"{"number": 1}"#).is_ok());
        let error = parse::<Sample>(b"[1]").unwrap_err();
        assert_eq!(without_values(&error), "a value is not what it must be, expected an object");
    }

    #[test]
    fn json_errors_never_repeat_what_was_sent() {
        // P26: the canary stands where a value or a name should be.
        for json in [
            r#"{"number": "canary"}"#,
            r#"{"canary": 1}"#,
            r#""canary""#,
            r#"{"number": 1, "canary": 2}"#,
            r#"{"number": "canary, expected canary at line 9"}"#,
        ] {
            let error = message(json);
            assert!(!error.contains("canary, expected c") && !error.contains("\"canary\""), "{error}");
        }
        assert_eq!(message(r#"{"number": "canary"}"#), "a value is not what it must be, expected u32");
        assert_eq!(message(r#"{"x": 1}"#), "a field is not known here, expected `number`");
        assert_eq!(message("{}"), "missing field `number`");
    }
}
