use acs_types::{ObjectRecord, ParameterRecord};
use cwmp_model::{ParameterPath, is_secret_name};
use serde::Serialize;
use utoipa::ToSchema;

use super::{TimeDto, ValueTypeDto, shown};

/// A parameter of a device as last read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Parameter, example = json!({
    "path": "Device.DeviceInfo.UpTime", "name": "UpTime", "value": "4711", "type": "unsignedInt", "writable": false,
    "value_at": "2026-01-31T12:00:00.000000Z", "secret": false,
}))]
pub(crate) struct ParameterDto {
    /// The full name.
    path: String,
    /// The last part of it.
    name: String,
    /// The text; `null` if it is a secret or not known.
    value: Option<String>,
    /// The type; `null` if the value is not known.
    #[serde(rename = "type")]
    kind: Option<ValueTypeDto>,
    /// Whether it may be set; `null` if the device has not said.
    writable: Option<bool>,
    /// When the value was read; `null` if it was not.
    value_at: Option<TimeDto>,
    /// Whether the value is a secret.
    secret: bool,
}

impl ParameterDto {
    pub(crate) fn new(object: &ParameterPath, record: &ParameterRecord) -> Self {
        let path = format!("{object}{}", record.name);
        let secret = record.secret || ParameterPath::from_device(&path).is_ok_and(|path| is_secret_name(&path));
        let value = record.value.as_ref();
        Self {
            path,
            name: record.name.clone(),
            value: value.and_then(|value| shown(&value.text, secret)),
            kind: value.map(|value| value.kind.into()),
            writable: record.writable,
            value_at: value.map(|_| record.value_at.into()),
            secret,
        }
    }
}

/// An object of a device's tree with what is below it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TreeNode, example = json!({
    "path": "Device.DeviceInfo.", "name": "DeviceInfo", "writable": false,
    "named_at": "2026-01-31T12:00:00.000000Z", "parameters": [], "objects": [], "objects_below": 0,
}))]
pub(crate) struct NodeDto {
    /// The path with its final dot; empty for the whole model.
    path: String,
    /// The last part of it.
    name: String,
    /// Whether rows may be added or this row deleted; `null` if the device has not said.
    writable: Option<bool>,
    /// When its names were last read; `null`: only values were.
    named_at: Option<TimeDto>,
    parameters: Vec<ParameterDto>,
    /// The objects directly below; empty where `depth` ends.
    #[schema(no_recursion)]
    objects: Vec<NodeDto>,
    /// How many objects lie directly below, shown or not.
    objects_below: usize,
}

impl NodeDto {
    /// The tree at `within` from its objects, `depth` objects deep. Objects that the store lacks between two others are
    /// shown empty. `records` are those at and below `within`.
    pub(crate) fn tree(within: &ParameterPath, mut records: Vec<ObjectRecord>, depth: usize) -> Self {
        records.sort_by(|a, b| a.path.natural_cmp(&b.path));
        Self::build(within.as_str(), &records, depth)
    }

    /// `records` stand in natural order, in which an object comes before what is below it.
    fn build(path: &str, records: &[ObjectRecord], depth: usize) -> Self {
        let (own, below) = match records {
            [first, rest @ ..] if first.path.as_str() == path => (Some(first), rest),
            all => (None, all),
        };
        let children: Vec<&[ObjectRecord]> =
            below.chunk_by(|a, b| child(path, &a.path) == child(path, &b.path)).collect();
        let shown = if depth == 0 { &[][..] } else { &children };
        let objects = shown.iter().filter_map(|chunk| {
            let first = chunk.first()?;
            Some(Self::build(&format!("{path}{}.", child(path, &first.path)), chunk, depth - 1))
        });
        Self {
            name: path.trim_end_matches('.').rsplit('.').next().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            writable: own.and_then(|object| object.writable),
            named_at: own.and_then(|object| object.named_at).map(TimeDto::from),
            parameters: own.map(parameters).unwrap_or_default(),
            objects_below: children.len(),
            objects: objects.collect(),
        }
    }
}

fn parameters(object: &ObjectRecord) -> Vec<ParameterDto> {
    object.parameters.iter().map(|record| ParameterDto::new(&object.path, record)).collect()
}

/// The segment of `path` right below `parent`.
fn child<'a>(parent: &str, path: &'a ParameterPath) -> &'a str {
    let rest = path.as_str().get(parent.len()..).unwrap_or_default();
    rest.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use cwmp_model::{Timestamp, Value};

    use super::*;

    fn object(path: &str, parameters: &[(&str, &str)]) -> ObjectRecord {
        let parameter = |(name, value): &(&str, &str)| ParameterRecord {
            name: (*name).to_owned(),
            writable: Some(true),
            value: Some(Value::string(*value)),
            value_at: Timestamp::from_seconds(1),
            secret: false,
        };
        let path = ParameterPath::new(path).unwrap();
        let parameters = parameters.iter().map(parameter).collect();
        ObjectRecord { path, writable: Some(false), named_at: None, parameters }
    }

    fn sample() -> Vec<ObjectRecord> {
        vec![
            object("Device.WiFi.SSID.10.", &[("SSID", "b")]),
            object("Device.WiFi.SSID.2.", &[("SSID", "a")]),
            object("Device.", &[]),
        ]
    }

    #[test]
    fn rows_stand_by_their_number_and_gaps_are_filled() {
        let tree = NodeDto::tree(&ParameterPath::root(), sample(), 32);
        let device = &tree.objects[0];
        assert_eq!((device.path.as_str(), device.writable), ("Device.", Some(false)));
        let table = &device.objects[0].objects[0];
        assert_eq!((table.path.as_str(), table.writable), ("Device.WiFi.SSID.", None), "not stored");
        let rows: Vec<_> = table.objects.iter().map(|row| row.path.as_str()).collect();
        assert_eq!(rows, ["Device.WiFi.SSID.2.", "Device.WiFi.SSID.10."]);
        assert_eq!(table.objects[0].parameters[0].value.as_deref(), Some("a"));
    }

    #[test]
    fn depth_ends_the_tree_and_counts_the_rest() {
        let tree = NodeDto::tree(&ParameterPath::new("Device.WiFi.SSID.").unwrap(), sample()[..2].to_vec(), 0);
        assert_eq!((tree.objects.len(), tree.objects_below, tree.name.as_str()), (0, 2, "SSID"));
    }

    #[test]
    fn secrets_are_null_by_mark_and_by_name() {
        // P26
        let object = object("Device.X.", &[("Password", "canary"), ("Plain", "canary")]);
        let by_name = ParameterDto::new(&object.path, &object.parameters[0]);
        let marked = ParameterRecord { secret: true, ..object.parameters[1].clone() };
        for dto in [by_name, ParameterDto::new(&object.path, &marked)] {
            assert!(dto.secret && dto.value.is_none() && dto.kind.is_some());
        }
        assert_eq!(ParameterDto::new(&object.path, &object.parameters[1]).value.as_deref(), Some("canary"));
    }
}
