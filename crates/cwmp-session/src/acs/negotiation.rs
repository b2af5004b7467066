use cwmp_codec::{CwmpNamespace, CwmpVersion, Header};

/// What an Inform makes the session speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) version: CwmpVersion,
    pub(super) namespace: CwmpNamespace,
    /// Say so with UseCWMPVersion.
    pub(super) announce: bool,
}

/// Chooses the version by section E; `None` when both sides know none in common (CWMP-164).
pub(super) fn negotiate(namespace: Option<CwmpNamespace>, header: &Header) -> Option<Agreed> {
    // Amendment 1 is what a message without any namespace can be taken for at least.
    let used = namespace.unwrap_or(CwmpNamespace::V1_0);
    match header.supported_versions.as_deref() {
        None | Some([]) => Some(by_namespace(used, header.session_timeout.is_some())),
        Some(versions) => {
            let version = versions.iter().filter_map(|text| CwmpVersion::parse(text)).max()?;
            Some(Agreed { version, namespace: answer_in(used, version), announce: true })
        }
    }
}

/// CWMP-162, CWMP-166.
fn by_namespace(used: CwmpNamespace, session_timeout: bool) -> Agreed {
    let version = match used {
        CwmpNamespace::V1_0 => CwmpVersion::V1_0,
        CwmpNamespace::V1_1 => CwmpVersion::V1_1,
        CwmpNamespace::V1_2 if session_timeout => CwmpVersion::V1_3,
        CwmpNamespace::V1_2 => CwmpVersion::V1_2,
        CwmpNamespace::Invented1_3 => CwmpVersion::V1_3,
        CwmpNamespace::Invented1_4 => CwmpVersion::V1_4,
    };
    Agreed { version, namespace: used, announce: false }
}

/// The version's own namespace (CWMP-161), or the invented one that the CPE uses (CWMP-166).
fn answer_in(used: CwmpNamespace, version: CwmpVersion) -> CwmpNamespace {
    match used {
        CwmpNamespace::Invented1_3 | CwmpNamespace::Invented1_4 => used,
        CwmpNamespace::V1_0 | CwmpNamespace::V1_1 | CwmpNamespace::V1_2 => version.namespace(),
    }
}
