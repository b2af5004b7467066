use acs_types::{Secret, SetValue};
use cwmp_model::{ParameterPath, ParameterValue, Value, ValueType, is_secret_name, is_xml_char};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::FieldProblem;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ValueType)]
pub(crate) enum ValueTypeDto {
    String,
    Int,
    UnsignedInt,
    Long,
    UnsignedLong,
    Boolean,
    DateTime,
    #[serde(rename = "base64Binary")]
    Base64,
    HexBinary,
}

impl From<ValueType> for ValueTypeDto {
    fn from(kind: ValueType) -> Self {
        match kind {
            ValueType::String => Self::String,
            ValueType::Int => Self::Int,
            ValueType::UnsignedInt => Self::UnsignedInt,
            ValueType::Long => Self::Long,
            ValueType::UnsignedLong => Self::UnsignedLong,
            ValueType::Boolean => Self::Boolean,
            ValueType::DateTime => Self::DateTime,
            ValueType::Base64 => Self::Base64,
            ValueType::HexBinary => Self::HexBinary,
        }
    }
}

impl From<ValueTypeDto> for ValueType {
    fn from(kind: ValueTypeDto) -> Self {
        match kind {
            ValueTypeDto::String => Self::String,
            ValueTypeDto::Int => Self::Int,
            ValueTypeDto::UnsignedInt => Self::UnsignedInt,
            ValueTypeDto::Long => Self::Long,
            ValueTypeDto::UnsignedLong => Self::UnsignedLong,
            ValueTypeDto::Boolean => Self::Boolean,
            ValueTypeDto::DateTime => Self::DateTime,
            ValueTypeDto::Base64 => Self::Base64,
            ValueTypeDto::HexBinary => Self::HexBinary,
        }
    }
}

/// A value to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetValue, example = json!({"path": "Device.ManagementServer.PeriodicInformInterval", "value": "300"}))]
pub(crate) struct SetValueDto {
    /// The parameter; in `add_object` below the new instance, such as `Enable`.
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = r"^(?!\.)(?!.*\.\.)[^\s\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f.]$"
    )]
    path: String,
    /// The value as text.
    #[schema(value_type = String)]
    value: HiddenText,
    /// The type to send; without it the device's last report decides, then the data model.
    #[serde(rename = "type")]
    kind: Option<ValueTypeDto>,
}

/// A text that `Debug` does not show: it may be a secret.
#[derive(Deserialize)]
struct HiddenText(String);

impl std::fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl SetValueDto {
    /// Checked; `field` is its place in the body. No problem repeats the value (P26).
    pub(crate) fn checked(self, field: &str, problems: &mut Vec<FieldProblem>) -> Option<SetValue> {
        let path = parameter_path(&self.path, &format!("{field}.path"), problems)?;
        let text = self.value.0;
        let kind = self.kind.map(ValueType::from);
        let is_carried = text.chars().all(is_xml_char);
        if !is_carried || kind.is_some_and(|kind| Value::typed(kind, &text).is_err()) {
            let what =
                if is_carried { "it is no value of that type" } else { "XML cannot carry one of its characters" };
            problems.push(FieldProblem::new(format!("{field}.value"), what));
            return None;
        }
        Some(SetValue { path, kind, text: Secret::new(text) })
    }
}

/// `text` as the name of a parameter.
pub(crate) fn parameter_path(text: &str, field: &str, problems: &mut Vec<FieldProblem>) -> Option<ParameterPath> {
    let path = any_path(text, field, problems)?;
    if path.is_object() {
        problems.push(FieldProblem::new(field, "it must name a parameter, without a dot at the end"));
        return None;
    }
    Some(path)
}

/// `text` as a path of any kind.
pub(crate) fn any_path(text: &str, field: &str, problems: &mut Vec<FieldProblem>) -> Option<ParameterPath> {
    match ParameterPath::new(text) {
        Ok(path) => Some(path),
        Err(error) => {
            problems.push(FieldProblem::new(field, error.to_string()));
            None
        }
    }
}

/// A parameter's value as anyone may see it: the text of a secret is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParameterValue, example = json!({
    "path": "Device.DeviceInfo.UpTime", "value": "4711", "type": "unsignedInt", "secret": false
}))]
pub(crate) struct ShownValueDto {
    /// The parameter.
    path: String,
    /// The text; `null` if it is a secret.
    value: Option<String>,
    /// Its type; `null` if not known.
    #[serde(rename = "type")]
    kind: Option<ValueTypeDto>,
    /// Whether the value is a secret.
    secret: bool,
}

impl From<&ParameterValue> for ShownValueDto {
    fn from(value: &ParameterValue) -> Self {
        let path = &value.name;
        Self { kind: Some(value.value.kind.into()), ..Self::new(path.as_str(), path, &value.value.text) }
    }
}

impl ShownValueDto {
    /// A value to set. `row` is the new instance that its path is relative to, empty for none.
    pub(crate) fn of_set_value(value: &SetValue, row: &str) -> Self {
        let full = ParameterPath::new(&format!("{row}{}", value.path)).unwrap_or_else(|_| value.path.clone());
        let shown = Self::new(value.path.as_str(), &full, value.text.reveal());
        Self { kind: value.kind.map(ValueTypeDto::from), ..shown }
    }

    fn new(path: &str, full: &ParameterPath, text: &str) -> Self {
        let secret = is_secret_name(full);
        Self { path: path.to_owned(), value: shown(text, secret), kind: None, secret }
    }
}

/// The text, unless it is a secret.
pub(crate) fn shown(text: &str, secret: bool) -> Option<String> {
    (!secret).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_keep_the_names_of_the_protocol() {
        for kind in ValueType::ALL {
            let json = serde_json::to_value(ValueTypeDto::from(kind)).unwrap();
            assert_eq!(json, kind.as_str());
            assert_eq!(ValueType::from(serde_json::from_value::<ValueTypeDto>(json).unwrap()), kind);
        }
    }

    #[test]
    fn a_wrong_value_is_named_without_its_text() {
        // P26
        for (json, field) in [
            (r#"{"path": "Device.A", "value": "canary", "type": "unsignedInt"}"#, "v.value"),
            (r#"{"path": "Device.A", "value": "canary\u0001"}"#, "v.value"),
            (r#"{"path": "Device.A.", "value": "canary"}"#, "v.path"),
            (r#"{"path": "Device..A", "value": "canary"}"#, "v.path"),
        ] {
            let dto: SetValueDto = serde_json::from_str(json).unwrap();
            assert!(!format!("{dto:?}").contains("canary"));
            let mut problems = Vec::new();
            assert!(dto.checked("v", &mut problems).is_none(), "{json}");
            assert_eq!(problems[0].field, field);
            assert!(!problems[0].detail.contains("canary"));
        }
    }

    #[test]
    fn secrets_below_a_new_row_are_known_by_their_full_name() {
        // P26
        let value = SetValue {
            path: ParameterPath::new("Security.KeyPassphrase").unwrap(),
            kind: None,
            text: Secret::new("canary"),
        };
        let shown = ShownValueDto::of_set_value(&value, "Device.WiFi.AccessPoint.1.");
        assert!(shown.secret && shown.value.is_none());
    }
}
