use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Entry, EntryKind, ItemType, Severity, Status};
use crate::{Value, ValueType, join_list};

/// Plausible texts by named data type, from the documentation ranges of their registries.
const BY_DATA_TYPE: [(&str, &str); 10] = [
    ("IPAddress", "192.0.2.1"),
    ("IPv4Address", "192.0.2.1"),
    ("IPv6Address", "2001:db8::1"),
    ("IPPrefix", "192.0.2.0/24"),
    ("IPv4Prefix", "192.0.2.0/24"),
    ("IPv6Prefix", "2001:db8::/64"),
    ("MACAddress", "00:00:5E:00:53:01"),
    ("IEEE_EUI64", "00:00:5E:FF:FE:00:53:01"),
    ("UUID", "00000000-0000-4000-8000-000000000001"),
    ("URL", "http://example.com/"),
];

/// Texts that satisfy the patterns of the models which no data type covers.
const BY_PATTERN: [&str; 14] = [
    "sample",
    "00005E",
    "0",
    "0.1",
    "2.19",
    "00:00:5E:00:53:01",
    "00000000-0000-4000-8000-000000000001",
    "192.0.2.1",
    "123456789012345",
    "0000",
    "12:00",
    "US ",
    "0/0",
    "260131",
];

impl Entry {
    /// A plausible value that the model allows, for simulated devices: the default if there is one, else from the
    /// enumeration, the data type, the range or the size. An object gets an empty string.
    pub fn sample_value(&self) -> Value {
        let Some(kind) = self.value_type().filter(|_| self.kind() == EntryKind::Parameter) else {
            return Value::default();
        };
        let values: Vec<Value> = self.sample_texts().iter().filter_map(|text| Value::typed(kind, text).ok()).collect();
        let without = |wanted: fn(Severity) -> bool| {
            values.iter().find(|value| !self.check(value).iter().any(|remark| wanted(remark.severity())))
        };
        let best = without(|_| true).or_else(|| without(|severity| severity == Severity::Violation));
        best.cloned().unwrap_or_else(|| Value::new(kind, ""))
    }

    /// Candidates, the most plausible first.
    fn sample_texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.default_value().into_iter().map(|default| default.text.to_owned()).collect();
        let current = self.enumeration().filter(|value| value.status == Status::Current);
        texts.extend(current.chain(self.enumeration()).take(1).map(|value| value.text.to_owned()));
        match self.item_type() {
            Some(ItemType::Basic(ValueType::String)) => self.sample_words(&mut texts),
            Some(ItemType::Basic(ValueType::HexBinary)) => texts.extend([String::new(), "00".repeat(self.shortest())]),
            Some(ItemType::Basic(ValueType::Base64)) => {
                texts.extend([String::new(), STANDARD.encode(vec![0; self.shortest()])]);
            }
            Some(ItemType::Basic(ValueType::DateTime)) => texts.push("0001-01-01T00:00:00Z".to_owned()),
            _ if self.is_list() => texts.extend([String::new(), self.sample_numbers()]),
            _ => texts.push(self.sample_number().to_string()),
        }
        texts
    }

    /// As many numbers as the list needs.
    fn sample_numbers(&self) -> String {
        let fewest = self.item_counts().0.iter().filter_map(|range| range.min).min().unwrap_or(0);
        let count = usize::try_from(fewest).unwrap_or(0).max(1);
        join_list(vec![self.sample_number().to_string(); count])
    }

    fn sample_words(&self, texts: &mut Vec<String>) {
        // A reference to something that is not there would be a lie; empty is none.
        if self.is_reference() || self.is_list() {
            texts.push(String::new());
        }
        let by_type = BY_DATA_TYPE.iter().filter(|(name, _)| *name == self.data_type());
        texts.extend(by_type.map(|(_, text)| (*text).to_owned()));
        texts.extend(BY_PATTERN.map(str::to_owned));
        texts.extend([String::new(), "0".repeat(self.shortest())]);
    }

    /// The number next to zero that the ranges hold.
    fn sample_number(&self) -> i128 {
        let ranges = self.ranges().0;
        let nearest = |range: &super::NumberRange| 0.max(range.min.unwrap_or(0)).min(range.max.unwrap_or(i128::MAX));
        ranges.iter().map(nearest).min_by_key(|number| number.abs()).unwrap_or(0)
    }

    /// The shortest length that the model allows.
    fn shortest(&self) -> usize {
        let shortest = self.sizes().0.iter().filter_map(|range| range.min).min().unwrap_or(0);
        usize::try_from(shortest).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Catalogue, Root};
    use crate::ParameterPath;

    #[test]
    fn every_sample_is_what_its_model_allows() {
        let mut doubtful = Vec::new();
        for entry in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()) {
            let value = entry.sample_value();
            assert_eq!(value.check(), Ok(()), "{entry:?}");
            if entry.value_type().is_some() && !entry.check(&value).is_empty() {
                doubtful.push(entry.path());
            }
        }
        // Four items that no list of plain items can be: size and pattern contradict each other.
        let port = "Device.Bridging.Bridge.{i}.Port.{i}.PriorityCodePoint";
        assert_eq!(doubtful, [format!("{port}.PCPDecoding"), format!("{port}.PCPEncoding")]);
    }

    #[test]
    fn samples_follow_default_and_type() {
        let sample = |path: &str| Catalogue::find(&ParameterPath::new(path).unwrap()).unwrap().sample_value().text;
        assert_eq!(sample("Device.WiFi.SSID.1.Enable"), "0");
        assert_eq!(sample("Device.WiFi.SSID.1.BSSID"), "00:00:5E:00:53:01");
        assert_eq!(sample("Device.ManagementServer.PeriodicInformInterval"), "1");
        assert_eq!(sample("Device.WiFi.SSID.1.LowerLayers"), "");
    }
}
