use cwmp_model::DeviceIdentity;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The parts of a user name of the form `<OUI>-<ProductClass>-<SerialNumber>` or `<OUI>-<SerialNumber>` (CWMP-055).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UserName {
    /// OUI.
    pub oui: String,
    /// ProductClass; empty in the shorter form.
    pub product_class: String,
    /// SerialNumber.
    pub serial_number: String,
}

/// Letters, digits and `_` stay (CWMP-056).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

impl UserName {
    /// Takes a user name apart; `None` if it has another form. Escapes are UTF-8, or else the Latin-1 of old devices
    /// (CWMP-057).
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let (oui, product_class, serial_number) = match parts[..] {
            [oui, serial_number] => (oui, "", serial_number),
            [oui, product_class, serial_number] => (oui, product_class, serial_number),
            _ => return None,
        };
        if oui.is_empty() || serial_number.is_empty() {
            return None;
        }
        Some(Self { oui: decode(oui), product_class: decode(product_class), serial_number: decode(serial_number) })
    }

    /// The text of it; the ProductClass is left out when empty.
    pub fn encode(&self) -> String {
        let part = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let Self { oui, product_class, serial_number } = self;
        if product_class.is_empty() {
            return format!("{}-{}", part(oui), part(serial_number));
        }
        format!("{}-{}-{}", part(oui), part(product_class), part(serial_number))
    }

    /// Whether it names this device. The shorter form leaves the ProductClass open.
    pub fn names(&self, device: &DeviceIdentity) -> bool {
        let same_class = self.product_class.is_empty() || self.product_class == device.product_class;
        same_class && self.oui == device.oui && self.serial_number == device.serial_number
    }
}

fn decode(part: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(part).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(oui: &str, product_class: &str, serial_number: &str) -> UserName {
        UserName {
            oui: oui.to_owned(),
            product_class: product_class.to_owned(),
            serial_number: serial_number.to_owned(),
        }
    }

    #[test]
    fn both_forms_are_taken_apart_cwmp_055_cwmp_057() {
        assert_eq!(UserName::parse("012345-STB-0123"), Some(name("012345", "STB", "0123")));
        assert_eq!(UserName::parse("012345-0123"), Some(name("012345", "", "0123")));
        assert_eq!(UserName::parse("012345-Set%2DTop%2DBox-01"), Some(name("012345", "Set-Top-Box", "01")));
        for other in ["", "user", "a-b-c-d", "-1", "1-", "-x-"] {
            assert_eq!(UserName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn utf_8_and_latin_1_escapes_are_read_cwmp_057() {
        assert_eq!(UserName::parse("0-M%C3%BCller-1"), Some(name("0", "M\u{fc}ller", "1")));
        assert_eq!(UserName::parse("0-M%FCller-1"), Some(name("0", "M\u{fc}ller", "1")));
        assert_eq!(UserName::parse("0-100%-1"), Some(name("0", "100%", "1")));
    }

    #[test]
    fn a_name_names_its_device_cwmp_058() {
        let device = DeviceIdentity {
            manufacturer: "any".to_owned(),
            oui: "012345".to_owned(),
            product_class: "STB".to_owned(),
            serial_number: "1".to_owned(),
        };
        assert!(name("012345", "STB", "1").names(&device));
        assert!(name("012345", "", "1").names(&device));
        assert!(!name("012345", "STB", "2").names(&device));
        assert!(!name("012345", "IAD", "1").names(&device));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed_back_cwmp_056(oui in "\\PC{1,8}", class in "\\PC{0,8}", serial in "\\PC{1,8}") {
            let name = name(&oui, &class, &serial);
            let text = name.encode();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-%".contains(&b)));
            prop_assert_eq!(UserName::parse(&text), Some(name));
        }
    }
}
