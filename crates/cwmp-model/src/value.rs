use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::{CwmpDateTime, ParameterPath, is_secret_name};

/// The types a parameter may have (CWMP-075).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// `xsd:string`; also what an unknown or missing xsi:type is taken as.
    #[default]
    String,
    /// `xsd:int`, 32 bits.
    Int,
    /// `xsd:unsignedInt`, 32 bits.
    UnsignedInt,
    /// `xsd:long`, 64 bits.
    Long,
    /// `xsd:unsignedLong`, 64 bits.
    UnsignedLong,
    /// `xsd:boolean`.
    Boolean,
    /// `xsd:dateTime`.
    DateTime,
    /// `xsd:base64` or `xsd:base64Binary`.
    Base64,
    /// `xsd:hexBinary`.
    HexBinary,
}

impl ValueType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::String,
        Self::Int,
        Self::UnsignedInt,
        Self::Long,
        Self::UnsignedLong,
        Self::Boolean,
        Self::DateTime,
        Self::Base64,
        Self::HexBinary,
    ];

    /// The local name of the XML Schema type that the ACS sends; also the name in API and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::UnsignedInt => "unsignedInt",
            Self::Long => "long",
            Self::UnsignedLong => "unsignedLong",
            Self::Boolean => "boolean",
            Self::DateTime => "dateTime",
            Self::Base64 => "base64Binary",
            Self::HexBinary => "hexBinary",
        }
    }

    /// What its texts look like, for messages.
    const fn form(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Int => "a whole number from -2147483648 to 2147483647",
            Self::UnsignedInt => "a whole number from 0 to 4294967295",
            Self::Long => "a whole number from -9223372036854775808 to 9223372036854775807",
            Self::UnsignedLong => "a whole number from 0 to 18446744073709551615",
            Self::Boolean => "0, 1, true or false",
            Self::DateTime => "a dateTime such as 2026-01-31T12:00:00Z",
            Self::Base64 => "base64 text",
            Self::HexBinary => "an even number of hexadecimal digits",
        }
    }

    /// The numbers it holds, both ends included; `None` if it holds none.
    pub const fn bounds(self) -> Option<(i128, i128)> {
        match self {
            Self::Int => Some((i32::MIN as i128, i32::MAX as i128)),
            Self::UnsignedInt => Some((0, u32::MAX as i128)),
            Self::Long => Some((i64::MIN as i128, i64::MAX as i128)),
            Self::UnsignedLong => Some((0, u64::MAX as i128)),
            Self::String | Self::Boolean | Self::DateTime | Self::Base64 | Self::HexBinary => None,
        }
    }

    /// From a local name (`base64` and `base64Binary` are one type); `None` for others.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "base64" {
            return Some(Self::Base64);
        }
        Self::ALL.into_iter().find(|t| t.as_str() == name)
    }
}

/// A value as it stands on the wire: its type and its text after unescaping.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// The type.
    pub kind: ValueType,
    /// The text.
    pub text: String,
}

impl Value {
    /// A value of type `kind`.
    pub fn new(kind: ValueType, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::new(ValueType::String, text)
    }

    /// `text` as a value of type `kind`, in the form in which the ACS sends it.
    pub fn typed(kind: ValueType, text: &str) -> Result<Self, ValueError> {
        Ok(Self { kind, text: canonical_text(kind, text)? })
    }

    /// Whether the text is one that the type allows, in any form that devices send: booleans `0 1 true false`
    /// (CWMP-077), numbers within their bits (CWMP-078), dateTimes as [`CwmpDateTime::parse`] takes them, base64 with or
    /// without line breaks (CWMP-085), strings of characters that XML can carry (CWMP-083).
    pub fn check(&self) -> Result<(), ValueError> {
        canonical_text(self.kind, &self.text).map(|_| ())
    }

    /// The same value in the form in which the ACS sends it: boolean `0` or `1`, dateTime in UTC with `Z`, numbers without
    /// plus sign or leading zeros, base64 without line breaks; strings as they are.
    pub fn canonical(&self) -> Result<Self, ValueError> {
        Self::typed(self.kind, &self.text)
    }
}

