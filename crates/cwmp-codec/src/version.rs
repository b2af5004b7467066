use crate::Header;

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

/// What a session speaks (CWMP-160 to CWMP-167).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The version.
    pub version: CwmpVersion,
    /// The namespace of every envelope of the ACS in this session (CWMP-165).
    pub namespace: CwmpNamespace,
    /// UseCWMPVersion of the InformResponse; `None` to a CPE that did not ask (CWMP-163).
    pub announce: Option<CwmpVersion>,
}

/// The CPE knows no version that we know: Fault 8006 (CWMP-164).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the CPE supports no CWMP version from 1.0 to 1.4, answer with fault 8006 in {}", namespace.urn())]
pub struct Unsupported {
    /// The namespace to write that fault in: `cwmp-1-0` and `cwmp-1-1` do not have it.
    pub namespace: CwmpNamespace,
}

/// Finds the version of a session from the namespace and the header of its Inform. Both are those of
/// [`Envelope`](crate::Envelope), so an unknown higher namespace is here as the highest known (CWMP-167).
///
/// A CPE without any CWMP namespace is taken for 1.0.
///
/// # Errors
/// [`Unsupported`] if SupportedCWMPVersions holds no version from 1.0 to 1.4 (CWMP-164).
pub fn negotiate(inform: Option<CwmpNamespace>, header: &Header) -> Result<Negotiated, Unsupported> {
    let used = inform.unwrap_or(CwmpNamespace::V1_0);
    let Some(supported) = &header.supported_versions else {
        let version = version_of(used, header);
        return Ok(Negotiated { version, namespace: used, announce: None });
    };
    match supported.iter().filter_map(|v| CwmpVersion::parse(v)).max() {
        Some(version) => {
            let namespace = if is_invented(used) { used } else { version.namespace() };
            Ok(Negotiated { version, namespace, announce: Some(version) })
        }
        None => Err(Unsupported { namespace: used.max(CwmpNamespace::V1_2) }),
    }
}

/// By the namespace alone; 1.2 and 1.3 share one, and only 1.3 has SessionTimeout (CWMP-162).
const fn version_of(used: CwmpNamespace, header: &Header) -> CwmpVersion {
    match used {
        CwmpNamespace::V1_0 => CwmpVersion::V1_0,
        CwmpNamespace::V1_1 => CwmpVersion::V1_1,
        CwmpNamespace::V1_2 if header.session_timeout.is_some() => CwmpVersion::V1_3,
        CwmpNamespace::V1_2 => CwmpVersion::V1_2,
        CwmpNamespace::Invented1_3 => CwmpVersion::V1_3,
        CwmpNamespace::Invented1_4 => CwmpVersion::V1_4,
    }
}

/// Such a CPE is answered in its own namespace (CWMP-166).
const fn is_invented(namespace: CwmpNamespace) -> bool {
    matches!(namespace, CwmpNamespace::Invented1_3 | CwmpNamespace::Invented1_4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CwmpNamespace::{Invented1_3, Invented1_4};

    fn header(supported: Option<&str>, session_timeout: Option<u32>) -> Header {
        let supported_versions = supported.map(|s| s.split(',').map(str::to_owned).collect());
        Header { supported_versions, session_timeout, ..Header::default() }
    }

    #[test]
    fn cwmp_160_to_167_negotiation() {
        use CwmpNamespace as N;
        use CwmpVersion as V;
        for (used, supported, timeout, expected) in [
            // CWMP-162: no list, the namespace decides
            (Some(N::V1_0), None, None, Ok((V::V1_0, N::V1_0, None))),
            (Some(N::V1_1), None, None, Ok((V::V1_1, N::V1_1, None))),
            (Some(N::V1_2), None, None, Ok((V::V1_2, N::V1_2, None))),
            (Some(N::V1_2), None, Some(60), Ok((V::V1_3, N::V1_2, None))),
            (None, None, None, Ok((V::V1_0, N::V1_0, None))),
            // CWMP-161: the highest both know, announced, in its namespace
            (Some(N::V1_2), Some("1.0,1.1,1.2,1.3,1.4"), None, Ok((V::V1_4, N::V1_2, Some(V::V1_4)))),
            (Some(N::V1_0), Some("1.4,1.0"), None, Ok((V::V1_4, N::V1_2, Some(V::V1_4)))),
            (Some(N::V1_2), Some("1.0, 1.1"), None, Ok((V::V1_1, N::V1_1, Some(V::V1_1)))),
            (Some(N::V1_2), Some("1.4,1.5,2.0"), None, Ok((V::V1_4, N::V1_2, Some(V::V1_4)))),
            // CWMP-164: none
            (Some(N::V1_2), Some("1.5,2.0"), None, Err(N::V1_2)),
            (Some(N::V1_0), Some(""), None, Err(N::V1_2)),
            // CWMP-166: invented namespaces are answered in kind
            (Some(Invented1_3), None, None, Ok((V::V1_3, Invented1_3, None))),
            (Some(Invented1_4), None, None, Ok((V::V1_4, Invented1_4, None))),
            (Some(Invented1_4), Some("1.0,1.4"), None, Ok((V::V1_4, Invented1_4, Some(V::V1_4)))),
        ] {
            let got = negotiate(used, &header(supported, timeout));
            let expected = expected
                .map(|(version, namespace, announce)| Negotiated { version, namespace, announce })
                .map_err(|namespace| Unsupported { namespace });
            assert_eq!(got, expected, "{used:?} {supported:?} {timeout:?}");
        }
    }

    #[test]
    fn cwmp_160_versions_and_namespaces_by_name() {
        for version in CwmpVersion::ALL {
            assert_eq!(CwmpVersion::parse(version.as_str()), Some(version));
            assert!(!is_invented(version.namespace()), "CWMP-166: never of our own accord");
        }
        for namespace in CwmpNamespace::ALL {
            assert_eq!(CwmpNamespace::parse(namespace.urn()), Some(namespace));
        }
        assert_eq!(CwmpVersion::parse("1.5"), None);
        assert_eq!(CwmpNamespace::parse("urn:dslforum-org:cwmp-2-0"), None);
    }
}
