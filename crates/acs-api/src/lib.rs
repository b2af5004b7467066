//! The REST API under `/api/v1`: devices, parameters, tasks, sessions, faults, files, events, tokens, audit, health.
//!
//! An edge: it reads a request, asks a store or a service by its trait, and answers in JSON. What a task means and when a
//! device is woken is left to `acs_proto::Provisioning`, the bytes of files to `acs_proto::FileServer`.
//!
//! Invariants:
//! - Every error is a problem document (RFC 9457) made in `problem`, and nowhere else is a status chosen for one (P22).
//! - What a route needs is what its OpenAPI entry says; a route that says nothing is served to nobody (P23).
//! - A change is made only after its audit record is durable (P27).
//! - Only the types in `dto` go over the wire; none of them lets a secret through (P26).
//! - Health and the OpenAPI document need no token; everything with data does.
//! - A change that has begun goes on to its end, whether or not the caller still listens.
//!
//! Where to start: [`ApiService`], then `routes`.

mod access;
mod audit;
mod config;
mod dto;
mod extract;
mod limits;
mod metrics;
mod openapi;
mod page;
mod problem;
#[allow(unused_qualifications)] // The macro of utoipa writes them.
mod routes;
mod server;
mod service;
mod state;

pub use access::EnsureTokenError;
pub use config::Config;
pub use dto::event_document;
pub use limits::Limits;
pub use metrics::exposition;
pub use openapi::openapi_json;
pub use problem::PROBLEM_JSON;
pub use service::ApiService;
pub use state::Deps;
