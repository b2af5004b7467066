use crate::ParameterPath;

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
}

/// ParameterValueStruct.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterValue {
    /// The full name.
    pub name: ParameterPath,
    /// What it holds.
    pub value: Value,
}
