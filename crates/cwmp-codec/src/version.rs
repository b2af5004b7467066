/// A CWMP protocol version (section E of the requirement list).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CwmpVersion {
    /// Amendment 1.
    V1_0,
    /// Amendment 2.
    V1_1,
    /// Amendment 3.
    V1_2,
    /// Amendment 4.
    V1_3,
    /// Amendments 5 and 6.
    V1_4,
}

impl CwmpVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 5] = [Self::V1_0, Self::V1_1, Self::V1_2, Self::V1_3, Self::V1_4];

    /// `1.0` … `1.4`, as in SupportedCWMPVersions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
            Self::V1_4 => "1.4",
        }
    }

    /// From its text; `None` for versions this code does not know.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text.trim())
    }

    /// The namespace this version is written in.
    pub const fn namespace(self) -> CwmpNamespace {
        match self {
            Self::V1_0 => CwmpNamespace::V1_0,
            Self::V1_1 => CwmpNamespace::V1_1,
            Self::V1_2 | Self::V1_3 | Self::V1_4 => CwmpNamespace::V1_2,
        }
    }
}

/// The XML namespace of CWMP elements. 1.2, 1.3 and 1.4 share one; the last two are never sent unless the CPE used them
/// first (CWMP-166).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CwmpNamespace {
    /// `urn:dslforum-org:cwmp-1-0`
    V1_0,
    /// `urn:dslforum-org:cwmp-1-1`
    V1_1,
    /// `urn:dslforum-org:cwmp-1-2`
    V1_2,
    /// `urn:dslforum-org:cwmp-1-3`, which no schema has.
    Invented1_3,
    /// `urn:dslforum-org:cwmp-1-4`, which no schema has.
    Invented1_4,
}

impl CwmpNamespace {
    /// Every namespace.
    pub const ALL: [Self; 5] = [Self::V1_0, Self::V1_1, Self::V1_2, Self::Invented1_3, Self::Invented1_4];

    /// The URN.
    pub const fn urn(self) -> &'static str {
        match self {
            Self::V1_0 => "urn:dslforum-org:cwmp-1-0",
            Self::V1_1 => "urn:dslforum-org:cwmp-1-1",
            Self::V1_2 => "urn:dslforum-org:cwmp-1-2",
            Self::Invented1_3 => "urn:dslforum-org:cwmp-1-3",
            Self::Invented1_4 => "urn:dslforum-org:cwmp-1-4",
        }
    }

    /// From the URN.
    pub fn parse(urn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|n| n.urn() == urn)
    }
}
