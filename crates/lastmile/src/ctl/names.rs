//! Names of parameters as people type them: without the root, with `=` and a value, half finished.

use std::str::FromStr;

use acs_types::Secret;
use cwmp_model::{Catalogue, Root, ValueType};
use serde_json::{Value, json};

use super::exit::Failure;

/// Names that a completion gives at most.
pub(super) const COMPLETIONS_MAX: usize = 1000;

/// `NAME=VALUE`. The value may be a secret, so it is not printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: Secret,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: Secret::new(value) }),
            _ => Err("write NAME=VALUE"),
        }
    }
}

/// `NAME=TYPE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypedName {
    pub(super) name: String,
    pub(super) kind: ValueType,
}

impl FromStr for TypedName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, kind) = text.split_once('=').ok_or("write NAME=TYPE")?;
        let known = || ValueType::ALL.map(ValueType::as_str).join(", ");
        let kind = ValueType::parse(kind).ok_or_else(|| format!("`{kind}` is none of {}", known()))?;
        Ok(Self { name: name.to_owned(), kind })
    }
}

/// The values of a request to set them; `full` completes a name.
pub(super) fn set_values(
    assignments: &[Assignment],
    types: &[TypedName],
    full: impl Fn(&str) -> Result<String, Failure>,
) -> Result<Vec<Value>, Failure> {
    let mut kinds = Vec::with_capacity(types.len());
    for typed in types {
        kinds.push((full(&typed.name)?, typed.kind));
    }
    let mut values = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let path = full(&assignment.name)?;
        let mut value = json!({"path": path, "value": assignment.value.reveal()});
        if let Some(at) = kinds.iter().position(|(name, _)| *name == path) {
            value["type"] = json!(kinds.swap_remove(at).1.as_str());
        }
        values.push(value);
    }
    match kinds.first() {
        None => Ok(values),
        Some((name, _)) => Err(Failure::Usage(format!("--type names `{name}`, which is not set by this command"))),
    }
}

/// The full name: with the device's root in front if it begins with none. `root` is empty while it is not known.
pub(super) fn complete_root(root: &str, name: &str) -> Result<String, Failure> {
    let is_root = |root: &Root| name.starts_with(root.as_str()) || format!("{name}.") == root.as_str();
    if let Some(known) = Root::ALL.iter().find(|root| is_root(root)) {
        let is_bare = name.len() < known.as_str().len();
        return Ok(if is_bare { known.as_str().to_owned() } else { name.to_owned() });
    }
    if root.is_empty() {
        let why = "the root object of this device is not known yet";
        return Err(Failure::Usage(format!("{why}; write the whole name, such as `Device.{name}`")));
    }
    Ok(format!("{root}{}", name.strip_prefix('.').unwrap_or(name)))
}

/// As [`complete_root`], for what can only be an object: the final dot may be left out.
pub(super) fn complete_object(root: &str, name: &str) -> Result<String, Failure> {
    let mut full = complete_root(root, name)?;
    if !full.ends_with('.') {
        full.push('.');
    }
    Ok(full)
}

/// Completes the beginning of a name by the published data models, with or without the root object.
pub(super) fn complete(prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for root in Root::ALL {
        let catalogue = Catalogue::get(root);
        names.extend(catalogue.complete(prefix, COMPLETIONS_MAX));
        if !prefix.is_empty() && !prefix.starts_with(root.as_str()) {
            let below = catalogue.complete(&format!("{root}{prefix}"), COMPLETIONS_MAX);
            names.extend(below.iter().filter_map(|name| name.strip_prefix(root.as_str())).map(str::to_owned));
        }
    }
    names.sort_unstable();
    names.dedup();
    names.truncate(COMPLETIONS_MAX);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        let parsed: Assignment = "WiFi.SSID.1.SSID=a=b".parse().unwrap();
        assert_eq!((parsed.name.as_str(), parsed.value.reveal()), ("WiFi.SSID.1.SSID", "a=b"));
        let empty: Assignment = "X=".parse().unwrap();
        assert_eq!(empty.value.reveal(), "");
        assert!("X".parse::<Assignment>().is_err() && "=1".parse::<Assignment>().is_err());
    }

    #[test]
    fn the_value_of_an_assignment_is_not_printed() {
        // P26
        let parsed: Assignment = "Device.X.Password=canary".parse().unwrap();
        assert!(!format!("{parsed:?}").contains("canary"));
    }

    #[test]
    fn roots_are_completed() {
        let full = |root, name| complete_root(root, name).unwrap();
        assert_eq!(full("Device.", "DeviceInfo.UpTime"), "Device.DeviceInfo.UpTime");
        assert_eq!(full("Device.", ".DeviceInfo."), "Device.DeviceInfo.");
        assert_eq!(full("InternetGatewayDevice.", "DeviceInfo."), "InternetGatewayDevice.DeviceInfo.");
        assert_eq!(full("InternetGatewayDevice.", "Device.X"), "Device.X", "as it was typed");
        assert_eq!(full("Device.", "Device"), "Device.");
        assert_eq!(full("Device.", "."), "Device.");
        assert_eq!(full("", "Device.DeviceInfo."), "Device.DeviceInfo.");
        assert_eq!(complete_root("", "DeviceInfo.").unwrap_err().code(), 2);
        assert_eq!(complete_object("Device.", "WiFi.SSID").unwrap(), "Device.WiFi.SSID.");
    }

    #[test]
    fn types_go_to_their_names() {
        let full = |name: &str| complete_root("Device.", name);
        let assignments = ["A=1".parse().unwrap(), "Device.B=2".parse().unwrap()];
        let types = ["B=unsignedInt".parse().unwrap()];
        let values = set_values(&assignments, &types, full).unwrap();
        assert_eq!(values[0], json!({"path": "Device.A", "value": "1"}));
        assert_eq!(values[1], json!({"path": "Device.B", "value": "2", "type": "unsignedInt"}));
        let stray = ["C=int".parse().unwrap()];
        assert_eq!(set_values(&assignments, &stray, full).unwrap_err().code(), 2);
        assert!("B=number".parse::<TypedName>().unwrap_err().contains("unsignedInt"));
    }

    #[test]
    fn completion_needs_no_root() {
        assert!(complete("Device.DeviceInfo.UpT").contains(&"Device.DeviceInfo.UpTime".to_owned()));
        assert!(complete("DeviceInfo.UpT").contains(&"DeviceInfo.UpTime".to_owned()));
        assert_eq!(complete(""), ["Device.", "InternetGatewayDevice."]);
        assert!(complete("NoSuchThing.").is_empty());
    }
}
