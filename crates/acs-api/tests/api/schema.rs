//! Holds answers against the OpenAPI document: the part of JSON Schema that the document uses (P22).

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

use crate::bench::Reply;

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&acs_api::openapi_json()).unwrap());

/// Every operation: method, path template, operation.
pub(crate) fn operations() -> Vec<(Method, String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'static Value)| {
        let operations = item.as_object().unwrap().iter();
        let path = path.clone();
        operations
            .map(move |(method, op)| (method.to_uppercase().parse().unwrap(), path.clone(), op))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// The status must be declared, and the body must be what is declared for it.
pub(crate) fn check_reply(method: &Method, path: &str, reply: &Reply) {
    let place = format!("{method} {path}: {} {}", reply.status, reply.text);
    if reply.status.is_client_error() || reply.status.as_u16() == 500 {
        assert_eq!(reply.header("content-type"), "application/problem+json", "{place}");
        let problem = serde_json::json!({"$ref": "#/components/schemas/Problem"});
        check(&reply.json, &problem, "").unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(reply.json["status"], reply.status.as_u16(), "{place}");
    }
    let matches = |template: &str| {
        let (a, b) = (template.split('/'), path.split('/'));
        a.clone().count() == b.clone().count() && a.zip(b).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let Some((_, _, operation)) = operations().into_iter().find(|(m, t, _)| m == method && matches(t)) else {
        assert!(matches!(reply.status.as_u16(), 404 | 405), "no such route, {place}");
        return;
    };
    let declared = &operation["responses"][reply.status.as_str()];
    assert!(declared.is_object(), "the status is not declared, {place}");
    let media_type = reply.header("content-type").split(';').next().unwrap_or_default();
    let Some(contents) = declared["content"].as_object() else {
        assert!(reply.text.is_empty(), "a body is not declared, {place}");
        return;
    };
    let content = contents.get(media_type).unwrap_or_else(|| panic!("{media_type} is not declared, {place}"));
    if media_type.ends_with("json") {
        check(&reply.json, &content["schema"], "").unwrap_or_else(|error| panic!("{place}: {error}"));
    }
}

pub(crate) fn check(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = DOCUMENT.pointer(name.strip_prefix('#').unwrap());
        return check(value, target.ok_or_else(|| format!("{name} does not exist"))?, place);
    }
    if let Some(all) = schema["allOf"].as_array() {
        all.iter().try_for_each(|schema| check(value, schema, place))?;
    }
    if let Some(one) = schema["oneOf"].as_array() {
        let errors: Vec<String> = one.iter().filter_map(|schema| check(value, schema, place).err()).collect();
        if one.len() - errors.len() != 1 {
            return Err(format!("{place} fits {} of oneOf: {}", one.len() - errors.len(), errors.join("; ")));
        }
    }
    check_type(value, &schema["type"], place)?;
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        return Err(format!("{place} is none of {names:?}"));
    }
    if schema["format"] == "date-time" && !value.as_str().is_some_and(|text| text.ends_with('Z') && text.len() == 27) {
        return Err(format!("{place} is no moment"));
    }
    check_members(value, schema, place)
}

fn check_members(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return Err(format!("{place}.{name} is missing"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = object.get(name) {
                check(value, schema, &format!("{place}.{name}"))?;
            }
        }
    }
    if let (Some(items), schema @ Value::Object(_)) = (value.as_array(), &schema["items"]) {
        items.iter().enumerate().try_for_each(|(i, item)| check(item, schema, &format!("{place}[{i}]")))?;
    }
    Ok(())
}

fn check_type(value: &Value, kind: &Value, place: &str) -> Result<(), String> {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => false,
    };
    let fits = match kind {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("{place} is {value}, not {kind}")) }
}

#[test]
fn the_examples_of_the_document_are_true() {
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
    let examples = schemas.iter().flat_map(|(name, schema)| {
        let many = schema["examples"].as_array().into_iter().flatten();
        many.chain(schema.get("example")).map(move |example| (name, schema, example))
    });
    let mut count = 0;
    for (name, schema, example) in examples {
        check(example, schema, "").unwrap_or_else(|error| panic!("{name}: {error}"));
        count += 1;
    }
    assert!(count >= 15, "{count}");
}
