use cwmp_codec::{EncodeOptions, Inform};
use cwmp_model::DeviceIdentity;

/// What is done otherwise for some devices: quirks as data, never as an `if` on a vendor's name (`design.md` §3.9).
#[derive(Debug, Clone, Default)]
pub struct ModelRule {
    /// For which.
    pub devices: ModelMatch,
    /// End with 200 and Content-Length 0 in place of 204 (CWMP-007).
    pub empty_as_200: bool,
    /// How envelopes are written: XML declaration, character references, form of booleans.
    pub encode: EncodeOptions,
    /// Take Digest answers without qop (CWMP-054).
    pub digest_without_qop: bool,
}

/// Which devices, by what they say of themselves; an empty field is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelMatch {
    /// DeviceId.Manufacturer.
    pub manufacturer: String,
    /// DeviceId.OUI.
    pub oui: String,
    /// DeviceId.ProductClass.
    pub product_class: String,
    /// DeviceInfo.SoftwareVersion as the Inform says it.
    pub software_version: String,
}

impl ModelMatch {
    fn is(&self, device: &DeviceIdentity, software_version: &str) -> bool {
        let fits = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
        fits(&self.manufacturer, &device.manufacturer)
            && fits(&self.oui, &device.oui)
            && fits(&self.product_class, &device.product_class)
            && (self.software_version.is_empty() || self.software_version == software_version)
    }
}

/// The first rule for a device.
pub(crate) fn rule<'a>(
    rules: &'a [ModelRule],
    device: &DeviceIdentity,
    software_version: &str,
) -> Option<&'a ModelRule> {
    rules.iter().find(|rule| rule.devices.is(device, software_version))
}

/// DeviceInfo.SoftwareVersion as an Inform says it; empty: it does not.
pub(crate) fn software_version(inform: &Inform) -> &str {
    let is_version = |name: &str| name.ends_with(".DeviceInfo.SoftwareVersion");
    let found = inform.parameters.iter().find(|parameter| is_version(parameter.name.as_str()));
    found.map_or("", |parameter| parameter.value.text.as_str())
}

#[cfg(test)]
mod tests {
    use cwmp_model::{ParameterPath, ParameterValue, Value};

    use super::*;

    #[test]
    fn the_first_rule_whose_fields_all_fit() {
        let rule_for = |oui: &str, version: &str| ModelRule {
            devices: ModelMatch { oui: oui.into(), software_version: version.into(), ..ModelMatch::default() },
            empty_as_200: version.is_empty(),
            ..ModelRule::default()
        };
        let rules = [rule_for("00AABB", "2.0"), rule_for("00AABB", "")];
        let inform = |oui: &str, version: &str| Inform {
            device: DeviceIdentity { oui: oui.into(), ..DeviceIdentity::default() },
            parameters: vec![ParameterValue {
                name: ParameterPath::new("Device.DeviceInfo.SoftwareVersion").unwrap(),
                value: Value::string(version),
            }],
            ..Inform::default()
        };
        let empty_as_200 = |oui, version| {
            let inform = inform(oui, version);
            rule(&rules, &inform.device, software_version(&inform)).map(|r| r.empty_as_200)
        };
        assert_eq!(empty_as_200("00AABB", "2.0"), Some(false));
        assert_eq!(empty_as_200("00AABB", "1.0"), Some(true));
        assert_eq!(empty_as_200("001122", "2.0"), None);
    }
}
