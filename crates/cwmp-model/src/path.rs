use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A parameter or object name: a case-sensitive dotted path (CWMP-370).
///
/// An object path ends in `.`, a parameter does not; the empty path is the whole model (CWMP-231). At most
/// [`ParameterPath::CHARS_MAX`] characters (CWMP-084) without control characters. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterPath(Arc<str>);

/// Why a text is no parameter path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Over the limit of CWMP-084.
    #[error("a parameter path has at most 256 characters, this one has {chars}")]
    TooLong {
        /// How many it has.
        chars: usize,
    },
    /// A character that no name has.
    #[error("a parameter path has no control characters or white space, found {found:?}")]
    Character {
        /// The first of them.
        found: char,
    },
    /// Two dots in a row, or a dot in front.
    #[error("`{text}` has an empty segment")]
    EmptySegment {
        /// The text.
        text: String,
    },
}

impl ParameterPath {
    /// CWMP-084.
    pub const CHARS_MAX: usize = 256;

    /// The empty path: the whole data model.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks `text`, as operators and the ACS write it.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if text.len() <= Self::CHARS_MAX && is_plain(text) {
            return match text.starts_with('.') || text.contains("..") {
                true => Err(PathError::EmptySegment { text: text.to_owned() }),
                false => Ok(Self(text.into())),
            };
        }
        if let Some(found) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(PathError::Character { found });
        }
        let chars = text.chars().count();
        if chars > Self::CHARS_MAX {
            return Err(PathError::TooLong { chars });
        }
        if text.starts_with('.') || text.contains("..") {
            return Err(PathError::EmptySegment { text: text.to_owned() });
        }
        Ok(Self(text.into()))
    }

    /// Takes `text` as a device sent it: only what could harm us is refused.
    pub fn from_device(text: &str) -> Result<Self, PathError> {
        if text.len() <= Self::CHARS_MAX && is_plain(text) {
            return Ok(Self(text.into()));
        }
        let text = text.trim();
        let chars = text.chars().count();
        if chars > Self::CHARS_MAX {
            return Err(PathError::TooLong { chars });
        }
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(PathError::Character { found });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names an object (ends in `.`) or the whole model.
    pub fn is_object(&self) -> bool {
        self.0.is_empty() || self.0.ends_with('.')
    }

    /// The object that holds this, with its final dot; empty for a root object.
    pub fn parent(&self) -> &str {
        self.split_last().0
    }

    /// The last segment without dot.
    pub fn leaf(&self) -> &str {
        self.split_last().1
    }

    /// The text before the last segment, and the last segment without its dot.
    fn split_last(&self) -> (&str, &str) {
        let inner = self.0.strip_suffix('.').unwrap_or(&self.0);
        if inner.ends_with(']') {
            // The dots of an alias are its own (CWMP-387).
            let last = segments(inner).last().unwrap_or_default();
            return inner.split_at(inner.len() - last.len());
        }
        // Last segments are short: byte by byte from the end is the fastest way.
        inner.split_at(inner.bytes().rposition(|byte| byte == b'.').map_or(0, |dot| dot + 1))
    }

    /// The segments without their dots; none for the whole model. An alias in brackets is one segment whatever it holds.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        segments(&self.0)
    }

    /// The instance number at the end of `….3.`; `None` where this is no row of a table, or its number has leading zeros
    /// or more than 32 bits.
    pub fn instance(&self) -> Option<u32> {
        let number = self.leaf();
        let is_plain = is_number(number) && (number == "0" || !number.starts_with('0'));
        if self.0.ends_with('.') && is_plain { number.parse().ok() } else { None }
    }

    /// The path of `name` directly below this object: `name` is a parameter, or an object with its final dot.
    pub fn child(&self, name: &str) -> Result<Self, PathError> {
        Self::new(&format!("{}{name}", self.0))
    }

    /// This path as the data models write it: `{i}` in place of each instance number or alias.
    pub fn template(&self) -> String {
        let mut text = String::with_capacity(self.0.len() + 8);
        for segment in self.segments() {
            let is_row = is_number(segment) || segment.starts_with('[');
            text.push_str(if is_row { "{i}" } else { segment });
            text.push('.');
        }
        if !self.is_object() {
            text.pop();
        }
        text
    }

    /// The order people expect: segment by segment, instance numbers by their value, an object before what is below it.
    pub fn natural_cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.as_str(), other.as_str());
        // Paths of one device begin alike: the segments before the first difference are equal.
        let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
        let start = a.as_bytes()[..same].iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
        let (mut left, mut right) = (a[start..].split('.'), b[start..].split('.'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => match segment_cmp(a, b) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
    }

    /// Whether this is `object` itself or lies below it.
    pub fn is_within(&self, object: &ParameterPath) -> bool {
        object.is_object() && self.0.starts_with(&*object.0)
    }
}

