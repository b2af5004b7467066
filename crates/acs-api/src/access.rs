//! Who asks, and what they may do: bearer tokens, and the table of what each route needs (P23).
//!
//! The `security` of a route's OpenAPI entry is what is enforced, so the document cannot differ from what is held. A route
//! without such an entry is served to nobody.

use std::collections::HashMap;

use acs_types::{ApiToken, Scope, TokenId};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cwmp_model::Timestamp;
use data_encoding::BASE32_NOPAD;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use crate::problem::Problem;
use crate::state::{Api, now};

/// The name of the security scheme in the OpenAPI document.
pub(crate) const SCHEME: &str = "bearer";
/// The most characters a token may have.
const TOKEN_CHARS_MAX: usize = 512;
/// The fewest characters of a configured token that is not weak (P23).
pub(crate) const CONFIGURED_CHARS_MIN: usize = 20;

/// The principal behind a request, proved by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) token: TokenId,
    pub(crate) principal: String,
    scopes: Vec<Scope>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated("this route needs a token"))
    }
}

/// Why a configured token was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnsureTokenError {
    /// Easily guessed.
    #[error(
        "the configured token has {chars} characters; give it at least {CONFIGURED_CHARS_MIN}, for example 32 random ones"
    )]
    Weak {
        /// How many it has.
        chars: usize,
    },
    /// No header can carry it.
    #[error("the configured token must be 1 to {TOKEN_CHARS_MAX} printable ASCII characters without spaces")]
    Unusable,
    /// The store failed.
    #[error("the configured token could not be kept: {0}")]
    Store(#[from] acs_store::Error),
}

/// A new token: its text `lm_<id>_<secret>` is shown once; what is kept is its hash.
pub(crate) fn new_token(principal: String, scopes: Vec<Scope>, expires_at: Option<Timestamp>) -> (String, ApiToken) {
    let id = base32(&rand::random::<[u8; 10]>());
    let text = format!("lm_{id}_{}", base32(&rand::random::<[u8; 32]>()));
    let id = id.parse().expect("base32 makes a token id");
    let token = ApiToken { id, principal, sha256: hash(&text), scopes, created_at: now(), expires_at };
    (text, token)
}

/// The token a configuration names; a new text for the same principal replaces the one before.
pub(crate) fn configured_token(
    principal: &str,
    text: &str,
    scopes: &[Scope],
    allow_weak: bool,
) -> Result<ApiToken, EnsureTokenError> {
    if text.is_empty() || text.len() > TOKEN_CHARS_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(EnsureTokenError::Unusable);
    }
    if text.len() < CONFIGURED_CHARS_MIN && !allow_weak {
        return Err(EnsureTokenError::Weak { chars: text.len() });
    }
    let name = base32(&Sha256::digest(principal.as_bytes())[..10]);
    let id = format!("configured-{name}").parse().expect("base32 makes a token id");
    let (principal, scopes) = (principal.to_owned(), scopes.to_vec());
    Ok(ApiToken { id, principal, sha256: hash(text), scopes, created_at: now(), expires_at: None })
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A token with this scope.
    Needs(Scope),
    /// It does not say what it needs.
    Nobody,
}

/// What each route needs, by path template and method.
#[derive(Debug)]
pub(crate) struct AccessTable(HashMap<String, Vec<(Method, Access)>>);

impl AccessTable {
    /// From the document; `public` routes are added to it.
    pub(crate) fn new(document: &OpenApi, public: &[&str]) -> Self {
        let of_item = |item: &PathItem| {
            let declared = |(method, operation)| (method, declared_access(operation).unwrap_or(Access::Nobody));
            operations(item).into_iter().map(declared).collect()
        };
        let mut table: HashMap<_, _> =
            document.paths.paths.iter().map(|(path, item)| (path.clone(), of_item(item))).collect();
        for path in public {
            table.insert((*path).to_owned(), vec![(Method::GET, Access::Public)]);
        }
        Self(table)
    }

    /// `None`: the path is known and has no such method.
    fn access(&self, path: &str, method: &Method) -> Option<Access> {
        // The router answers HEAD by the handler of GET.
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some(methods) = self.0.get(path) else { return Some(Access::Nobody) };
        methods.iter().find(|(method, _)| method == wanted).map(|(_, access)| *access)
    }
}

/// The operations of a path with their methods.
pub(crate) fn operations(item: &PathItem) -> Vec<(Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::PUT, &item.put),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
    .collect()
}

/// What an operation's `security` says; `None`: it says nothing that is understood.
pub(crate) fn declared_access(operation: &Operation) -> Option<Access> {
    let [requirement] = operation.security.as_deref()? else { return None };
    let requirement = serde_json::to_value(requirement).ok()?;
    let requirement = requirement.as_object()?;
    if requirement.is_empty() {
        return Some(Access::Public);
    }
    let scope = requirement.get(SCHEME)?.as_array()?.first()?.as_str()?;
    Scope::parse(scope).map(Access::Needs)
}

