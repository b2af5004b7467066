//! The `auth-param` lists of both headers, read as leniently as devices write them: commas may be missing, values quoted or
//! not, names in any case.

/// The longest header value that is read.
pub const HEADER_BYTES_MAX: usize = 4096;
/// The most parameters of one header value.
pub const PARAMETERS_MAX: usize = 64;

/// One element of a header value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// A word without `=`: the name of a scheme.
    Scheme(String),
    /// `name=value`; the name in lower case, the value unquoted.
    Parameter(String, String),
}

/// Takes a header value apart. What comes after a limit is not read.
pub(super) fn elements(text: &str) -> Vec<Element> {
    let mut rest = cut(text);
    let mut elements = Vec::new();
    while elements.len() < PARAMETERS_MAX {
        rest = rest.trim_start_matches(is_gap);
        if rest.is_empty() {
            break;
        }
        let (element, after) = element(rest);
        elements.push(element);
        rest = after;
    }
    elements
}

/// A quoted string; characters that no header may hold are left out.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(HEADER_BYTES_MAX)]
}

fn is_gap(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// The first element of `text`, which does not begin with a gap, and what follows it.
fn element(text: &str) -> (Element, &str) {
    let name_end = text.find(|c| is_gap(c) || c == '=').unwrap_or(text.len());
    let (name, after) = text.split_at(name_end);
    match after.trim_start().strip_prefix('=') {
        Some(value) => {
            let (value, rest) = value_of(value.trim_start());
            (Element::Parameter(name.to_ascii_lowercase(), value), rest)
        }
        None => (Element::Scheme(name.to_owned()), after),
    }
}

fn value_of(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find(is_gap).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &inner[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, value: &str) -> Element {
        Element::Parameter(name.to_owned(), value.to_owned())
    }

    #[test]
    fn commas_may_be_missing() {
        let got = elements(r#"Digest realm="a b" nonce = "x\"y", QOP=auth,,stale=TRUE"#);
        let expected = [
            Element::Scheme("Digest".to_owned()),
            parameter("realm", "a b"),
            parameter("nonce", "x\"y"),
            parameter("qop", "auth"),
            parameter("stale", "TRUE"),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn broken_text_ends_the_list() {
        assert_eq!(elements("a=\"open"), [parameter("a", "open")]);
        assert_eq!(elements("=,="), [parameter("", ""), parameter("", "")]);
        assert_eq!(elements("nonce=ab==, x"), [parameter("nonce", "ab=="), Element::Scheme("x".to_owned())]);
        assert_eq!(elements(" , \t"), []);
    }

    #[test]
    fn limits_hold() {
        assert_eq!(elements(&"a=b,".repeat(PARAMETERS_MAX)).len(), PARAMETERS_MAX);
        assert_eq!(elements(&"a=b,".repeat(PARAMETERS_MAX + 1)).len(), PARAMETERS_MAX);
        let long = format!("{}=x", "a".repeat(HEADER_BYTES_MAX));
        assert_eq!(elements(&long), [Element::Scheme("a".repeat(HEADER_BYTES_MAX))]);
        let umlauts = "\u{e4}".repeat(HEADER_BYTES_MAX);
        assert_eq!(elements(&umlauts), [Element::Scheme("\u{e4}".repeat(HEADER_BYTES_MAX / 2))]);
    }

    #[test]
    fn quoting_is_read_back_and_cannot_break_out() {
        let text = "a\"b\\c\r\nX: y";
        assert_eq!(quoted(text), "\"a\\\"b\\\\cX: y\"");
        assert_eq!(elements(&format!("v={}", quoted("a\"b\\c"))), [parameter("v", "a\"b\\c")]);
    }
}
