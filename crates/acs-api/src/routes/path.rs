//! What stands in paths, for the document. [`crate::extract::PathId`] reads it.

use utoipa::IntoParams;

/// A device.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct DevicePath {
    /// The device's id; `%` in it is written `%25`.
    #[param(
        min_length = 1,
        max_length = 120,
        pattern = "^[A-Za-z0-9_%~-]*-[A-Za-z0-9_%~-]*$",
        example = "00AABB-IGD-000001"
    )]
    device: String,
}

/// A task.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct TaskPath {
    /// The task's id.
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_.-]+$", example = "abcdefghijklmnopqrstuvwxyz")]
    task: String,
}

/// A session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct SessionPath {
    /// The session's id: 32 hexadecimal digits.
    #[param(pattern = "^[0-9A-Fa-f]{32}$", example = "000102030405060708090a0b0c0d0e0f")]
    session: String,
}

/// A file.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct FilePath {
    /// The file's id.
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_.-]+$", example = "abcdefghijklmnopqrstuvwxyz")]
    file: String,
}

/// A token.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct TokenPath {
    /// The token's id, never its secret.
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_.-]+$", example = "abcdefghijklmnop")]
    token: String,
}
