//! The OpenAPI document, generated from the routes.

use http::Method;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AdditionalProperties, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi, Ref, RefOr, Response};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::access::{Access, SCHEME, declared_access};
use crate::problem::{PROBLEM_JSON, ProblemDocument};
use crate::routes;
use crate::state::Api;

/// The OpenAPI 3.1 document of this API as indented JSON, with a final line break. The committed `openapi.json` is this.
pub fn openapi_json() -> String {
    to_json(&routes_and_document().1)
}

pub(crate) fn to_json(document: &OpenApi) -> String {
    let mut json = document.to_pretty_json().expect("the document is made of texts and numbers");
    json.push('\n');
    json
}

/// The routes, and the document that describes them.
pub(crate) fn routes_and_document() -> (axum::Router<Api>, OpenApi) {
    let base = OpenApiRouter::with_openapi(OpenApi::new(info(), utoipa::openapi::Paths::new()));
    let (router, mut document) = base.nest(routes::PREFIX, routes::all()).split_for_parts();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(SCHEME, security_scheme());
    let mut schemas = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    if let Some(RefOr::T(schema)) = components.schemas.get_mut("NewTask") {
        close_variants(schema);
    }
    for item in document.paths.paths.values_mut() {
        for (method, operation) in [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ] {
            if let Some(operation) = operation {
                add_problems(&method, operation);
            }
        }
    }
    (router, document)
}

fn info() -> Info {
    let mut info = Info::new("Lastmile", "1");
    info.description = Some(
        "The API of Lastmile, an auto-configuration server for TR-069. Every error is a problem document (RFC 9457); \
         `code` is for programs and stays the same for ever. Lists come in pages: give `next` as `after`. Times are \
         RFC 3339 in UTC. Fields may be added to answers at any time; unknown fields in requests are refused."
            .to_owned(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    info
}

fn security_scheme() -> SecurityScheme {
    let description = "A token of this API. What a route needs is listed there: read, write, files or admin.";
    SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
}

/// Says of each variant of an enum that it has no other fields, which the derive leaves out.
fn close_variants(schema: &mut Schema) {
    let Schema::OneOf(one_of) = schema else { return };
    for variant in &mut one_of.items {
        if let RefOr::T(Schema::Object(object)) = variant {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// Adds the errors that each operation of its kind may have, and gives every error its body.
fn add_problems(method: &Method, operation: &mut Operation) {
    let mut common = vec![("500", "A fault of the server"), ("503", "Too much at once, or something does not answer")];
    if matches!(declared_access(operation), Some(Access::Needs(_))) {
        common.push(("401", "The token is missing, not known, or has ended"));
        common.push(("403", "The token lacks the scope"));
    }
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        common.push(("400", "A parameter is not valid"));
    }
    if operation.request_body.is_some() {
        common.push(("400", "A parameter or the body is not valid"));
        common.push(("413", "The body is too large"));
        common.push(("415", "The media type is not taken"));
        common.push(("422", "The body is not valid"));
    }
    debug_assert!(operation.request_body.is_none() || matches!(*method, Method::POST | Method::PATCH));
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new(description)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            *response = with_problem(&response.description);
        }
    }
}

fn with_problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(ProblemDocument::name());
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::ParameterIn;

    use super::*;
    use crate::access::operations;

    #[test]
    fn every_route_is_described_whole() {
        let (_, document) = routes_and_document();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                let place = format!("{method} {path}");
                assert!(declared_access(operation).is_some(), "{place} does not say what it needs (P23)");
                assert!(operation.summary.is_some() && operation.tags.is_some(), "{place}");
                assert!(ids.insert(operation.operation_id.clone()), "{place}: operation id twice");
                let parameters = operation.parameters.iter().flatten();
                let in_path = parameters.filter(|p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Path));
                assert_eq!(in_path.count(), path.matches('{').count(), "{place}");
                assert!(operation.responses.responses.contains_key("503"), "{place}");
            }
        }
    }

    #[test]
    fn the_committed_document_is_the_code() {
        // P22
        let committed = include_str!("../openapi.json");
        assert!(committed == openapi_json(), "openapi.json is stale; run `cargo xtask openapi` and look at the change");
    }
}
