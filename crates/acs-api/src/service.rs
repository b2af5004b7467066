use std::future::Future;
use std::io;

use acs_types::{Scope, TokenId};
use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};

use crate::access::{AccessTable, EnsureTokenError, checked, configured_token};
use crate::limits::{Permits, within_limits};
use crate::metrics::{ApiMetrics, measured};
use crate::problem::Problem;
use crate::routes::health;
use crate::state::{Api, Deps, Inner};
use crate::{Config, openapi, server};

/// Health for probes that know no API: the same as below `/api/v1`.
const PROBES: [&str; 2] = ["/health/live", "/health/ready"];

/// The REST API as a service.
#[derive(Clone)]
pub struct ApiService {
    api: Api,
    router: Router,
}

impl ApiService {
    /// A service over `deps`. Adds its metrics to those of the process: make one service per process.
    pub fn new(deps: Deps, config: Config) -> Self {
        let (routes, document) = openapi::routes_and_document();
        let api = Api::new(Inner {
            access: AccessTable::new(&document, &PROBES),
            permits: Permits::new(&config.limits),
            metrics: ApiMetrics::new(&deps.metrics),
            document: openapi::to_json(&document),
            emitter_seq: Mutex::new(0),
            draining: watch::Sender::new(false),
            deps,
            config,
        });
        // The last layer sees a request first.
        let router = routes
            .route(PROBES[0], get(health::live))
            .route(PROBES[1], get(health::ready))
            .fallback(no_such_route)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(from_fn_with_state(api.clone(), checked))
            .layer(from_fn_with_state(api.clone(), within_limits))
            .layer(from_fn_with_state(api.clone(), measured))
            .with_state(api.clone());
        Self { api, router }
    }

    /// The routes, to be served or called.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `shutdown` completes: then no connection is accepted, event streams and waits end, and open requests
    /// get [`crate::Limits::drain_time`]. HTTP/1.1 without TLS.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        server::serve(&self.api, self.router(), listener, shutdown).await
    }

    /// Makes `secret` the token of `principal` with these scopes; the one configured before for the principal ends.
    pub async fn ensure_token(
        &self,
        principal: &str,
        secret: &str,
        scopes: &[Scope],
    ) -> Result<TokenId, EnsureTokenError> {
        let token = configured_token(principal, secret, scopes, self.api.config.weak_tokens)?;
        let id = token.id.clone();
        self.api.deps.store.put_token(token).await?;
        Ok(id)
    }
}

async fn no_such_route(request: Request) -> Problem {
    Problem::no_such_route(request.uri().path())
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::method_not_allowed(request.method())
}