/// As [`ParameterPath::new`].
impl FromStr for ParameterPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl Borrow<str> for ParameterPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ParameterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Whether `text` is of visible ASCII characters alone, as nearly every name is: then bytes are characters.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a segment is an instance number.
pub(crate) fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit())
}

/// Splits at dots outside brackets; the dot at the end opens no further segment.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let from = if rest.starts_with('[') { rest.find(']').unwrap_or(0) } else { 0 };
        let end = rest[from..].find('.').map_or(rest.len(), |dot| from + dot);
        let segment = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or("");
        Some(segment)
    })
}

/// The empty segment (an object's own end) before numbers before names; numbers by value.
fn segment_cmp(a: &str, b: &str) -> Ordering {
    let class = |segment: &str| if segment.is_empty() { 0 } else { 2 - u8::from(is_number(segment)) };
    class(a).cmp(&class(b)).then_with(|| {
        if class(a) != 1 {
            return a.cmp(b);
        }
        let (x, y) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| a.cmp(b))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ParameterPath {
        ParameterPath::new(text).unwrap()
    }

    #[test]
    fn names_have_at_most_256_characters_cwmp_084() {
        let longest = "\u{e9}".repeat(ParameterPath::CHARS_MAX);
        assert_eq!(path(&longest).as_str(), longest);
        assert_eq!(ParameterPath::new(&format!("{longest}a")), Err(PathError::TooLong { chars: 257 }));
        assert_eq!(ParameterPath::from_device(&format!("{longest}a")), Err(PathError::TooLong { chars: 257 }));
    }

    #[test]
    fn what_no_name_has_is_refused() {
        assert_eq!(ParameterPath::new("Device.A b"), Err(PathError::Character { found: ' ' }));
        assert_eq!(ParameterPath::new("Device.\u{2}"), Err(PathError::Character { found: '\u{2}' }));
        for text in [".", ".Device", "Device..X"] {
            assert!(matches!(ParameterPath::new(text), Err(PathError::EmptySegment { .. })), "{text}");
        }
        assert_eq!(ParameterPath::from_device(" Device.A b\n").map(|p| p.to_string()).as_deref(), Ok("Device.A b"));
    }

    #[test]
    fn objects_end_in_a_dot_cwmp_370() {
        assert!(path("Device.WiFi.").is_object() && ParameterPath::root().is_object());
        assert!(!path("Device.WiFi").is_object());
        assert_eq!(path("Device.WiFi.SSID.1.").parent(), "Device.WiFi.SSID.");
        assert_eq!(path("Device.WiFi.SSID.1.Enable").parent(), "Device.WiFi.SSID.1.");
        assert_eq!(path("Device.").parent(), "");
        assert_eq!(path("Device.WiFi.").leaf(), "WiFi");
        assert!(path("Device.WiFi.SSID.1.Enable").is_within(&path("Device.WiFi.")));
        assert!(!path("Device.WiFi.SSID.10.").is_within(&path("Device.WiFi.SSID.1.")));
        assert!(!path("Device.WiFi").is_within(&path("Device.WiFi")));
    }

    #[test]
    fn rows_have_instance_numbers() {
        assert_eq!(path("Device.WiFi.SSID.12.").instance(), Some(12));
        assert_eq!(path("Device.WiFi.SSID.").instance(), None);
        assert_eq!(path("Device.WiFi.SSID.12").instance(), None);
        assert_eq!(path("Device.WiFi.SSID.99999999999.").instance(), None);
        assert_eq!(path("Device.WiFi.SSID.+1.").instance(), None);
        assert_eq!(path("Device.WiFi.SSID.01.").instance(), None);
        assert_eq!(path("Device.WiFi.SSID.0.").instance(), Some(0));
    }

    #[test]
    fn templates_stand_for_every_instance() {
        assert_eq!(path("Device.WiFi.SSID.12.Enable").template(), "Device.WiFi.SSID.{i}.Enable");
        assert_eq!(path("Device.WiFi.SSID.[home.lan].Enable").template(), "Device.WiFi.SSID.{i}.Enable");
        assert_eq!(path("Device.WiFi.SSID.{i}.").template(), "Device.WiFi.SSID.{i}.");
        assert_eq!(path("Device.A.[open").template(), "Device.A.{i}");
        assert_eq!(ParameterPath::root().template(), "");
    }

    #[test]
    fn dots_in_an_alias_are_its_own_cwmp_387() {
        let parameter = path("Device.Obj.[a.b].Par");
        assert_eq!(parameter.segments().collect::<Vec<_>>(), ["Device", "Obj", "[a.b]", "Par"]);
        assert_eq!((parameter.parent(), parameter.leaf()), ("Device.Obj.[a.b].", "Par"));
        let row = path("Device.Obj.[a.b.c].");
        assert_eq!((row.parent(), row.leaf(), row.instance()), ("Device.Obj.", "[a.b.c]", None));
        assert_eq!(row.template(), "Device.Obj.{i}.");
        assert!(parameter.is_within(&path("Device.Obj.[a.b].")) && !parameter.is_within(&row));
        let deeper = path("Device.A.[x.y].B.[1.2].");
        assert_eq!((deeper.parent(), deeper.leaf()), ("Device.A.[x.y].B.", "[1.2]"));
    }

    #[test]
    fn instance_numbers_sort_by_value() {
        let mut names = ["D.T.10.A", "D.T.9.A", "D.T.", "D.T.9.", "D.S", "D.T", "D.T.9.B.1.", "D.T.1x."].map(path);
        names.sort_by(ParameterPath::natural_cmp);
        let texts: Vec<&str> = names.iter().map(ParameterPath::as_str).collect();
        assert_eq!(texts, ["D.S", "D.T", "D.T.", "D.T.9.", "D.T.9.A", "D.T.9.B.1.", "D.T.10.A", "D.T.1x."]);
    }

    proptest! {
        #[test]
        fn the_natural_order_is_one(a in "[a.19]{0,6}", b in "[a.19]{0,6}", c in "[a.19]{0,6}") {
            let [a, b, c] = [a, b, c].map(|text| ParameterPath::from_device(&text).unwrap());
            prop_assert_eq!(a.natural_cmp(&b), b.natural_cmp(&a).reverse());
            prop_assert_eq!(a.natural_cmp(&b) == Ordering::Equal, a == b);
            if a.natural_cmp(&b).is_le() && b.natural_cmp(&c).is_le() {
                prop_assert!(a.natural_cmp(&c).is_le());
            }
        }

        #[test]
        fn segments_make_up_the_path(text in "[A-C1.]{0,20}") {
            let Ok(path) = ParameterPath::new(&text) else { return Ok(()) };
            let joined = path.segments().collect::<Vec<_>>().join(".");
            prop_assert_eq!(joined, text.trim_end_matches('.'));
        }

        #[test]
        fn no_text_of_a_device_makes_it_panic(text in "[A.\\[\\]{}1\u{e9}]{0,20}") {
            if let Ok(path) = ParameterPath::from_device(&text) {
                let _ = (path.template(), path.parent(), path.leaf(), path.instance());
            }
        }
    }
}
