use acs_types::{ApiToken, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TimeDto;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Scope)]
pub(crate) enum ScopeDto {
    /// Read devices, tasks, sessions, faults, events.
    Read,
    /// Create and cancel tasks, change and delete devices.
    Write,
    /// Upload and delete files.
    Files,
    /// Tokens, audit, metrics.
    Admin,
}

impl From<Scope> for ScopeDto {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
            Scope::Files => Self::Files,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<ScopeDto> for Scope {
    fn from(scope: ScopeDto) -> Self {
        match scope {
            ScopeDto::Read => Self::Read,
            ScopeDto::Write => Self::Write,
            ScopeDto::Files => Self::Files,
            ScopeDto::Admin => Self::Admin,
        }
    }
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken, example = json!({"principal": "billing", "scopes": ["read"], "expires_in_seconds": 2_592_000}))]
pub(crate) struct NewTokenDto {
    /// Who it stands for.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    pub(crate) principal: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 4)]
    pub(crate) scopes: Vec<ScopeDto>,
    /// When it ends; without it: never.
    #[schema(minimum = 1, maximum = 315_360_000)]
    pub(crate) expires_in_seconds: Option<u64>,
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenDto {
    id: String,
    /// Who it stands for.
    principal: String,
    scopes: Vec<ScopeDto>,
    created_at: TimeDto,
    /// When it ends; `null`: never.
    expires_at: Option<TimeDto>,
}

impl From<ApiToken> for TokenDto {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            principal: token.principal,
            scopes: token.scopes.into_iter().map(ScopeDto::from).collect(),
            created_at: token.created_at.into(),
            expires_at: token.expires_at.map(TimeDto::from),
        }
    }
}

/// A new token.
#[derive(Serialize, ToSchema)]
#[schema(as = NewTokenReply)]
pub(crate) struct NewTokenReplyDto {
    #[serde(flatten)]
    token: TokenDto,
    /// The token itself, `lm_ID_SECRET`. It is shown this once; the server keeps only its hash.
    #[serde(rename = "token")]
    #[schema(example = "lm_abcdefghijklmnop_SECRET")]
    text: String,
}

impl NewTokenReplyDto {
    pub(crate) fn new(token: ApiToken, text: String) -> Self {
        Self { token: token.into(), text }
    }
}
