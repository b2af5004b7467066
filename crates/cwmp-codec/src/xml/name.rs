use crate::CwmpNamespace;

/// What a namespace means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// No prefix and no default namespace.
    None,
    /// A prefix that was never declared.
    Undeclared,
    Soap11,
    Soap12,
    SoapEncoding,
    Schema,
    SchemaInstance,
    Cwmp(CwmpNamespace),
    /// A CWMP namespace of a version we do not know.
    CwmpUnknown,
    Other,
}

impl Namespace {
    pub(crate) fn of_uri(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            "http://schemas.xmlsoap.org/soap/envelope/" => Self::Soap11,
            "http://www.w3.org/2003/05/soap-envelope" | "http://www.w3.org/2003/05/soap-envelope/" => Self::Soap12,
            "http://schemas.xmlsoap.org/soap/encoding/" => Self::SoapEncoding,
            "http://www.w3.org/2001/XMLSchema" => Self::Schema,
            "http://www.w3.org/2001/XMLSchema-instance" => Self::SchemaInstance,
            uri if is_old_schema(uri) => {
                if uri.ends_with("instance") {
                    Self::SchemaInstance
                } else {
                    Self::Schema
                }
            }
            uri => match (CwmpNamespace::parse(uri), uri.starts_with("urn:dslforum-org:cwmp-")) {
                (Some(known), _) => Self::Cwmp(known),
                (None, true) => Self::CwmpUnknown,
                (None, false) => Self::Other,
            },
        }
    }

    /// Whether an element of ours may stand in it by accident: everything but a namespace that someone chose for
    /// something else.
    pub(crate) const fn is_familiar(self) -> bool {
        !matches!(self, Self::Other | Self::Soap12)
    }
}

/// The drafts before the schema recommendation of 2001.
pub(crate) fn is_old_schema(uri: &str) -> bool {
    uri.strip_prefix("http://www.w3.org/")
        .and_then(|rest| rest.strip_prefix("1999").or_else(|| rest.strip_prefix("2000/10")))
        .is_some_and(|rest| matches!(rest, "/XMLSchema" | "/XMLSchema-instance"))
}

/// The prefix (empty: none) and the local name of a qualified XML name; `None` if `name` is none: a local name with at most
/// one prefix, without markup, white space or a digit in front. Characters beyond ASCII pass.
pub(crate) fn qualified(name: &str) -> Option<(&str, &str)> {
    // One pass: every tag of a message comes here.
    let bytes = name.as_bytes();
    let end = bytes.iter().position(|&b| !IN_NAMES[usize::from(b)]).unwrap_or(bytes.len());
    if end == bytes.len() {
        return begins_name(bytes).then_some(("", name));
    }
    let (prefix, local) = (&name[..end], name[end..].strip_prefix(':')?);
    let is_local = begins_name(local.as_bytes()) && local.bytes().all(|b| IN_NAMES[usize::from(b)]);
    (begins_name(bytes) && end > 0 && is_local).then_some((prefix, local))
}

/// The bytes that names are made of.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        table[b] = c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.') || c >= 0x80;
        b += 1;
    }
    table
};

fn begins_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| !b.is_ascii_digit() && !matches!(b, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cwmp_103_names() {
        for (good, parts) in [
            ("a", ("", "a")),
            ("cwmp:Inform", ("cwmp", "Inform")),
            ("_x.-1", ("", "_x.-1")),
            ("\u{e9}t\u{e9}:a", ("\u{e9}t\u{e9}", "a")),
            ("a:\u{e9}", ("a", "\u{e9}")),
        ] {
            assert_eq!(qualified(good), Some(parts), "CWMP-103: {good}");
        }
        for bad in ["", ":", "a:", ":a", "a:b:c", "1a", "1:a", "a:1", "-a", "a<b", "a&b", "a:b<", "a\"", "a b"] {
            assert_eq!(qualified(bad), None, "CWMP-103: {bad:?}");
        }
    }

    #[test]
    fn cwmp_066_schema_namespaces_of_every_age() {
        for age in ["1999", "2000/10", "2001"] {
            let schema = format!("http://www.w3.org/{age}/XMLSchema");
            assert_eq!(Namespace::of_uri(&schema), Namespace::Schema, "CWMP-066");
            assert_eq!(Namespace::of_uri(&format!("{schema}-instance")), Namespace::SchemaInstance, "CWMP-066");
        }
        assert_eq!(Namespace::of_uri("http://www.w3.org/1999/XMLSchemas"), Namespace::Other);
    }
}
