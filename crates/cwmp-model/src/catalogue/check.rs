use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::{Entry, ItemType, Ranges};
use crate::{Value, ValueError, ValueType, split_nested_list};

/// How much a remark weighs. Either way the check only warns: the CPE decides (CWMP-373).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The model says otherwise, but devices differ: enumeration (vendors may add values), pattern, size, type.
    Doubt,
    /// No value of its type, or a number outside the range of the model.
    Violation,
}

/// What is odd about a value. Says nothing of the value itself, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueRemark {
    /// An object was given a value.
    NotAParameter,
    /// No text of its type.
    Malformed(ValueError),
    /// No decimal number.
    NotDecimal,
    /// Another type than the model has. A device that reports that type is right for itself (CWMP-076).
    Type {
        /// Of the model.
        expected: ValueType,
    },
    /// A number outside the model's range.
    Range {
        /// Of the model.
        allowed: Ranges,
    },
    /// Too short or too long: a string in characters, binary in bytes.
    Size {
        /// How long it is.
        size: usize,
        /// Of the model.
        allowed: Ranges,
    },
    /// A list with too few or too many items.
    Items {
        /// How many it has.
        count: usize,
        /// Of the model.
        allowed: Ranges,
    },
    /// None of the values that the model names.
    Enumeration,
    /// None of the model's patterns matches.
    Pattern,
}

impl ValueRemark {
    /// How much it weighs.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NotAParameter | Self::Malformed(_) | Self::NotDecimal | Self::Range { .. } => Severity::Violation,
            Self::Type { .. } | Self::Size { .. } | Self::Items { .. } | Self::Enumeration | Self::Pattern => {
                Severity::Doubt
            }
        }
    }
}

impl fmt::Display for ValueRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAParameter => f.write_str("this is an object, which has no value"),
            Self::Malformed(error) => error.fmt(f),
            Self::NotDecimal => f.write_str("not a decimal number"),
            Self::Type { expected } => write!(f, "the data model has type {} here", expected.as_str()),
            Self::Range { allowed } => write!(f, "outside the range of the data model, {allowed}"),
            Self::Size { size, allowed } => write!(f, "length {size}, the data model has {allowed}"),
            Self::Items { count, allowed } => write!(f, "{count} items, the data model has {allowed}"),
            Self::Enumeration => f.write_str("not one of the values that the data model names"),
            Self::Pattern => f.write_str("does not match the pattern of the data model"),
        }
    }
}

impl Entry {
    /// Holds `value` against the model (CWMP-373): type, range, size, list, enumeration, pattern. Empty when all is well.
    /// Of a list each item is checked; items that are lists themselves (in brackets) are not looked into.
    pub fn check(&self, value: &Value) -> Vec<ValueRemark> {
        let (Some(expected), Some(item_type)) = (self.value_type(), self.item_type()) else {
            return vec![ValueRemark::NotAParameter];
        };
        if let Err(error) = value.check() {
            return vec![ValueRemark::Malformed(error)];
        }
        let mut remarks = Vec::new();
        if value.kind != expected {
            remarks.push(ValueRemark::Type { expected });
        }
        if self.is_list() {
            self.check_list(item_type, &value.text, &mut remarks);
        } else if value.kind == expected || Value::new(expected, &*value.text).check().is_ok() {
            self.check_item(item_type, &value.text, &mut remarks);
        }
        remarks
    }

    fn check_list(&self, item_type: ItemType, text: &str, remarks: &mut Vec<ValueRemark>) {
        size_remark(text.chars().count(), self.list_sizes(), remarks);
        let items = split_nested_list(text);
        let allowed = self.item_counts();
        if !allowed.contain(items.len() as i128) {
            remarks.push(ValueRemark::Items { count: items.len(), allowed });
        }
        for item in items.iter().filter(|item| !item.starts_with('[')) {
            self.check_item(item_type, item, remarks);
        }
        remarks.dedup();
    }