/// Why a text is no value of its type. Says nothing of the text itself, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a form of that type.
    #[error("not a value of type {}: expected {}", kind.as_str(), kind.form())]
    Malformed {
        /// The type.
        kind: ValueType,
    },
    /// A number that the bits of its type cannot hold (CWMP-078).
    #[error("out of the range of type {}: expected {}", kind.as_str(), kind.form())]
    OutOfRange {
        /// The type.
        kind: ValueType,
    },
    /// XML 1.0 has no way to write this character (CWMP-083).
    #[error("a string cannot carry the character U+{:04X}: XML has no form for it, remove it", u32::from(*found))]
    Character {
        /// The first of them.
        found: char,
    },
}

/// Whether XML 1.0 can carry `c` (its production `Char`).
pub const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// ParameterValueStruct.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterValue {
    /// The full name.
    pub name: ParameterPath,
    /// What it holds.
    pub value: Value,
}

/// Without the text of a secret (P26).
impl fmt::Debug for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ParameterValue");
        shown.field("name", &self.name);
        match is_secret_name(&self.name) {
            true => shown.field("kind", &self.value.kind).finish_non_exhaustive(),
            false => shown.field("value", &self.value).finish(),
        }
    }
}

/// Digits of the longest number of 64 bits.
const DIGITS_MAX: usize = 20;

/// Takes missing padding, which some devices send.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn canonical_text(kind: ValueType, text: &str) -> Result<String, ValueError> {
    // White space around anything but a string means nothing in XML Schema.
    let inner = text.trim_matches([' ', '\t', '\n', '\r']);
    let malformed = ValueError::Malformed { kind };
    match kind {
        ValueType::String => match text.chars().find(|c| !is_xml_char(*c)) {
            Some(found) => Err(ValueError::Character { found }),
            None => Ok(text.to_owned()),
        },
        ValueType::Boolean => match inner {
            "0" | "false" => Ok("0".to_owned()),
            "1" | "true" => Ok("1".to_owned()),
            _ => Err(malformed),
        },
        ValueType::Int | ValueType::UnsignedInt | ValueType::Long | ValueType::UnsignedLong => {
            Ok(integer(kind, inner)?.to_string())
        }
        ValueType::DateTime => match CwmpDateTime::parse(inner) {
            Ok(time) => Ok(time.to_string()),
            Err(_) => Err(malformed),
        },
        ValueType::Base64 => canonical_base64(inner).ok_or(malformed),
        ValueType::HexBinary => {
            let even = inner.len().is_multiple_of(2) && inner.bytes().all(|b| b.is_ascii_hexdigit());
            if even { Ok(inner.to_owned()) } else { Err(malformed) }
        }
    }
}

fn integer(kind: ValueType, text: &str) -> Result<i128, ValueError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ValueError::Malformed { kind });
    }
    let out_of_range = ValueError::OutOfRange { kind };
    let digits = digits.trim_start_matches('0');
    let magnitude: i128 = match digits.len() {
        0 => 0,
        1..=DIGITS_MAX => digits.parse().map_err(|_| out_of_range)?,
        _ => return Err(out_of_range),
    };
    let number = if text.starts_with('-') { -magnitude } else { magnitude };
    match kind.bounds() {
        Some((min, max)) if (min..=max).contains(&number) => Ok(number),
        _ => Err(out_of_range),
    }
}

