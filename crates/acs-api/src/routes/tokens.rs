use std::time::Duration;

use acs_types::{Scope, TokenId};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::path::TokenPath;
use crate::access::{Caller, new_token};
use crate::dto::{NewTokenDto, NewTokenReplyDto, TokenDto};
use crate::extract::{JsonBody, PathId, QueryOf};
use crate::page::{PageOf, PageQuery};
use crate::problem::{FieldProblem, Problem};
use crate::state::{Api, now};

/// Characters of a principal.
const PRINCIPAL_CHARS_MAX: usize = 128;
/// The longest life of a token that ends: ten years.
const EXPIRES_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;
/// Tokens there may be.
const TOKENS_MAX: usize = 10_000;

/// Lists tokens, without their secrets.
///
/// In order of their id.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, description = "A page of tokens", body = PageOf<TokenDto>)),
    security(("bearer" = ["admin"])),
)]
pub(crate) async fn list_tokens(
    State(api): State<Api>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PageOf<TokenDto>>, Problem> {
    let page = query.page()?;
    let mut tokens = api.deps.store.tokens().await?;
    tokens.sort_by(|a, b| a.id.cmp(&b.id));
    tokens.retain(|token| page.after.as_deref().is_none_or(|after| token.id.as_str() > after));
    let has_more = tokens.len() > page.limit;
    tokens.truncate(page.limit);
    let next = tokens.last().filter(|_| has_more).map(|token| token.id.to_string());
    Ok(Json(PageOf::of(acs_types::Page { items: tokens, next }, TokenDto::from)))
}

/// Makes a token.
///
/// Its secret is shown this once.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = NewTokenDto,
    responses(
        (status = 201, description = "The token", body = NewTokenReplyDto),
        (status = 409, description = "There are too many tokens"),
    ),
    security(("bearer" = ["admin"])),
)]
pub(crate) async fn create_token(
    State(api): State<Api>,
    caller: Caller,
    body: JsonBody<NewTokenDto>,
) -> Result<(StatusCode, Json<NewTokenReplyDto>), Problem> {
    let asked = body.value;
    check(&asked)?;
    if api.deps.store.tokens().await?.len() >= TOKENS_MAX {
        return Err(Problem::conflict("too_many_tokens", format!("there are {TOKENS_MAX} tokens; delete some first")));
    }
    let mut scopes: Vec<Scope> = asked.scopes.into_iter().map(Scope::from).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let expires_at = asked.expires_in_seconds.map(|seconds| now().plus(Duration::from_secs(seconds)));
    let (text, token) = new_token(asked.principal, scopes, expires_at);
    let names: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    let account = format!("for {} with {}", token.principal, names.join(", "));
    api.audit(&caller, "token.create", format!("tokens/{}", token.id), &account).await?;
    api.deps.store.put_token(token.clone()).await?;
    Ok((StatusCode::CREATED, Json(NewTokenReplyDto::new(token, text))))
}

fn check(asked: &NewTokenDto) -> Result<(), Problem> {
    let mut problems = Vec::new();
    let chars = asked.principal.chars().count();
    if !(1..=PRINCIPAL_CHARS_MAX).contains(&chars) || asked.principal.chars().any(char::is_control) {
        let why = format!("it must be 1 to {PRINCIPAL_CHARS_MAX} characters without control characters");
        problems.push(FieldProblem::new("principal", why));
    }
    if asked.scopes.is_empty() || asked.scopes.len() > Scope::ALL.len() {
        problems.push(FieldProblem::new("scopes", format!("give 1 to {} scopes", Scope::ALL.len())));
    }
    if asked.expires_in_seconds.is_some_and(|seconds| !(1..=EXPIRES_SECONDS_MAX).contains(&seconds)) {
        let why = format!("it must be 1 to {EXPIRES_SECONDS_MAX}");
        problems.push(FieldProblem::new("expires_in_seconds", why));
    }
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid_body(problems)) }
}

/// Deletes a token; it counts no more from the next request on.
#[utoipa::path(
    delete, path = "/tokens/{token}", tag = "tokens",
    params(TokenPath),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such token"),
    ),
    security(("bearer" = ["admin"])),
)]
pub(crate) async fn delete_token(
    State(api): State<Api>,
    caller: Caller,
    PathId(token): PathId<TokenId>,
) -> Result<StatusCode, Problem> {
    let known = api.deps.store.tokens().await?.into_iter().find(|t| t.id == token);
    let known = known.ok_or_else(Problem::no_such_token)?;
    api.audit(&caller, "token.delete", format!("tokens/{token}"), &format!("of {}", known.principal)).await?;
    api.deps.store.delete_token(&token).await?;
    Ok(StatusCode::NO_CONTENT)
}