    fn check_item(&self, item_type: ItemType, text: &str, remarks: &mut Vec<ValueRemark>) {
        let ItemType::Basic(kind) = item_type else {
            if !is_decimal(text) {
                remarks.push(ValueRemark::NotDecimal);
            }
            return;
        };
        let text = match Value::typed(kind, text) {
            Ok(value) => value.text,
            Err(error) => return remarks.push(ValueRemark::Malformed(error)),
        };
        match size(kind, &text) {
            Some(size) => size_remark(size, self.sizes(), remarks),
            None => self.check_number(kind, &text, remarks),
        }
        if kind == ValueType::String {
            self.check_words(&text, remarks);
        }
    }

    fn check_number(&self, kind: ValueType, text: &str, remarks: &mut Vec<ValueRemark>) {
        let number = kind.bounds().and_then(|_| text.parse().ok());
        let allowed = self.ranges();
        if number.is_some_and(|number| !allowed.contain(number)) {
            remarks.push(ValueRemark::Range { allowed });
        }
    }

    /// Enumeration and patterns; where the model has both, either will do.
    fn check_words(&self, text: &str, remarks: &mut Vec<ValueRemark>) {
        if matches!(self.data_type(), "Alias" | "AliasCWMP") && text.starts_with(|c: char| !c.is_ascii_alphabetic()) {
            // CWMP-385: the files of the models do not carry the pattern of this data type.
            return remarks.push(ValueRemark::Pattern);
        }
        let (mut named, mut patterns) = (self.enumeration().peekable(), self.patterns().peekable());
        let has_enumeration = named.peek().is_some();
        if !has_enumeration && patterns.peek().is_none() {
            return;
        }
        if named.any(|value| value.text == text) || patterns.any(|pattern| is_match(pattern, text)) {
            return;
        }
        remarks.push(if has_enumeration { ValueRemark::Enumeration } else { ValueRemark::Pattern });
    }
}

fn size_remark(size: usize, allowed: Ranges, remarks: &mut Vec<ValueRemark>) {
    if !allowed.contain(size as i128) {
        remarks.push(ValueRemark::Size { size, allowed });
    }
}

/// The size that models limit, of a canonical text; `None` for types without one.
fn size(kind: ValueType, text: &str) -> Option<usize> {
    match kind {
        ValueType::String => Some(text.chars().count()),
        ValueType::HexBinary => Some(text.len() / 2),
        ValueType::Base64 => Some(STANDARD.decode(text).map_or(0, |bytes| bytes.len())),
        _ => None,
    }
}

/// `xsd:decimal`: sign, digits, at most one point.
fn is_decimal(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    digits.len() > usize::from(digits.contains('.'))
        && [whole, fraction].iter().all(|d| d.bytes().all(|b| b.is_ascii_digit()))
}

/// XML Schema expressions match the whole text. The models use no more of them than what is the same elsewhere. One that
/// cannot be read raises no doubt.
fn is_match(pattern: &str, text: &str) -> bool {
    expression(pattern).is_none_or(|regex| regex.is_match(text))
}

