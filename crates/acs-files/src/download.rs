use std::io::SeekFrom;
use std::time::Duration;

use acs_types::FileRecord;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::AsyncSeekExt;

use crate::grant::{Grant, Refusal};
use crate::metrics::Outcome;
use crate::range::{self, Validators, Wanted};
use crate::service::{Inner, LocalFileServer};
use crate::transfer::Transfer;
use crate::{clock, public_url};

impl LocalFileServer {
    /// `GET` and `HEAD` of signed URLs: `/f/{token}` and `/f/{token}/{name}`; the name is for the device's eyes only. No
    /// other route is without authentication, and these have the token.
    pub fn router(&self) -> Router {
        let token = format!("{}{{token}}", public_url::ROUTE);
        Router::new()
            .route(&token, get(by_token))
            .route(&format!("{token}/{{name}}"), get(by_token_and_name))
            .with_state(self.clone())
    }
}

async fn by_token(
    State(server): State<LocalFileServer>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    server.inner.answer(&token, &method, &headers).await
}

async fn by_token_and_name(
    State(server): State<LocalFileServer>,
    Path((token, _name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    server.inner.answer(&token, &method, &headers).await
}

/// An answer without bytes of a file.
struct Refused {
    outcome: Outcome,
    status: StatusCode,
    headers: Vec<(http::HeaderName, HeaderValue)>,
}

impl Refused {
    fn new(outcome: Outcome, status: StatusCode) -> Self {
        Self { outcome, status, headers: Vec::new() }
    }
}

impl Inner {
    async fn answer(&self, token: &str, method: &Method, headers: &HeaderMap) -> Response {
        match self.try_answer(token, method, headers).await {
            Ok(response) => response,
            Err(refused) => {
                self.metrics.count(refused.outcome);
                tracing::debug!(outcome = ?refused.outcome, "download refused");
                let mut response = refused.status.into_response();
                response.headers_mut().extend(refused.headers);
                response
            }
        }
    }

    async fn try_answer(&self, token: &str, method: &Method, headers: &HeaderMap) -> Result<Response, Refused> {
        let grant = Grant::open(&self.keys, token, clock::now()).map_err(|refusal| match refusal {
            // As if there were nothing, so that guessing tells nothing.
            Refusal::Forged => Refused::new(Outcome::Forged, StatusCode::NOT_FOUND),
            Refusal::Expired => Refused::new(Outcome::Expired, StatusCode::FORBIDDEN),
        })?;
        let record = match self.store.file(&grant.file).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(Refused::new(Outcome::Gone, StatusCode::NOT_FOUND)),
            Err(error) => {
                tracing::warn!(file = %grant.file, %error, "a download fails, because the store does");
                return Err(self.later(Outcome::Failed));
            }
        };
        self.send(&record, grant, method, headers).await
    }

    async fn send(
        &self,
        record: &FileRecord,
        grant: Grant,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Refused> {
        let validators = Validators {
            etag: format!("\"{}\"", HEXLOWER.encode(&record.sha256)),
            last_modified: clock::http_time(record.created_at),
        };
        let mut response = Response::new(Body::empty());
        describe(response.headers_mut(), &validators);
        if validators.are_known(headers) {
            self.metrics.count(Outcome::NoBody);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let wanted =
            if method == Method::GET { range::wanted(headers, record.size, &validators) } else { Wanted::Whole };
        let (bytes, part) = match wanted {
            Wanted::Whole => (0..record.size, false),
            Wanted::Part(bytes) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let text = format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), record.size);
                response.headers_mut().extend(value(&text).map(|v| (CONTENT_RANGE, v)));
                (bytes, true)
            }
            Wanted::Unsatisfiable => {
                let mut refused = Refused::new(Outcome::Unsatisfiable, StatusCode::RANGE_NOT_SATISFIABLE);
                refused.headers.extend(value(&format!("bytes */{}", record.size)).map(|v| (CONTENT_RANGE, v)));
                return Err(refused);
            }
        };
        let length = bytes.end - bytes.start;
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if method == Method::HEAD {
            self.metrics.count(Outcome::NoBody);
            return Ok(response);
        }
        let slot = self.budget.begin(&grant.subject).ok_or_else(|| self.later(Outcome::Busy))?;
        let file = self.open_at(record, bytes.start).await?;
        *response.body_mut() = Body::from_stream(Transfer::new(file, length, part, grant, slot, self.metrics.clone()));
        Ok(response)
    }

    async fn open_at(&self, record: &FileRecord, start: u64) -> Result<tokio::fs::File, Refused> {
        let failed = |error: std::io::Error| {
            tracing::error!(file = %record.id, %error, "the bytes of a file cannot be read");
            Refused::new(Outcome::Failed, StatusCode::INTERNAL_SERVER_ERROR)
        };
        let (mut file, size) = self.folder.read(&record.id).await.map_err(failed)?;
        if size != record.size {
            return Err(failed(std::io::Error::other(format!("it has {size} bytes and not {}", record.size))));
        }
        file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
        Ok(file)
    }

    /// 503 with a random Retry-After, so that those who were refused together do not come back together.
    fn later(&self, outcome: Outcome) -> Refused {
        let mut refused = Refused::new(outcome, StatusCode::SERVICE_UNAVAILABLE);
        let wait: Duration = self.config.retry_after.mul_f64(0.5 + rand::random::<f64>());
        refused.headers.push((RETRY_AFTER, wait.as_secs().max(1).into()));
        refused
    }
}

fn describe(headers: &mut HeaderMap, validators: &Validators) {
    headers.extend(value(&validators.etag).map(|v| (ETAG, v)));
    headers.extend(value(&httpdate::fmt_http_date(validators.last_modified)).map(|v| (LAST_MODIFIED, v)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // The URL is one device's.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
