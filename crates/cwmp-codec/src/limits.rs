use std::fmt;

/// What one message may ask of the reader (CWMP-029, CWMP-030, CWMP-530). Every field is an inclusive maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body after decompression, before its charset is decoded.
    pub body_bytes: usize,
    /// Elements open at a time. A CWMP message needs 7.
    pub depth: usize,
    /// Elements in the whole body.
    pub elements: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
    /// Namespace declarations in scope at a time.
    pub namespaces: usize,
    /// Bytes of an element or attribute name with its prefix.
    pub name_bytes: usize,
    /// Bytes of one text, or of one attribute value.
    pub value_bytes: usize,
    /// Members of a list: parameters, names, methods, SetParameterValuesFaults.
    pub list_members: usize,
    /// Entries of the event list. The standard says 64 (CWMP-180); more is read with a remark.
    pub events: usize,
    /// Entries of the SOAP header.
    pub header_entries: usize,
    /// Bytes of the header `ID`, which is kept and sent back.
    pub id_bytes: usize,
    /// Versions in the header `SupportedCWMPVersions`.
    pub supported_versions: usize,
}

impl Default for Limits {
    /// A full data model of a large device (100 000 parameters, 16 MiB) fits.
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            depth: 32,
            elements: 500_000,
            attributes: 64,
            namespaces: 128,
            name_bytes: 256,
            value_bytes: 1 << 20,
            list_members: 100_000,
            events: 256,
            header_entries: 32,
            id_bytes: 1024,
            supported_versions: 64,
        }
    }
}

/// Which of the [`Limits`] a message passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::body_bytes`]
    BodyBytes,
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::elements`]
    Elements,
    /// [`Limits::attributes`]
    Attributes,
    /// [`Limits::namespaces`]
    Namespaces,
    /// [`Limits::name_bytes`]
    NameBytes,
    /// [`Limits::value_bytes`]
    ValueBytes,
    /// [`Limits::list_members`]
    ListMembers,
    /// [`Limits::events`]
    Events,
    /// [`Limits::header_entries`]
    HeaderEntries,
    /// [`Limits::id_bytes`]
    IdBytes,
    /// [`Limits::supported_versions`]
    SupportedVersions,
}

impl Limit {
    /// The name of the field in [`Limits`], stable for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BodyBytes => "body_bytes",
            Self::Depth => "depth",
            Self::Elements => "elements",
            Self::Attributes => "attributes",
            Self::Namespaces => "namespaces",
            Self::NameBytes => "name_bytes",
            Self::ValueBytes => "value_bytes",
            Self::ListMembers => "list_members",
            Self::Events => "events",
            Self::HeaderEntries => "header_entries",
            Self::IdBytes => "id_bytes",
            Self::SupportedVersions => "supported_versions",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the reader does where the standard leaves a choice per model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Characters that XML 1.0 cannot carry (CWMP-083).
    pub invalid_characters: InvalidCharacters,
}

/// See [`Leniency::invalid_characters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum InvalidCharacters {
    /// They are left out, with a remark.
    #[default]
    Drop,
    /// The message is refused.
    Refuse,
}