/// Lets a request pass that may; the handler finds its [`Caller`].
pub(crate) async fn checked(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>() else { return next.run(request).await };
    let scope = match api.access.access(path.as_str(), request.method()) {
        Some(Access::Public) => return next.run(request).await,
        Some(Access::Needs(scope)) => scope,
        Some(Access::Nobody) => return Problem::no_such_route(path.as_str()).into_response(),
        // The router says that the path does not take this method.
        None => return next.run(request).await,
    };
    match authenticate(&api, request.headers()).await {
        Ok(caller) if caller.scopes.contains(&scope) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(_) => Problem::missing_scope(scope.as_str()).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn authenticate(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    let text = bearer(headers)?;
    let hash = hash(text);
    let unknown = || Problem::unauthenticated("the token is not known or has ended");
    let token = api.deps.store.token_by_hash(&hash).await?.ok_or_else(unknown)?;
    let is_same: bool = token.sha256.ct_eq(&hash).into();
    if !is_same || token.expires_at.is_some_and(|end| end <= now()) {
        return Err(unknown());
    }
    Ok(Caller { token: token.id, principal: token.principal, scopes: token.scopes })
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || Problem::unauthenticated("this route needs a token: send `Authorization: Bearer TOKEN`");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_CHARS_MAX {
        return Err(missing());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_names_itself_and_keeps_only_its_hash() {
        let (text, token) = new_token("alice".into(), vec![Scope::Read], None);
        let (id, secret) = text.strip_prefix("lm_").unwrap().split_once('_').unwrap();
        assert_eq!((id, secret.len()), (token.id.as_str(), 52), "32 random bytes");
        assert_eq!(token.sha256, hash(&text));
        assert_ne!(new_token("alice".into(), vec![], None).0, text);
    }

    #[test]
    fn weak_configured_tokens_are_refused_outside_dev() {
        // P23
        let scopes = &Scope::ALL;
        let weak = configured_token("admin", &"x".repeat(CONFIGURED_CHARS_MIN - 1), scopes, false);
        assert!(matches!(weak, Err(EnsureTokenError::Weak { chars: 19 })));
        let strong = configured_token("admin", &"x".repeat(CONFIGURED_CHARS_MIN), scopes, false).unwrap();
        let in_dev = configured_token("admin", "x", scopes, true).unwrap();
        assert_eq!(strong.id, in_dev.id, "it replaces the one before");
        for text in ["", "with space", "ä-umlaut-umlaut-umlaut", &"x".repeat(TOKEN_CHARS_MAX + 1)] {
            assert!(matches!(configured_token("admin", text, scopes, true), Err(EnsureTokenError::Unusable)));
        }
    }

    #[test]
    fn a_route_that_does_not_say_what_it_needs_is_served_to_nobody() {
        // P23
        let document: OpenApi = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "", "version": ""},
            "paths": {"/a": {
                "get": {"responses": {}},
                "post": {"responses": {}, "security": [{"bearer": ["reed"]}]},
                "patch": {"responses": {}, "security": [{"other": ["read"]}]},
                "delete": {"responses": {}, "security": [{"bearer": ["write"]}]},
            }},
        }))
        .unwrap();
        let table = AccessTable::new(&document, &["/probe"]);
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PATCH] {
            assert_eq!(table.access("/a", &method), Some(Access::Nobody), "{method}");
        }
        assert_eq!(table.access("/a", &Method::DELETE), Some(Access::Needs(Scope::Write)));
        assert_eq!(table.access("/a", &Method::PUT), None);
        assert_eq!(table.access("/b", &Method::GET), Some(Access::Nobody));
        assert_eq!(table.access("/probe", &Method::HEAD), Some(Access::Public));
    }

    #[test]
    fn only_one_bearer_header_counts() {
        let headers = |values: &[&'static str]| {
            let values = values.iter().map(|v| (header::AUTHORIZATION, http::HeaderValue::from_static(v)));
            values.collect::<HeaderMap>()
        };
        assert_eq!(bearer(&headers(&["Bearer abc"])).unwrap(), "abc");
        assert_eq!(bearer(&headers(&["bearer abc"])).unwrap(), "abc");
        for bad in [&["Basic abc"][..], &["Bearer "], &["Bearer"], &[], &["Bearer a", "Bearer b"]] {
            let mut map = HeaderMap::new();
            for value in bad {
                map.append(header::AUTHORIZATION, http::HeaderValue::from_static(value));
            }
            assert!(bearer(&map).is_err(), "{bad:?}");
        }
    }
}
