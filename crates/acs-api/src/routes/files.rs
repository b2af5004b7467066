use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acs_proto::{FileContent, NewFile};
use acs_types::{FileId, FileType, Tenant};
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use futures::StreamExt;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::PREFIX;
use super::path::FilePath;
use crate::access::Caller;
use crate::dto::FileDto;
use crate::extract::{PathId, QueryOf};
use crate::page::{PageOf, PageQuery};
use crate::problem::{FieldProblem, Problem};
use crate::state::Api;

/// Characters of a file's name and of its version.
const NAME_CHARS_MAX: usize = 128;
/// What a form sends: its envelope would end up in the file.
const FORMS: [&str; 2] = ["multipart/", "application/x-www-form-urlencoded"];

/// What the bytes are.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// The file's name, without `/` and control characters.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^/\u0000-\u001f\u007f-\u009f]+$",
        example = "router-2.1.bin"
    )]
    name: String,
    /// `firmware`, `web`, `config`, `tone`, `ringer`, `stored-firmware`, or the FileType of Download.
    #[param(
        max_length = 64,
        pattern = "^(firmware|web|config|tone|ringer|stored-firmware|[1-6]|1 Firmware Upgrade Image|2 Web Content|3 Vendor Configuration File|4 Tone File|5 Ringer File|6 Stored Firmware Image|X [ -~]+)$",
        example = "firmware"
    )]
    file_type: String,
    /// The version, as operators name it.
    #[serde(default)]
    #[param(max_length = 128, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "2.1")]
    version: String,
}

impl UploadQuery {
    fn checked(self, created_by: String) -> Result<NewFile, Problem> {
        let is_text = |text: &str| text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control);
        if self.name.is_empty() || self.name.contains('/') || !is_text(&self.name) {
            let why = format!("it must be 1 to {NAME_CHARS_MAX} characters without `/` and control characters");
            return Err(Problem::bad_parameter("name", why));
        }
        if !is_text(&self.version) {
            let why = format!("it must be at most {NAME_CHARS_MAX} characters without control characters");
            return Err(Problem::bad_parameter("version", why));
        }
        let Some(file_type) = FileType::parse(&self.file_type) else {
            let why = "it must be firmware, web, config, tone, ringer, stored-firmware, or a FileType of Download";
            return Err(Problem::bad_parameter("file_type", why));
        };
        Ok(NewFile { tenant: Tenant::default(), name: self.name, file_type, version: self.version, created_by })
    }
}

/// Lists files.
///
/// Newest first.
#[utoipa::path(
    get, path = "/files", tag = "files", params(PageQuery),
    responses((status = 200, description = "A page of files", body = PageOf<FileDto>)),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_files(
    State(api): State<Api>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<FileDto>>, Problem> {
    let files = api.deps.store.files(&query.page()?).await.map_err(Problem::of_list)?;
    Ok(Json(PageOf::of(files, FileDto::from)))
}

/// Uploads a file: the request body is its bytes.
///
/// The same bytes under the same name are the same file.
#[utoipa::path(
    post, path = "/files", tag = "files", params(UploadQuery),
    request_body(content = inline(String), content_type = "application/octet-stream", description = "The bytes"),
    responses(
        (status = 201, description = "The file is kept", body = FileDto, headers(("Location" = String))),
        (status = 422, description = "The file is not taken"),
    ),
    security(("bearer" = ["files"])),
)]
pub(crate) async fn upload_file(
    State(api): State<Api>,
    caller: Caller,
    QueryOf(query): QueryOf<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<FileDto>), Problem> {
    let file = query.checked(caller.principal.clone())?;
    check_media_type(&headers)?;
    if body.is_end_stream() {
        let why = "there are no bytes; send those of the file as the body";
        return Err(Problem::invalid_body(vec![FieldProblem::new("", why)]));
    }
    let limit = api.config.limits.file_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(Problem::too_large(limit));
    }
    let account = format!("{} as {} version {}", file.name, file.file_type.as_str(), file.version);
    api.audit(&caller, "file.create", "files".to_owned(), &account).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let content = bounded(body, limit, api.config.limits.stalled_time, Arc::clone(&is_over));
    match api.deps.files.store(file, content).await {
        Ok(record) => {
            let place = format!("{PREFIX}/files/{}", record.id);
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(record.into())))
        }
        Err(_) if is_over.load(Ordering::Relaxed) => Err(Problem::too_large(limit)),
        Err(error) => Err(error.into()),
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    if FORMS.iter().any(|form| media_type.starts_with(form)) {
        let why = "send the bytes themselves with `Content-Type: application/octet-stream`, not a form";
        return Err(Problem::unsupported_media_type(why));
    }
    Ok(())
}

/// The body's bytes up to a limit, after which they end in an error and `is_over` is set; as they do after a silence.
fn bounded(body: Body, limit: u64, silence: std::time::Duration, is_over: Arc<AtomicBool>) -> FileContent {
    let state = Some((body.into_data_stream(), 0u64));
    Box::pin(futures::stream::unfold(state, move |state| {
        let is_over = Arc::clone(&is_over);
        async move {
            let (mut chunks, before) = state?;
            let chunk = match tokio::time::timeout(silence, chunks.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Some((Err(io::Error::other(error)), None)),
                Err(_) => return Some((Err(io::ErrorKind::TimedOut.into()), None)),
            };
            let bytes = before + chunk.len() as u64;
            if bytes > limit {
                is_over.store(true, Ordering::Relaxed);
                return Some((Err(io::ErrorKind::FileTooLarge.into()), None));
            }
            Some((Ok(chunk), Some((chunks, bytes))))
        }
    }))
}

/// Shows a file's record.
#[utoipa::path(
    get, path = "/files/{file}", tag = "files",
    params(FilePath),
    responses(
        (status = 200, description = "The file", body = FileDto),
        (status = 404, description = "There is no such file"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_file(State(api): State<Api>, PathId(file): PathId<FileId>) -> Result<Json<FileDto>, Problem> {
    let record = api.deps.store.file(&file).await?.ok_or_else(|| Problem::not_found("file", &file))?;
    Ok(Json(record.into()))
}

/// Deletes a file and its bytes.
#[utoipa::path(
    delete, path = "/files/{file}", tag = "files",
    params(FilePath),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such file"),
        (status = 409, description = "It is in use"),
    ),
    security(("bearer" = ["files"])),
)]
pub(crate) async fn delete_file(
    State(api): State<Api>,
    caller: Caller,
    PathId(file): PathId<FileId>,
) -> Result<StatusCode, Problem> {
    let record = api.deps.store.file(&file).await?.ok_or_else(|| Problem::not_found("file", &file))?;
    api.audit(&caller, "file.delete", format!("files/{file}"), &record.name).await?;
    api.deps.files.remove(&file).await?;
    Ok(StatusCode::NO_CONTENT)
}
