use acs_types::{Secret, SetValue};
use cwmp_model::{Catalogue, ParameterPath, ParameterValue, Severity, Value, ValueType};

/// What the device last said of a parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// The type of its value.
    pub kind: Option<ValueType>,
    /// Whether it may be set.
    pub writable: Option<bool>,
}

/// What is wrong with a value before it is sent. Says nothing of the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueProblem {
    /// The parameter.
    pub path: ParameterPath,
    /// What is wrong, for people.
    pub problem: String,
}

/// Whether setting the parameter makes the device do something, so that twice is not the same as once (`design.md` §5.6).
pub fn is_command(path: &ParameterPath) -> bool {
    path.leaf() == "DiagnosticsState" || Catalogue::find(path).is_some_and(|entry| entry.is_command())
}

/// The value to send, `path` being the full name: typed as the caller insists, else as the device last reported it, else
/// by the catalogue, else a string (CWMP-076).
pub fn type_value(
    path: &ParameterPath,
    value: &SetValue,
    known: Option<&Known>,
) -> Result<ParameterValue, ValueProblem> {
    let kind = value.kind.or_else(|| known.and_then(|k| k.kind)).or_else(|| catalogue_kind(path)).unwrap_or_default();
    match Value::typed(kind, value.text.reveal()) {
        Ok(value) => Ok(ParameterValue { name: path.clone(), value }),
        Err(error) => Err(ValueProblem { path: path.clone(), problem: error.to_string() }),
    }
}

/// Holds a value against the device's own report and the data model before a task is made of it (CWMP-373): what is no
/// value of its type, outside the range, or read-only on the device.
pub fn check_value(
    path: &ParameterPath,
    value: &SetValue,
    known: Option<&Known>,
    check_writable: bool,
) -> Result<(), ValueProblem> {
    let refuse = |problem: String| Err(ValueProblem { path: path.clone(), problem });
    if path.is_object() {
        return refuse("this is an object; name a parameter".to_owned());
    }
    if check_writable && known.and_then(|k| k.writable) == Some(false) {
        return refuse("the device says that it is read-only".to_owned());
    }
    let typed = type_value(path, value, known)?;
    // A device that reports another type than the model is right for itself.
    let remarks = Catalogue::find(path).map(|entry| entry.check(&typed.value)).unwrap_or_default();
    match remarks.iter().find(|remark| remark.severity() == Severity::Violation) {
        Some(remark) => refuse(remark.to_string()),
        None => Ok(()),
    }
}

/// A string to set as the ACS itself wants it.
pub(crate) fn string_value(path: ParameterPath, text: &str) -> SetValue {
    SetValue { path, kind: None, text: Secret::new(text) }
}

fn catalogue_kind(path: &ParameterPath) -> Option<ValueType> {
    Catalogue::find(path).and_then(|entry| entry.value_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    fn value(text: &str, kind: Option<ValueType>) -> SetValue {
        SetValue { path: path("X"), kind, text: Secret::new(text) }
    }

    #[test]
    fn the_device_decides_the_type_before_the_catalogue_cwmp_076() {
        let enable = path("Device.WiFi.SSID.1.Enable");
        let reported = Known { kind: Some(ValueType::String), writable: None };
        let kind = |value: SetValue, known| type_value(&enable, &value, known).unwrap().value.kind;
        assert_eq!(kind(value("true", None), None), ValueType::Boolean);
        assert_eq!(kind(value("true", None), Some(&reported)), ValueType::String);
        assert_eq!(kind(value("7", Some(ValueType::Int)), Some(&reported)), ValueType::Int);
        let vendor = path("Device.X_ACME_Thing");
        assert_eq!(type_value(&vendor, &value("7", None), None).unwrap().value, Value::string("7"));
    }

    #[test]
    fn a_value_out_of_range_is_refused_cwmp_373() {
        let interval = path("Device.ManagementServer.PeriodicInformInterval");
        assert!(check_value(&interval, &value("300", None), None, true).is_ok());
        for text in ["0", "-1", "soon", "4294967296"] {
            let problem = check_value(&interval, &value(text, None), None, true).unwrap_err();
            assert!(!problem.problem.is_empty(), "{text}");
        }
    }

    #[test]
    fn read_only_is_refused_unless_switched_off() {
        let known = Known { kind: None, writable: Some(false) };
        let name = path("Device.X_ACME_Thing");
        assert!(check_value(&name, &value("a", None), Some(&known), true).is_err());
        assert!(check_value(&name, &value("a", None), Some(&known), false).is_ok());
    }

    #[test]
    fn diagnostics_are_commands() {
        assert!(is_command(&path("Device.IP.Diagnostics.IPPing.DiagnosticsState")));
        assert!(is_command(&path("Device.X_ACME_Test.DiagnosticsState")));
        assert!(!is_command(&path("Device.WiFi.SSID.1.Enable")));
    }
}
