use std::cmp::Ordering;

use acs_types::{DeviceId, ObjectRecord};
use axum::Json;
use axum::extract::State;
use cwmp_model::ParameterPath;
use serde::Deserialize;
use utoipa::IntoParams;

use super::devices::known_device;
use super::path::DevicePath;
use crate::dto::{NodeDto, ParameterDto};
use crate::extract::{PathId, QueryOf};
use crate::page::{PageOf, checked_limit, opened, sealed};
use crate::problem::Problem;
use crate::state::Api;

/// Parameters in one tree.
const TREE_PARAMETERS_MAX: usize = 50_000;
/// Objects below each other in one tree.
const TREE_DEPTH_MAX: usize = 64;

/// Which parameters are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ParameterQuery {
    /// A parameter, or an object with its final dot; without it: all.
    #[serde(default)]
    #[param(max_length = 256, pattern = r"^(?!\.)(?!.*\.\.)[^\s\u0000-\u001f\u007f-\u009f]*$")]
    path: String,
    /// How many items at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of the page before; empty: the first page.
    #[param(pattern = "^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

/// Lists the parameters of a device as last read.
///
/// In the order of their objects, rows by their number. Values of secrets are `null`.
#[utoipa::path(
    get, path = "/devices/{device}/parameters", tag = "parameters",
    params(DevicePath, ParameterQuery),
    responses(
        (status = 200, description = "A page of parameters", body = PageOf<ParameterDto>),
        (status = 404, description = "There is no such device"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn list_parameters(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
    QueryOf(query): QueryOf<ParameterQuery>,
) -> Result<Json<PageOf<ParameterDto>>, Problem> {
    let limit = checked_limit(query.limit)?;
    let after = query.after.as_deref().filter(|after| !after.is_empty()).map(place).transpose()?;
    let path = path(&query.path)?;
    known_device(&api, &device).await?;
    let mut objects = objects(&api, &device, &path).await?;
    objects.sort_by(|a, b| a.path.natural_cmp(&b.path));
    let all = objects.iter().flat_map(|object| object.parameters.iter().map(move |record| (object, record)));
    let wanted = all.filter(|(object, record)| {
        let is_named = path.is_object() || record.name == path.leaf();
        is_named && after.as_ref().is_none_or(|after| is_after(after, &object.path, &record.name))
    });
    let mut rest = wanted.peekable();
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < limit
        && let Some((object, record)) = rest.next()
    {
        items.push(ParameterDto::new(&object.path, record));
        last = Some((&object.path, &record.name));
    }
    let next = rest.peek().and(last).map(|(object, name)| sealed(&format!("{object}\n{name}")));
    Ok(Json(PageOf { items, next }))
}

/// Which part of the tree is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TreeQuery {
    /// The object with its final dot; without it: the whole model.
    #[serde(default)]
    #[param(max_length = 256, pattern = r"^(?!\.)(?!.*\.\.)([^\s\u0000-\u001f\u007f-\u009f]*\.)?$")]
    path: String,
    /// How many objects below each other are shown.
    #[param(minimum = 0, maximum = 64, default = 64)]
    depth: Option<usize>,
}

/// Shows the parameters of a device as a tree, as last read.
///
/// Values of secrets are `null`.
#[utoipa::path(
    get, path = "/devices/{device}/tree", tag = "parameters",
    params(DevicePath, TreeQuery),
    responses(
        (status = 200, description = "The object with what is below it", body = NodeDto),
        (status = 404, description = "There is no such device, or no such object was read"),
    ),
    security(("bearer" = ["read"])),
)]
pub(crate) async fn get_tree(
    State(api): State<Api>,
    PathId(device): PathId<DeviceId>,
    QueryOf(query): QueryOf<TreeQuery>,
) -> Result<Json<NodeDto>, Problem> {
    let path = path(&query.path)?;
    if !path.is_object() {
        return Err(Problem::bad_parameter("path", "it must name an object, ending in a dot"));
    }
    let depth = query.depth.unwrap_or(TREE_DEPTH_MAX);
    if depth > TREE_DEPTH_MAX {
        return Err(Problem::bad_parameter("depth", format!("it must be 0 to {TREE_DEPTH_MAX}")));
    }
    known_device(&api, &device).await?;
    let objects = objects(&api, &device, &path).await?;
    if objects.is_empty() && !path.as_str().is_empty() {
        return Err(Problem::not_found("object", &path));
    }
    if objects.iter().map(|object| object.parameters.len()).sum::<usize>() > TREE_PARAMETERS_MAX {
        let why = format!("there are more than {TREE_PARAMETERS_MAX} parameters below it; name a smaller object");
        return Err(Problem::bad_parameter("path", why));
    }
    Ok(Json(NodeDto::tree(&path, objects, depth)))
}

fn path(text: &str) -> Result<ParameterPath, Problem> {
    ParameterPath::new(text).map_err(|error| Problem::bad_parameter("path", error.to_string()))
}

/// The objects at and below `path`, or the one that holds the parameter of that name.
async fn objects(api: &Api, device: &DeviceId, path: &ParameterPath) -> Result<Vec<ObjectRecord>, Problem> {
    if path.is_object() {
        return Ok(api.deps.store.objects(device, path).await?);
    }
    let Ok(object) = ParameterPath::new(path.parent()) else { return Ok(Vec::new()) };
    Ok(api.deps.store.object(device, &object).await?.into_iter().collect())
}

fn place(after: &str) -> Result<(ParameterPath, String), Problem> {
    let text = opened(after)?;
    let parse = || {
        let (object, name) = text.split_once('\n')?;
        Some((ParameterPath::from_device(object).ok()?, name.to_owned()))
    };
    parse().ok_or_else(|| Problem::bad_parameter("after", "it is no place in this list; use the `next` of a page"))
}

fn is_after((after_object, after_name): &(ParameterPath, String), object: &ParameterPath, name: &str) -> bool {
    match object.natural_cmp(after_object) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => name > after_name.as_str(),
    }
}