fn expression(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{})$", pattern.replace(r"\d", "[0-9]"))).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Catalogue, Root};
    use super::*;
    use crate::ParameterPath;

    fn check(path: &str, kind: ValueType, text: &str) -> Vec<ValueRemark> {
        let entry = Catalogue::find(&ParameterPath::new(path).unwrap()).unwrap();
        entry.check(&Value::new(kind, text))
    }

    #[test]
    fn good_values_raise_no_remark_cwmp_373() {
        for (path, kind, text) in [
            ("Device.ManagementServer.PeriodicInformInterval", ValueType::UnsignedInt, "300"),
            ("Device.WiFi.SSID.1.Enable", ValueType::Boolean, "true"),
            ("Device.WiFi.SSID.1.BSSID", ValueType::String, ""),
            ("Device.WiFi.SSID.1.BSSID", ValueType::String, "00:00:5E:00:53:01"),
            ("Device.WiFi.Radio.1.SupportedStandards", ValueType::String, "g, n"),
            ("Device.RootDataModelVersion", ValueType::String, "2.19"),
            ("Device.WiFi.AccessPoint.1.Security.WEPKey", ValueType::HexBinary, "0011223344"),
            ("Device.IP.Diagnostics.IPLayerCapacityMetrics.MaxIPLayerCapacity", ValueType::String, "-12.5"),
        ] {
            assert_eq!(check(path, kind, text), [], "{path}");
        }
    }

    #[test]
    fn wrong_numbers_and_forms_are_violations_cwmp_373() {
        for (path, kind, text) in [
            ("Device.ManagementServer.PeriodicInformInterval", ValueType::UnsignedInt, "0"),
            ("Device.ManagementServer.PeriodicInformInterval", ValueType::UnsignedInt, "4294967296"),
            ("Device.ManagementServer.PeriodicInformInterval", ValueType::String, "0"),
            ("Device.WiFi.SSID.1.Enable", ValueType::Boolean, "on"),
            ("Device.IP.Diagnostics.IPLayerCapacityMetrics.MaxIPLayerCapacity", ValueType::String, "1.2.3"),
            ("Device.WiFi.", ValueType::String, ""),
        ] {
            let remarks = check(path, kind, text);
            assert!(remarks.iter().any(|r| r.severity() == Severity::Violation), "{path} {text}: {remarks:?}");
        }
    }

    #[test]
    fn what_vendors_may_differ_in_is_a_doubt_cwmp_373() {
        let long = "x".repeat(33);
        for (path, kind, text, remark) in [
            ("Device.WiFi.Radio.1.SupportedStandards", ValueType::String, "g,x", ValueRemark::Enumeration),
            ("Device.WiFi.SSID.1.BSSID", ValueType::String, "nonsense", ValueRemark::Pattern),
            ("Device.WiFi.SSID.1.Enable", ValueType::String, "1", ValueRemark::Type { expected: ValueType::Boolean }),
            (
                "Device.WiFi.SSID.1.SSID",
                ValueType::String,
                long.as_str(),
                ValueRemark::Size {
                    size: 33,
                    allowed: Ranges(vec![super::super::NumberRange { min: Some(0), max: Some(32) }]),
                },
            ),
        ] {
            let remarks = check(path, kind, text);
            assert_eq!(remark.severity(), Severity::Doubt);
            assert_eq!(remarks, [remark], "{path}");
        }
    }

    #[test]
    fn an_alias_begins_with_a_letter_and_has_64_characters_cwmp_385() {
        let alias = |text: &str| check("Device.WiFi.SSID.1.Alias", ValueType::String, text);
        for good in ["a", "cpe-1", "home.lan", "Z_9", &"a".repeat(64)] {
            assert_eq!(alias(good), [], "CWMP-385: {good}");
        }
        for bad in ["1a", "-a", "_a", ".a", "\u{e9}t\u{e9}"] {
            assert_eq!(alias(bad), [ValueRemark::Pattern], "CWMP-385: {bad}");
        }
        let long = alias(&"a".repeat(65));
        assert!(matches!(long[..], [ValueRemark::Size { size: 65, .. }]), "CWMP-385: {long:?}");
        assert_eq!(check("Device.WiFi.SSID.1.SSID", ValueType::String, "1a"), [], "no other parameter");
    }

    #[test]
    fn remarks_do_not_show_the_value_p26() {
        for remark in check("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", ValueType::Boolean, "canary") {
            assert!(!remark.to_string().contains("canary") && !format!("{remark:?}").contains("canary"));
        }
    }

    #[test]
    fn every_pattern_can_be_read() {
        for entry in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()) {
            for pattern in entry.patterns() {
                assert!(expression(pattern).is_some(), "{entry:?}: {pattern}");
            }
        }
    }

    #[test]
    fn decimals_have_digits_and_one_point() {
        assert!(["0", "1.5", "-1.", ".5", "+3"].iter().all(|text| is_decimal(text)));
        assert!(!["", ".", "-", "1e3", "1.2.3", "a"].iter().any(|text| is_decimal(text)));
    }
}