fn canonical_base64(text: &str) -> Option<String> {
    let dense: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect();
    BASE64.decode(&dense).ok().map(|bytes| BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(kind: ValueType, text: &str) -> Result<String, ValueError> {
        Value::new(kind, text).canonical().map(|v| v.text)
    }

    #[test]
    fn the_text_of_a_secret_is_not_in_its_debug_text_p26() {
        let shown = |name: &str| {
            let name = ParameterPath::new(name).unwrap();
            format!("{:?}", ParameterValue { name, value: Value::string("canary-secret") })
        };
        let secret = shown("Device.ManagementServer.ConnectionRequestPassword");
        assert!(secret.contains("ConnectionRequestPassword") && secret.contains("String"), "{secret}");
        assert!(!secret.contains("canary-secret"), "P26: {secret}");
        assert!(shown("Device.DeviceInfo.ProvisioningCode").contains("canary-secret"));
    }

    #[test]
    fn booleans_are_sent_as_digits_cwmp_077() {
        for (text, sent) in [("0", "0"), ("false", "0"), ("1", "1"), ("true", "1"), (" true\n", "1")] {
            assert_eq!(canonical(ValueType::Boolean, text).as_deref(), Ok(sent));
        }
        for text in ["", "2", "yes", "TRUE"] {
            assert_eq!(canonical(ValueType::Boolean, text), Err(ValueError::Malformed { kind: ValueType::Boolean }));
        }
    }

    #[test]
    fn numbers_are_held_to_their_bits_cwmp_078() {
        for kind in ValueType::ALL {
            let Some((min, max)) = kind.bounds() else { continue };
            for inside in [min, max, 0] {
                assert_eq!(canonical(kind, &inside.to_string()), Ok(inside.to_string()), "{kind:?}");
            }
            for outside in [min - 1, max + 1] {
                assert_eq!(canonical(kind, &outside.to_string()), Err(ValueError::OutOfRange { kind }), "{kind:?}");
            }
            assert_eq!(canonical(kind, "+007").as_deref(), Ok("7"));
            assert_eq!(canonical(kind, "-0").as_deref(), Ok("0"));
            assert_eq!(canonical(kind, &"9".repeat(400)), Err(ValueError::OutOfRange { kind }));
            for text in ["", "+", "1.0", "0x10", "--1", "1 2", "1e3"] {
                assert_eq!(canonical(kind, text), Err(ValueError::Malformed { kind }), "{text:?}");
            }
        }
    }

    #[test]
    fn strings_hold_what_xml_can_carry_cwmp_083() {
        assert_eq!(canonical(ValueType::String, " a\tb\u{1F600} ").as_deref(), Ok(" a\tb\u{1F600} "));
        for found in ['\0', '\u{2}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let text = format!("ab{found}");
            assert_eq!(canonical(ValueType::String, &text), Err(ValueError::Character { found }));
        }
    }

    #[test]
    fn base64_is_sent_without_line_breaks_cwmp_085() {
        assert_eq!(canonical(ValueType::Base64, "aGVs\r\n bG8=").as_deref(), Ok("aGVsbG8="));
        assert_eq!(canonical(ValueType::Base64, "aGVsbG8").as_deref(), Ok("aGVsbG8="));
        assert_eq!(canonical(ValueType::Base64, "").as_deref(), Ok(""));
        assert!(canonical(ValueType::Base64, "a*b=").is_err());
    }

    #[test]
    fn hex_binary_has_an_even_number_of_digits() {
        assert_eq!(canonical(ValueType::HexBinary, "0aFF").as_deref(), Ok("0aFF"));
        assert!(canonical(ValueType::HexBinary, "0aF").is_err());
        assert!(canonical(ValueType::HexBinary, "0g").is_err());
    }

    #[test]
    fn date_times_are_sent_in_utc_cwmp_080() {
        assert_eq!(
            canonical(ValueType::DateTime, "2026-01-31T12:00:00.000+01:00").as_deref(),
            Ok("2026-01-31T11:00:00Z")
        );
        assert!(canonical(ValueType::DateTime, "soon").is_err());
    }

    #[test]
    fn errors_do_not_show_the_value_p26() {
        let error = Value::new(ValueType::UnsignedInt, "canary-secret").check().unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn type_names_are_read_back_cwmp_075() {
        for kind in ValueType::ALL {
            assert_eq!(ValueType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ValueType::parse("base64"), Some(ValueType::Base64));
        assert_eq!(ValueType::parse("object"), None);
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(index in 0..ValueType::ALL.len(), text in "[-+0-9a-fTZ:tru .=]{0,24}") {
            if let Ok(once) = Value::new(ValueType::ALL[index], text).canonical() {
                prop_assert_eq!(once.canonical(), Ok(once));
            }
        }

        #[test]
        fn every_number_of_the_type_is_kept(number in any::<i64>()) {
            prop_assert_eq!(canonical(ValueType::Long, &number.to_string()), Ok(number.to_string()));
        }
    }
}
